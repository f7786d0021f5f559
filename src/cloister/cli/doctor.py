"""`cloister doctor`: what is wrong with this device, and what to do."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from cloister.cli.person import Person, person_command
from cloister.errors import CloisterError, NetworkError, NotFoundError, TrustError
from cloister.finding import Finding, Grade, lines_of, status_of, wrong

_CLOCK_DOUBTFUL_S: Final = 120
_CLOCK_WRONG_S: Final = 600
"""Relays refuse entries that are further off."""
_TERM_DAYS: Final = 14
_LEAST_FREE_MIB: Final = 256
NO_VAULT: Final = NotFoundError.exit_code
_OUT_OF_STEP: Final = "run `cloister status` again when the relays are in reach"


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the relay.")
@person_command
def doctor(person: Person, *, offline: bool) -> None:
    """Look for what is wrong with this device: files, vault, relays, clock, term.

    It connects as every command does, and changes nothing else. Exit status 0: nothing is wrong,
    though something may be doubtful; else that of the first thing wrong.

    \b
    Examples:
      cloister doctor
      cloister doctor --json
    """
    findings = list(_of_folder(person.folder))
    if status_of(findings) != NO_VAULT:
        findings += _of_device(person, offline=offline)
    for one in findings:
        person.output.data(one.as_view(), lines_of(one))
    if status := status_of(findings):
        # Told already, as a finding: it would be told a second time.
        person.problems.clear()
        click.get_current_context().exit(status)


def _of_folder(folder: Path) -> Iterator[Finding]:
    from cloister.device.vault import vault_exists

    if not vault_exists(folder):
        hint = "found a circle (cloister circle new), join one (cloister join), or name --profile"
        yield Finding("vault", Grade.WRONG, f"there is no vault in {folder}", hint, NO_VAULT)
        return
    open_ones = [place for place in (folder, *sorted(folder.iterdir())) if _is_open(place)]
    if open_ones:
        yield Finding(
            "rights",
            Grade.WRONG,
            f"others may read or enter {', '.join(map(str, open_ones[:3]))}",
            f"take their rights away: chmod -R go= {folder}",
        )
    else:
        yield Finding("rights", Grade.GOOD, "nobody but you may read the profile")
    disk = os.statvfs(folder)
    free = disk.f_bavail * disk.f_frsize >> 20
    if free < _LEAST_FREE_MIB:
        hint = "make room: what cannot be written is not sent"
        yield Finding("disk", Grade.DOUBTFUL, f"{free} MiB are free", hint)
    else:
        yield Finding("disk", Grade.GOOD, f"{free} MiB are free")


def _is_open(place: Path) -> bool:
    """Tell whether others have rights on it; a link's own rights mean nothing."""
    try:
        mode = place.lstat().st_mode
    except FileNotFoundError:
        return False  # a journal, or the socket of a command that has just ended
    return not stat.S_ISLNK(mode) and bool(mode & 0o077)


def _of_device(person: Person, *, offline: bool) -> Iterator[Finding]:
    """Open the vault, or ask whoever holds it; what keeps us from it is a finding."""
    from cloister.device.keeper_client import find_keeper

    keeper = find_keeper(person.folder)
    if keeper is not None:
        kept = keeper.state()
        if kept.phase == "locked":
            minutes = kept.lease_s // 60
            lease = f"the PIN alone opens it for {minutes} min" if minutes else "the lease is over"
            hint = "to have the rest looked at, open it: cloister unlock"
            yield Finding("vault", Grade.DOUBTFUL, f"the vault is locked; {lease}", hint)
            return
        yield Finding("agent", Grade.GOOD, f"an agent runs; lease left: {kept.lease_s // 60} min")
    try:
        status = person.view(lambda device: device.status(), offline=offline)
    except CloisterError as error:
        yield wrong("vault", error)
        return
    yield from of_status(status, offline=offline)


def of_status(status: Mapping[str, Any], *, offline: bool) -> Iterator[Finding]:
    """Judge what a device says of itself."""
    if status["vault_trouble"]:
        yield Finding("vault", Grade.DOUBTFUL, str(status["vault_trouble"]), _OUT_OF_STEP)
    else:
        yield Finding("vault", Grade.GOOD, f"the vault opens with: {status['vault_key']}")
    standing = status.get("standing")
    if standing and standing["state"] != "active":
        hint = standing["hint"] or "talk to a steward"
        yield Finding("standing", Grade.WRONG, standing["reason"], hint, exit_code=5)
    elif standing:
        yield Finding("standing", Grade.GOOD, standing["reason"])
    if not offline:
        yield _of_link(status)
    if status.get("relay_ahead_s") is not None:
        yield _of_clock(int(status["relay_ahead_s"]))
    if status.get("log_stale"):
        text = f"the newest signed head is {status['log_age_s'] // 3600} h old"
        hint = "right after this device was away it passes by itself; else tell the operators"
        yield Finding("log", Grade.DOUBTFUL, text, hint)
    for one in status.get("stuck", ()):
        text = f"“{one['title']}” stands still: {one['reason']}"
        yield Finding("conversation", Grade.DOUBTFUL, text, one["hint"])
    if status.get("term"):
        yield _of_term(status["term"])


def _of_link(status: Mapping[str, Any]) -> Finding:
    if status["link"] == "up":
        return Finding("relays", Grade.GOOD, "the home relay answers through an entry relay")
    if status["trust_problem"]:
        return Finding(
            "relays",
            Grade.WRONG,
            str(status["trouble"]),
            "do not go on: somebody may stand in between; ask the operator in person",
            TrustError.exit_code,
        )
    if status["link"] == "off":
        text, hint = "this device has no relay yet", "found a circle, or join one"
        return Finding("relays", Grade.DOUBTFUL, text, hint)
    reason = status["trouble"] or "it does not answer"
    hint = "see that this machine has a network; else ask the operators. What you send is queued"
    text = f"the relay is out of reach: {reason}"
    return Finding("relays", Grade.WRONG, text, hint, NetworkError.exit_code)


def _of_clock(ahead_s: int) -> Finding:
    off = abs(ahead_s)
    if off <= _CLOCK_DOUBTFUL_S:
        return Finding("clock", Grade.GOOD, f"the home relay's clock differs by {off} s")
    text = f"this clock is {off} s {'behind' if ahead_s > 0 else 'ahead of'} the home relay's"
    hint = "set this machine's clock (NTP); if it is right, tell the operator"
    grade = Grade.DOUBTFUL if off <= _CLOCK_WRONG_S else Grade.WRONG
    return Finding("clock", grade, text, hint)


def _of_term(term: Mapping[str, Any]) -> Finding:
    state, days = term["state"], int(term["days"])
    if state in {"lapsed", "grace"}:
        text = f"the term of this device's seat is over since {-days} days ({state})"
        grade = Grade.WRONG if state == "lapsed" else Grade.DOUBTFUL
        return Finding("term", grade, text, "a steward has the operator renew it", exit_code=5)
    if days <= _TERM_DAYS and state == "active":
        text = f"the term of this device's seat ends in {days} days"
        return Finding("term", Grade.DOUBTFUL, text, "remind a steward to have it renewed")
    return Finding("term", Grade.GOOD, f"days left of the term: {days}")

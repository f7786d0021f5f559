"""What is wrong with a device, judged from its folder and from what it says of itself.

The command `cloister doctor` and the interface's action say the same.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from cloister.errors import NetworkError, TrustError
from cloister.finding import Finding, Grade

_CLOCK_DOUBTFUL_S: Final = 120
_CLOCK_WRONG_S: Final = 600
"""Relays refuse entries that are further off."""
_TERM_DAYS: Final = 14
_LEAST_FREE_MIB: Final = 256
_OUT_OF_STEP: Final = "run `cloister status` again when the relays are in reach"


def of_folder(folder: Path) -> Iterator[Finding]:
    """Judge a profile's folder: who may read it, and whether there is room."""
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

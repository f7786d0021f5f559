"""`cloister doctor`: what is wrong with this device, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from cloister.cli.person import Person, person_command
from cloister.errors import CloisterError, NotFoundError, UsageError
from cloister.finding import Finding, Grade, lines_of, status_of, wrong
from cloister.tui.checkup import of_folder, of_status

if TYPE_CHECKING:
    from cloister.device.facade import Facade

NO_VAULT: Final = NotFoundError.exit_code


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the relay.")
@person_command
def doctor(person: Person, *, offline: bool) -> None:
    """Look for what is wrong with this device: files, vault, relays, clock, term.

    It connects as every command does, and changes nothing else; but where a relay was restored from
    a backup, and has no unlock share of this vault any more, it makes new ones. Exit status 0:
    nothing is wrong, though something may be doubtful; else that of the first thing wrong.

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
    yield from of_folder(folder)


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

    is_older = False

    async def look(device: Facade) -> dict[str, Any]:
        nonlocal is_older
        if not offline:
            try:
                await device.check_shares()
            except UsageError:
                is_older = True  # an agent that was started before the program was renewed
        return await device.status()

    try:
        status = person.view(look, offline=offline)
    except CloisterError as error:
        yield wrong("vault", error)
        return
    if is_older:
        yield Finding(
            "agent",
            Grade.DOUBTFUL,
            "the agent is of an older version, and cannot be asked about unlock shares",
            "was a relay restored? Then first: cloister pin. Stop the agent and start it anew",
        )
    yield from of_status(status, offline=offline)

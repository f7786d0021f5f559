"""`cloister home`: the relay that stores what the circle says, and how it is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise
from cloister.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

MAX_NOTICE_BYTES = 256 * 1024
CONSEQUENCES = """\
The circle would move to {name} ({jurisdiction}, {operator}):
 - a second steward approves, and the circle's delay passes; then the old home stores nothing more;
 - conversations go on there with the same people, groups and texts;
 - open invitations lapse, and who waits to be let in is invited again;
 - it cannot move back: what was the home once is not the home again;
 - seats that were paid for at the old home are not moved. Where the new operator sells seats, the
   activation code is of an account with one for each device.{shares}"""
SHARES = """
 - devices get unlock shares at the new home by themselves, while their vaults are open. Until then
   the old home must serve theirs. Where it is lost and the circle has one entry relay, a device
   that is locked by now cannot be opened any more once its lease has run out."""


@click.group()
def home() -> None:
    """The circle's home relay: show it, move to another one, follow a move.

    \b
    Examples:
      cloister home show
      cloister home move new-home.card
      cloister home move new-home.card --lost notice.move
      cloister home follow notice.move
    """


@home.command("show")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def show(person: Person, *, offline: bool) -> None:
    """Show the home and entry relays, former homes, and how far a move has come.

    \b
    Examples:
      cloister home show --offline --json
    """
    for row in person.view(lambda device: device.governance("home"), offline=offline):
        words = f"{row['role']}: {row['name']} ({row['jurisdiction']}, {row['operator']})"
        if row["shares"]:
            words += "; keeps unlock shares"
        if row["move"]:
            words += f"; this device {row['move']}"
        if row["channels"]:
            words += f", {row['channels']} conversations to go"
        if row["brings"]:
            words += "; brings the circle there"
        person.output.data(row, words)


@home.command("move")
@click.argument("card", type=click.Path(path_type=Path))
@click.option(
    "--lost",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The present home is gone: write a notice that people carry.",
)
@click.option(
    "--activation-code-fd", type=int, metavar="N", help="Read the activation code from there."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def move(
    person: Person,
    *,
    card: Path,
    lost: Path | None,
    activation_code_fd: int | None,
    yes: bool,
) -> None:
    """Propose the home relay of CARD; a second steward approves, and the delay passes.

    Its operator gives you the card and an activation code. The code is asked for, or read as
    `cloister circle new` reads it. With it this device brings the circle there.

    \b
    Examples:
      cloister home move new-home.card
      cloister home move new-home.card --lost notice.move
    """
    from cloister.cli.circle import activation_code
    from cloister.client.powers import MoveHome
    from cloister.device.cards import read_card
    from cloister.roster.relay_card import RelayCard

    encoded = read_card(card, "home").card
    wanted = RelayCard.decode(encoded)
    rows = person.view(lambda device: device.governance("home"), offline=True)
    _demand_new(wanted.relay_id, rows)
    shares = SHARES if any(row["shares"] for row in rows) else ""
    person.output.talk(
        CONSEQUENCES.format(
            name=wanted.name,
            jurisdiction=wanted.jurisdiction,
            operator=wanted.operator,
            shares=shares,
        )
    )
    confirm(yes=yes, question="Propose it?")
    act = MoveHome(
        ref=0,
        home_card=encoded,
        activation_code=activation_code(activation_code_fd),
        lost=lost is not None,
    )
    if lost is None:
        exercise(person, act, "the circle moves to the new home relay")
        return
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s), online=False)
    _write(lost, answer)
    person.output.data(
        {"state": "waiting", "file": str(lost)},
        f"Written to {lost}. Another steward runs: cloister home follow {lost.name} --approve",
    )


@home.command("follow")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--approve", is_flag=True, help="Approve the move, as the second steward.")
@click.option("--stop", is_flag=True, help="Follow no notice any more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def follow(person: Person, *, file: Path, approve: bool, stop: bool, yes: bool) -> None:
    """Follow the move notice FILE to another home; what this device adds is written back.

    The notice decides nothing: the device asks the new home for the circle's log, and moves when
    an entry relay that it knows has cosigned it.

    \b
    Examples:
      cloister home follow notice.move
      cloister home follow notice.move --approve
      cloister home follow notice.move --stop
    """
    from cloister.client.powers import FollowHome, StopFollowing

    timeout_s = person.settings.timeout_s
    if stop:
        person.act(lambda device: device.act(StopFollowing(ref=0), timeout_s), online=False)
        person.output.talk("This device asks the circle's own home again.")
        return
    notice = _read(file)
    if approve:
        confirm(yes=yes, question="Approve that the circle moves there, without its old home?")
    act = FollowHome(ref=0, notice=notice, approve=approve)

    async def following(device: Facade) -> tuple[str, str]:
        before = await device.governance("home")
        return await device.act(act, timeout_s), _home_of(before)["relay_id"]

    answer, home_before = person.act(following, online=False)
    if bytes.fromhex(answer) != notice:
        _write(file, answer)
    rows = person.view(lambda device: device.governance("home"), offline=True)
    follows = [row for row in rows if row["role"] == "candidate"]
    if follows:
        words = f"This device follows to {follows[0]['name']}. See: cloister home show"
        if bytes.fromhex(answer) != notice:
            words += f"\nGive {file} to everybody: they run `cloister home follow` with it."
        person.output.data({"state": "following", **follows[0]}, words)
    elif (now := _home_of(rows))["relay_id"] != home_before:
        person.output.data({"state": "moved", **now}, f"This device has moved to {now['name']}.")
    else:
        person.output.data(
            {"state": "waiting"},
            "The notice is not complete: a second steward has to approve it, or the circle's "
            "delay has not passed. Then a steward follows it again.",
        )


def _home_of(rows: Sequence[View]) -> View:
    return next(row for row in rows if row["role"] == "home")


def _demand_new(relay_id: bytes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what the act would refuse, before anybody is told what would follow from it."""
    from cloister.client.governing_home import ALREADY_HOME, FORMER_HOME

    roles = {str(row["role"]) for row in rows if row["relay_id"] == relay_id.hex()}
    if "home" in roles:
        raise UsageError(ALREADY_HOME)
    if "former home" in roles:
        raise PolicyError(FORMER_HOME)


def _read(file: Path) -> bytes:
    try:
        text = file.read_bytes()[: 2 * MAX_NOTICE_BYTES].decode("ascii").strip()
        return bytes.fromhex(text)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{file} is not a move notice") from None


def _write(file: Path, notice: str) -> None:
    try:
        file.write_text(notice + "\n", encoding="ascii")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from None

"""`cloister home`: the relay that stores what the circle says, and how it is changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise

if TYPE_CHECKING:
    from cloister.device.facade import Facade


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
    from cloister.tui.home_move import relay_line

    for row in person.view(lambda device: device.governance("home"), offline=offline):
        person.output.data(row, relay_line(row))


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
    from cloister.tui.home_move import consequences, demand_new, write_notice

    wanted = read_card(card, "home")
    rows = person.view(lambda device: device.governance("home"), offline=True)
    demand_new(wanted, rows)
    for said in consequences(wanted, rows):
        person.output.talk(said)
    confirm(yes=yes, question="Propose it?")
    act = MoveHome(
        ref=0,
        home_card=wanted.card,
        activation_code=activation_code(activation_code_fd),
        lost=lost is not None,
    )
    if lost is None:
        exercise(person, act, "the circle moves to the new home relay")
        return
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s), online=False)
    write_notice(lost, answer)
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
    from cloister.tui.home_move import (
        APPROVED,
        NOT_COMPLETE,
        STOPPED,
        followed,
        home_of,
        moved,
        read_notice,
        write_notice,
    )

    timeout_s = person.settings.timeout_s
    if stop:
        person.act(lambda device: device.act(StopFollowing(ref=0), timeout_s), online=False)
        person.output.talk(STOPPED)
        return
    notice = read_notice(file)
    if approve:
        confirm(yes=yes, question="Approve that the circle moves there, without its old home?")
    act = FollowHome(ref=0, notice=notice, approve=approve)

    async def following(device: Facade) -> tuple[str, str]:
        before = await device.governance("home")
        return await device.act(act, timeout_s), home_of(before)["relay_id"]

    answer, home_before = person.act(following, online=False)
    if bytes.fromhex(answer) != notice:
        write_notice(file, answer)
    rows = person.view(lambda device: device.governance("home"), offline=True)
    follows = followed(rows)
    if follows is not None:
        words = f"This device follows to {follows['name']}. See: cloister home show"
        if bytes.fromhex(answer) != notice:
            words += f"\nGive {file} to everybody: they run `cloister home follow` with it."
        person.output.data({"state": "following", **follows}, words)
    elif (now := home_of(rows))["relay_id"] != home_before:
        person.output.data({"state": "moved", **now}, moved(now))
    else:
        person.output.data({"state": "waiting"}, APPROVED if approve else NOT_COMPLETE)

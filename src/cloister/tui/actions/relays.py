"""Actions on the circle's relays: where it is at home, moving it, and the relays at its entry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloister.client.powers import FollowHome, MoveHome, ProposeRelays, StopFollowing
from cloister.errors import CloisterError, UsageError
from cloister.tui import home_move
from cloister.tui.actions import asking
from cloister.tui.talk import Choice, Talk

if TYPE_CHECKING:
    from cloister.device.cards import CardFile

_FORM: Final = "Operators hand out cards as files."
_STILL_THERE: Final = (
    Choice("there", "it is there", "it is asked as long as the move takes"),
    Choice("lost", "it is gone", "a notice is written, which people carry"),
)
_FOLLOW: Final = (
    Choice("follow", "follow it", "a second steward has approved it"),
    Choice("approve", "approve it", "as the second steward, and follow it"),
)
_CHANGE: Final = (
    Choice("add", "one more entry relay", "you have its card"),
    Choice("drop", "one entry relay less"),
)


async def home(talk: Talk) -> None:
    """Show the home and entry relays, former homes, and how far a move has come."""
    rows = await talk.device.governance("home")
    talk.tell("\n".join(map(home_move.relay_line, rows)) or "This device is in no circle yet.")


async def move(talk: Talk) -> None:
    """Propose another home relay for the circle; a second steward approves."""
    state = await talk.choose("The home relay that the circle has now:", _STILL_THERE)
    rows = await talk.device.governance("home")
    card, path = await _card(talk, "The file with the new home relay's card", "home")
    home_move.demand_new(card, rows)
    *said, last = home_move.consequences(card, rows)
    for one in said:
        await talk.confirm(one, "go on")
    await talk.confirm(f"{last}\n\nYour name stands beside it in the log.", "propose it")
    code = await talk.ask(
        "The activation code",
        about="From the new home's operator. With it this device brings the circle there.",
        secret=True,
    )
    act = MoveHome(ref=0, home_card=card.card, activation_code=code, lost=state == "lost")
    if state == "there":
        await asking.exercise(talk, act, "the circle moves to the new home relay")
        return
    file = asking.file_named(
        await talk.ask("The file for the notice", text=str(path.with_suffix(".move")))
    )
    file = await _write(talk, file, await asking.do(talk, act))
    talk.tell(
        f"The notice is in {file}. Give it to another steward, who approves it with the action"
        " “Follow a notice to another home”."
    )


async def follow(talk: Talk) -> None:
    """Follow a move notice to another home relay, or approve it as the second steward."""
    how = await talk.choose("What with the notice?", _FOLLOW)
    file, notice = await _notice(talk)
    if how == "approve":
        await talk.confirm(
            "The circle moves to the home that the notice names, and its old home is not asked."
            " Have the steward who proposed it say which relay that is.",
            "approve that it moves",
        )
    before = home_move.home_of(await talk.device.governance("home"))
    answer = await asking.do(talk, FollowHome(ref=0, notice=notice, approve=how == "approve"))
    is_more = bytes.fromhex(answer) != notice
    if is_more:
        file = await _write(talk, file, answer)
    rows = await talk.device.governance("home")
    found, now = home_move.followed(rows), home_move.home_of(rows)
    if found is None:
        is_there = now["relay_id"] != before["relay_id"]
        waits = home_move.APPROVED if how == "approve" else home_move.NOT_COMPLETE
        talk.tell(home_move.moved(now) if is_there else waits)
        return
    give = f" Give {file} to everybody: they follow it too." if is_more else ""
    talk.tell(f"This device follows to {found['name']}.{give}")


async def stop_following(talk: Talk) -> None:
    """Follow no notice any more: this device asks the circle's own home again."""
    await asking.do(talk, StopFollowing(ref=0))
    talk.tell(home_move.STOPPED)


async def entries(talk: Talk) -> None:
    """Propose another entry relay, or one less; a second steward approves."""
    way = await talk.choose("What is proposed?", _CHANGE)
    if way == "add":
        card, _ = await _card(talk, "The file with the entry relay's card", "entry")
        act = ProposeRelays(ref=0, add=(card.card,))
        what = f"{card.name} ({card.jurisdiction}, {card.operator}) becomes an entry relay"
    else:
        rows = await talk.device.governance("home")
        choices = [
            Choice(str(row["name"]), str(row["name"]), f"{row['operator']}, {row['jurisdiction']}")
            for row in rows
            if row["role"] == "entry"
        ]
        name = await talk.choose("Which is used no more?", choices)
        act = ProposeRelays(ref=0, drop=(name,))
        what = f"Nobody comes in through {name} any more"
    await talk.confirm(
        f"{what} when a second steward has approved and a day has passed. The home relay stays."
        " Unlock shares of devices that have some stay where they are.",
        "propose it",
    )
    await asking.exercise(talk, act, "the circle has other relays")


async def _card(talk: Talk, question: str, role: str) -> tuple[CardFile, Path]:
    # With cards comes what checks signatures: it is loaded where there is one to be read.
    from cloister.device.cards import read_card

    typed = ""
    while True:
        typed = await talk.ask(question, about=_FORM, text=typed)
        try:
            path = asking.file_named(typed)
            return read_card(path, role), path
        except CloisterError as error:
            await talk.ask_again(error)


async def _notice(talk: Talk) -> tuple[Path, bytes]:
    typed = ""
    while True:
        typed = await talk.ask("The file with the notice", text=typed)
        try:
            path = asking.file_named(typed)
            return path, home_move.read_notice(path)
        except UsageError as error:
            await talk.ask_again(error)


async def _write(talk: Talk, file: Path, notice: str) -> Path:
    """Write a notice where it can be written; what was done for it is done already."""
    while True:
        try:
            home_move.write_notice(file, notice)
        except UsageError as error:
            await talk.ask_again(error)
            file = asking.file_named(await talk.ask("Another file for it", text=str(file)))
        else:
            return file

"""The first action of all: into a circle with an invitation, or founding one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cloister.client.inputs import FoundCircle
from cloister.errors import CloisterError
from cloister.tui.actions import asking, people
from cloister.tui.talk import Choice, Talk

if TYPE_CHECKING:
    from cloister.device.cards import CardFile

_WAYS: Final = (
    Choice("join", "I have an invitation", "its code, from a member"),
    Choice("own", "I am in on another device", "a code that it shows"),
    Choice("found", "Found a circle", "with cards and a code from relay operators"),
)
_OPERATORS: Final = (
    Choice("two", "two operators in two jurisdictions", "as it should be"),
    Choice("one", "one operator runs both", "they could tell who talks to whom"),
    Choice("test", "this is only a test", "nothing of it is for real use"),
)


async def begin(talk: Talk) -> None:
    """Get into a circle: with an invitation, from another device of one's own, or founding one."""
    way = await talk.choose("How do you begin?", _WAYS)
    await {"join": people.join, "own": people.join_own, "found": found}[way](talk)


async def found(talk: Talk) -> None:
    """Found a circle with yourself as its first member and steward."""
    home = await _card(talk, "The file with the home relay's card", "home")
    entries = [await _card(talk, "The file with an entry relay's card", "entry")]
    path = ""
    while path := await talk.ask_optional("One more entry relay's card? (nothing: no)", text=path):
        try:
            entries.append(_read_card(path, "entry"))
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            path = ""
    operators = await talk.choose(
        "Who runs these relays?",
        _OPERATORS,
        about=_relays(home, entries),
    )
    name = ""
    while True:
        name = await talk.ask(
            "Your name in the circle", about="Everybody in the circle sees it.", text=name
        )
        code = await talk.ask(
            "The activation code",
            about="From the home relay's operator; it opens one circle.",
            secret=True,
        )
        await talk.confirm(
            f"You found a circle at these relays, for good with this home relay:\n"
            f"{_relays(home, entries)}\n\n"
            "Until three are in, one vouch lets somebody in. Rules that only a genesis fixes cannot"
            " be changed later.",
            "found the circle",
        )
        act = FoundCircle(
            ref=0,
            name=name,
            home_card=home.card,
            entry_cards=tuple(one.card for one in entries),
            activation_code=code,
            test_circle=operators == "test",
            single_operator=operators == "one",
        )
        try:
            await asking.do(talk, act)
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            break
    view = await talk.device.circle()
    talk.tell(
        f"The circle stands. Its id:\n{view['circle_id']}\n\nInvite the first member next: the"
        " palette has “Invite somebody”."
    )


async def _card(talk: Talk, question: str, role: str) -> CardFile:
    about = "Operators hand out cards as files; the command reads the card, and nothing else of it."
    path = ""
    while True:
        path = await talk.ask(question, about=about, text=path)
        try:
            return _read_card(path, role)
        except CloisterError as error:
            await talk.ask_again(error)


def _read_card(path: str, role: str) -> CardFile:
    # With cards comes what checks signatures: no other part of the interface has a need of it.
    from cloister.device.cards import read_card

    return read_card(Path(path), role)


def _relays(home: CardFile, entries: list[CardFile]) -> str:
    rows = [("home", home), *(("entry", one) for one in entries)]
    return "\n".join(
        f"{role}: {card.name}, by {card.operator}, in {card.jurisdiction}" for role, card in rows
    )

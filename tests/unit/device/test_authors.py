"""Rows by the names of now; nothing of a blocked member in what others said of it."""

from __future__ import annotations

from cloister.client.effects import Quote, Reaction, Since
from cloister.device.authors import Authors, named
from cloister.tui.words import quote_line
from cloister.values import replace
from unit.device.scripted import text_message

AMIRA, JONAS = b"a" * 32, b"j" * 32
ROW = text_message(
    1,
    sender=AMIRA,
    since=Since(
        quote=Quote(sender=JONAS, name="Jonas", text="who takes it?"),
        reactions=(
            Reaction(name="Jonas", own=False, mark="ok", member_id=b"j" * 16),
            Reaction(name="Mei", own=False, mark="+1", member_id=b"m" * 16),
        ),
    ),
)


def test_own_names_stand_for_authors_quotes_and_reactions() -> None:
    shown = named(ROW, Authors({AMIRA: "Am", JONAS: "Jo", b"j" * 16: "Jo"}, frozenset({AMIRA})))
    assert (shown.sender_name, shown.bot) == ("Am", True)
    assert shown.since.quote == Quote(sender=JONAS, name="Jo", text="who takes it?")
    assert [one.name for one in shown.since.reactions] == ["Jo", "Mei"]


def test_a_blocked_member_is_not_quoted_and_reacts_to_nothing() -> None:
    shown = named(ROW, Authors(blocked=frozenset({JONAS, b"j" * 16})))
    assert shown.since.quote == Quote(sender=JONAS, name="Jonas", text="")
    assert [one.name for one in shown.since.reactions] == ["Mei"]


def test_a_row_of_whom_nothing_special_is_known_is_the_same() -> None:
    assert named(ROW, Authors()) is ROW


def test_what_a_bot_wrote_is_marked_also_where_it_is_quoted() -> None:
    shown = named(ROW, Authors({}, bots=frozenset({JONAS})))
    assert shown.since.quote is not None
    assert (shown.bot, shown.since.quote.bot) == (False, True)
    assert quote_line(shown) == "> Jonas (bot): who takes it?"
    assert named(replace(ROW, sender=JONAS), Authors({}, bots=frozenset({JONAS}))).bot

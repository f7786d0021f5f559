"""What was typed and refused is not lost: it is asked for again, and stands there."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from cloister.client.inputs import Join, OpenConversation
from cloister.crypto.secret import Secret
from cloister.device.errors import NotAnswered
from cloister.errors import PolicyError, UsageError
from cloister.ids import CircleId
from cloister.roster.invitation import InvitationCode, InvitationSeed
from cloister.testing.paper_device import PaperDevice
from cloister.tui.app import Interface
from cloister.tui.widgets.entry import Composer
from tui.scenes import SCENES
from tui.stage import NOW, grid, newsroom
from tui.test_behaviour import play, press, texts

pytestmark = pytest.mark.usefixtures("utc", "brisk")


def code(*, expires: int = NOW + 86_400) -> str:
    """An invitation that can be used until then."""
    seed = InvitationSeed(Secret(bytes(range(16))))
    made = InvitationCode(
        circle_id=CircleId(bytes(32)),
        size=4,
        root=bytes(32),
        seed=seed,
        expires=expires,
        entry_host="entry.example",
        entry_port=443,
        home_host="home.example",
        home_port=443,
    )
    return made.to_text()


CODE = code()


def on_no_list() -> PaperDevice:
    """A device that is in no circle yet."""
    return next(one for one in SCENES if one.name == "how one begins").device()


def test_a_wrong_code_is_corrected_where_it_stands() -> None:
    """A typing error is told before a name is asked for."""
    device = on_no_list()
    wrong = CODE[:-1] + ("A" if CODE[-1] != "A" else "B")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *wrong, "enter")
        assert "typing error" in grid(app)
        await press(pilot, "escape")
        assert f"> {wrong[:30]}" in grid(app)
        await press(pilot, "backspace", CODE[-1], "enter")
        assert "Your name in the circle" in grid(app)
        assert device.acts == []
        await press(pilot, *"Noor", "enter")
        assert device.acts == [Join(ref=0, code=CODE, name="Noor")]

    play(device, story)


def test_a_code_that_has_run_out_is_told_before_a_name_is_asked_for() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *code(expires=NOW - 1), "enter")
        assert "This invitation has expired." in grid(app)

    play(on_no_list(), story)


def test_a_name_that_is_refused_is_corrected_where_it_stands() -> None:
    device = on_no_list()
    device.refusal = UsageError("a name may have 64 bytes")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *CODE, "enter", *"Noo", "enter")
        assert "A name may have 64 bytes." in grid(app)
        device.refusal = None
        await press(pilot, "escape", "enter")
        assert "> Noo" in grid(app)
        await press(pilot, "r", "enter")
        assert device.acts == [Join(ref=0, code=CODE, name="Noor")]

    play(device, story)


def test_who_leaves_the_first_questions_finds_them_again() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "escape")
        assert "You are in no circle yet. Enter: get into" in grid(app)
        await press(pilot, "enter")
        assert "How do you begin?" in grid(app)

    play(on_no_list(), story)


def test_who_waits_to_be_let_in_finds_the_digits_again() -> None:
    device = next(one for one in SCENES if one.name == "waiting to be let in").device()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "escape")
        assert "You wait to be let in. Enter: the digits" in grid(app)
        await press(pilot, "enter")
        assert "20417  27418  34419  41420" in grid(app)

    play(device, story)


def test_a_title_that_is_refused_costs_no_names() -> None:
    device = newsroom()
    device.refusal = UsageError("a title may have 64 bytes")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k", *"new conv", "enter", "enter", "ctrl+d", *"Plan", "enter")
        await press(pilot, "enter")
        device.refusal = None
        await press(pilot, *" B", "enter")

    play(device, story)
    assert device.acts == [OpenConversation(ref=0, title="Plan B", members=("Amira",))]


def test_an_answer_that_is_refused_can_be_changed_and_sent() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "ctrl+o")
        await press(pilot, "enter")
        await press(pilot, "enter", *"long")
        device.refusal = PolicyError("the text has 13,000 bytes")
        await press(pilot, "enter")
        assert "The text has 13,000 bytes." in grid(app)
        device.refusal = None
        await press(pilot, "escape")
        await press(pilot, *"er", "enter")
        assert texts(device, "Front page")[-1] == "longer"

    play(device, story)


def test_what_may_still_be_done_is_not_asked_again() -> None:
    device = on_no_list()
    device.refusal = NotAnswered("it was not answered in time")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *CODE, "enter", *"Noor", "enter")
        assert "It was not answered in time." in grid(app)
        await press(pilot, "escape")
        assert "You are in no circle yet." in grid(app)

    play(device, story)


def test_an_answer_that_a_lock_interrupts_is_kept_as_a_draft() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"begun", "ctrl+o")
        await press(pilot, "enter")
        await press(pilot, "enter", *"half an answer", "ctrl+l")

    assert play(device, story) == "locked"
    assert list(device.begun.values()) == ["begun\nhalf an answer"]


def test_an_answer_that_is_left_is_kept_as_a_draft() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"begun", "ctrl+o")
        await press(pilot, "enter")
        await press(pilot, "enter", *"half an answer", "escape")
        assert app.is_watched
        assert app.screen.query_one(Composer).text == "begun\nhalf an answer"
        assert list(device.begun.values()) == ["begun\nhalf an answer"]
        before = len(texts(device, "Front page"))
        await press(pilot, "enter")
        assert texts(device, "Front page")[before:] == ["begun\nhalf an answer"]

    play(device, story)


def test_an_answer_that_was_refused_is_kept_as_well() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "ctrl+o")
        await press(pilot, "enter")
        await press(pilot, "enter", *"long")
        device.refusal = PolicyError("the text has 13,000 bytes")
        await press(pilot, "enter")
        await press(pilot, "escape")
        await press(pilot, "escape")
        assert app.screen.query_one(Composer).text == "long"

    play(device, story)


def test_an_answer_is_kept_where_no_conversation_is_open() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+o")
        await press(pilot, *"front", "enter")
        await press(pilot, "enter")
        await press(pilot, "enter", *"later", "escape")
        assert list(device.begun.values()) == ["later"]
        assert "draft: later" in grid(app)

    play(device, story)


def test_another_text_that_is_left_is_no_draft() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "ctrl+k", *"edit a", "enter")
        await press(pilot, "enter", *" more", "escape")
        assert app.screen.query_one(Composer).text == ""
        assert device.begun == {}

    play(device, story)


def test_a_message_of_another_day_is_offered_with_its_day() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "ctrl+o")
        rows = [row.strip(" >") for row in grid(app).splitlines()]
        assert any(row.startswith("13:43 Lin: ") for row in rows), rows
        assert any(row.startswith("27 Nov 15:51 You: Then we hold") for row in rows), rows

    play(device, story)


def test_picking_a_message_from_the_list_asks_for_the_conversation_first() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+o")
        assert "Which conversation?" in grid(app)
        await press(pilot, *"front", "enter")
        assert "Which message?" in grid(app)

    play(newsroom(), story)

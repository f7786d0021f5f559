"""What was typed and refused is not lost: it is asked for again, and stands there."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from cloister.client.inputs import Join, OpenConversation
from cloister.device.errors import NotAnswered
from cloister.errors import PolicyError, UsageError
from cloister.testing.paper_device import PaperDevice
from cloister.tui.app import Interface
from tui.scenes import SCENES
from tui.stage import grid, newsroom
from tui.test_behaviour import play, press, texts

pytestmark = pytest.mark.usefixtures("utc", "brisk")


def on_no_list() -> PaperDevice:
    """A device that is in no circle yet."""
    return next(one for one in SCENES if one.name == "how one begins").device()


def test_a_wrong_code_is_corrected_where_it_stands() -> None:
    device = on_no_list()
    device.refusal = UsageError("the invitation has a typing error")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"CLOISTER1:AB", "enter", *"Noor", "enter")
        assert "The invitation has a typing error." in grid(app)
        await press(pilot, "escape")
        assert "> CLOISTER1:AB" in grid(app)
        device.refusal = None
        await press(pilot, "backspace", "C", "enter")
        assert "> Noor" in grid(app)
        await press(pilot, "enter")
        assert device.acts == [Join(ref=0, code="CLOISTER1:AC", name="Noor")]

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
        await press(pilot, "enter", *"CODE", "enter", *"Noor", "enter")
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


def test_picking_a_message_from_the_list_asks_for_the_conversation_first() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+o")
        assert "Which conversation?" in grid(app)
        await press(pilot, *"front", "enter")
        assert "Which message?" in grid(app)

    play(newsroom(), story)

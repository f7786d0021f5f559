"""What comes while a person looks at a conversation, or at something in front of it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from cloister.client.effects import BACK_IN, Quote, Since
from cloister.tui.app import Interface
from tui.stage import grid, newsroom
from tui.test_behaviour import play, press
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")

DESK = "2".zfill(32)


def test_an_answer_that_comes_shows_what_it_answers() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        answered = device.rows[DESK][-1]
        since = Since(quote=Quote(name=answered.sender_name, text=answered.text))
        device.write(DESK, "Amira", "So?", reply_to=answered.message_id, since=since)
        for _ in range(3):
            await settled(pilot)
        assert "  > Lin: 日本語 и кириллица, also here\n  So?" in grid(app)

    play(device, story)


def test_an_own_answer_shows_what_it_answers_at_once() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "ctrl+o")
        await press(pilot, "enter")
        await press(pilot, "enter")
        await press(pilot, *"soon", "enter")
        for _ in range(3):
            await settled(pilot)
        assert "  > Lin: 日本語 и кириллица, also here\n: soon" in grid(app)

    play(device, story)


def test_a_slip_does_not_end_the_interface() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        for slip in ("ctrl+q", "ctrl+c", "ctrl+z", "ctrl+s"):
            await press(pilot, slip)
        assert app.is_running
        assert 'to leave: Ctrl+K, "quit"' in grid(app)
        await press(pilot, "ctrl+k", *"quit", "enter")

    assert play(newsroom(), story) == "left"


def test_what_comes_behind_a_question_is_unread_until_it_is_seen() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "ctrl+g")
        row = device.write(DESK, "Lin", "look here")
        for _ in range(3):
            await settled(pilot)
        assert device.read[DESK] < row.position
        await press(pilot, "escape")
        for _ in range(3):
            await settled(pilot)
        assert device.read[DESK] == row.position

    play(device, story)


def test_what_comes_below_what_is_looked_at_is_unread_until_it_is_seen() -> None:
    device = newsroom()
    for number in range(30):
        device.write(DESK, "Lin", f"line {number}")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "up", "up", "up")
        row = device.write(DESK, "Lin", "look here")
        for _ in range(3):
            await settled(pilot)
        assert "look here" not in grid(app)
        assert device.read[DESK] < row.position
        await press(pilot, *["down"] * 5)
        assert "look here" in grid(app)
        assert device.read[DESK] == row.position

    play(device, story)


def test_what_is_read_on_another_device_is_unread_no_more() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        device.write(DESK, "Lin", "look here")
        for _ in range(3):
            await settled(pilot)
        assert unread(app) > 0
        device.read_elsewhere(DESK)
        for _ in range(3):
            await settled(pilot)
        assert unread(app) == 0

    def unread(app: Interface) -> int:
        view = app.session.view(DESK) if app.session else None
        assert view is not None
        return int(view["unread"])

    play(device, story)


def test_a_lock_of_this_device_is_one_screen_in_the_words_that_say_most() -> None:
    device = newsroom()
    out = "This device is out of the circle for now: Jonas/1 is locked.  Two unlock it."
    back = "This device belongs to the circle again: Jonas/1 is unlocked."

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        for state, text in (("locked", out), ("active", back)):
            device.state["standing"] = {"state": state, "reason": f"it is {state}", "hint": "x"}
            if state == "locked":
                device.alarm("out", text)
            else:
                device.tell_news(text, BACK_IN)
            for _ in range(3):
                await settled(pilot)
            shown = " ".join(grid(app).split())
            assert " ".join(text.split()) in shown
            assert shown.startswith("This device ")
            await press(pilot, "escape")
            assert app.is_watched, "told once"

    play(device, story)


def test_that_a_device_is_out_is_told_also_where_nobody_said_it_aloud() -> None:
    """The alarm came while nobody looked: what the device says of itself is left."""
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        device.state["standing"] = {"state": "lapsed", "reason": "not paid", "hint": "Renew it."}
        device.connect("down")
        for _ in range(3):
            await settled(pilot)
        assert grid(app).startswith(" This device\nNot paid.\n\nRenew it.\n")

    play(device, story)

"""What comes while a person looks at a conversation, or at something in front of it."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from cloister.client.effects import Quote, Since
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


def test_that_this_device_is_out_is_told_once() -> None:
    device = newsroom()
    standing = {"state": "locked", "reason": "this device is locked", "hint": "Two unlock it."}

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        device.alarm("out", "This device is out of the circle for now: this device is locked.")
        device.state["standing"] = standing
        device.connect("down")
        for _ in range(5):
            await settled(pilot)
        assert grid(app).split("\n\n")[0].splitlines()[:2] == [
            " This device",
            "This device is locked.",
        ]
        await press(pilot, "escape")
        assert app.is_watched

    play(device, story)

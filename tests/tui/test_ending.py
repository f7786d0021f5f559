"""How the interface ends: once, with everything kept, whatever is on its way and whoever asks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual.pilot import Pilot

from cloister.testing.paper_device import PaperDevice
from cloister.tui import autolock, ending
from cloister.tui.app import Interface
from cloister.tui.widgets.entry import PAUSE_S, Composer
from tui.stage import grid, interface, newsroom
from tui.test_behaviour import play, press
from tui.test_snapshots import settled
from tui.test_typed_fast import DESK, new_texts, strike

pytestmark = pytest.mark.usefixtures("utc", "brisk")


async def over(app: Interface) -> None:
    async with asyncio.timeout(10):
        while app.is_running:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def slow_to_keep(device: PaperDevice, seconds: float) -> None:
    given = device.keep_draft

    async def slow(conversation: str, text: str) -> None:
        await asyncio.sleep(seconds)
        await given(conversation, text)

    device.keep_draft = slow  # type: ignore[method-assign]


@pytest.mark.parametrize("before", [["ctrl+l"], ["tab"], ["ctrl+k", *"quit", "enter"]])
def test_locking_waits_for_a_draft_that_is_on_its_way_already(before: list[str]) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        slow_to_keep(device, 0.3)
        await pilot.press(*before)
        strike(app, "ctrl+l")
        await over(app)

    assert play(device, story) == "locked"
    assert device.begun == {DESK: "half"}


@pytest.mark.parametrize("is_first", [True, False])
def test_a_lock_is_a_lock_also_where_the_terminal_is_closed(*, is_first: bool) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        slow_to_keep(device, 0.3)
        ways = [app.action_lock, app.action_quit_now]
        for way in ways if is_first else reversed(ways):
            way()
            await settled(pilot)
        await over(app)

    assert play(device, story) == "locked"


@pytest.mark.parametrize("key", ["escape", "enter", "ctrl+k"])
def test_no_key_brings_the_texts_back_while_it_ends(key: str) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        slow_to_keep(device, 0.3)
        await press(pilot, "ctrl+l", key)
        assert app.is_running
        assert grid(app).strip() == ""
        await over(app)

    assert play(device, story) == "locked"


@pytest.mark.parametrize("key", ["enter", "x"])
def test_the_first_key_after_too_long_sends_and_writes_nothing(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens the lid need not be who closed it."""
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        monkeypatch.setattr(autolock, "uptime", lambda: app.autolock.last_key + 5_000)
        slow_to_keep(device, 0.1)
        strike(app, key)
        await over(app)

    assert play(device, story) == "locked"
    assert new_texts(device) == {}
    assert device.begun == {DESK: "half"}


@pytest.mark.parametrize("seconds", [0, 0.05])
def test_a_text_that_is_just_sent_is_no_draft_as_well(seconds: float) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        slow_to_keep(device, seconds)
        strike(app, *"one", "enter", "ctrl+l")
        await over(app)

    assert play(device, story) == "locked"
    assert (new_texts(device), device.begun) == ({"Front page": ["one"]}, {})


@pytest.mark.parametrize(
    ("keys", "how"), [(["ctrl+l"], "locked"), (["ctrl+k", *"quit", "enter"], "left")]
)
def test_a_draft_that_the_device_does_not_take_holds_up_neither_keys_nor_the_end(
    keys: list[str], how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ending, "KEEP_S", 0.05)
    device = newsroom()
    app = interface(device, colours="none")

    async def stands_still(*what: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        async with asyncio.timeout(20), app.run_test(size=(50, 15)) as pilot:
            await settled(pilot)
            await press(pilot, "enter", *"half")
            device.keep_draft = stands_still  # type: ignore[method-assign, assignment]
            composer = app.screen.query_one(Composer)
            composer._last_change -= PAUSE_S
            composer._look()
            await asyncio.sleep(0.1)  # the screens take no messages if they wait for the device
            strike(app, *keys)
            await over(app)

    asyncio.run(main())
    assert app.return_value == how


def test_an_answer_that_is_being_written_is_kept_where_no_conversation_is_open() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        for _ in range(4):  # it is picked from a list of all
            await press(pilot, "enter" if app.screen is not app.home else "ctrl+o")
        assert app.home is not None
        assert app.home.conversation == ""
        await press(pilot, *"half")
        strike(app, "ctrl+l")
        await over(app)

    assert play(device, story) == "locked"
    assert list(device.begun.values()) == ["half"]

"""What comes in a moment in which nobody hears, or nothing answers, is shown all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from cloister.client.effects import Message
from cloister.device.errors import FellBehind
from cloister.device.facade import FollowedNotice, View
from cloister.errors import LocalError
from cloister.tui import ending, session
from cloister.tui.app import Interface
from cloister.tui.widgets.entry import Composer
from tui.stage import grid, newsroom
from tui.test_behaviour import play, press
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")

DESK = "2".zfill(32)


async def until(pilot: Pilot[str], holds: Callable[[], bool]) -> None:
    for _ in range(200):
        if holds():
            return
        await settled(pilot)
    raise AssertionError("it never came")


def test_what_comes_before_anybody_listens_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program stands still between what it asks for and what it is told from then on."""
    device = newsroom()
    follow = device.follow

    async def late() -> AsyncGenerator[FollowedNotice, None]:
        device.write(DESK, "Amira", "in between")
        async for notice in follow():
            yield notice

    monkeypatch.setattr(device, "follow", late)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        assert app.session is not None
        await until(pilot, lambda: app.session.newest[DESK].text == "in between")  # type: ignore[union-attr]

    play(device, story)


def test_who_fell_behind_sees_what_was_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    device = newsroom()
    follow, is_behind = device.follow, asyncio.Event()

    async def falling() -> AsyncGenerator[FollowedNotice, None]:
        if is_behind.is_set():
            async for notice in follow():
                yield notice
        await is_behind.wait()
        raise FellBehind("notices came faster than they were taken")

    monkeypatch.setattr(device, "follow", falling)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        device.write(DESK, "Amira", "never told")
        is_behind.set()
        await until(pilot, lambda: "never told" in grid(app))
        assert device.read[DESK] == device.rows[DESK][-1].position

    play(device, story)


def test_a_device_that_cannot_answer_once_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "AGAIN_S", 0)
    device = newsroom()
    members, failures = device.members, [LocalError("the vault cannot be read")] * 2

    async def failing() -> list[View]:
        if failures:
            raise failures.pop()
        return await members()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await settled(pilot)
        monkeypatch.setattr(device, "members", failing)
        device.write(DESK, "Amira", "first")
        await until(pilot, lambda: not failures)
        # It was said once, and not for every attempt.
        assert "The vault cannot be read." in grid(app)
        await press(pilot, "escape")
        assert app.is_watched
        device.write(DESK, "Amira", "second")
        await until(pilot, lambda: app.session.newest[DESK].text == "second")  # type: ignore[union-attr]

    play(device, story)


def test_a_trouble_that_comes_back_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "AGAIN_S", 0)
    monkeypatch.setattr(session, "WELL_S", -1)
    device = newsroom()
    members, failures = device.members, list[LocalError]()

    async def failing() -> list[View]:
        if failures:
            raise failures.pop()
        return await members()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await settled(pilot)
        monkeypatch.setattr(device, "members", failing)
        for text in ("first", "second"):
            failures.append(LocalError("the vault cannot be read"))
            device.write(DESK, "Amira", text)
            await until(pilot, lambda: "The vault cannot be read." in grid(app))
            await press(pilot, "escape")
            assert app.session is not None
            session_now = app.session
            await until(pilot, lambda: session_now.newest[DESK].text == text)  # noqa: B023

    play(device, story)


def test_an_alarm_is_heard_while_the_device_cannot_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told once, and no vault knows of it afterwards."""
    device = newsroom()

    async def failing() -> list[View]:
        raise LocalError("the vault cannot be read")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await settled(pilot)
        monkeypatch.setattr(device, "members", failing)
        device.write(DESK, "Amira", "first")
        await until(pilot, lambda: "The vault cannot be read." in grid(app))
        await press(pilot, "escape")
        device.alarm("hole", "something was withheld")
        await until(pilot, lambda: "something was withheld" in grid(app))

    play(device, story)


def test_what_is_told_while_a_conversation_is_read_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page was read before it came, and arrives after it was told."""
    device = newsroom()
    history, is_there = device.history, asyncio.Event()

    async def slow(*what: Any, **how: Any) -> list[Message]:
        rows = await history(*what, **how)
        await is_there.wait()
        return rows

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        monkeypatch.setattr(device, "history", slow)
        await pilot.press("enter")
        await until(pilot, lambda: app.home is not None and app.home.conversation == DESK)
        device.write(DESK, "Amira", "meanwhile")
        await until(pilot, lambda: "meanwhile" in grid(app))
        is_there.set()
        await until(pilot, lambda: "日本語" in grid(app))
        assert "meanwhile" in grid(app)

    play(device, story)


def test_locking_does_not_wait_for_a_vault_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ending, "KEEP_S", 0.05)
    device = newsroom()

    async def never(*_what: object) -> None:
        await asyncio.Event().wait()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half a text")
        monkeypatch.setattr(device, "keep_draft", never)
        await pilot.press("ctrl+l")
        async with asyncio.timeout(10):
            while app.is_running:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    assert play(device, story) == "locked"


def test_locking_waits_for_what_was_just_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vault's process is killed afterwards, and the draft is gone already."""
    device = newsroom()
    send, is_said = device.send, asyncio.Event()

    async def slow(*what: Any, **how: Any) -> Message:
        await asyncio.sleep(0.2)
        row = await send(*what, **how)
        is_said.set()
        return row

    monkeypatch.setattr(device, "send", slow)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"said")
        await pilot.press("enter", "ctrl+l")
        assert app.home is not None
        assert app.home.query_one("#composer", Composer).text == ""
        assert not app.screen.children, "the texts are still in sight"
        async with asyncio.timeout(10):
            while app.is_running:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert is_said.is_set()

    assert play(device, story) == "locked"
    assert device.rows[DESK][-1].text == "said"

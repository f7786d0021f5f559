"""Commits larger than an envelope: staged in parts, read in parts, and not believed unread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from cloister.client import objects
from cloister.client.inputs import OpenConversation, Remove, SendText
from cloister.testing.simulated_circle import SimulatedCircle
from cloister.wire.events import AnyEvent, Part


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@pytest.fixture(autouse=True)
def every_commit_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of hundreds would take minutes: here an envelope holds less instead."""
    monkeypatch.setattr(objects, "MAX_INLINE_BYTES", 1024)
    monkeypatch.setattr(objects, "PART_BYTES", 3000)


def test_a_circle_lives_on_staged_commits() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        await circle.act(
            ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd"))
        )
        ada.feed(SendText(ref=circle.ref(), conversation="Desk", text="one"))
        await circle.settle()
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        ada.feed(SendText(ref=circle.ref(), conversation="Desk", text="two"))
        await circle.settle()
        assert ben.texts("Ada") == ["one", "two"]
        assert cyd.texts("Ada") == ["one"]
        assert cyd.phase == "removed"
        codes = {alarm.code for one in circle.devices for alarm in one.alarms}
        assert codes == {"removed", "power"}

    play(story)


def test_a_crash_between_the_parts_costs_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle(7)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        for device in (ada, ben):
            device.crash_rate = 0.1
        act = OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",))
        ada.feed(act)
        for _ in range(20):
            await circle.shake(10)
        for device in (ada, ben):
            device.crash_rate = 0.0
        await circle.settle()
        if not any(one.title == "Desk" for one in ada.core.state.channels.values()):
            await circle.act(ada, again(act, circle.ref()))
        ada.feed(SendText(ref=circle.ref(), conversation="Desk", text="hello"))
        await circle.settle()
        assert ben.texts("Ada") == ["hello"]

    play(story)


def again(act: OpenConversation, ref: int) -> OpenConversation:
    return OpenConversation(ref=ref, title=act.title, members=act.members)


def test_altered_parts_end_the_connection_and_merge_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        told: list[AnyEvent] = []

        def alter(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Part) and not told:
                told.append(event)
                part = bytes((event.part[0] ^ 1,)) + event.part[1:]
                return (msgspec.structs.replace(event, part=part),)
            return (event,)

        ben.tamper = alter
        ben.is_offline = True
        ben.drop_link()
        cyd = await circle.admit("Cyd", ada, [ada])
        ben.is_offline = False
        await circle.settle()
        assert told
        assert "RemoteError" in {alarm.code for alarm in ben.alarms}
        # The honest answer on the next connection is taken.
        assert cyd.phase == "member"
        assert len(ben.core.state.commons.group.members()) == 3  # type: ignore[union-attr]

    play(story)

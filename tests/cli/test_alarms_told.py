"""Alarms of a device are told for as long as it runs, whatever became of a notice before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from cloister.cli.output import Output
from cloister.cli.wakeups import telling_alarms
from cloister.client.effects import Alarm
from cloister.device.errors import FellBehind
from cloister.device.facade import Facade, FollowedNotice


class Crowded:
    """A device that once told more than was taken."""

    def __init__(self) -> None:
        self.follows = 0

    async def follow(self) -> AsyncGenerator[FollowedNotice, None]:
        self.follows += 1
        if self.follows == 1:
            raise FellBehind("notices came faster than they were taken")
        yield Alarm(code="fork", text="the relay shows two histories")
        await asyncio.Event().wait()


class Paper:
    """What the person is told."""

    def __init__(self) -> None:
        self.alarms: list[str] = []
        self.is_told = asyncio.Event()

    def alarm(self, alarm: Alarm) -> None:
        self.alarms.append(alarm.code)
        self.is_told.set()


def test_who_fell_behind_goes_on_telling_alarms() -> None:
    async def story() -> list[str]:
        paper: Any = Paper()
        async with telling_alarms(cast("Facade", Crowded()), cast("Output", paper)):
            await asyncio.wait_for(paper.is_told.wait(), 10)
        return list(paper.alarms)

    assert asyncio.run(story()) == ["fork"]

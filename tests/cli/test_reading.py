"""`cloister read --follow` when the process that holds the vault ends: each row is printed once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from cloister.cli.messages import _Reader
from cloister.cli.output import Output
from cloister.cli.person import Person
from cloister.client.effects import Message
from cloister.device.errors import DeviceClosed
from cloister.device.facade import Facade
from cloister.device.settings import Settings
from unit.device.scripted import text_message


class Ending:
    """A process that ends when it is told what was read: its rows stand there already."""

    def __init__(self, *rows: Message) -> None:
        self.rows = rows

    async def history(self, name: str, limit: int = 100, after: int | None = None) -> list[Message]:
        return [row for row in self.rows if after is None or row.position > after]

    async def mark_read(self, name: str, position: int) -> None:
        raise DeviceClosed("the process that holds this profile has ended")

    async def follow(self) -> AsyncGenerator[Any, None]:
        await asyncio.Event().wait()
        yield None


def test_rows_that_stand_there_are_not_printed_by_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [text_message(number, f"text {number}") for number in (1, 2, 3)]
    reader = _Reader(Person(Settings(), {}, Output(), None), "desk")

    async def through(device: Ending) -> None:
        facade = cast("Facade", device)
        await reader.print_last(facade, 50)
        await reader.follow(facade)

    for known in (1, 2, 3):
        with pytest.raises(DeviceClosed):
            asyncio.run(through(Ending(*rows[:known])))
    printed = [line.rsplit(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["text 1", "text 2", "text 3"]

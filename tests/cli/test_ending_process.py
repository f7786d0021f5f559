"""The process that holds the vault ends while another command asks it: nothing is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from cloister.cli.messages import _Reader
from cloister.cli.output import Output
from cloister.cli.person import Person
from cloister.client.effects import Message, MessageState
from cloister.device.errors import DeviceClosed
from cloister.device.facade import Facade
from cloister.device.settings import Settings
from unit.device.scripted import text_message


class Ending:
    """A process that ends when it has shown its rows, or has done what was asked."""

    def __init__(self, *rows: Message) -> None:
        self.rows = rows

    async def history(self, name: str, limit: int = 100, after: int | None = None) -> list[Message]:
        return [row for row in self.rows if after is None or row.position > after]

    async def members(self) -> list[Any]:
        return []

    async def mark_read(self, name: str, position: int) -> None:
        raise DeviceClosed("the process that holds this profile has ended")

    async def send(self, name: str, text: str, wait_s: float) -> Message:
        return self.rows[0]

    async def settle(self, timeout_s: float, *, required: bool = False) -> bool:
        raise DeviceClosed("the process that holds this profile has ended")

    async def follow(self) -> AsyncGenerator[Any, None]:
        await asyncio.Event().wait()
        yield None


def test_an_act_that_was_done_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is told that it failed does it again."""
    sent = text_message(1, own=True, state=MessageState.SENT)
    device = cast("Facade", Ending(sent))
    monkeypatch.setattr(Person, "run", lambda self, work, **options: asyncio.run(work(device)))
    person = Person(Settings(), {}, Output(), None)
    assert person.act(lambda facade: facade.send("desk", "hello", 1), online=False) == sent


def test_rows_that_stand_there_are_not_printed_by_the_next(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [text_message(number, f"text {number}") for number in (1, 2, 3)]
    reader = _Reader(Person(Settings(), {}, Output(), None), "desk", ids=False)

    async def through(device: Ending) -> None:
        facade = cast("Facade", device)
        await reader.print_last(facade, 50)
        await reader.follow(facade)

    for known in (1, 2, 3):
        with pytest.raises(DeviceClosed):
            asyncio.run(through(Ending(*rows[:known])))
    printed = [line.rsplit(": ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert printed == ["text 1", "text 2", "text 3"]

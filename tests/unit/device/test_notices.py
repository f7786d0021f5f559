"""The bounded queue between a device and a reader that is busy."""

from __future__ import annotations

import asyncio

import pytest

from cloister.client.effects import Alarm, Changed
from cloister.device.errors import FellBehind
from cloister.device.notices import MOST_NOTICES, Notices


@pytest.mark.parametrize("taken", [0, 1, MOST_NOTICES])
def test_an_alarm_that_comes_to_who_fell_behind_is_kept_however_far_it_has_read(taken: int) -> None:
    """Behind the end of a queue nobody reads on, also where there is room in it again."""
    alarm = Alarm(code="fork", text="the relay shows two histories")

    async def story() -> list[object]:
        notices, heard = Notices(), list[object]()
        for _ in range(MOST_NOTICES + 1):
            notices.take(Changed(what="link"))
        for _ in range(taken):
            heard.append(await notices.next())
        notices.take(alarm)

        async def read_on() -> None:
            while True:
                heard.append(await notices.next())

        with pytest.raises(FellBehind):
            await read_on()
        return [*heard, *notices.unheard]

    heard = asyncio.run(story())
    assert heard.count(alarm) == 1
    assert len(heard) == MOST_NOTICES + 1

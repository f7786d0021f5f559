"""Running errands: what the core needs done at a relay over a connection of its own (plan 9).

The core says what is left to do (``core.errands``); each of these runs once at a time, again with
backoff until the core stops naming it.  A lock order goes out at once and to all relays together:
every second counts against a thief.  The others wait a random moment first, so that no relay can
tell by the time which handles, or which handle and which channels, are one device's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

from cloister.client.errands import Errand, OrderErrand
from cloister.client.inputs import ErrandDone, ErrandRefused
from cloister.device.backoff import Backoff
from cloister.device.calls import CallRefused, OpenLink, calling
from cloister.errors import CloisterError
from cloister.wire.codes import Refusal

MOST_DELAY_S: Final = 3.0
"""flows D6: 0 to 3 s, or longer; the setting ``errand_delay_s``."""
REPEAT_S: Final = 30.0
"""At the least between two runs of an errand that was answered and is still named: the answer was
not the last word (an erasure that is pending, a ticket that is refused)."""

Give = Callable[[ErrandDone | ErrandRefused], None]


class Errands:
    """The errands that run now, by id."""

    def __init__(
        self,
        give: Give,
        *,
        open_link: OpenLink,
        uniform: Callable[[float, float], float] = random.uniform,
        most_delay_s: float = MOST_DELAY_S,
    ) -> None:
        self._give = give
        self._most_delay_s = most_delay_s
        self._open_link = open_link
        self._uniform = uniform
        self._running: dict[bytes, asyncio.Task[None]] = {}
        self._named: dict[bytes, Errand] = {}
        """As the core names them now: the ways to a relay may change while one runs."""

    def look(self, errands: tuple[Errand, ...]) -> None:
        """Start what is new, stop what is no longer named.  Raises what is a bug of ours."""
        for task in self._running.values():
            if task.done():
                task.result()
        named = self._named = {errand.errand_id: errand for errand in errands}
        for errand_id in [one for one in self._running if one not in named]:
            self._running.pop(errand_id).cancel()
        for errand_id, errand in named.items():
            if errand_id not in self._running:
                name = type(errand).__name__
                self._running[errand_id] = asyncio.create_task(
                    self._run(errand_id, is_urgent=isinstance(errand, OrderErrand)), name=name
                )

    async def close(self) -> None:
        """Stop all of them; they are in the vault and begin again with it."""
        running = list(self._running.values())
        self._running.clear()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _run(self, errand_id: bytes, *, is_urgent: bool) -> None:
        backoff = Backoff(self._uniform)
        if not is_urgent:
            await asyncio.sleep(self._uniform(0, self._most_delay_s))
        while True:
            try:
                await self._run_once(self._named[errand_id])
                await asyncio.sleep(REPEAT_S)
            except CallRefused as refused:
                if refused.code in {Refusal.SLOW_DOWN, Refusal.DRAINING}:
                    backoff.retry_after(refused.detail)
                self._give(
                    ErrandRefused(errand_id=errand_id, code=refused.code, detail=refused.detail)
                )
                await asyncio.sleep(REPEAT_S if _is_lasting(refused) else 0)
            except CloisterError:
                pass  # no way to the relay now, or not to that relay: again, later
            await asyncio.sleep(backoff.next_delay())

    async def _run_once(self, errand: Errand) -> None:
        relay_id = errand.card.relay_id
        async with calling(errand.routes, relay_id, self._open_link) as call:
            nonce = call.nonce
            event = await call.ask(lambda rid: errand.request(rid, relay_id, nonce))
        self._give(ErrandDone(errand_id=errand.errand_id, event=event))


def _is_lasting(refused: CallRefused) -> bool:
    return refused.code not in {Refusal.SLOW_DOWN, Refusal.DRAINING, Refusal.STORAGE}

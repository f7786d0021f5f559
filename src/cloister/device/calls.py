"""One connection for one matter: unlocking, enrolling, an order (flows D6).

The standing link carries a device's channels; what concerns its unlock shares goes over
connections of its own, so that no relay stores what links a handle to channels.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from cloister.client.effects import Route
from cloister.device.link import Link, OnEvents
from cloister.errors import CloisterError, NetworkError, RemoteError, TrustError
from cloister.limits import CONNECT_TIMEOUT_S
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent, Challenge, Failed

ANSWER_S: Final = 20.0
"""How long one answer may take: a relay writes durably before it evaluates, and may be busy."""

OpenLink = Callable[[Route, OnEvents], Awaitable[Link]]


class CallRefused(RemoteError):
    """The relay answered ``Failed``; who asked knows what the code means there."""

    def __init__(self, code: int, detail: int) -> None:
        super().__init__(f"the relay refused (code {code})")
        self.code = code
        self.detail = detail


class Call:
    """A connection whose ``Challenge`` has come."""

    def __init__(self, link: Link, events: asyncio.Queue[AnyEvent | None]) -> None:
        self._link = link
        self._events = events
        self._last_rid = 0
        self.relay_id = b""
        self.nonce = b""

    async def greet(self, relay_id: bytes) -> None:
        """Take the challenge.  Raises ``TrustError`` when another relay speaks."""
        event = await self._next(CONNECT_TIMEOUT_S)
        if not isinstance(event, Challenge) or event.relay_id != relay_id:
            raise TrustError(
                "another relay answers where a relay of the circle should",
                hint="do not go on: ask the operator in person",
            )
        self.relay_id, self.nonce = event.relay_id, event.nonce

    async def ask(self, request: Callable[[int], AnyRequest]) -> AnyEvent:
        """Send the request made for the rid given; return its answer.

        Raises ``CallRefused``, or ``NetworkError`` when none comes.
        """
        self._last_rid += 1
        rid = self._last_rid
        self._link.send([request(rid)])
        event = await self._next(ANSWER_S, rid)
        if isinstance(event, Failed):
            raise CallRefused(event.code, event.detail)
        return event

    async def _next(self, within_s: float, rid: int | None = None) -> AnyEvent:
        """Return the next event, or the next that answers ``rid``."""
        try:
            async with asyncio.timeout(within_s):
                while (event := await self._events.get()) is not None:
                    if rid is None or getattr(event, "rid", None) == rid:
                        return event
        except TimeoutError:
            raise NetworkError(f"a relay said nothing for {within_s:.0f} s") from None
        raise NetworkError("a relay closed the connection before it answered")


@asynccontextmanager
async def calling(
    routes: Sequence[Route], relay_id: bytes, open_link: OpenLink = Link.open
) -> AsyncIterator[Call]:
    """Open a call along the first route that works; close it after the body.

    Raises the gravest of what the routes met: what waiting will not heal comes first.
    """
    failures: list[CloisterError] = []
    for route in routes:
        events: asyncio.Queue[AnyEvent | None] = asyncio.Queue()

        def take(got: list[AnyEvent], queue: asyncio.Queue[AnyEvent | None] = events) -> None:
            for event in got:
                queue.put_nowait(event)

        try:
            link = await open_link(route, take)
        except CloisterError as error:
            failures.append(error)
            continue
        ending = asyncio.ensure_future(_tell_end(link, events))
        try:
            call = Call(link, events)
            link.start()
            try:
                await call.greet(relay_id)
            except CloisterError as error:
                failures.append(error)
                continue
            yield call
            return
        finally:
            link.close()
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
    lasting = [error for error in failures if not isinstance(error, NetworkError)]
    raise next(iter(lasting + failures), NetworkError("there is no way to this relay"))


async def _tell_end(link: Link, events: asyncio.Queue[AnyEvent | None]) -> None:
    await link.wait_closed()
    events.put_nowait(None)

"""The engine: read, decide, store, and only then send or show.

One task owns vault and core.  It takes what has come in, lets the core decide, commits all that
the core wants stored in one transaction, and then carries out the rest.  Several inputs may share
a transaction: what leaves before its commit is what must not happen, and it cannot.

    inputs -> core.handle -> commit -> Send, Notify, Disconnect

A second task keeps the link standing; errands run on connections of their own.  Whatever fails in
the vault stops everything: memory would be ahead of the disk.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol, TypeVar

from cloister.client.effects import (
    Answer,
    Disconnect,
    Effect,
    Notice,
    Notify,
    Persist,
    Route,
    Send,
    Write,
)
from cloister.client.inputs import Act, AnyInput, LinkDown, LinkUp, LogRead, Received, Tick
from cloister.client.seam import ClientCore
from cloister.clock import wall_time
from cloister.crypto.entropy import Entropy
from cloister.device.backoff import Backoff
from cloister.device.calls import OpenLink
from cloister.device.disk import Disk, DiskThread, StoredState
from cloister.device.errands import MOST_DELAY_S, Errands
from cloister.device.errors import DeviceClosed
from cloister.device.link import Link
from cloister.device.ticks import Ticks
from cloister.device.trouble import Trouble
from cloister.device.writes import merge_write
from cloister.errors import CloisterError, PolicyError
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent, Failed

MOST_INPUTS_A_TURN: Final = 64
"""Inputs that may share a transaction: bounds the time until the first of them is answered."""
PAUSE_ABOVE: Final = 512
RESUME_BELOW: Final = 128
"""Waiting events at which reading stops and goes on."""
HURRY_S: Final = 1.0
"""A person who does something need not wait for the next attempt, if the last is this long ago."""
MOST_OPEN_ACTS: Final = 1024
"""Acts without an answer; a program that asks for more is told so."""

T = TypeVar("T")


class Listener(Protocol):
    """Whoever wants to be told."""

    def take(self, notice: Notice) -> None:
        """Take one notice, without waiting."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Queued:
    given: AnyInput
    link: int
    """Which link it came from; 0 for what no link brought."""


class Engine:
    """Runs one core over one vault.  Not for use by two event loops."""

    def __init__(
        self,
        vault: StoredState,
        core: ClientCore,
        *,
        entropy: Entropy,
        clock: Callable[[], float] = wall_time,
        open_link: OpenLink = Link.open,
        disk: Disk | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
        errand_delay_s: float = MOST_DELAY_S,
    ) -> None:
        self._vault = vault
        self._core = core
        self._entropy = entropy
        self._clock = clock
        self._open_link = open_link
        self._backoff = Backoff(uniform)
        self._ticks = Ticks(uniform)
        self._errands = Errands(
            lambda given: self._put(_Queued(given, 0)),
            open_link=open_link,
            uniform=uniform,
            most_delay_s=errand_delay_s,
        )
        self._disk = disk or DiskThread()
        self._inputs: deque[_Queued] = deque()
        self._something = asyncio.Event()
        self._hurry = asyncio.Event()
        self._last_attempt = 0.0
        self._link: Link | None = None
        self._link_number = 0
        self._is_heard = False
        self._paused = False
        self._outstanding: set[int] = set()
        self._last_ref = 0
        self._answers: dict[int, asyncio.Future[Answer]] = {}
        self._listeners: list[Listener] = []
        self._stopped = False
        self.trouble = Trouble()
        self.changed = asyncio.Condition()
        """Notified after every turn and every change of the link."""

    @property
    def core(self) -> ClientCore:
        """The core as of the last commit."""
        return self._core

    @property
    def is_connected(self) -> bool:
        """Whether the link to the home relay stands."""
        return self._link is not None

    @property
    def is_heard(self) -> bool:
        """Whether the relay has said anything on the present link; it speaks first (Challenge)."""
        return self._link is not None and self._is_heard

    @property
    def is_quiet(self) -> bool:
        """Whether the link stands, everything asked was answered and everything said was heard."""
        is_idle = not self._outstanding and not self._inputs and not self._core.is_busy
        return self.is_heard and is_idle

    def now(self) -> int:
        """Return the engine's time, s since the Unix epoch."""
        return int(self._clock())

    async def run(self) -> None:
        """Run until cancelled, or until the vault fails: then raise its error."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._turns())
                group.create_task(self._connections())
        except BaseExceptionGroup as failed:
            # Two tasks that fail together fail for the first one's reason.
            first = failed.exceptions[0]
            if isinstance(first, CloisterError):
                self._stop(first)
            raise first from None
        finally:
            await self._errands.close()
            self._stop(DeviceClosed("the device was closed before it was done"))

    async def close(self) -> None:
        """Close vault and link after ``run`` has ended."""
        self._stop(DeviceClosed("the device was closed"))
        try:
            await self.on_disk(self._vault.close)
        finally:
            self._disk.close()

    async def submit(self, act: Act) -> Answer:
        """Hand an act to the core and return its answer.  ``act.ref`` is replaced.

        Waiting may be given up (cancelled); the act goes on.  Raises ``DeviceClosed``.
        """
        if self._stopped:
            raise DeviceClosed("the device is closed")
        if len(self._answers) >= MOST_OPEN_ACTS:
            raise PolicyError(f"{MOST_OPEN_ACTS} acts are waiting", hint="wait for some of them")
        self._last_ref += 1
        ref = self._last_ref
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._answers[ref] = answer
        try:
            self._put(_Queued(replace(act, ref=ref), 0))
            self.hurry()
            return await answer
        finally:
            self._answers.pop(ref, None)

    def hurry(self) -> None:
        """Somebody waits: try the way to the relay now, unless that was just done."""
        now = asyncio.get_running_loop().time()
        if self._link is None and now - self._last_attempt > HURRY_S:
            self._hurry.set()

    def look_at_the_clock(self) -> None:
        """The clock was set: see whether the core's time has come, without waiting for a minute."""
        self._something.set()

    def listen(self, listener: Listener) -> None:
        """Tell this listener every notice that is no answer, from now on."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Stop telling it."""
        self._listeners = [one for one in self._listeners if one is not listener]

    async def on_disk(self, work: Callable[[], T]) -> T:
        """Run ``work`` where the vault is used: one thread, one thing after the other."""
        return await self._disk.run(work)

    # --- turns ------------------------------------------------------------------------------

    async def _turns(self) -> None:
        while True:
            self._errands.look(self._core.errands)
            await self._wait_for_inputs()
            await self._turn()
            async with self.changed:
                self.changed.notify_all()

    async def _wait_for_inputs(self) -> None:
        """Return when something waits; puts a ``Tick`` there when the core's time has come."""
        while not self._inputs:
            self._something.clear()
            due = self._ticks.due(self._core.wake_at)
            if due is not None and due <= self._clock():
                self._ticks.ticked(self._clock())
                self._inputs.append(_Queued(Tick(), 0))
                return
            # A wall clock may be set: never sleep through more than a minute of it.
            delay = 60.0 if due is None else min(60.0, max(0.0, due - self._clock()))
            with suppress(TimeoutError):
                async with asyncio.timeout(delay + 0.001):
                    await self._something.wait()

    async def _turn(self) -> None:
        core, link = self._core, self._link
        now = self.now()
        writes: dict[tuple[object, ...], Write] = {}
        later: list[Effect] = []
        for _ in range(min(len(self._inputs), MOST_INPUTS_A_TURN)):
            queued = self._inputs.popleft()
            if queued.link not in {0, self._link_number}:
                continue  # of a link that is gone; the core plans its work anew
            if isinstance(queued.given, LinkDown):
                later = [effect for effect in later if not isinstance(effect, Send)]
            core, effects = self._handle(core, queued.given, now)
            for effect in effects:
                if isinstance(effect, Persist):
                    for write in effect.writes:
                        merge_write(writes, write)
                else:
                    later.append(effect)
            if any(isinstance(effect, Disconnect) for effect in effects):
                break
        if self._paused and len(self._inputs) < RESUME_BELOW and self._link is not None:
            self._paused = False
            self._link.resume()
        if writes:
            await self.on_disk(lambda: self._vault.commit(writes.values()))
        routes_before, self._core = self._core.routes, core
        if core.routes != routes_before:
            self._backoff.reset()
            self._hurry.set()  # a new way, or the same relay with its pin: nothing to wait for
        if core.wants_log:
            self._put(_Queued(LogRead(entries=await self.on_disk(self._vault.entries)), 0))
        # While the disk worked the link may have gone, and another come: that one is not meant.
        self._carry_out(later, link if link is self._link else None)

    def _handle(
        self, core: ClientCore, given: AnyInput, now: int
    ) -> tuple[ClientCore, tuple[Effect, ...]]:
        if isinstance(given, Received):
            self._outstanding.discard(getattr(given.event, "rid", 0))
        try:
            return core.handle(given, now, self._entropy)
        except CloisterError as error:
            if isinstance(given, Act):
                return core, (Notify(notice=Answer(ref=given.ref, error=error)),)
            raise

    def _carry_out(self, effects: list[Effect], link: Link | None) -> None:
        requests: list[AnyRequest] = []
        for effect in effects:
            match effect:
                case Send():
                    requests.append(effect.request)
                case Notify():
                    self.tell(effect.notice)
                case Disconnect():
                    self._send(requests, link)
                    requests = []
                    if link is not None:
                        self._drop_link(link)
                        link = None
                case Persist():
                    pass  # committed before
        self._send(requests, link)

    def _send(self, requests: list[AnyRequest], link: Link | None) -> None:
        if requests and link is not None:
            self._outstanding.update(r.rid for r in requests if r.rid)
            link.send(requests)

    def tell(self, notice: Notice) -> None:
        """Hand a notice to whom it is for."""
        if isinstance(notice, Answer):
            answer = self._answers.get(notice.ref)
            if answer is not None and not answer.done():
                answer.set_result(notice)
            return
        for listener in tuple(self._listeners):
            listener.take(notice)

    def _put(self, queued: _Queued) -> None:
        self._inputs.append(queued)
        self._something.set()

    # --- the link ---------------------------------------------------------------------------

    async def _connections(self) -> None:
        turn_of = 0
        while True:
            self._hurry.clear()
            routes = self._core.routes
            if not routes:
                self.trouble.clear()
                await self._hurry.wait()
                continue
            self._last_attempt = asyncio.get_running_loop().time()
            route = routes[turn_of % len(routes)]
            try:
                stood = await self._stand(route)
            except CloisterError as error:
                self.trouble.failed(route, error, routes)
                turn_of += 1
            else:
                self._backoff.stood(stood)
            async with self.changed:
                self.changed.notify_all()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.next_delay()):
                    await self._hurry.wait()

    async def _stand(self, route: Route) -> float:
        """Keep one link; return how long it stood, in seconds."""
        number = self._link_number + 1

        def on_events(events: list[AnyEvent]) -> None:
            self.trouble.clear()
            self._is_heard = True
            for event in events:
                if isinstance(event, Failed) and event.code == Refusal.DRAINING:
                    # Now, and not in its turn: the link may be gone by then, and this with it.
                    self._backoff.retry_after(event.detail)
                self._put(_Queued(Received(event=event), number))
            if len(self._inputs) > PAUSE_ABOVE and self._link is not None and not self._paused:
                self._paused = True
                self._link.pause()

        self._is_heard = False
        link = await self._open_link(route, on_events)
        loop = asyncio.get_running_loop()
        since = loop.time()
        self._link, self._link_number, self._paused = link, number, False
        self._put(_Queued(LinkUp(), 0))
        link.start()
        async with self.changed:
            self.changed.notify_all()
        try:
            reason = await link.wait_closed()
        finally:
            self._drop_link(link)
        if reason is not None:
            self.trouble.lost(reason)
        return loop.time() - since

    def _drop_link(self, link: Link) -> None:
        """Close a link and let nothing more of it in; tell the core, once."""
        link.close()
        if self._link is link:
            self._link, self._link_number = None, self._link_number + 1
            self._outstanding.clear()
            self._put(_Queued(LinkDown(), 0))

    def _stop(self, reason: CloisterError) -> None:
        self._stopped = True
        if self._link is not None:
            self._link.close()
            self._link = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(reason)

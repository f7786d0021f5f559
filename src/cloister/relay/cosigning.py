"""The home's side of the mirrors: push what is new, collect cosignatures, renew them every hour."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Final

import picows

from cloister.errors import CloisterError
from cloister.limits import (
    MAX_LOG_PAGE_BYTES,
    STALE_WARN_S,
)
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Cause, Code, Log
from cloister.relay.mirror_wire import Dial, MirrorTrouble, MirrorWire, dial_mirror
from cloister.relay.peers import PeerCards
from cloister.relay.services.live_log import LiveLog
from cloister.relay.services.log import Logs
from cloister.roster.relay_card import RelayCard
from cloister.transparency import Checkpoint, RelayVerifier, UnverifiedNote, with_signatures
from cloister.wire.mirror import (
    MirrorBehind,
    MirrorCosigned,
    MirrorPush,
    MirrorRefusal,
    MirrorRefused,
)

RENEW_S: Final = STALE_WARN_S // 2
"""Age of a cosignature at which it is renewed: devices warn at twice that."""
LOOK_S: Final = 20
"""How often cosignatures are looked at when nothing happens."""
MAX_BACKOFF_S: Final = 10.0


class Cosigning:
    """One task for each mirror of the operator's list."""

    def __init__(
        self,
        logs: Logs,
        peers: PeerCards,
        identity: Identity,
        log: Log,
        now: Callable[[], int],
        on_time: Callable[[int], None],
        *,
        dial: Dial = dial_mirror,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``on_time`` is told the time of each fresh cosignature, by its mirror's clock (s).

        ``dial`` is a seam for simulated networks."""
        self._on_time = on_time
        self._logs = logs
        self._peers = peers
        self._identity = identity
        self._log = log
        self._now = now
        self._dial = dial
        self._uniform = uniform
        self._links: dict[bytes, _MirrorLink] = {}
        logs.on_grown = self._on_grown

    async def run(self) -> None:
        """Keep a link to every mirror.  Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for relay_id, card in self._peers.mirrors().items():
                    if relay_id not in self._links:
                        link = self._link(card)
                        self._links[relay_id] = link
                        group.create_task(link.run())
                await asyncio.sleep(1.0)

    def _link(self, card: RelayCard) -> _MirrorLink:
        return _MirrorLink(
            card,
            self._logs,
            self._identity,
            self._log,
            self._now,
            self._on_time,
            dial=self._dial,
            uniform=self._uniform,
        )

    def _on_grown(self, _origin: str) -> None:
        for link in self._links.values():
            link.wake.set()


class _MirrorLink:
    """The connection to one mirror."""

    def __init__(
        self,
        card: RelayCard,
        logs: Logs,
        identity: Identity,
        log: Log,
        now: Callable[[], int],
        on_time: Callable[[int], None],
        *,
        dial: Dial,
        uniform: Callable[[float, float], float],
    ) -> None:
        self._on_time = on_time
        self._card = card
        self._dial = dial
        self._uniform = uniform
        self._logs = logs
        self._identity = identity
        self._log = log
        self._now = now
        self._verifier = RelayVerifier(card.name, card.key)
        self._held: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Connect, serve, and connect again, with growing waits."""
        wait = 0.25
        while True:
            try:
                async with MirrorWire(self._card, self.wake.set, self._dial) as wire:
                    await wire.greet(self._identity)
                    self._refused.clear()
                    # The mirror may have been restored meanwhile: it says anew what it holds.
                    self._held.clear()
                    wait = 0.25
                    await self._serve(wire)
            except (CloisterError, OSError, TimeoutError, picows.WSError) as error:
                self._log.warning("mirror-lost", cause=Cause(error))
            except Exception as error:  # noqa: BLE001  a mirror's trouble must not stop the home
                self._log.bug("mirror-failed", error)
            # Full jitter: all homes of a mirror that was away come back at different times.
            await asyncio.sleep(self._uniform(0.1, wait))
            wait = min(wait * 2, MAX_BACKOFF_S)

    async def _serve(self, wire: MirrorWire) -> None:
        while True:
            self.wake.clear()
            for origin in self._logs.origins():
                live = self._logs.get(origin)
                if live is not None and self._is_due(live):
                    await self._push(wire, live)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self.wake.wait()
            except TimeoutError:
                pass
            if wire.is_closed:
                raise MirrorTrouble("the mirror closed the connection")

    def _is_due(self, live: LiveLog) -> bool:
        if self._held.get(live.origin, 0) > live.size:
            del self._held[live.origin]  # another log has taken its place
        if all(entry.relay_id != self._card.relay_id for entry in live.relay_set.entries):
            return False
        if self._refused.get(live.origin) == live.size:
            return False
        has_ended = live.fold.governance.had_home(self._identity.card.relay_id)
        if has_ended and live.settled_size == live.size:
            return False  # the new home goes on from here
        last = live.cosigned_at.get(self._card.relay_id, 0)
        return self._held.get(live.origin) != live.size or last < self._now() - RENEW_S

    async def _push(self, wire: MirrorWire, live: LiveLog) -> None:
        """Bring the mirror up to the log's size, page by page."""
        from_seq = self._held.get(live.origin, live.size)
        while True:
            page, note = self._page(live, from_seq)
            wire.send(MirrorPush(live.origin, from_seq, tuple(page), note))
            answer = await wire.receive()
            match answer:
                case MirrorBehind(size=size) if size < from_seq:
                    from_seq = size
                case MirrorCosigned(size=size) if size == from_seq + len(page):
                    from_seq = size
                    self._held[live.origin] = size
                    if size == live.size:
                        self._take(live, size, answer.lines)
                        return
                case MirrorRefused(code=code):
                    self._log.error("mirror-refused", code=Code(code))
                    if code != MirrorRefusal.STORAGE:
                        self._refused[live.origin] = live.size
                    return
                case _:
                    raise MirrorTrouble("a mirror's answer does not fit the push")

    def _page(self, live: LiveLog, from_seq: int) -> tuple[list[bytes], bytes]:
        if from_seq >= live.size:
            return [], live.note
        page = self._logs.page(live, from_seq, MAX_LOG_PAGE_BYTES)
        size = from_seq + len(page)
        if size == live.size:
            return page, live.note
        return page, self._logs.sign(live.origin, size, live.tree.root(size))

    def _take(self, live: LiveLog, size: int, lines: bytes) -> None:
        """Verify a cosignature before it stands in a note."""
        note = UnverifiedNote.parse(with_signatures(live.note, lines))
        checkpoint = Checkpoint.parse(note.text)
        at = self._verifier.verify_cosignature(note, checkpoint)
        if at is None:
            raise MirrorTrouble("a mirror's cosignature lacks one of its two signatures")
        self._on_time(at)
        self._logs.on_cosigned(live.origin, size, self._card.relay_id, lines)

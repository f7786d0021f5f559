"""Deleting what is old, and doing so honestly: never because a clock is wrong, and never what is
under a legal hold.

A clock is believed when another has agreed with it since the start: that of a mirror, whose
cosignatures state the time, or the operator's word (`cloister relay clock`).  Until then, and after
each jump, nothing is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import msgspec

from cloister.limits import MAX_CLOCK_SKEW_S, RETENTION_S
from cloister.relay.logsafe import Count, Log, Seconds
from cloister.relay.storage.api import Store
from cloister.relay.storage.writes import (
    Accepted,
    Expire,
    Outcome,
    Tidy,
)
from cloister.roster.governance import Governance

EVERY_S: Final = 600
BATCH: Final = 2000
"""Envelopes deleted in one transaction: others wait behind it."""
MAX_JUMP_S: Final = 300
"""A wall clock that drifts further from the monotonic one is not believed until a mirror agrees."""
WORD_HOLDS_S: Final = 3600
"""For how long the operator's word about the clock is good: until the next pass, and some more."""


class Held(msgspec.Struct, frozen=True):
    """What is under a legal hold at this relay: single channels, and all of some circles."""

    channels: frozenset[bytes] = frozenset()
    origins: frozenset[str] = frozenset()


def held_by(circles: Iterable[tuple[str, Governance]]) -> Held:
    """Gather the holds of circles: (origin of the log, what its readable entries say).

    A hold on a member names handles, and no relay knows a handle's channels: it keeps the
    member's unlock shares, and nothing here."""
    channels: set[bytes] = set()
    origins: set[str] = set()
    for origin, governance in circles:
        if governance.holds_circle():
            origins.add(origin)
        channels.update(
            hold.channel for hold in governance.holds.values() if hold.channel is not None
        )
    return Held(frozenset(channels), frozenset(origins))


class Retention:
    """Expires by age, while the clock is believed."""

    def __init__(
        self,
        store: Store,
        log: Log,
        *,
        retention_s: int,
        held: Callable[[], Held],
        now: Callable[[], int],
        monotonic: Callable[[], float],
        word: Callable[[], int | None] = lambda: None,
    ) -> None:
        """``word``: which time it was when the operator said that the clock is right, if ever."""
        self._store = store
        self._log = log
        self._retention_s = min(retention_s, RETENTION_S)
        self._held = held
        self._now = now
        self._monotonic = monotonic
        self._word = word
        self._offset: float | None = None
        """Between wall clock and monotonic clock when the first was agreed with."""
        self._has_asked = False
        self._agreed = asyncio.Event()

    @property
    def is_frozen(self) -> bool:
        """Tell whether nothing is deleted, as nobody has agreed with the clock."""
        return self._offset is None or self._jump(self._offset) > MAX_JUMP_S

    def witness(self, at: int) -> None:
        """Another clock, a mirror's, shows ``at`` (s since the Unix epoch)."""
        now = self._now()
        if abs(now - at) > MAX_CLOCK_SKEW_S:
            self._log.warning("clock-differs-from-a-mirror", by=Seconds(abs(now - at)))
            return
        if self.is_frozen:
            self._offset = now - self._monotonic()
            self._agreed.set()

    async def run(self) -> None:
        """Expire now and then.  Runs until cancelled."""
        while True:
            # A mirror that agrees while this goes on has the next pass come at once.
            self._agreed.clear()
            await self.expire_all()
            await self._submit(Tidy())
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_S):
                    await self._agreed.wait()

    async def expire_all(self) -> int:
        """Delete everything that is old enough; returns how many envelopes went."""
        word = self._word()
        if self.is_frozen and word is not None and abs(self._now() - word) <= WORD_HOLDS_S:
            self.witness(self._now())
        if self.is_frozen:
            self._say_frozen()
            return 0
        total = 0
        while (deleted := await self._expire_some()) > 0:
            total += deleted
            if deleted < BATCH:
                break
        if total:
            self._log.info("expired", envelopes=Count(total))
        return total

    def _jump(self, offset: float) -> float:
        return abs(self._now() - self._monotonic() - offset)

    def _say_frozen(self) -> None:
        """At a start the mirrors have not answered yet: that is worth a line the second time."""
        if self._offset is not None:
            self._log.warning("clock-jumped-nothing-expires", by=Seconds(self._jump(self._offset)))
            self._offset = None
        elif self._has_asked:
            self._log.warning("clock-unconfirmed-nothing-expires")
        self._has_asked = True

    async def _expire_some(self) -> int:
        now = self._now()
        # Asked anew for every batch: a hold that was acknowledged is in force from then on.
        held = self._held()
        return await self._submit(
            Expire(
                before=now - self._retention_s,
                forget_before=now - RETENTION_S,
                now=now,
                limit=BATCH,
                held_channels=held.channels,
                held_origins=held.origins,
            )
        )

    async def _submit(self, write: Expire | Tidy) -> int:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()

        def settle(outcome: Outcome) -> None:
            if not future.done():  # the relay stops, and nobody waits any more
                future.set_result(outcome)

        self._store.submit(write, settle)
        outcome = await future
        return outcome.n if isinstance(outcome, Accepted) else 0

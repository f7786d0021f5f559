"""Deleting what is old, and doing so honestly: never because a clock jumped, and never what is
under a legal hold."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from cloister.limits import RETENTION_S
from cloister.relay.logsafe import Count, Log, Seconds
from cloister.relay.storage.api import Store
from cloister.relay.storage.writes import (
    Accepted,
    Expire,
    Outcome,
)
from cloister.roster.governance import Governance

EVERY_S: Final = 600
BATCH: Final = 2000
"""Envelopes deleted in one transaction: others wait behind it."""
MAX_JUMP_S: Final = 300
"""A wall clock that drifts further from the monotonic one is not believed until a restart."""


@dataclass(frozen=True, slots=True)
class Held:
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
    """Expires by age; frozen when the wall clock has jumped."""

    def __init__(
        self,
        store: Store,
        log: Log,
        *,
        retention_s: int,
        held: Callable[[], Held],
        now: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._log = log
        self._retention_s = min(retention_s, RETENTION_S)
        self._held = held
        self._now = now
        self._monotonic = monotonic
        self._offset = now() - monotonic()
        self._was_frozen = False

    async def run(self) -> None:
        """Expire now and then.  Runs until cancelled."""
        while True:
            await self.expire_all()
            await asyncio.sleep(EVERY_S)

    async def expire_all(self) -> int:
        """Delete everything that is old enough; returns how many envelopes went."""
        jump = abs(self._now() - self._monotonic() - self._offset)
        if jump > MAX_JUMP_S:
            if not self._was_frozen:
                self._log.warning("clock-jumped-nothing-expires", by=Seconds(jump))
            self._was_frozen = True
            return 0
        self._was_frozen = False
        total = 0
        while (deleted := await self._expire_some()) > 0:
            total += deleted
            if deleted < BATCH:
                break
        if total:
            self._log.info("expired", envelopes=Count(total))
        return total

    async def _expire_some(self) -> int:
        now = self._now()
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        # Asked anew for every batch: a hold that was acknowledged is in force from then on.
        held = self._held()
        write = Expire(
            before=now - self._retention_s,
            forget_before=now - RETENTION_S,
            now=now,
            limit=BATCH,
            held_channels=held.channels,
            held_origins=held.origins,
        )
        self._store.submit(write, future.set_result)
        outcome = await future
        return outcome.n if isinstance(outcome, Accepted) else 0

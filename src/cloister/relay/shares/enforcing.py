"""What a log says of shares, carried out: locks, unlocks, holds, and erasures that are due.

Everything is derived from the fold anew each time and nothing is remembered but what the rows
say, so a relay that was down, or crashed between any two steps, does the rest when it looks again.
Locks and holds count as soon as they are in the log; what gives a share back, or takes it for good,
waits until another relay has cosigned the log, so that no home can do it alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final

from cloister.crypto.hybrid_signature import HybridKey
from cloister.ids import CircleId, Handle, RelayId
from cloister.relay.logsafe import Count, Log
from cloister.relay.shares.logs import KeptLog, KeptLogs, NamedHandles
from cloister.relay.shares.rows import TRIES, ErasureDue, Standing, Unlocked
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.worker import Worker
from cloister.relay.storage.writes import Refused
from cloister.roster.governance_state import Erasure, ErasureState
from cloister.roster.share import UNSIGNED, ErasureReceipt, bind_of, sign_by_relay
from cloister.values import replace

LOOK_S: Final = 10
"""How often cool-offs that have ended are looked for when no log grows."""


class Enforcement:
    """Carries out what the logs of this relay say."""

    def __init__(
        self,
        logs: KeptLogs,
        worker: Worker,
        relay_id: RelayId,
        key: HybridKey,
        log: Log,
        now: Callable[[], int],
    ) -> None:
        self._logs = logs
        self._worker = worker
        self._relay_id = relay_id
        self._key = key
        self._log = log
        self._now = now
        self._named: dict[str, NamedHandles] = {}
        self._origins: dict[CircleId, str] = {}
        self._some_origin = ""

    # --- looking -----------------------------------------------------------------------------

    async def run(self) -> None:
        """Look now and then, at one log in a turn of the loop: a thousand devices take some
        milliseconds.  Runs until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            for origin in tuple(self._logs.origins()):
                self.look(origin)
                await asyncio.sleep(0)
            self._tidy()

    def look_at_all(self) -> None:
        """Look at every log, drop old tickets, and replace an epoch key that is stale."""
        for origin in self._logs.origins():
            self.look(origin)
        self._tidy()

    def _tidy(self) -> None:
        self._worker.submit(lambda store: store.forget_tickets(self._now()), _nothing)
        self._worker.submit(ShareStore.is_stale, self._on_stale)

    def log_of(self, circle_id: CircleId) -> KeptLog | None:
        """Return the log of a circle, at one cost whether there is one or not: strangers ask."""
        origin = self._origins.get(circle_id)
        kept = self._logs.kept(self._some_origin if origin is None else origin)
        return None if origin is None else kept

    def look_for(self, handle: Handle) -> None:
        """Carry out what the logs say of a share that was not there when they were looked at.

        Of this one alone: a member may ask for it as often as for anything.  The jobs stand behind
        what was submitted before, and before every later request."""
        for origin, named in tuple(self._named.items()):
            if handle in named.binds:
                self.look(origin, handle)

    def look(self, origin: str, handle: Handle | None = None) -> None:
        """Carry out what is new in one log; or what it says of one share."""
        kept = self._logs.kept(origin)
        if kept is None:
            return
        self._origins[kept.fold.circle_id] = self._some_origin = origin
        named = self._named.get(origin)
        if named is None:
            named = self._named[origin] = NamedHandles(self._relay_id, origin)
        while named.size < kept.fold.size:
            page = self._logs.entries_of(origin, named.size, kept.fold.size)
            if not page:
                return
            named.read(page)
        if not named.binds:
            return
        standings = tuple(self._standings(kept, named, handle))
        pending = tuple(one for one in self._pending(kept) if _is_of(one[0], handle))
        self._worker.submit(lambda store: _apply(store, standings, pending), _nothing)
        due = tuple(one for one in self._due(kept) if _is_of(one, handle))
        if due and kept.is_settled:
            self._worker.submit(partial(self._erase, due), self._on_erased, is_alone=True)

    def _standings(self, kept: KeptLog, named: NamedHandles, only: Handle | None) -> list[Standing]:
        governance = kept.fold.governance
        standings = []
        wanted = named.binds if only is None else {only: named.binds.get(only, set())}
        for handle, binds in wanted.items():
            place = (self._relay_id, handle)
            unlocked_at = governance.unlocked_at.get(place)
            unlock = None
            if unlocked_at is not None and kept.is_settled:
                consent = named.consents.get((unlocked_at, handle))
                unlock = Unlocked(unlocked_at, None if consent is None else consent.is_by)
            standings += [
                Standing(
                    handle=handle,
                    bind=bind,
                    locked_at=named.locks.get(handle),
                    unlock=unlock,
                    is_held=governance.is_held(self._relay_id, handle),
                    is_settled=kept.is_settled,
                )
                for bind in binds
            ]
        return standings

    def _pending(self, kept: KeptLog) -> list[tuple[ErasureDue, bool]]:
        """Every erase of the log, and whether it still may come."""
        origin = kept.fold.origin
        return [
            (self._here(origin, erasure), erasure.is_open or erasure.state is ErasureState.DUE)
            for erasure in kept.fold.governance.erasures.values()
        ]

    def _due(self, kept: KeptLog) -> list[ErasureDue]:
        """The erasures whose cool-off is over by log time and by this relay's clock."""
        now = self._now()
        return [
            self._here(kept.fold.origin, erasure)
            for erasure in kept.fold.governance.due_erasures()
            if erasure.executes_at <= now
        ]

    def _here(self, origin: str, erasure: Erasure) -> ErasureDue:
        own = [target for target in erasure.targets if target.relay_id == self._relay_id]
        return ErasureDue(
            erasure.entry_hash, tuple((one.handle, bind_of(origin, one.opening)) for one in own)
        )

    # --- erasing -----------------------------------------------------------------------------

    def _erase(self, due: tuple[ErasureDue, ...], store: ShareStore) -> int:
        """Destroy what is due; a handle that is destroyed already gets its receipt only."""
        now = self._now()
        handles: list[Handle] = []
        receipts: list[tuple[bytes, Handle, bytes]] = []
        for erasure in due:
            for handle, bind in erasure.handles:
                share = store.share(handle)
                if share is None or share.bind != bind:
                    continue
                _, receipt = store.erasure(erasure.order_hash, handle)
                if receipt:
                    continue
                if share.erased_at is None:
                    handles.append(handle)
                at = now if share.erased_at is None else share.erased_at
                receipts.append(
                    (erasure.order_hash, handle, self._receipt(erasure.order_hash, handle, at))
                )
        if receipts:
            store.destroy(tuple(dict.fromkeys(handles)), receipts, now)
        return len(handles)

    def _receipt(self, order_hash: bytes, handle: Handle, at: int) -> bytes:
        unsigned = ErasureReceipt(
            relay_id=self._relay_id,
            handle=handle,
            order_hash=order_hash,
            at=at,
            signature=UNSIGNED,
        )
        return replace(unsigned, signature=sign_by_relay(unsigned, self._key)).encode()

    def _on_erased(self, outcome: int | Refused) -> None:
        if isinstance(outcome, int) and outcome:
            self._log.info("shares-erased", shares=Count(outcome))

    def _on_stale(self, outcome: bool | Refused) -> None:
        if outcome is True:
            self._worker.submit(_replace_epoch_key, _nothing, is_alone=True)


def _is_of(erasure: ErasureDue, handle: Handle | None) -> bool:
    """Tell whether an erasure means this share; None: whichever."""
    return handle is None or any(one == handle for one, _ in erasure.handles)


def _apply(
    store: ShareStore,
    standings: tuple[Standing, ...],
    pending: tuple[tuple[ErasureDue, bool], ...],
) -> None:
    """Bring the rows to what the log says.  The same again changes nothing."""
    for standing in standings:
        _apply_standing(store, standing)
    for erasure, may_come in pending:
        for handle, bind in erasure.handles:
            share = store.share(handle)
            _, receipt = store.erasure(erasure.order_hash, handle)
            if share is not None and share.bind == bind and not receipt:
                store.set_pending(erasure.order_hash, handle, may_come)


def _apply_standing(store: ShareStore, standing: Standing) -> None:
    share = store.share(standing.handle)
    if share is None or share.bind != standing.bind:
        return
    locked_at, unlocked_at = share.locked_at, share.unlocked_at
    unlock = standing.unlock
    if (
        unlock is not None
        and unlock.seq > unlocked_at
        and (unlock.consent is None or unlock.consent(share.owner_key))
    ):
        unlocked_at = unlock.seq
        store.set_tries(share.handle, TRIES, 0)
        if locked_at is not None and locked_at <= unlocked_at:
            locked_at = None
    if standing.locked_at is not None and standing.locked_at > unlocked_at:
        locked_at = max(locked_at or 0, standing.locked_at)
    if (locked_at, unlocked_at) != (share.locked_at, share.unlocked_at):
        store.set_lock(share.handle, locked_at, unlocked_at)
    if standing.is_held != share.is_held and (standing.is_held or standing.is_settled):
        store.set_held(share.handle, standing.is_held)


def _replace_epoch_key(store: ShareStore) -> None:
    store.destroy((), (), 0)


def _nothing(_outcome: object) -> None:
    """Nobody waits for it; what failed is tried again at the next look."""

"""A restored home fetches from its mirrors what its logs had been, before it signs or serves.

A backup is older than what members have seen.  Were the home to go on from there, it would sign a
second history.  So each log is compared with all mirrors of its relay set that the operator lists,
and the longest that this home itself has signed is taken over.  Until then it does not listen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import picows

from cloister.errors import CloisterError, TrustError
from cloister.relay.backup.restoring import Mark, read_mark, write_mark
from cloister.relay.folder import Folder, Identity
from cloister.relay.logsafe import Cause, Count, Log
from cloister.relay.mirror_wire import MirrorTrouble, MirrorWire
from cloister.relay.peers import Peers
from cloister.relay.services.log import Logs
from cloister.relay.storage.api import Store
from cloister.relay.storage.writes import Accepted, AppendEntry, Outcome
from cloister.roster.entry import Entry
from cloister.roster.relay_card import RelayCard
from cloister.roster.relay_fold import RelayFold
from cloister.transparency import RelayVerifier, verify_logged
from cloister.wire.mirror import MirrorFetch, MirrorPage

_RETRY_S: Final = 1.0
_BATCH: Final = 200


class Adopting:
    """Brings the logs of a restored home to what its mirrors hold."""

    def __init__(
        self,
        folder: Folder,
        identity: Identity,
        store: Store,
        logs: Logs,
        peers: Peers,
        log: Log,
        on_time: Callable[[int], None],
    ) -> None:
        """``on_time`` is told what the mirrors' clocks show (s)."""
        self._on_time = on_time
        self._folder = folder
        self._identity = identity
        self._store = store
        self._logs = logs
        self._peers = peers
        self._log = log
        self.taken_over: set[str] = set()
        """Origins of the logs that a mirror held more of."""
        self._verifier = RelayVerifier(identity.card.name, identity.card.key)

    async def run(self) -> bool:
        """Return when every log has been compared; tell whether the home had been restored.

        As long as a mirror of the list does not answer it is asked again: taking its card out of
        ``peers/`` says that it will not come back.  Raises LocalError for a damaged mark."""
        mark = read_mark(self._folder)
        if mark is None or not mark.logs_due:
            return False
        taken = 0
        asked: set[tuple[str, bytes]] = set()
        while due := self._due(asked):
            self._log.warning("restored-asking-mirrors", logs=Count(len({one for one, _ in due})))
            for relay_id in {relay_id for _, relay_id in due}:
                try:
                    taken += await self._ask(
                        self._peers.mirrors()[relay_id],
                        [origin for origin, of in due if of == relay_id],
                        asked,
                    )
                except (CloisterError, OSError, TimeoutError, picows.WSError) as error:
                    self._log.warning("mirror-lost", cause=Cause(error))
            if self._due(asked):
                await asyncio.sleep(_RETRY_S)
        write_mark(self._folder, Mark(mark.made_at, mark.restored_at, False))
        self._log.info("restored-logs-adopted", entries=Count(taken))
        return True

    def _due(self, asked: set[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        mirrors = self._peers.mirrors()
        due: list[tuple[str, bytes]] = []
        for origin in self._logs.origins():
            live = self._logs.get(origin)
            if live is not None:
                due += [
                    (origin, entry.relay_id)
                    for entry in live.relay_set.entries
                    if entry.relay_id in mirrors and (origin, entry.relay_id) not in asked
                ]
        return due

    async def _ask(self, card: RelayCard, origins: list[str], asked: set[tuple[str, bytes]]) -> int:
        taken = 0
        async with MirrorWire(card) as wire:
            await wire.greet(self._identity)
            for origin in origins:
                taken += await self._take_over(wire, origin)
                asked.add((origin, card.relay_id))
        return taken

    async def _take_over(self, wire: MirrorWire, origin: str) -> int:
        """Fetch what is missing, check all of it, and only then store it."""
        live = self._logs.get(origin)
        if live is None:
            return 0
        fold, fresh = live.fold, list[tuple[bytes, RelayFold]]()
        while True:
            wire.send(MirrorFetch(origin, fold.size))
            page = await wire.receive()
            if not isinstance(page, MirrorPage) or page.origin != origin:
                raise MirrorTrouble("a mirror's answer does not fit the question")
            self._on_time(page.at)
            if page.size <= live.size:
                return 0
            for entry in page.entries:
                fold = fold.append(entry)
                fresh.append((entry, fold))
            if fold.size >= page.size:
                break
            if not page.entries:
                raise MirrorTrouble("a mirror says that it has more and does not give it")
        # This home's own signature: what it never signed no mirror can slip in.
        checkpoint = verify_logged(page.note, self._verifier, origin)
        if (checkpoint.size, checkpoint.root) != (fold.size, fold.root):
            raise TrustError("a mirror's entries are not those that this home had signed")
        for start in range(0, len(fresh), _BATCH):
            await asyncio.gather(
                *(self._store_entry(origin, *one) for one in fresh[start : start + _BATCH])
            )
        self._logs.load_anew(origin)
        self.taken_over.add(origin)
        return len(fresh)

    async def _store_entry(self, origin: str, entry: bytes, fold: RelayFold) -> None:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        write = AppendEntry(
            origin=origin,
            seq=fold.size - 1,
            kind=int(Entry.decode(entry).header.kind),
            entry=entry,
            fold=fold.encode(),
            root=fold.root,
            note=self._logs.sign(origin, fold.size, fold.root),
        )

        def settle(outcome: Outcome) -> None:
            if not future.done():  # the relay stops, and nobody waits any more
                future.set_result(outcome)

        self._store.submit(write, settle)
        if not isinstance(await future, Accepted):
            raise MirrorTrouble("an entry of a mirror could not be stored")

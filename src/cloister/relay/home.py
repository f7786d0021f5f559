"""The home face: store, services, listener and mirrors put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from typing import Final

from cloister.crypto.entropy import Entropy
from cloister.relay.accounts import Accounts
from cloister.relay.adopting import Adopting
from cloister.relay.cosigning import Cosigning
from cloister.relay.dispatch import Shares
from cloister.relay.folder import Folder, Identity
from cloister.relay.listener import Listener, Sessions
from cloister.relay.logsafe import Count, Log
from cloister.relay.metrics import Metrics
from cloister.relay.peers import Peers
from cloister.relay.processes.children import Children
from cloister.relay.processes.count import granted_files, process_count
from cloister.relay.processes.fronts import Fronts
from cloister.relay.protocol import HomeProtocol
from cloister.relay.retention import Retention, held_by
from cloister.relay.services.context import Context
from cloister.relay.services.log import Logs
from cloister.relay.services.seats import Seats
from cloister.relay.settings import Settings
from cloister.relay.shares.keeper import ShareKeeper
from cloister.relay.storage.quotas import Disk, Quotas
from cloister.relay.storage.sqlite import SqliteStore

DAY_S: Final = 86_400
SETTLE_S: Final = 10.0
"""How long a restored home waits for its mirrors to sign what it has taken over from them."""
LAST_BYTES_S: Final = 1.0
"""How long a device may take for its last answers; what it misses it asks for again."""


class Home:
    """A running home relay."""

    def __init__(
        self,
        folder: Folder,
        settings: Settings,
        identity: Identity,
        *,
        entropy: Entropy,
        log: Log,
        now: Callable[[], int],
        on_failure: Callable[[], None],
    ) -> None:
        self.metrics = Metrics()
        self._log = log
        self._folder = folder
        self._settings = settings
        disk = Disk(folder.path, settings.storage.reserve_mib * 1024**2)
        self._store = SqliteStore(
            folder.database_path,
            on_failure,
            settings.storage.window_ms / 1000,
            Quotas(is_short=disk.is_short),
        )
        peers = Peers(folder, log)
        context = Context(
            relay_id=identity.card.relay_id,
            store=self._store,
            metrics=self.metrics,
            now=now,
            monotonic=time.monotonic,
        )

        def make_shares(logs: Logs, seats: Seats) -> Shares:
            self._shares = ShareKeeper(
                folder,
                identity,
                logs,
                peers.cards,
                seats=seats,
                entropy=entropy,
                log=log,
                now=now,
                on_failure=on_failure,
            )
            logs.on_kept = self._shares.enforcement.look
            return self._shares.service

        protocol = HomeProtocol(
            context,
            identity,
            Accounts(folder.accounts_path, log),
            peers=peers.mirrors,
            is_code=folder.is_code,
            entropy=entropy,
            make_shares=make_shares,
        )
        logs, self._logs, self._seats = protocol.logs, protocol.logs, protocol.seats
        self._sessions = Sessions(
            context,
            protocol.dispatch,
            entropy=entropy,
            log=log,
            max_connections=settings.limits.max_connections,
        )
        self._listener = Listener(self._sessions, settings.limits.handshake_s, knows_addresses=True)
        self._children: Children | None = None
        if process_count(settings, granted_files()):
            fronts = Fronts(self._sessions)
            self._children = Children(folder, settings, fronts.make, metrics=self.metrics, log=log)
        self._retention = Retention(
            self._store,
            log,
            retention_s=settings.retention.days * DAY_S,
            held=lambda: held_by(logs.governances()),
            now=now,
            monotonic=time.monotonic,
            word=folder.clock_word,
        )
        witness = self._retention.witness
        self._adopting = Adopting(folder, identity, self._store, logs, peers, log, witness)
        self._cosigning = Cosigning(logs, peers, identity, log, now, witness)
        self._upkeep: list[asyncio.Task[None]] = []
        self._last_counts: dict[str, int] | None = None
        """As of when the file was closed."""

    async def start(self, group: asyncio.TaskGroup) -> int:
        """Listen; returns the port.  Raises OSError."""
        if await self._adopting.run():
            # What had aged out before is gone before anybody can ask for it.
            await self._retention.expire_all()
        self._logs.load()
        self._shares.start(group)
        cosigning = group.create_task(self._cosigning.run())
        await self._settle(self._adopting.taken_over)
        if self._children is not None:
            port = await self._children.start(group)
        else:
            port = self._listener.start(
                self._settings.listen.host, self._settings.relay.port, self._folder.server_context()
            )
        self._upkeep = [
            cosigning,
            *(
                group.create_task(work)
                for work in (
                    self._sessions.sweep_forever(),
                    self._retention.run(),
                    self._seats.watch(),
                )
            ),
        ]
        return port

    async def _settle(self, origins: Collection[str]) -> None:
        """Wait until the mirrors have signed these logs as long as they are.

        The newest settled head is still that of the copy: a device that has seen a later one would
        take it for a rollback.  After a while it has to do: a mirror may be gone for good."""
        until = time.monotonic() + SETTLE_S
        while unsettled := [one for one in origins if not self._logs.is_settled(one)]:
            if time.monotonic() > until:
                self._log.warning("restored-not-cosigned", logs=Count(len(unsettled)))
                return
            await asyncio.sleep(0.02)

    async def stop(self) -> None:
        """Refuse new work, finish what is under way, close."""
        self._listener.shut()
        if self._children is not None:
            self._children.shut()
        self._sessions.drain()
        # None of it may read a file that is closed.
        for task in self._upkeep:
            task.cancel()
        self._last_counts = self.counts()
        # Finishes the writes that are under way, and with them their answers.
        self._shares.close()
        self._store.close()
        self._sessions.close_all()
        await self._sessions.wait_closed(LAST_BYTES_S)
        if self._children is not None:
            await self._children.end()

    def counts(self) -> dict[str, int]:
        """Return what is stored and what has happened."""
        if self._last_counts is not None:
            return self._last_counts
        stored = self._store.counts()
        self.metrics.batches = self._store.metrics.batches
        return {
            "circles": stored.circles,
            "channels": stored.channels,
            "envelopes": stored.envelopes,
            "entries_stored": stored.entries,
            "file_bytes": stored.file_bytes,
            "is_short": int(self._store.is_short),
            "expiry_frozen": int(self._retention.is_frozen),
            **self._shares.counts(),
            **self.metrics.as_counts(),
        }

"""The entry face: proxy, mirror and unlock shares put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from cloister.crypto.entropy import Entropy
from cloister.relay.door import Door, bind
from cloister.relay.entry import Counted, Proxy
from cloister.relay.folder import Folder, Identity
from cloister.relay.health import LOOPBACK
from cloister.relay.listener import Listener, Sessions
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror
from cloister.relay.mirror_listener import MirrorListener
from cloister.relay.peers import Peers
from cloister.relay.processes.children import Children
from cloister.relay.processes.count import granted_files, process_count
from cloister.relay.processes.places import PlacesOf
from cloister.relay.services.context import Context
from cloister.relay.settings import Settings
from cloister.relay.shares.face import ShareDispatch
from cloister.relay.shares.keeper import ShareKeeper
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.waiting import ByAddress


class Gate:
    """A running entry relay."""

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
        self._folder = folder
        self._settings = settings
        self._store = SqliteStore(folder.database_path, on_failure)
        peers = Peers(folder, log)
        card = identity.card
        # The unlock face is bound to loopback: through the proxy devices come from nowhere, and
        # no second port of this machine says that it keeps shares.
        unlock = {(card.unlock_host.lower(), card.unlock_port): (LOOPBACK, card.unlock_port)}
        limits = settings.limits
        counted = self._counted = Counted(
            self.metrics, limits.max_connections, limits.max_connections_per_address
        )
        self._tls = folder.server_context()
        self._proxy = Proxy(
            peers, counted, unlock=unlock, tls=self._tls, handshake_s=limits.handshake_s
        )
        self._door: Door | None = None
        self._children: Children | None = None
        if process_count(settings, granted_files()):
            make = partial(PlacesOf, counted)
            self._children = Children(
                folder, settings, make, unlock=unlock, metrics=self.metrics, log=log
            )
        mirror = Mirror(self._store, identity, self.metrics, log, now)
        self._mirror = MirrorListener(mirror, peers, identity, self.metrics, entropy, log)
        self._shares = ShareKeeper(
            folder,
            identity,
            mirror,
            peers.cards,
            seats=None,
            entropy=entropy,
            log=log,
            now=now,
            on_failure=on_failure,
        )
        mirror.on_kept = self._shares.enforcement.look
        context = Context(
            relay_id=card.relay_id,
            store=self._store,
            metrics=Metrics(),
            now=now,
            monotonic=time.monotonic,
        )
        self._sessions = Sessions(
            context,
            ShareDispatch(context, self._shares.service),
            entropy=entropy,
            log=log,
            max_connections=settings.limits.max_connections,
        )
        self._unlock = Listener(self._sessions, settings.limits.handshake_s)

    async def start(self, group: asyncio.TaskGroup) -> int:
        """Listen; returns the port of the proxy.  Raises OSError."""
        self._shares.start(group)
        relay, host = self._settings.relay, self._settings.listen.host
        self._mirror.start(host, relay.mirror_port, self._tls)
        self._unlock.start(LOOPBACK, relay.unlock_port, self._tls)
        group.create_task(self._sessions.sweep_forever())
        if self._children is not None:
            return await self._children.start(group)
        self._door = Door(
            bind(host, relay.port),
            self._proxy.take,
            lambda: True,
            ByAddress(self._settings.limits.max_connections_per_address, self._counted.refuses),
            silent_s=self._settings.limits.handshake_s,
        )
        self._door.open()
        return self._door.port

    async def stop(self) -> None:
        """Close; what the mirror has under way is finished."""
        self._mirror.shut()
        if self._door is not None:
            self._door.shut()
        if self._children is not None:
            self._children.shut()
        self._unlock.shut()
        self._sessions.drain()
        self._shares.close()
        self._sessions.close_all()
        # One turn of the loop for the last answers to pass the proxy.
        await asyncio.sleep(0.05)
        self._proxy.close()
        if self._children is not None:
            await self._children.end()
        self._store.close()
        self._mirror.close()
        await asyncio.sleep(0.05)

    def counts(self) -> dict[str, int]:
        """Return what is stored and what has happened."""
        stored = self._store.counts()
        return {
            "circles": stored.circles,
            "entries_stored": stored.entries,
            "file_bytes": stored.file_bytes,
            **self._shares.counts(),
            **self.metrics.as_counts(),
        }

"""The entry face: proxy, mirror and unlock shares put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from cloister.crypto.entropy import Entropy
from cloister.relay.entry import Proxy
from cloister.relay.folder import Folder, Identity
from cloister.relay.health import LOOPBACK
from cloister.relay.listener import Listener, Sessions
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror, MirrorListener
from cloister.relay.peers import Peers
from cloister.relay.services.context import Context
from cloister.relay.settings import Settings
from cloister.relay.shares.face import ShareDispatch
from cloister.relay.shares.keeper import ShareKeeper
from cloister.relay.storage.sqlite import SqliteStore


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
        self._proxy = Proxy(
            peers,
            self.metrics,
            unlock={(card.unlock_host.lower(), card.unlock_port): (LOOPBACK, card.unlock_port)},
            max_connections=settings.limits.max_connections,
            max_per_address=settings.limits.max_connections_per_address,
            handshake_s=settings.limits.handshake_s,
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
        self._servers: list[Any] = []

    async def start(self, group: asyncio.TaskGroup) -> int:
        """Listen; returns the port of the proxy.  Raises OSError."""
        self._shares.start(group)
        relay, host = self._settings.relay, self._settings.listen.host
        tls = self._folder.server_context()
        proxy = await self._proxy.start(host, relay.port, tls)
        self._servers = [
            proxy,
            await self._mirror.start(host, relay.mirror_port, tls),
        ]
        self._unlock.start(LOOPBACK, relay.unlock_port, tls)
        group.create_task(self._sessions.sweep_forever())
        return int(proxy.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close; what the mirror has under way is finished."""
        for server in self._servers:
            server.close()
        self._unlock.shut()
        self._sessions.drain()
        self._shares.close()
        self._sessions.close_all()
        # One turn of the loop for the last answers to pass the proxy.
        await asyncio.sleep(0.05)
        self._proxy.close()
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

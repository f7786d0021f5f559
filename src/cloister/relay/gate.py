"""The entry face: proxy and mirror put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from cloister.crypto.entropy import Entropy
from cloister.relay.entry import Proxy
from cloister.relay.folder import Folder, Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror, MirrorListener
from cloister.relay.peers import Peers
from cloister.relay.settings import Settings
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
        self._proxy = Proxy(
            peers,
            self.metrics,
            max_connections=settings.limits.max_connections,
            max_per_address=settings.limits.max_connections_per_address,
            handshake_s=settings.limits.handshake_s,
        )
        mirror = Mirror(self._store, identity, self.metrics, log, now)
        self._mirror = MirrorListener(mirror, peers, identity, self.metrics, entropy, log)
        self._servers: list[Any] = []

    async def start(self, _group: asyncio.TaskGroup) -> int:
        """Listen; returns the port of the proxy.  Raises OSError."""
        relay, host = self._settings.relay, self._settings.listen.host
        tls = self._folder.server_context()
        proxy = await self._proxy.start(host, relay.port, tls)
        self._servers = [proxy, await self._mirror.start(host, relay.mirror_port, tls)]
        return int(proxy.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close; what the mirror has under way is finished."""
        for server in self._servers:
            server.close()
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
            **self.metrics.as_counts(),
        }

"""Looks at both relays from aside while honest devices are measured: memory, connections, and how
long a newcomer waits.

Neither may be work that the honest devices wait for.  Whoever looks does so on the attacker's
processor.  A newcomer shares that of the relays, which is what it waits for; what it computes
itself, two handshakes of some milliseconds, it does when nobody else there has anything to do: a
device brings a processor of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Final, Self

import picows

from cloister.bench.hostile_cores import Cores, stay_on
from cloister.bench.process_cost import rss_kib
from cloister.bench.relay_process import RelayProcess
from cloister.pinning import pinned_context
from cloister.wire.frame import HOME_PATH

_LOOK_S: Final = 1.0
_NEWCOMER_S: Final = 5.0
_FIRST_NEWCOMER_S: Final = 2.0
_PATIENCE_S: Final = 30.0


class Watch:
    """Looks from ``__enter__`` to ``__exit__``."""

    def __init__(
        self, home: RelayProcess, entry: RelayProcess, pids: tuple[int, int], cores: Cores
    ) -> None:
        self._home, self._entry = home, entry
        self._pids = pids
        self._cores = cores
        self._before = [rss_kib(pid) for pid in pids]
        self._end = threading.Event()
        self._threads = [
            threading.Thread(target=work, daemon=True) for work in (self._look, self._come)
        ]
        self.grown_kib = [0, 0]
        """What the relays' processes grew by, at the most; home, entry."""
        self.held = [0, 0]
        """Connections at the most."""
        self.waits_ms: list[float] = []
        """Of each newcomer: until it had its challenge."""
        self._home_tls = pinned_context(home.card.tls_certificate)
        self._entry_tls = pinned_context(entry.card.tls_certificate)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()

    def _look(self) -> None:
        stay_on(self._cores.attack)
        self._repeat(0.0, _LOOK_S, self._weigh)

    def _repeat(self, first_s: float, every_s: float, work: Callable[[], None]) -> None:
        wait_s = first_s
        while not self._end.wait(wait_s):
            work()
            wait_s = every_s

    def _weigh(self) -> None:
        for place, (pid, relay) in enumerate(
            zip(self._pids, (self._home, self._entry), strict=True)
        ):
            grown = rss_kib(pid) - self._before[place]
            self.grown_kib[place] = max(self.grown_kib[place], grown)
            held = int(relay.counts()["connections"])
            self.held[place] = max(self.held[place], held)

    def _come(self) -> None:
        stay_on(self._cores.honest)
        if hasattr(os, "SCHED_IDLE"):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with asyncio.Runner() as runner:
            self._repeat(
                _FIRST_NEWCOMER_S,
                _NEWCOMER_S,
                lambda: self.waits_ms.append(1000 * runner.run(self._newcomer())),
            )

    async def _newcomer(self) -> float:
        """Return how long a fresh connection takes, in seconds; ``_PATIENCE_S`` when it fails."""
        greeted = asyncio.Event()
        home, entry = self._home.card, self._entry.card
        began = time.monotonic()
        try:
            async with asyncio.timeout(_PATIENCE_S):
                transport, _ = await picows.ws_connect(
                    lambda: _Newcomer(greeted),
                    f"wss://{home.host}:{home.port}{HOME_PATH}",
                    ssl_context=self._home_tls,
                    proxy=f"https://{entry.host}:{entry.port}",
                    proxy_ssl_context=self._entry_tls,
                    websocket_handshake_timeout=_PATIENCE_S,
                )
                await greeted.wait()
        except (OSError, TimeoutError, picows.WSError):
            return _PATIENCE_S
        waited = time.monotonic() - began
        transport.disconnect(graceful=False)
        return waited


class _Newcomer(picows.WSListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, greeted: asyncio.Event) -> None:
        super().__init__()
        self._greeted = greeted

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        self._greeted.set()

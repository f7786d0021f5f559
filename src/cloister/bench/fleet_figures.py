"""What the fleet bench reads off processes, and the floors it prints beside them."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cloister.bench.process_cost import own_cpu_seconds, own_rss_kib
from cloister.pinning import pinned_context
from cloister.relay.health import LOOPBACK

PROBE_S: Final = 0.02
_HANDSHAKES: Final = 200


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


class Group:
    """Processes that are measured together."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.pids = list(pids)

    def cpu_s(self) -> float:
        """CPU time so far, user and system."""
        return sum(map(own_cpu_seconds, self.pids))

    def rss_kib(self) -> int:
        """Resident memory."""
        return sum(map(own_rss_kib, self.pids))


class Lag(threading.Thread):
    """Asks the health port of a relay again and again: how long it takes is the lag of its loop,
    and the wait for a core of a machine that has none free."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._is_over = threading.Event()
        self._took: list[float] = []

    def run(self) -> None:
        """Ask until it is over."""
        while not self._is_over.wait(PROBE_S):
            began = time.perf_counter()
            with contextlib.suppress(OSError):
                self._ask()
                self._took.append(time.perf_counter() - began)

    def _ask(self) -> None:
        with socket.create_connection((LOOPBACK, self._port), 10) as one:
            one.sendall(b"GET /livez HTTP/1.1\r\n\r\n")
            one.recv(64)

    def take_ms(self) -> list[float]:
        """Return what was measured since the last time, in order of length."""
        took, self._took = self._took, []
        return sorted(round(one * 1e3, 1) for one in took)

    def end(self) -> None:
        """Stop asking."""
        self._is_over.set()


def part_of(values: Sequence[float], part: float) -> float:
    """Return the value below which ``part`` of the sorted values lie; 0 if there is none."""
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def handshake_us(server: ssl.SSLContext, certificate: bytes) -> float:
    """Return the CPU time of one TLS handshake, both sides, nothing around it (microseconds)."""
    client = pinned_context(certificate)
    began = time.process_time()
    for _ in range(_HANDSHAKES):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        ours = client.wrap_bio(to_client, to_server)
        theirs = server.wrap_bio(to_server, to_client, server_side=True)
        is_done = False
        while not is_done:
            is_done = True
            for side in (ours, theirs):
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    is_done = False
    return (time.process_time() - began) / _HANDSHAKES * 1e6


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

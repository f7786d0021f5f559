"""Health and counters over HTTP on loopback: /livez, /readyz, /status.  Counts only."""

from __future__ import annotations

import asyncio
import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, Final

from cloister.errors import NetworkError

LOOPBACK: Final = "127.0.0.1"
_REQUEST_S: Final = 5
_MAX_REQUEST_BYTES: Final = 4096


class Health:
    """Answers the operator's questions."""

    def __init__(self, is_ready: Callable[[], bool], status: Callable[[], dict[str, Any]]) -> None:
        self._is_ready = is_ready
        self._status = status

    async def start(self, port: int) -> asyncio.Server:
        """Bind the socket.  Raises OSError."""
        return await asyncio.start_server(
            self._serve, LOOPBACK, port, limit=_MAX_REQUEST_BYTES, backlog=16
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            async with asyncio.timeout(_REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                status, body = self._answer(head.split(b"\r\n", 1)[0])
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("ascii")
                    + body
                )
                await writer.drain()
        writer.close()

    def _answer(self, line: bytes) -> tuple[str, bytes]:
        match line.split(b" "):
            case [b"GET", b"/livez", _]:
                return "200 OK", b'{"live": true}\n'
            case [b"GET", b"/readyz", _]:
                if self._is_ready():
                    return "200 OK", b'{"ready": true}\n'
                return "503 Service Unavailable", b'{"ready": false}\n'
            case [b"GET", b"/status", _]:
                return "200 OK", json.dumps(self._status()).encode() + b"\n"
            case _:
                return "404 Not Found", b"{}\n"


def ask_status(port: int) -> dict[str, Any]:
    """Ask a running relay of this machine for its counters.  Raises NetworkError."""
    url = f"http://{LOOPBACK}:{port}/status"
    # No proxy of the environment: the question stays on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_REQUEST_S) as answer:
            status = json.load(answer)
    except (OSError, urllib.error.URLError, ValueError):
        raise NetworkError(
            "the relay does not answer on its health port",
            hint="it does not run (cloister relay run DIR), or is just starting or stopping",
        ) from None
    if not isinstance(status, dict):
        raise NetworkError("something else than a relay answers on the health port")
    return status

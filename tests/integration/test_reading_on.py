"""A connection that is held reads on where it stopped: what had come by then is not forgotten.

Over real TLS, since that is what keeps it: a relay holds whoever asks for much, and the other side
waits for its answers and sends nothing more.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import picows
import pytest

from cloister.relay.sockets import Socket, shake_hands, welcome
from cloister.wire.frame import HOME_PATH

FRAMES = tuple(b"%d" % number * 400 for number in range(64))
"""Together more than the WebSocket takes from TLS at once."""


class Held(Socket):
    """Is held after each frame, for a moment."""

    def __init__(self, stop: Callable[[Held], None], go_on: Callable[[Held], None]) -> None:
        super().__init__()
        self._stop, self._go_on = stop, go_on
        self.taken: list[bytes] = []

    def opened(self) -> None:
        """Nothing to do."""

    def took(self, payload: memoryview) -> bool:
        self.taken.append(bytes(payload))
        self._stop(self)
        asyncio.get_running_loop().call_later(0.01, self._go_on, self)
        return True

    def ended(self) -> None:
        """Nothing to do."""

    def blocked(self, is_blocked: bool) -> None:
        """Nothing to do."""


class Talker(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """Says all that it has at once."""

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        for frame in FRAMES:
            transport.send(picows.WSMsgType.BINARY, frame)


@pytest.mark.parametrize(
    ("stop", "go_on"),
    [
        pytest.param(lambda one: one.hold(True), lambda one: one.hold(False), id="held"),
        pytest.param(Held.pause_writing, Held.resume_writing, id="blocked"),
    ],
)
def test_what_had_come_before_it_was_held_is_handled_when_it_reads_on(
    server_tls: ssl.SSLContext,
    stop: Callable[[Held], None],
    go_on: Callable[[Held], None],
) -> None:
    async def story() -> list[bytes]:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        listening.setblocking(False)
        held = Held(stop, go_on)

        async def serve() -> None:
            connection, _ = await loop.sock_accept(listening)
            await shake_hands(
                connection, server_tls, lambda request: welcome(request, lambda: held), 10
            )

        serving = asyncio.create_task(serve())
        client_tls = ssl.create_default_context()
        client_tls.check_hostname, client_tls.verify_mode = False, ssl.CERT_NONE
        address = f"wss://127.0.0.1:{listening.getsockname()[1]}{HOME_PATH}"
        transport, _ = await picows.ws_connect(Talker, address, ssl_context=client_tls)
        try:
            async with asyncio.timeout(5):
                while len(held.taken) < len(FRAMES):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        except TimeoutError:
            pass
        transport.disconnect()
        await serving
        listening.close()
        return held.taken

    assert asyncio.run(story()) == list(FRAMES)

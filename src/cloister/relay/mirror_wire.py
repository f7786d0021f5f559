"""A home's connection to a mirror: a WebSocket with the mirror's pinned certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

import picows

from cloister.errors import NetworkError, TrustError
from cloister.limits import CONNECT_TIMEOUT_S, MAX_FRAME_BYTES
from cloister.pinning import pinned_context
from cloister.relay.folder import Identity
from cloister.roster.relay_card import RelayCard
from cloister.wire.frame import (
    MIRROR_PATH,
    PROTOCOL_VERSION,
    WireError,
    decode_mirror,
    encode_frame,
)
from cloister.wire.mirror import (
    MIRROR_LABEL,
    MirrorChallenge,
    MirrorHello,
    MirrorHelloContent,
    MirrorMessage,
)

ANSWER_S: Final = 30
"""How long a mirror may take: it writes to a disk."""


Dial = Callable[[RelayCard, Callable[[], picows.WSListener]], Awaitable[picows.WSTransport]]
"""Opens the WebSocket to a mirror, for the listener made; raises OSError and the like."""


class MirrorTrouble(NetworkError):
    """A mirror did not do what mirrors do; it is tried again later."""


async def dial_mirror(
    card: RelayCard, make_listener: Callable[[], picows.WSListener]
) -> picows.WSTransport:
    """Connect over the network; the pinned certificate is the only one believed."""
    host = f"[{card.mirror_host}]" if ":" in card.mirror_host else card.mirror_host
    transport, _ = await picows.ws_connect(
        make_listener,
        f"wss://{host}:{card.mirror_port}{MIRROR_PATH}",
        ssl_context=pinned_context(card.tls_certificate),
        websocket_handshake_timeout=CONNECT_TIMEOUT_S,
        max_frame_size=MAX_FRAME_BYTES,
        max_redirects=0,
    )
    return transport


class MirrorWire:
    """A WebSocket to a mirror, as messages in and out."""

    def __init__(
        self,
        card: RelayCard,
        on_closed: Callable[[], None] | None = None,
        dial: Dial = dial_mirror,
    ) -> None:
        """``on_closed`` is called when the mirror is gone, whoever waits for it or not.

        ``dial`` is a seam for simulated networks."""
        self._card = card
        self._dial = dial
        self._on_closed = on_closed
        self._transport: picows.WSTransport | None = None
        # One question at a time: more than a few messages waiting are not of this protocol.
        self._received: asyncio.Queue[MirrorMessage | None] = asyncio.Queue(8)

    async def __aenter__(self) -> Self:
        self._transport = await self._dial(self._card, lambda: _Listener(self))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    async def greet(self, identity: Identity) -> None:
        """Take the challenge and say who asks.  Raises MirrorTrouble, TrustError."""
        challenge = await self.receive()
        if not isinstance(challenge, MirrorChallenge):
            raise MirrorTrouble("a mirror did not begin with its challenge")
        if challenge.version != PROTOCOL_VERSION:
            raise MirrorTrouble(
                f"a mirror speaks version {challenge.version} of the protocol, this relay"
                f" {PROTOCOL_VERSION}: one of the two has to be updated"
            )
        if challenge.relay_id != self._card.relay_id:
            raise TrustError("another relay answered at a mirror's address")
        content = MirrorHelloContent(
            mirror_id=challenge.relay_id,
            home_id=identity.card.relay_id,
            nonce=challenge.nonce,
        ).encode()
        signature = identity.key.sign(MIRROR_LABEL, content).encode()
        self.send(MirrorHello(identity.card.relay_id, signature))

    @property
    def is_closed(self) -> bool:
        """Tell whether the mirror is gone."""
        return self._transport is None or self._transport.is_disconnected

    def send(self, message: MirrorMessage) -> None:
        """Send one message."""
        if self._transport is None or self._transport.is_disconnected:
            raise MirrorTrouble("the mirror closed the connection")
        self._transport.send(picows.WSMsgType.BINARY, encode_frame([message]))

    async def receive(self) -> MirrorMessage:
        """Wait for the next message."""
        async with asyncio.timeout(ANSWER_S):
            message = await self._received.get()
        if message is None:
            raise MirrorTrouble("the mirror closed the connection")
        return message

    def put(self, message: MirrorMessage | None) -> None:
        """Take what the socket brought; None: its end."""
        if message is None and self._on_closed is not None:
            self._on_closed()
        try:
            self._received.put_nowait(message)
        except asyncio.QueueFull:
            if self._transport is not None:
                self._transport.disconnect(graceful=False)


class _Listener(picows.WSListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, wire: MirrorWire) -> None:
        super().__init__()
        self._wire = wire

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type in {picows.WSMsgType.PING, picows.WSMsgType.PONG}:
            return
        try:
            if frame.msg_type is not picows.WSMsgType.BINARY:
                raise WireError("not a frame of the protocol")
            messages = decode_mirror(frame.get_payload_as_memoryview())
        except WireError:
            transport.disconnect(graceful=False)
            return
        for message in messages:
            self._wire.put(message)

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        self._wire.put(None)

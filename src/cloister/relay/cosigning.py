"""The home's side of the mirrors: push what is new, collect cosignatures, renew them every hour."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Self

import picows

from cloister.errors import CloisterError, NetworkError, TrustError
from cloister.limits import (
    CONNECT_TIMEOUT_S,
    MAX_FRAME_BYTES,
    MAX_LOG_PAGE_BYTES,
    STALE_WARN_S,
)
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Cause, Code, Log
from cloister.relay.peers import PeerCards
from cloister.relay.services.live_log import LiveLog
from cloister.relay.services.log import Logs
from cloister.roster.relay_card import RelayCard
from cloister.transparency import Checkpoint, RelayVerifier, UnverifiedNote, with_signatures
from cloister.wire.frame import MIRROR_PATH, WireError, decode_mirror, encode_frame
from cloister.wire.mirror import (
    MIRROR_LABEL,
    MirrorBehind,
    MirrorChallenge,
    MirrorCosigned,
    MirrorHello,
    MirrorHelloContent,
    MirrorMessage,
    MirrorPush,
    MirrorRefusal,
    MirrorRefused,
)

RENEW_S: Final = STALE_WARN_S // 2
"""Age of a cosignature at which it is renewed: devices warn at twice that."""
LOOK_S: Final = 20
"""How often cosignatures are looked at when nothing happens."""
ANSWER_S: Final = 30
"""How long a mirror may take: it writes to a disk."""
MAX_BACKOFF_S: Final = 10.0


Dial = Callable[[RelayCard, Callable[[], picows.WSListener]], Awaitable[picows.WSTransport]]
"""Opens the WebSocket to a mirror, for the listener made; raises OSError and the like."""


class MirrorTrouble(NetworkError):
    """A mirror did not do what mirrors do; it is tried again later."""


class Cosigning:
    """One task for each mirror of the operator's list."""

    def __init__(
        self,
        logs: Logs,
        peers: PeerCards,
        identity: Identity,
        log: Log,
        now: Callable[[], int],
        *,
        dial: Dial | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """``dial`` is a seam for simulated networks."""
        self._logs = logs
        self._peers = peers
        self._identity = identity
        self._log = log
        self._now = now
        self._dial = dial or _dial
        self._uniform = uniform
        self._links: dict[bytes, _MirrorLink] = {}
        logs.on_grown = self._on_grown

    async def run(self) -> None:
        """Keep a link to every mirror.  Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for relay_id, card in self._peers.mirrors().items():
                    if relay_id not in self._links:
                        link = _MirrorLink(
                            card,
                            self._logs,
                            self._identity,
                            self._log,
                            self._now,
                            dial=self._dial,
                            uniform=self._uniform,
                        )
                        self._links[relay_id] = link
                        group.create_task(link.run())
                await asyncio.sleep(1.0)

    def _on_grown(self, _origin: str) -> None:
        for link in self._links.values():
            link.wake.set()


class _MirrorLink:
    """The connection to one mirror."""

    def __init__(
        self,
        card: RelayCard,
        logs: Logs,
        identity: Identity,
        log: Log,
        now: Callable[[], int],
        *,
        dial: Dial,
        uniform: Callable[[float, float], float],
    ) -> None:
        self._card = card
        self._dial = dial
        self._uniform = uniform
        self._logs = logs
        self._identity = identity
        self._log = log
        self._now = now
        self._verifier = RelayVerifier(card.name, card.key)
        self._held: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Connect, serve, and connect again, with growing waits."""
        wait = 0.25
        while True:
            try:
                async with _Wire(self._card, self._dial) as wire:
                    await self._greet(wire)
                    self._refused.clear()
                    wait = 0.25
                    await self._serve(wire)
            except (CloisterError, OSError, TimeoutError, picows.WSError) as error:
                self._log.warning("mirror-lost", cause=Cause(error))
            except Exception as error:  # noqa: BLE001  a mirror's trouble must not stop the home
                self._log.bug("mirror-failed", error)
            # Full jitter: all homes of a mirror that was away come back at different times.
            await asyncio.sleep(self._uniform(0.1, wait))
            wait = min(wait * 2, MAX_BACKOFF_S)

    async def _greet(self, wire: _Wire) -> None:
        challenge = await wire.receive()
        if not isinstance(challenge, MirrorChallenge):
            raise MirrorTrouble("a mirror did not begin with its challenge")
        if challenge.relay_id != self._card.relay_id:
            raise TrustError("another relay answered at a mirror's address")
        content = MirrorHelloContent(
            mirror_id=challenge.relay_id,
            home_id=self._identity.card.relay_id,
            nonce=challenge.nonce,
        ).encode()
        signature = self._identity.key.sign(MIRROR_LABEL, content).encode()
        wire.send(MirrorHello(self._identity.card.relay_id, signature))

    async def _serve(self, wire: _Wire) -> None:
        while True:
            self.wake.clear()
            for origin in self._logs.origins():
                live = self._logs.get(origin)
                if live is not None and self._is_due(live):
                    await self._push(wire, live)
            try:
                async with asyncio.timeout(LOOK_S):
                    await self.wake.wait()
            except TimeoutError:
                pass
            if wire.is_closed:
                raise MirrorTrouble("the mirror closed the connection")

    def _is_due(self, live: LiveLog) -> bool:
        if all(entry.relay_id != self._card.relay_id for entry in live.relay_set.entries):
            return False
        if self._refused.get(live.origin) == live.size:
            return False
        last = live.cosigned_at.get(self._card.relay_id, 0)
        return self._held.get(live.origin) != live.size or last < self._now() - RENEW_S

    async def _push(self, wire: _Wire, live: LiveLog) -> None:
        """Bring the mirror up to the log's size, page by page."""
        from_seq = self._held.get(live.origin, live.size)
        while True:
            page, note = self._page(live, from_seq)
            wire.send(MirrorPush(live.origin, from_seq, tuple(page), note))
            answer = await wire.receive()
            match answer:
                case MirrorBehind(size=size) if size < from_seq:
                    from_seq = size
                case MirrorCosigned(size=size) if size == from_seq + len(page):
                    from_seq = size
                    self._held[live.origin] = size
                    if size == live.size:
                        self._take(live, size, answer.lines)
                        return
                case MirrorRefused(code=code):
                    self._log.error("mirror-refused", code=Code(code))
                    if code != MirrorRefusal.STORAGE:
                        self._refused[live.origin] = live.size
                    return
                case _:
                    raise MirrorTrouble("a mirror's answer does not fit the push")

    def _page(self, live: LiveLog, from_seq: int) -> tuple[list[bytes], bytes]:
        if from_seq >= live.size:
            return [], live.note
        page = self._logs.page(live, from_seq, MAX_LOG_PAGE_BYTES)
        size = from_seq + len(page)
        if size == live.size:
            return page, live.note
        return page, self._logs.sign(live.origin, size, live.tree.root(size))

    def _take(self, live: LiveLog, size: int, lines: bytes) -> None:
        """Verify a cosignature before it stands in a note."""
        note = UnverifiedNote.parse(with_signatures(live.note, lines))
        checkpoint = Checkpoint.parse(note.text)
        if self._verifier.verify_cosignature(note, checkpoint) is None:
            raise MirrorTrouble("a mirror's cosignature lacks one of its two signatures")
        self._logs.on_cosigned(live.origin, size, self._card.relay_id, lines)


class _Wire:
    """A WebSocket to a mirror, as messages in and out."""

    def __init__(self, card: RelayCard, dial: Dial) -> None:
        self._card = card
        self._dial = dial
        self._transport: picows.WSTransport | None = None
        # One question at a time: more than a few messages waiting are not of this protocol.
        self._received: asyncio.Queue[MirrorMessage | None] = asyncio.Queue(8)

    async def __aenter__(self) -> Self:
        self._transport = await self._dial(self._card, lambda: _WireListener(self))
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

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
        """Take what the socket brought."""
        try:
            self._received.put_nowait(message)
        except asyncio.QueueFull:
            if self._transport is not None:
                self._transport.disconnect(graceful=False)


class _WireListener(picows.WSListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, wire: _Wire) -> None:
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


async def _dial(
    card: RelayCard, make_listener: Callable[[], picows.WSListener]
) -> picows.WSTransport:
    host = f"[{card.mirror_host}]" if ":" in card.mirror_host else card.mirror_host
    transport, _ = await picows.ws_connect(
        make_listener,
        f"wss://{host}:{card.mirror_port}{MIRROR_PATH}",
        ssl_context=_pinned(card.tls_certificate),
        websocket_handshake_timeout=CONNECT_TIMEOUT_S,
        max_frame_size=MAX_FRAME_BYTES,
        max_redirects=0,
    )
    return transport


def _pinned(certificate: bytes) -> ssl.SSLContext:
    """Trust this one certificate, whatever name it bears: the pin is the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    return context

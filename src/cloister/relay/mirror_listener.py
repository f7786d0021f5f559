"""Where home relays connect to a mirror: they say who they are, and push what they have logged."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

import picows

from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hybrid_signature import HybridSignature, verify_hybrid
from cloister.errors import CloisterError
from cloister.limits import CONNECT_TIMEOUT_S
from cloister.relay.acquaintances import Acquaintances
from cloister.relay.door import Door, bind
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror
from cloister.relay.peers import PeerCards
from cloister.relay.sockets import host_of, shake_hands
from cloister.roster.relay_card import RelayCard, RelayRole
from cloister.wire.frame import (
    MIRROR_PATH,
    PROTOCOL_VERSION,
    WireError,
    decode_mirror,
    encode_frame,
)
from cloister.wire.mirror import (
    MIRROR_LABEL,
    MIRROR_NONCE_BYTES,
    MirrorChallenge,
    MirrorFetch,
    MirrorHello,
    MirrorHelloContent,
    MirrorMessage,
    MirrorPush,
)

MAX_HOMES: Final = 64
"""Connections of home relays at once."""
_PING_S: Final = 60
MAX_STRANGERS: Final = 64
"""Connections that have not said yet which home they are; of more the oldest is cut."""


class MirrorListener:
    """The WebSocket listener that home relays of the list push to."""

    def __init__(
        self,
        mirror: Mirror,
        peers: PeerCards,
        identity: Identity,
        metrics: Metrics,
        entropy: Entropy,
        log: Log,
    ) -> None:
        self.mirror = mirror
        self.peers = peers
        self.identity = identity
        self.metrics = metrics
        self.entropy = entropy
        self.log = log
        self.homes: set[HomeConnection] = set()
        self.strangers: dict[HomeConnection, None] = {}
        """Those that have not said yet who they are, the oldest first."""
        self._door: Door | None = None
        self.known: Acquaintances | None = None
        """Who comes from where no home relay is goes last; None: nothing is listened on."""

    def start(self, host: str, port: int, tls: ssl.SSLContext) -> None:
        """Bind the socket.  Raises OSError."""
        self.known = Acquaintances(asyncio.get_running_loop().time)
        self._door = Door(
            bind(host, port),
            lambda connection, _address: shake_hands(
                connection, tls, self._accept, CONNECT_TIMEOUT_S, ping_s=_PING_S
            ),
            lambda: True,
            self.known,
        )
        self._door.open()

    def shut(self) -> None:
        """Accept no more."""
        if self._door is not None:
            self._door.shut()

    def _accept(self, request: picows.WSUpgradeRequest) -> picows.WSListener | None:
        if request.path.decode("latin-1") != MIRROR_PATH or len(self.homes) >= MAX_HOMES:
            return None
        return HomeConnection(self)

    def welcome(self, home: HomeConnection) -> None:
        """One has said who it is; those who come from there are strangers no more."""
        self.strangers.pop(home, None)
        self.homes.add(home)
        if self.known is not None:
            self.known.take_in(home, home.host)

    def forget(self, home: HomeConnection) -> None:
        """One has gone, or is cut."""
        self.strangers.pop(home, None)
        self.homes.discard(home)
        if self.known is not None:
            self.known.let_out(home)

    def close(self) -> None:
        """End all connections."""
        for home in [*self.homes, *self.strangers]:
            home.cut()


class HomeConnection(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One home relay: challenge, hello, then one push at a time."""

    def __init__(self, listener: MirrorListener) -> None:
        super().__init__()
        self._listener = listener
        self._nonce = listener.entropy.random(MIRROR_NONCE_BYTES)
        self._transport: picows.WSTransport | None = None
        self._home: RelayCard | None = None
        self._is_pushing = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def host(self) -> str:
        """The address that it comes from, or nothing when it is gone."""
        return host_of(self._transport)

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """The WebSocket is open: challenge."""
        self._transport = transport
        strangers = self._listener.strangers
        strangers[self] = None
        if len(strangers) > MAX_STRANGERS:
            next(iter(strangers)).cut()
        self._timer = asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S, self.cut)
        self._listener.metrics.connections_total += 1
        own = self._listener.identity.card.relay_id
        self._answer(MirrorChallenge(PROTOCOL_VERSION, own, self._nonce))

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """A frame has come."""
        if frame.msg_type in {picows.WSMsgType.PING, picows.WSMsgType.PONG}:
            return
        if frame.msg_type is not picows.WSMsgType.BINARY or not frame.fin:
            self.cut()
            return
        try:
            (message,) = decode_mirror(frame.get_payload_as_memoryview())
        except (WireError, ValueError):
            self.cut()
            return
        if isinstance(message, MirrorHello) and self._home is None:
            self._hello(message)
        elif isinstance(message, MirrorPush) and self._home is not None and not self._is_pushing:
            self._is_pushing = True
            self._walled(partial(self._listener.mirror.push, self._home, message, self._pushed))
        elif isinstance(message, MirrorFetch) and self._home is not None:
            self._walled(partial(self._fetch, self._home, message))
        else:
            self.cut()

    def _walled(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  the wall: a bug ends one connection
            self._listener.log.bug("push-failed", error)
            self.cut()

    def _fetch(self, home: RelayCard, message: MirrorFetch) -> None:
        self._answer(self._listener.mirror.fetch(home, message))

    def _hello(self, hello: MirrorHello) -> None:
        card = self._listener.peers.cards().get(hello.relay_id)
        if card is None or not card.roles & RelayRole.HOME:
            self.cut()
            return
        content = MirrorHelloContent(
            mirror_id=self._listener.identity.card.relay_id,
            home_id=hello.relay_id,
            nonce=self._nonce,
        ).encode()
        try:
            signature = HybridSignature.decode(hello.signature)
            verify_hybrid(card.key, MIRROR_LABEL, content, signature)
        except (CloisterError, BadSignature, BadPublicKey):
            self.cut()
            return
        self._home = card
        if self._timer is not None:
            self._timer.cancel()
        self._listener.welcome(self)

    def _pushed(self, message: MirrorMessage) -> None:
        self._is_pushing = False
        self._answer(message)

    def _answer(self, message: MirrorMessage) -> None:
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.send(picows.WSMsgType.BINARY, encode_frame([message]))

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """The socket is gone."""
        self._transport = None
        self._forget()

    def cut(self) -> None:
        """End the connection."""
        self._forget()
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._listener.forget(self)

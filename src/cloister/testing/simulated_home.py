"""One more home in memory, to which a circle may move: the relay's services, no sockets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.relay.accounts import Accounts
from cloister.relay.delivery import Flusher
from cloister.relay.dispatch import Shares
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror
from cloister.relay.protocol import HomeProtocol
from cloister.relay.services.context import Context
from cloister.relay.services.log import Logs
from cloister.relay.services.seats import Seats
from cloister.relay.session import Session, make_outbox
from cloister.relay.storage.memory import MemoryStore
from cloister.roster.relay_card import RelayCard, RelayRole, make_relay_card
from cloister.testing.simulated_shares import SimulatedShares
from cloister.wire.auth import NONCE_BYTES
from cloister.wire.commands import AnyRequest
from cloister.wire.events import Challenge
from cloister.wire.frame import PROTOCOL_VERSION, decode_requests, encode_frame
from cloister.wire.mirror import MirrorCosigned, MirrorMessage, MirrorPush, MirrorRefused

_NO_BOOKS: Final = Path("/nonexistent/accounts.json")


class SimulatedHome:
    """A home in Iceland that has the entry relay as its peer and mirror."""

    def __init__(
        self,
        now: Callable[[], int],
        mirror: Mirror,
        entry: RelayCard,
        flusher: Flusher,
        *,
        port: int,
        name: str = "geyser.example",
        accounts: Path = _NO_BOOKS,
    ) -> None:
        self._now = now
        self._mirror = mirror
        self._entry = entry
        self.flusher: Final = flusher
        self._entropy = SystemEntropy()
        self.key: Final = HybridKey(
            Secret(self._entropy.random(32)), Secret(self._entropy.random(32))
        )
        self.card: Final = make_relay_card(
            self.key,
            tls_certificate=name.encode(),
            jurisdiction="IS",
            operator="Geyser",
            host="127.0.0.1",
            port=port,
            roles=RelayRole.HOME,
            name=name,
        )
        self.refused_pushes: Final[list[MirrorRefused]] = []
        self.store: Final = MemoryStore()
        context = Context(
            relay_id=self.card.relay_id,
            store=self.store,
            metrics=Metrics(),
            now=now,
            monotonic=lambda: float(now()),
        )
        identity = Identity(card=self.card, key=self.key)

        def make_shares(logs: Logs, seats: Seats) -> Shares:
            self.shares = SimulatedShares(identity, logs, self._peers, now, flusher, seats)
            logs.on_kept = self.shares.enforcement.look
            return self.shares.service

        protocol = HomeProtocol(
            context,
            identity,
            Accounts(accounts, Log(now)),
            peers=self._peers,
            is_code=lambda _hash: True,
            entropy=self._entropy,
            make_shares=make_shares,
        )
        self.logs: Final = protocol.logs
        self._dispatch = protocol.dispatch
        self.logs.on_grown = self._push

    def _peers(self) -> Mapping[bytes, RelayCard]:
        return {bytes(self._entry.relay_id): self._entry}

    def _push(self, origin: str) -> None:
        live = self.logs.get(origin)
        if live is None:
            return
        entries = tuple(self.logs.page(live, 0, 1 << 40))
        note = self.logs.sign(origin, live.size, live.tree.root(live.size))
        self._mirror.push(self.card, MirrorPush(origin, 0, entries, note), self._on_answer)

    def _on_answer(self, answer: MirrorMessage) -> None:
        if isinstance(answer, MirrorCosigned):
            relay = bytes(self._entry.relay_id)
            self.logs.on_cosigned(answer.origin, answer.size, relay, answer.lines)
        elif isinstance(answer, MirrorRefused):
            self.refused_pushes.append(answer)

    def connect(self, transmit: Callable[[bytes], None]) -> Session:
        """Open a connection; frames of the relay go to ``transmit``."""
        now = float(self._now())
        session = Session(self._entropy.random(NONCE_BYTES), make_outbox(self.flusher, now), now)
        session.outbox.transmit = transmit
        relay_id = self.card.relay_id
        session.answer(Challenge((PROTOCOL_VERSION,), relay_id, session.nonce, self._now()))
        return session

    def send(self, session: Session, request: AnyRequest) -> None:
        """Deliver a request, through its encoded form."""
        self._dispatch.take(session, decode_requests(encode_frame([request])))

    def disconnect(self, session: Session) -> None:
        """Close a connection."""
        self._dispatch.forget(session)

"""Home and mirror in memory: the relay's services over its reference storage, no sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from copy import deepcopy
from pathlib import Path
from typing import Final

from cloister.client.effects import Route
from cloister.crypto.entropy import Entropy, SystemEntropy
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.ids import RelayId
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
from cloister.roster.relay_card import RelayCard
from cloister.testing.relay_cards import cards_of
from cloister.testing.simulated_home import SimulatedHome
from cloister.testing.simulated_shares import SimulatedShares
from cloister.wire.auth import NONCE_BYTES
from cloister.wire.commands import AnyRequest
from cloister.wire.events import Challenge
from cloister.wire.frame import PROTOCOL_VERSION, decode_requests, encode_frame
from cloister.wire.mirror import MirrorCosigned, MirrorMessage, MirrorPush, MirrorRefused

ACTIVATION_CODE: Final = "simulated-code"
NO_BOOKS: Final = Path("/nonexistent/accounts.json")
"""Without the file the operator sells no seats."""


class TurnsAtOnce:
    """Turns that follow each other: where a clock moves by itself, nobody rests between them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Call at the end of this turn."""
        self._loop.call_soon(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """The same."""
        del delay
        self._loop.call_soon(callback)


class SimulatedRelays:
    """A home in Hong Kong and an entry in Panama that mirrors and cosigns.

    ``cosigns`` may be set to False: the entry's organisation is away and nothing settles.
    """

    def __init__(
        self,
        now: Callable[[], int],
        accounts: Path = NO_BOOKS,
        like: SimulatedRelays | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        """``accounts``: the file that the operator's books publish, if seats are sold.

        ``like``: relays of which these are a copy after a restart: their keys and cards, and what
        they have stored; no connection and nothing that was only in memory.
        """
        self._entropy = entropy or SystemEntropy()
        self._now = now
        home_key, entry_key = like.keys if like else (self._key(), self._key())
        self.keys: Final[tuple[HybridKey, HybridKey]] = (home_key, entry_key)
        """Of home and entry: what a hostile operator has in hand."""
        # A signature is not the same twice, and a card stands in the circle's log.
        cards = (like.home_card, like.entry_card) if like else cards_of(home_key, entry_key)
        self.home_card: Final[RelayCard] = cards[0]
        self.entry_card: Final[RelayCard] = cards[1]
        self.cosigns = True
        self.on_push: Callable[[MirrorPush], Iterable[MirrorPush]] = lambda push: (push,)
        """What a lying home makes of each push to the mirror."""
        self.refused_pushes: Final[list[MirrorRefused]] = []
        self.homes: Final[dict[int, SimulatedHome]] = {}
        """Other homes by port, to which the circle may move."""
        self.flusher: Final = Flusher(Metrics(), TurnsAtOnce())
        self.store: Final[MemoryStore] = deepcopy(like.store) if like else MemoryStore()
        context = Context(
            relay_id=self.home_card.relay_id,
            store=self.store,
            metrics=Metrics(),
            now=now,
            monotonic=lambda: float(now()),
        )
        home_id = self.home_card.relay_id
        home = Identity(card=self.home_card, key=home_key)
        entry = Identity(card=self.entry_card, key=entry_key)
        self.mirrored: Final[MemoryStore] = deepcopy(like.mirrored) if like else MemoryStore()
        """What the entry relay has stored."""
        self.mirror: Final = Mirror(self.mirrored, entry, Metrics(), Log(now), now)
        like_home, like_entry = like.shares.values() if like else (None, None)
        self.shares: Final[dict[RelayId, SimulatedShares]] = {}
        """The share services, by relay id: the home's, and the entry's."""

        def make_shares(logs: Logs, seats: Seats) -> Shares:
            made = SimulatedShares(home, logs, dict, now, self.flusher, seats, like=like_home)
            self.shares[home_id] = made
            logs.on_kept = made.enforcement.look
            return made.service

        protocol = HomeProtocol(
            context,
            home,
            Accounts(accounts, Log(now)),
            peers=lambda: {bytes(self.entry_card.relay_id): self.entry_card},
            is_code=lambda _hash: True,
            entropy=self._entropy,
            make_shares=make_shares,
        )
        self.logs: Final = protocol.logs
        self._dispatch = protocol.dispatch
        self.shares[self.entry_card.relay_id] = SimulatedShares(
            entry,
            self.mirror,
            lambda: {bytes(card.relay_id): card for card in self._home_cards()},
            now,
            self.flusher,
            like=like_entry,
        )
        self.is_home_gone = False
        """Whether the first home answers nobody any more."""
        self._elsewhere: dict[Session, SimulatedHome] = {}
        self.logs.on_grown = self._push
        self.mirror.on_kept = self.shares[self.entry_card.relay_id].enforcement.look

    def _key(self) -> HybridKey:
        return HybridKey(Secret(self._entropy.random(32)), Secret(self._entropy.random(32)))

    def _push(self, origin: str) -> None:
        """What the home's cosigning does, without a connection between them."""
        live = self.logs.get(origin)
        if live is None or not self.cosigns:
            return
        entries = tuple(self.logs.page(live, 0, 1 << 40))
        note = self.logs.sign(origin, live.size, live.tree.root(live.size))
        for push in self.on_push(MirrorPush(origin, 0, entries, note)):
            self.mirror.push(self.home_card, push, self._on_answer)

    def _on_answer(self, answer: MirrorMessage) -> None:
        if isinstance(answer, MirrorCosigned):
            relay = bytes(self.entry_card.relay_id)
            self.logs.on_cosigned(answer.origin, answer.size, relay, answer.lines)
        elif isinstance(answer, MirrorRefused):
            self.refused_pushes.append(answer)

    # --- connections ------------------------------------------------------------------------------

    def add_home(self, name: str = "geyser.example", accounts: Path = NO_BOOKS) -> SimulatedHome:
        """Start another home, which has the entry relay as its peer."""
        port = 20 + len(self.homes)
        home = SimulatedHome(
            self._now,
            self.mirror,
            self.entry_card,
            self.flusher,
            port=port,
            name=name,
            accounts=accounts,
        )
        self.homes[port] = home
        self.shares[home.card.relay_id] = home.shares
        return home

    def _home_cards(self) -> tuple[RelayCard, ...]:
        """The homes that the entry relay's operator lists."""
        return (self.home_card, *(home.card for home in self.homes.values()))

    def answers(self, route: Route) -> bool:
        """Whether a home is there at the end of a way to it."""
        return route.home_port in self.homes or not self.is_home_gone

    def connect(self, transmit: Callable[[bytes], None], port: int = 0) -> Session:
        """Open a connection; frames of the relay go to ``transmit``."""
        if port in self.homes:
            session = self.homes[port].connect(transmit)
            self._elsewhere[session] = self.homes[port]
            return session
        now = float(self._now())
        session = Session(self._entropy.random(NONCE_BYTES), make_outbox(self.flusher, now), now)
        session.outbox.transmit = transmit
        relay_id = self.home_card.relay_id
        session.answer(Challenge((PROTOCOL_VERSION,), relay_id, session.nonce, self._now()))
        return session

    def send(self, session: Session, request: AnyRequest) -> None:
        """Deliver a request, through its encoded form."""
        if session in self._elsewhere:
            self._elsewhere[session].send(session, request)
            return
        self._dispatch.take(session, decode_requests(encode_frame([request])))

    def disconnect(self, session: Session) -> None:
        """Close a connection."""
        if session in self._elsewhere:
            self._elsewhere.pop(session).disconnect(session)
            return
        self._dispatch.forget(session)

    # --- connections for errands -----------------------------------------------------------------

    def connect_shares(self, relay_id: RelayId, transmit: Callable[[bytes], None]) -> Session:
        """Open a connection to the unlock face of a relay."""
        return self.shares[relay_id].connect(transmit)

    def send_share(self, session: Session, relay_id: RelayId, request: AnyRequest) -> None:
        """Deliver a request to it."""
        self.shares[relay_id].send(session, request)

    def disconnect_share(self, session: Session, relay_id: RelayId) -> None:
        """Close it."""
        self.shares[relay_id].disconnect(session)

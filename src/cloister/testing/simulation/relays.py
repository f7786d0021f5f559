"""The two relays of a simulated circle: the real services, listeners and cosigning, each in a
process of its own that can be killed and started again over what its disk holds."""

from __future__ import annotations

import io
import random
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import picows

from cloister.crypto.entropy import Entropy
from cloister.relay.accounts import Accounts
from cloister.relay.cosigning import Cosigning
from cloister.relay.delivery import Bounds
from cloister.relay.dispatch import Handler
from cloister.relay.folder import Identity
from cloister.relay.listener import OwnSocket, Sessions
from cloister.relay.logsafe import Field, Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror
from cloister.relay.mirror_listener import HomeConnection, MirrorListener
from cloister.relay.protocol import HomeProtocol
from cloister.relay.retention import Retention, held_by
from cloister.relay.services.context import Context
from cloister.relay.session import Session
from cloister.relay.storage.api import Store
from cloister.roster.relay_card import RelayCard, RelayRole
from cloister.testing.simulation.loop import Process

NO_BOOKS: Final = Path("/nonexistent/accounts.json")
RETENTION_S: Final = 30 * 86_400

Dial = Callable[[RelayCard, Callable[[], picows.WSListener]], object]


class NoShares:
    """These circles have no unlock shares (``relay.dispatch.Shares``)."""

    handlers: Mapping[type, Handler] = {}

    def forget(self, session: Session) -> None:
        """Nothing is known of it."""


class FixedPeers:
    """The operator's list, which does not change (``relay.peers.PeerCards``)."""

    def __init__(self, *cards: RelayCard) -> None:
        self._cards = {bytes(card.relay_id): card for card in cards}

    def cards(self) -> Mapping[bytes, RelayCard]:
        """Return all cards."""
        return self._cards

    def mirrors(self) -> Mapping[bytes, RelayCard]:
        """Return the entry relays."""
        return {key: one for key, one in self._cards.items() if one.roles & RelayRole.ENTRY}


class WatchedLog(Log):
    """A relay's log of which only what it calls an error is kept: each is a bug of ours."""

    def __init__(self, now: Callable[[], int]) -> None:
        super().__init__(now, io.StringIO())
        self.complaints: list[str] = []

    def error(self, event: str, **fields: Field) -> None:
        """Keep an error."""
        self.complaints.append(f"{event} {fields}")

    def bug(self, event: str, error: BaseException) -> None:
        """Keep an exception that should not have come, with its way."""
        way = "".join(traceback.format_exception(error))
        self.complaints.append(f"{event}\n{way}")


class RunningHome:
    """One life of the home relay."""

    def __init__(
        self,
        identity: Identity,
        entry_card: RelayCard,
        store: Store,
        *,
        process: Process,
        entropy: Entropy,
        rng: random.Random,
        log: Log,
        now: Callable[[], int],
        monotonic: Callable[[], float],
        dial: Dial,
        bounds: Bounds | None = None,
    ) -> None:
        self.process: Final = process
        context = Context(
            relay_id=identity.card.relay_id,
            store=store,
            metrics=Metrics(),
            now=now,
            monotonic=monotonic,
        )
        protocol = HomeProtocol(
            context,
            identity,
            Accounts(NO_BOOKS, log),
            peers=lambda: {bytes(entry_card.relay_id): entry_card},
            is_code=lambda _hash: True,
            entropy=entropy,
            make_shares=lambda _logs, _seats: NoShares(),
        )
        self.logs: Final = protocol.logs
        self.dispatch: Final = protocol.dispatch
        self._sessions = Sessions(
            context,
            self.dispatch,
            entropy=entropy,
            log=log,
            max_connections=1000,
            bounds=bounds,
        )
        self._retention = Retention(
            store,
            log,
            retention_s=RETENTION_S,
            held=lambda: held_by(self.logs.governances()),
            now=now,
            monotonic=monotonic,
        )
        self._cosigning = Cosigning(
            self.logs,
            FixedPeers(entry_card),
            identity,
            log,
            now,
            self._retention.witness,
            dial=dial,  # type: ignore[arg-type]
            uniform=rng.uniform,
        )
        self.logs.load()
        process.spawn(self._sessions.sweep_forever())
        process.spawn(self._cosigning.run())
        process.spawn(self._retention.run())

    def accept(self) -> OwnSocket:
        """Take a connection of a device."""
        return OwnSocket(self._sessions, None)


class RunningEntry:
    """One life of the entry relay: the mirror that cosigns.  What it forwards is in ``world``."""

    def __init__(
        self,
        identity: Identity,
        home_card: RelayCard,
        store: Store,
        *,
        process: Process,
        entropy: Entropy,
        log: Log,
        now: Callable[[], int],
    ) -> None:
        self.process: Final = process
        mirror = Mirror(store, identity, Metrics(), log, now)
        self._listener = MirrorListener(
            mirror, FixedPeers(home_card), identity, Metrics(), entropy, log
        )

    def accept(self) -> HomeConnection:
        """Take the connection of a home relay."""
        return HomeConnection(self._listener)

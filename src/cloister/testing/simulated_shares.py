"""The share service of one simulated relay: the real one, over files in a temporary folder."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.delivery import Flusher
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.services.context import Context
from cloister.relay.services.seats import SeatTaker
from cloister.relay.session import Session, make_outbox
from cloister.relay.shares.enforcing import Enforcement
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.face import ShareDispatch
from cloister.relay.shares.logs import KeptLogs
from cloister.relay.shares.schema import open_file
from cloister.relay.shares.service import ShareService
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.tickets import TicketCheck
from cloister.relay.shares.worker import InlineWorker
from cloister.relay.storage.memory import MemoryStore
from cloister.roster.relay_card import RelayCard
from cloister.wire.auth import NONCE_BYTES
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent, Challenge
from cloister.wire.frame import PROTOCOL_VERSION, decode_events, decode_requests, encode_frame

# Nobody cuts the power of a simulated relay: where the system has a file system in memory, what
# the real one waits for its disk to keep costs nothing.
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108  only the parent of a folder made safely
MEMORY: Final = _SHARED_MEMORY if os.access(_SHARED_MEMORY, os.W_OK) else None
_FILE: Final = "shares.sqlite3"


@functools.cache
def _empty_file() -> bytes:
    """A file with its tables and nothing in them: every relay's is the same, and takes a while."""
    with tempfile.TemporaryDirectory(prefix="cloister-shares-", dir=MEMORY) as folder:
        path = Path(folder) / _FILE
        open_file(path).close()
        return path.read_bytes()


class SimulatedShares:
    """One relay's shares, in one thread; each job is done when ``submit`` returns."""

    def __init__(
        self,
        identity: Identity,
        logs: KeptLogs,
        peers: Callable[[], Mapping[bytes, RelayCard]],
        now: Callable[[], int],
        flusher: Flusher,
        seats: SeatTaker | None = None,
        *,
        like: SimulatedShares | None = None,
    ) -> None:
        """``like``: the shares that these are a copy of, after a restart."""
        self._entropy = SystemEntropy()
        self._now = now
        self._card = identity.card
        # The folder goes when this object does.
        self._temporary = tempfile.TemporaryDirectory(prefix="cloister-shares-", dir=MEMORY)
        self.folder = Path(self._temporary.name)
        if like is not None:
            # Nothing is under way there: each job is done when it is submitted.
            shutil.copytree(like.folder, self.folder, dirs_exist_ok=True)
        else:
            (self.folder / _FILE).write_bytes(_empty_file())
        self.store = ShareStore(
            self.folder / _FILE, EpochKeyFile(self.folder / "shares.key"), self._entropy
        )
        worker = InlineWorker(self.store)
        self.enforcement = Enforcement(
            logs, worker, identity.card.relay_id, identity.key, Log(now), now
        )
        self.service = ShareService(
            identity.card,
            identity.key,
            worker,
            TicketCheck(identity.card, peers),
            self.enforcement,
            seats=seats,
            now=now,
            monotonic=lambda: float(now()),
        )
        context = Context(
            relay_id=identity.card.relay_id,
            store=MemoryStore(),
            metrics=Metrics(),
            now=now,
            monotonic=lambda: float(now()),
        )
        self.flusher = flusher
        self._dispatch = ShareDispatch(context, self.service)

    def connect(self, transmit: Callable[[bytes], None]) -> Session:
        """Open a connection to the unlock face; frames of the relay go to ``transmit``."""
        # A circle at rest looks at what is due only when a log grows; so does a new connection.
        self.enforcement.look_at_all()
        now = float(self._now())
        session = Session(self._entropy.random(NONCE_BYTES), make_outbox(self.flusher, now), now)
        session.outbox.transmit = transmit
        session.answer(
            Challenge((PROTOCOL_VERSION,), self._card.relay_id, session.nonce, self._now())
        )
        return session

    def send(self, session: Session, request: AnyRequest) -> None:
        """Deliver a request, through its encoded form."""
        self._dispatch.take(session, decode_requests(encode_frame([request])))

    def disconnect(self, session: Session) -> None:
        """Close a connection."""
        self._dispatch.forget(session)

    def take(self, make: Callable[[bytes, bytes], AnyRequest]) -> AnyEvent:
        """Open a connection, send the one request made of relay id and nonce, return its answer."""
        arrived: list[AnyEvent] = []
        session = self.connect(lambda frame: arrived.extend(decode_events(frame)))
        self.send(session, make(self._card.relay_id, session.nonce))
        self.flusher.flush()
        self.disconnect(session)
        return arrived[-1]

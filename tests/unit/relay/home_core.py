"""A home relay without sockets: the services over the memory backend, and sessions by hand."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import RelayId
from cloister.relay.accounts import Accounts
from cloister.relay.delivery import Flusher
from cloister.relay.dispatch import Dispatch
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.services.channels import Channels
from cloister.relay.services.context import Context
from cloister.relay.services.mailboxes import Mailboxes
from cloister.relay.services.parts import Parts
from cloister.relay.services.seats import Seats
from cloister.relay.session import Session, make_outbox
from cloister.relay.shares.tickets import TicketOffice
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.writes import (
    BindCode,
    OpenCircle,
    Outcome,
)
from cloister.wire import commands
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.frame import decode_events

RELAY_ID = b"R" * 32
ORIGIN = "home/0011223344556677"
COMMONS = b"C" * 16
INBOX = b"I" * 16
CHANNEL = int(ObjectKind.CHANNEL)
NOW = 1_800_000_000
RELAY_KEY = HybridKey(Secret(b"e" * 32), Secret(b"m" * 32))


def key(name: str) -> Ed25519Key:
    return Ed25519Key(Secret(sha256(name.encode())))


class NoLogs:
    """The log has tests of its own; here nobody asks for it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: None


class NoShares:
    """Shares have tests of their own."""

    handlers: ClassVar[dict[type, Any]] = {}

    def forget(self, _session: Session) -> None: ...


class TurnsAtOnce:
    """A loop whose turns follow each other: nobody rests between them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._loop.call_soon(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        assert 0 < delay < 0.1
        self._loop.call_soon(callback)


class HomeCore:
    """Services, a clock by hand, and what each session was sent."""

    def __init__(self, accounts: Path = Path("/nonexistent")) -> None:
        self.time = 1000.0
        self.now = NOW
        self.metrics = Metrics()
        self.store = MemoryStore()
        self.context = Context(
            relay_id=RELAY_ID,
            store=self.store,
            metrics=self.metrics,
            now=lambda: self.now,
            monotonic=lambda: self.time,
        )
        log = Log(lambda: self.now, io.StringIO())
        self.accounts = Accounts(accounts, log)
        self.seats = Seats(self.context, self.accounts, RelayId(RELAY_ID), RELAY_KEY)
        self.channels = Channels(self.context, self.seats)
        tickets = TicketOffice(RelayId(RELAY_ID), RELAY_KEY)
        mailboxes = Mailboxes(self.context, self.seats, tickets, lambda _origin: ())
        logs: Any = NoLogs()
        shares: Any = NoShares()
        self.dispatch = Dispatch(
            self.context,
            self.channels,
            mailboxes,
            Parts(self.context, self.channels, mailboxes),
            logs,
            logs,
            self.seats,
            shares,
            logs,
        )
        self.flusher = Flusher(self.metrics, TurnsAtOnce())
        self.sent: dict[Session, list[Any]] = {}

    async def found(self) -> None:
        outcomes: list[Outcome] = []
        self.store.submit(BindCode(b"c" * 32, b"k" * 32, ORIGIN), outcomes.append)
        self.store.submit(
            OpenCircle(
                code_hash=b"c" * 32,
                setup_key=b"k" * 32,
                origin=ORIGIN,
                genesis=b"genesis",
                fold=b"fold",
                root=b"r" * 32,
                note=b"note",
                commons_id=COMMONS,
                commons_key=key("epoch 0").public,
                inbox_id=INBOX,
                inbox_key=key("inbox").public,
            ),
            outcomes.append,
        )
        await settle()

    def connect(self, nonce: bytes = b"n" * 32) -> Session:
        session = Session(nonce, make_outbox(self.flusher, self.time), self.time)
        sent: list[Any] = []
        session.outbox.transmit = lambda frame: sent.extend(decode_events(frame))
        self.sent[session] = sent
        return session

    async def ask(self, session: Session, *requests: commands.AnyRequest) -> list[Any]:
        """Handle one frame of requests and return what was sent since."""
        self.dispatch.take(session, list(requests))
        return await self.drain(session)

    async def drain(self, session: Session) -> list[Any]:
        await settle()
        sent = list(self.sent[session])
        self.sent[session].clear()
        return sent

    def proof(
        self,
        session: Session,
        epoch: int,
        name: str | None = None,
        channel_id: bytes = COMMONS,
    ) -> commands.Prove:
        signer = key(name or f"epoch {epoch}")
        kind = ObjectKind.CHANNEL
        signature = prove(signer, RELAY_ID, kind, channel_id, epoch, session.nonce)
        return commands.Prove(1, CHANNEL, channel_id, epoch, signature)

    def commit(self, session: Session, epoch: int, number: int, **changes: Any) -> commands.Commit:
        following = key(f"epoch {epoch + 1}")
        values: Mapping[str, Any] = {
            "channel_id": COMMONS,
            "epoch": epoch,
            "envelope_id": number.to_bytes(16, "big"),
            "envelope": b"c" * 1024,
            "next_key": following.public,
            "proof": prove(
                following, RELAY_ID, ObjectKind.CHANNEL, COMMONS, epoch + 1, session.nonce
            ),
        }
        return commands.Commit(9, **{**values, **changes})


def put(number: int, epoch: int = 0, size: int = 1024) -> commands.Put:
    return commands.Put(8, COMMONS, epoch, number.to_bytes(16, "big"), b"e" * size)


async def settle() -> None:
    """Let everything that is ready happen."""
    for _ in range(40):
        await asyncio.sleep(0)

"""A home for the oracle bench: the real services over a real file with thousands of objects.

Its clock stands still, but for the rates, and it has no socket: what is measured is a request from
the moment it is decoded to the moment its answer is encoded.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from cloister.bench.oracle_circle import OracleCircle, StandingLog
from cloister.bench.paired_load import BenchFailed
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.relay.accounts import Accounts
from cloister.relay.delivery import Flusher
from cloister.relay.dispatch import Shares
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.protocol import HomeProtocol
from cloister.relay.services.context import Context
from cloister.relay.services.log import Logs
from cloister.relay.services.seats import Seats
from cloister.relay.session import Session, make_outbox
from cloister.relay.shares.enforcing import Enforcement
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.service import ShareService
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.tickets import TicketCheck
from cloister.relay.shares.worker import InlineWorker
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.writes import (
    AppendEntry,
    BindCode,
    MoveCommons,
    OpenBox,
    OpenChannel,
    OpenCircle,
    OpenInbox,
    Outcome,
    PutCommit,
    PutEnvelope,
    Refused,
    Tidy,
    Write,
)
from cloister.roster.share import bind_of
from cloister.testing.relay_cards import cards_of
from cloister.wire.frame import decode_requests

T = TypeVar("T")
NOW: Final = 1_800_000_000
CIRCLES: Final = 8
EPOCHS: Final = 3
"""Epochs that every channel has had; the last is current."""
_BATCH: Final = 256
_CODES: Final = 64


@dataclass(frozen=True, slots=True)
class KnownShare:
    """A share of the relay: its handle, the opening that binds it to a circle, and which."""

    handle: bytes
    opening: bytes
    circle: OracleCircle


def key_of(object_id: bytes, epoch: int = 0) -> Ed25519Key:
    """The key of an object of the bench, and of an epoch of it."""
    return Ed25519Key(Secret(sha256(b"bench", object_id, epoch.to_bytes(8, "big"))))


class OracleRelay:
    """The relay, and what a stranger may know of it."""

    def __init__(self, folder: Path, objects: int, rng: random.Random) -> None:
        """``objects``: channels, and a quarter as many inboxes, boxes and shares each."""
        self._rng = rng
        self._entropy = SystemEntropy()
        self._folder = folder
        self._clock = 0.0
        self.now = NOW
        key = HybridKey(Secret(self._entropy.random(32)), Secret(self._entropy.random(32)))
        entry_key = HybridKey(Secret(self._entropy.random(32)), Secret(self._entropy.random(32)))
        self.card, entry_card = cards_of(key, entry_key)
        self._peers = {bytes(entry_card.relay_id): entry_card}
        self.store: Final = SqliteStore(folder / "home.sqlite3", _stop)
        self._shares: Final = ShareStore(
            folder / "shares.sqlite3", EpochKeyFile(folder / "shares.key"), self._entropy
        )
        self.context: Final = Context(
            relay_id=self.card.relay_id,
            store=self.store,
            metrics=Metrics(),
            now=lambda: self.now,
            monotonic=lambda: self._clock,
        )
        identity = Identity(card=self.card, key=key)
        log = Log(lambda: NOW)

        def make_shares(logs: Logs, seats: Seats) -> Shares:
            worker = InlineWorker(self._shares)
            self._enforcement = Enforcement(logs, worker, self.card.relay_id, key, log, lambda: NOW)
            return ShareService(
                self.card,
                key,
                worker,
                TicketCheck(self.card, dict),
                self._enforcement,
                seats=seats,
                now=lambda: NOW,
                monotonic=lambda: self._clock,
            )

        codes = folder / "codes"
        codes.mkdir()
        self._protocol = HomeProtocol(
            self.context,
            identity,
            Accounts(folder / "accounts.json", log),
            peers=lambda: self._peers,
            is_code=lambda code_hash: (codes / code_hash.hex()).exists(),
            entropy=self._entropy,
            make_shares=make_shares,
        )
        self._flusher = Flusher(self.context.metrics)
        self._sent: list[bytes] = []
        self.circles: Final = [
            OracleCircle(f"home.example/{self.some_bytes(8).hex()}", self.card, entry_card)
            for _ in range(CIRCLES)
        ]
        self.channels: Final = self._ids(objects)
        self.inboxes: Final = self._ids(objects // 4)
        self.boxes: Final = self._ids(objects // 4)
        self.old_boxes: Final = self._ids(objects // 4)
        self.ended: Final = self._ids(len(self.circles))
        """By circle: the commons that a reset has ended, and the one that came in its place."""
        self.commons: Final = self._ids(len(self.circles))
        self.open_shares: Final[list[KnownShare]] = []
        self.locked_shares: Final[list[KnownShare]] = []
        self.used_codes: Final = [code_name(1_000_000 + number) for number in range(_CODES)]
        self.free_code: Final = code_name(2_000_000)
        for code in (*self.used_codes, self.free_code):
            (codes / sha256(code).hex()).touch()

    def some_bytes(self, size: int) -> bytes:
        """Return random bytes that a seed repeats."""
        return self._rng.randbytes(size)

    def pick(self, among: Sequence[T]) -> T:
        """Choose one of them; a seed repeats it."""
        return among[self._rng.randrange(len(among))]

    def _ids(self, count: int) -> list[bytes]:
        return [self.some_bytes(16) for _ in range(count)]

    # --- filling -----------------------------------------------------------------------------

    async def fill(self) -> None:
        """Store everything, as the services would."""
        for circle, commons_id in zip(self.circles, self.ended, strict=True):
            await self._write(list(_founding(circle, commons_id)))
        for writes in (self._opening(), self._moving(), self._mailing()):
            await self._write(list(writes))
        self._enrol()
        codes = [
            BindCode(sha256(code), bytes(32), f"home.example/{code.hex()}")
            for code in self.used_codes
        ]
        await self._write(codes)
        self._protocol.logs.load()
        self._enforcement.look_at_all()

    def _opening(self) -> Iterator[Write]:
        for channel_id in self.channels:
            origin = self.pick(self.circles).origin
            yield OpenChannel(origin, channel_id, key_of(channel_id).public)
        for epoch in range(EPOCHS - 1):
            for channel_id in self.channels:
                envelope_id = self.some_bytes(16)
                yield PutEnvelope(channel_id, epoch, envelope_id, bytes(1024), NOW)
                yield PutCommit(
                    channel_id=channel_id,
                    epoch=epoch,
                    envelope_id=self.some_bytes(16),
                    envelope=bytes(1024),
                    staged=b"",
                    next_key=key_of(channel_id, epoch + 1).public,
                    mail=(),
                    tree=b"",
                    now=NOW,
                )

    def _moving(self) -> Iterator[Write]:
        for circle, old_id, new_id in zip(self.circles, self.ended, self.commons, strict=True):
            yield MoveCommons(circle.origin, old_id, new_id, key_of(new_id).public, 1)

    def _mailing(self) -> Iterator[Write]:
        for place, box_id in enumerate((*self.inboxes, *self.boxes, *self.old_boxes)):
            origin = self.pick(self.circles).origin
            is_inbox = place < len(self.inboxes)
            is_old = place >= len(self.inboxes) + len(self.boxes)
            door = self.some_bytes(16) if is_inbox else box_id
            expires = NOW - 10 if is_old else NOW + 10_000
            yield OpenBox(origin, door, key_of(box_id).public, expires)
            if is_inbox:
                yield OpenInbox(door, box_id, key_of(box_id).public, NOW)

    def _enrol(self) -> None:
        self._shares.connection.execute("BEGIN")
        for number in range(len(self.inboxes)):
            circle, opening = self.pick(self.circles), self.some_bytes(32)
            keys = [key_of(opening, act).public for act in range(3)]
            handle = self._shares.add(bind_of(circle.origin, opening), *keys)
            is_locked = bool(number % 2)
            if is_locked:
                self._shares.set_lock(handle, 1, -1)
            among = self.locked_shares if is_locked else self.open_shares
            among.append(KnownShare(bytes(handle), opening, circle))
        self._shares.connection.execute("COMMIT")

    async def _write(self, writes: Sequence[Write]) -> None:
        for start in range(0, len(writes), _BATCH):
            waiting: list[asyncio.Future[Outcome]] = []
            for write in writes[start : start + _BATCH]:
                future = asyncio.get_running_loop().create_future()
                self.store.submit(write, future.set_result)
                waiting.append(future)
            for outcome in await asyncio.gather(*waiting):
                if isinstance(outcome, Refused):
                    raise BenchFailed(f"the bench's relay refuses: {outcome.code.name}")

    # --- asking ------------------------------------------------------------------------------

    def stranger(self) -> Session:
        """Open a connection that has proved nothing."""
        session = Session(
            self._entropy.random(32), make_outbox(self._flusher, self._clock), self._clock
        )
        session.outbox.transmit = self._sent.append
        return session

    def ask(self, session: Session, frame: bytes) -> tuple[int, bytes]:
        """Take a frame of requests: the processor time of it (ns), and the answer's bytes."""
        self._clock += 60
        requests, take = decode_requests(frame), self._protocol.dispatch.take
        began = time.thread_time_ns()
        take(session, requests)
        spent = time.thread_time_ns() - began
        self._flusher.flush()
        answer = b"".join(self._sent)
        self._sent.clear()
        return spent, answer

    async def answer(self, session: Session, frame: bytes) -> bytes:
        """Take a frame of requests, and wait for the writes that it asks for."""
        _, answer = self.ask(session, frame)
        if session.pending_writes:
            written: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            # What is submitted later is done later.
            self.store.submit(Tidy(), written.set_result)
            await written
        self._flusher.flush()
        answer += b"".join(self._sent)
        self._sent.clear()
        return answer

    def hang_up(self, session: Session) -> None:
        """Close a connection."""
        self._protocol.dispatch.forget(session)

    def close(self) -> None:
        """Close the files."""
        self._shares.close()
        self.store.close()


def _founding(circle: OracleCircle, commons_id: bytes) -> Iterator[Write]:
    log: StandingLog = circle.log
    first = log.steps[0]
    code_hash = sha256(circle.origin.encode())
    yield BindCode(code_hash, bytes(32), circle.origin)
    yield OpenCircle(
        code_hash=code_hash,
        setup_key=bytes(32),
        origin=circle.origin,
        genesis=first.entry,
        fold=first.fold,
        root=first.root,
        note=b"",
        commons_id=commons_id,
        commons_key=key_of(commons_id).public,
        inbox_id=sha256(commons_id)[:16],
        inbox_key=key_of(commons_id).public,
    )
    for seq, step in enumerate(log.steps[1:], start=1):
        yield AppendEntry(
            origin=circle.origin,
            seq=seq,
            kind=2,
            entry=step.entry,
            fold=step.fold,
            root=step.root,
            note=b"",
        )


def code_name(number: int) -> bytes:
    """An activation code of the bench; those above a million were handed out."""
    return f"BENCH-{number:07}".encode()


def _stop() -> None:
    raise BenchFailed("the bench's relay has lost its disk")

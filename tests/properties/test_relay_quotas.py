"""Full channels, circles and disks: said each time, nothing thrown out, and control acts pass."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cloister.limits import ENVELOPE_SIZES, KIB
from cloister.relay.storage.api import Store
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.quotas import Quotas
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.writes import (
    Accepted,
    AppendEntry,
    BindCode,
    Delivered,
    Expire,
    Mail,
    OpenChannel,
    OpenCircle,
    Outcome,
    PutCommit,
    PutEnvelope,
    Refused,
    SetNote,
    Write,
)
from cloister.wire.codes import Refusal
from counts import examples

HOUR = 3600
ORIGIN = "home/00"
COMMONS, OTHER, INBOX = b"C" * 16, b"K" * 16, b"I" * 16
CHANNELS = st.sampled_from([COMMONS, OTHER])
LARGEST = ENVELOPE_SIZES[-1]
CHANNEL_FULL, CIRCLE_FULL = 4 * KIB, 6 * KIB


def said(outcome: Outcome) -> tuple[object, ...]:
    return (type(outcome), *(getattr(outcome, name, None) for name in ("n", "code", "fresh")))


class Quota(RuleBasedStateMachine):
    """Both stores side by side, with the same small quotas, and a model of what must be there."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.is_short = False
        self.now = 500_000 * HOUR
        self.number = 0
        self.size = 1
        self.epochs = {COMMONS: 0, OTHER: 0}
        self.stored: dict[bytes, list[tuple[bytes, int]]] = {COMMONS: [], OTHER: []}
        self.waiting: list[PutEnvelope] = []
        self.quotas = Quotas(
            channel_bytes=LARGEST + CHANNEL_FULL,
            circle_bytes=LARGEST + CIRCLE_FULL,
            is_short=lambda: self.is_short,
        )

    @initialize()
    def found(self) -> None:
        async def make() -> tuple[Store, Store]:
            path = Path(self.folder.name) / "relay.sqlite3"
            return MemoryStore(self.quotas), SqliteStore(path, lambda: None, 0, self.quotas)

        self.stores = self.loop.run_until_complete(make())
        self.write(BindCode(b"h" * 32, b"s" * 32, ORIGIN))
        self.write(
            OpenCircle(
                code_hash=b"h" * 32,
                setup_key=b"s" * 32,
                origin=ORIGIN,
                genesis=b"genesis",
                fold=b"",
                root=bytes(32),
                note=b"note",
                commons_id=COMMONS,
                commons_key=b"k" * 32,
                inbox_id=INBOX,
                inbox_key=b"k" * 32,
            )
        )
        self.write(OpenChannel(ORIGIN, OTHER, b"k" * 32))

    def write(self, write: Write) -> Outcome:
        async def both() -> list[Outcome]:
            futures = [self.loop.create_future() for _ in self.stores]
            for store, future in zip(self.stores, futures, strict=True):
                store.submit(write, future.set_result)
            return list(await asyncio.gather(*futures))

        first, second = self.loop.run_until_complete(both())
        assert said(first) == said(second)
        return first

    def held(self, channel: bytes) -> int:
        return sum(size for _, size in self.stored[channel])

    def expected(self, channel: bytes) -> Refusal | None:
        if self.held(channel) > CHANNEL_FULL:
            return Refusal.QUOTA
        if self.held(COMMONS) + self.held(OTHER) > CIRCLE_FULL:
            return Refusal.QUOTA
        return Refusal.STORAGE if self.is_short else None

    def put(self, put: PutEnvelope) -> None:
        expected = self.expected(put.channel_id)
        outcome = self.write(put)
        if expected is None:
            assert isinstance(outcome, Accepted)
            self.stored[put.channel_id].append((put.envelope_id, len(put.envelope)))
        else:
            assert isinstance(outcome, Refused)
            assert outcome.code is expected
            self.waiting.append(put)

    @rule(channel=CHANNELS, size=st.sampled_from([1 * KIB, 4 * KIB]))
    def say(self, channel: bytes, size: int) -> None:
        self.number += 1
        envelope_id = self.number.to_bytes(16, "big")
        self.put(PutEnvelope(channel, self.epochs[channel], envelope_id, b"e" * size, self.now))

    @rule(again=st.integers(0, 99))
    def retry_what_is_stored(self, again: int) -> None:
        """An answer that was lost is given again, however full it is meanwhile."""
        for channel, items in self.stored.items():
            texts = [one for one in items if int.from_bytes(one[0], "big") < 2**32]
            if texts:
                envelope_id, size = texts[again % len(texts)]
                put = PutEnvelope(channel, 0, envelope_id, b"e" * size, self.now)
                outcome = self.write(put)
                assert isinstance(outcome, Accepted)
                assert not outcome.fresh

    @rule(channel=CHANNELS)
    def change_members(self, channel: bytes) -> None:
        """A commit with a Welcome passes a full channel, a full circle and a nearly full disk."""
        self.number += 1
        envelope_id = (2**64 + self.number).to_bytes(16, "big")
        commit = PutCommit(
            channel_id=channel,
            epoch=self.epochs[channel],
            envelope_id=envelope_id,
            envelope=b"c" * KIB,
            staged=b"",
            next_key=b"n" * 32,
            mail=(Mail(INBOX, b"welcome", b""),),
            tree=b"",
            now=self.now,
        )
        assert isinstance(self.write(commit), Delivered)
        self.epochs[channel] += 1
        self.stored[channel].append((envelope_id, KIB))
        self.waiting = [one for one in self.waiting if one.channel_id != channel]

    @rule()
    def lock(self) -> None:
        """So does an entry of the log."""
        entry = AppendEntry(ORIGIN, self.size, 2, b"entry", b"fold", bytes(32), b"note")
        assert isinstance(self.write(entry), Accepted)
        self.size += 1
        assert isinstance(self.write(SetNote(ORIGIN, self.size, b"settled")), Accepted)

    @rule()
    def disk_fills_or_drains(self) -> None:
        self.is_short = not self.is_short

    @rule()
    def all_ages_out(self) -> None:
        """Room comes back by age alone, and what was refused is taken as it was."""
        self.now += 40 * 24 * HOUR
        self.write(Expire(self.now - 24 * HOUR, self.now - 24 * HOUR, self.now, 1000))
        for channel, items in self.stored.items():
            opened = self.epochs[channel] > 0
            commits = [one for one in items if int.from_bytes(one[0], "big") >= 2**32]
            # The commit that opened the current epoch stays.
            self.stored[channel] = commits[-1:] if opened else []
        waiting, self.waiting = self.waiting, []
        for one in waiting:
            self.put(one)

    @invariant()
    def nothing_is_thrown_out(self) -> None:
        if not hasattr(self, "stores"):
            return
        for store in self.stores:
            for channel, items in self.stored.items():
                rows = store.envelopes(channel, 0, 10**6, 10**6, 10**9)
                assert [row.envelope_id for row in rows] == [one for one, _ in items]

    def teardown(self) -> None:
        if hasattr(self, "stores"):
            for store in self.stores:
                store.close()
        self.loop.close()
        self.folder.cleanup()


TestQuota = Quota.TestCase
TestQuota.settings = settings(
    max_examples=examples(12), stateful_step_count=25, deadline=None, derandomize=True
)

"""Both storage backends give the same outcomes and the same rows for any sequence of writes."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.crypto.hashing import sha256
from cloister.relay.storage.api import Store
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.writes import (
    AddKeyPackages,
    Allowance,
    AppendEntry,
    BindCode,
    Expire,
    Mail,
    OpenBox,
    OpenChannel,
    OpenCircle,
    OpenInbox,
    Outcome,
    PutBoxItem,
    PutCommit,
    PutEnvelope,
    Reservation,
    SetNote,
    StagePart,
    TakeKeyPackage,
    TakeSeat,
    Write,
)
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from counts import examples

HOUR = 3600
ORIGIN = "home/00"
CHANNELS = (b"C" * 16, b"K" * 16)
INBOXES = (b"I" * 16, b"J" * 16)
BOX = b"B" * 16
ACCOUNT = "00112233445566aa"
HANDLES = tuple(bytes([0x80 + number]) * 16 for number in range(4))
OBJECTS = (b"tree", b"welcome", b"commit")

small = st.integers(0, 3)
hours = st.integers(500_000, 500_006).map(lambda hour: hour * HOUR)
channels = st.sampled_from(CHANNELS)
inboxes = st.sampled_from(INBOXES)
ids = st.integers(0, 9).map(lambda number: number.to_bytes(16, "big"))
envelopes = st.sampled_from([b"1" * 1024, b"2" * 1024])
hashes = st.sampled_from([b"", *map(sha256, OBJECTS)])


def stage(owner: bytes, data: bytes, now: int) -> StagePart:
    return StagePart(owner, sha256(data), 0, 1, data, now + HOUR, now)


def commit(
    channel: bytes, epoch: int, one: bytes, staged: bytes, tree: bytes, mail: Any, now: int
) -> PutCommit:
    envelope = b"" if staged else b"c" * 1024
    return PutCommit(channel, epoch, one, envelope, staged, b"k" * 32, tuple(mail), tree, now)


def entry(seq: int, data: bytes) -> AppendEntry:
    return AppendEntry(ORIGIN, seq, 1, data, b"fold", b"r" * 32, b"note %d" % seq)


mails = st.lists(
    st.one_of(
        st.builds(Mail, inboxes, st.just(b"w"), st.just(b"")),
        st.builds(Mail, inboxes, st.just(b""), st.just(sha256(b"welcome"))),
    ),
    max_size=1,
)
keys = st.sampled_from([bytes([number]) * 32 for number in range(4)])
allowances = st.builds(
    Allowance,
    st.just(ACCOUNT),
    small,
    st.frozensets(st.sampled_from(HANDLES), max_size=2),
    hours,
)
reservations = st.builds(Reservation, allowances, keys, hours)
puts = st.builds(PutEnvelope, channels, small, ids, envelopes, hours)
writes: st.SearchStrategy[Write] = st.one_of(
    puts,
    puts,
    puts,
    st.builds(commit, channels, small, ids, hashes, hashes, mails, hours),
    st.builds(commit, channels, small, ids, st.just(b""), st.just(b""), mails, hours),
    st.builds(stage, channels, st.sampled_from(OBJECTS), hours),
    st.builds(OpenChannel, st.just(ORIGIN), channels, st.sampled_from([b"k" * 32, b"o" * 32])),
    st.builds(OpenBox, st.just(ORIGIN), st.just(BOX), st.just(b"b" * 32), hours),
    st.builds(AddKeyPackages, st.just(INBOXES[0]), st.lists(envelopes, max_size=2).map(tuple)),
    st.builds(TakeKeyPackage, st.just(ORIGIN), st.just(INBOXES[0])),
    st.builds(entry, small, envelopes),
    st.builds(SetNote, st.just(ORIGIN), small, st.just(b"cosigned")),
    st.builds(
        Expire,
        hours,
        hours,
        hours,
        st.just(100),
        st.frozensets(channels, max_size=1),
        st.frozensets(st.sampled_from([ORIGIN, "home/01"]), max_size=1),
    ).filter(lambda one: one.forget_before <= one.before),
    st.builds(
        lambda number, wanted: OpenBox(ORIGIN, wanted.key[:16], wanted.key, number, wanted),
        hours,
        reservations,
    ),
    st.builds(
        lambda code, wanted: BindCode(code, b"k" * 32, "home/02", wanted), keys, reservations
    ),
    st.builds(TakeSeat, allowances, keys, st.sampled_from(HANDLES)),
)
boxed: st.SearchStrategy[Write] = st.one_of(
    st.builds(OpenInbox, st.just(BOX), inboxes, st.just(b"i" * 32), hours),
    st.builds(PutBoxItem, st.just(BOX), envelopes, hours),
)


def seen(outcome: Outcome) -> tuple[Any, ...]:
    names = ("n", "fresh", "code", "detail", "package", "origin", "mail")
    return (type(outcome).__name__, *(getattr(outcome, name, None) for name in names))


def snapshot(store: Store) -> list[Any]:
    found: list[Any] = [store.log(ORIGIN), store.entries(ORIGIN, 0, 99, 10**6)]
    found.append(replace(store.counts(), file_bytes=0))
    found += [store.seats(ACCOUNT, hour * HOUR) for hour in range(500_000, 500_008)]
    found += [store.account_of_seat(bytes([n]) * 32, HANDLES[n]) for n in range(4)]
    for channel in CHANNELS:
        row = store.channel(channel)
        found.append(row)
        if row is not None:
            found += [store.ladder(channel, epoch) for epoch in range(row.epoch + 2)]
            found += store.envelopes(channel, 0, 999, 999, 10**9)
            found += [store.part(channel, sha256(data), 0) for data in OBJECTS]
    for kind, object_id in (
        *((ObjectKind.INBOX, one) for one in INBOXES),
        (ObjectKind.BOX, BOX),
    ):
        found.append(store.mailbox(kind, object_id))
        if found[-1] is not None:
            found += store.mail(kind, object_id, 0, 999, 10**9)
            found += [store.part(object_id, sha256(data), 0) for data in OBJECTS]
    return found


async def play(store: Store, sequence: list[Write]) -> tuple[list[Any], list[Any]]:
    outcomes: list[Outcome] = []
    opening: list[Write] = [
        BindCode(b"c" * 32, b"k" * 32, ORIGIN),
        OpenCircle(
            *(b"c" * 32, b"k" * 32, ORIGIN, b"genesis", b"f", b"r" * 32, b"note"),
            *(CHANNELS[0], b"k" * 32, INBOXES[0], b"k" * 32),
        ),
        OpenChannel(ORIGIN, CHANNELS[1], b"k" * 32),
        OpenBox(ORIGIN, BOX, b"b" * 32, 600_000 * HOUR),
    ]
    last: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    for write in opening + sequence:
        store.submit(write, outcomes.append)
    store.submit(AddKeyPackages(INBOXES[0], ()), last.set_result)
    await last
    result = [seen(outcome) for outcome in outcomes], snapshot(store)
    store.close()
    return result


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(st.one_of(writes, boxed), max_size=25))
def test_sqlite_and_memory_agree(sequence: list[Write]) -> None:
    # Writes to a box that has expired and was deleted are not in the contract.
    if any(isinstance(one, OpenInbox | PutBoxItem) for one in sequence):
        sequence = list[Write](one for one in sequence if not isinstance(one, Expire))

    def fail() -> None:
        raise AssertionError("the store failed")

    async def both() -> None:
        with tempfile.TemporaryDirectory() as folder:
            memory = await play(MemoryStore(), sequence)
            sqlite = await play(SqliteStore(Path(folder) / "x.sqlite3", fail, 0.0), sequence)
        assert sqlite[0] == memory[0]
        assert sqlite[1] == memory[1]

    asyncio.run(both())

"""The storage contract of the relay, for every backend."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from cloister.crypto.hashing import sha256
from cloister.limits import (
    KEPT_TREE_EPOCHS,
    MAX_BOX_ITEMS,
    MAX_KEY_PACKAGES,
    MAX_STAGED_OBJECTS,
)
from cloister.relay.storage.api import EnvelopeKind, Store
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.sqlite import SqliteStore
from cloister.relay.storage.writes import (
    Accepted,
    AddKeyPackages,
    AdoptCircle,
    Allowance,
    AppendEntry,
    BindCode,
    Bound,
    Delivered,
    Expire,
    Mail,
    MirrorEntries,
    MoveCommons,
    OpenBox,
    OpenChannel,
    OpenCircle,
    OpenInbox,
    Outcome,
    PutBoxItem,
    PutCommit,
    PutEnvelope,
    Refused,
    Reservation,
    ReserveSeat,
    SetNote,
    StagePart,
    TakeKeyPackage,
    Taken,
    TakeSeat,
    Write,
)
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal

HOUR = 3600
NOW = 500_000 * HOUR
ORIGIN = "home/0011223344556677"
COMMONS = b"C" * 16
CHANNEL = b"K" * 16
INBOX = b"I" * 16
BOX = b"B" * 16
CODE = b"c" * 32
KEY = b"k" * 32
ENVELOPE = b"e" * 1024

Open = Callable[[], Any]
Scenario = Callable[["Bench"], Awaitable[None]]


class Bench:
    """A store, and how to write to it and to open it again."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self.store = open_store()

    async def write(self, write: Write) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.store.submit(write, future.set_result)
        return await asyncio.wait_for(future, 60)

    async def accept(self, write: Write) -> int:
        outcome = await self.write(write)
        assert isinstance(outcome, Accepted | Delivered), outcome_text(outcome)
        return outcome.n

    async def refused(self, write: Write) -> Refusal:
        outcome = await self.write(write)
        assert isinstance(outcome, Refused), outcome_text(outcome)
        return outcome.code

    async def found(self) -> None:
        assert isinstance(await self.write(BindCode(CODE, KEY, ORIGIN)), Bound)
        await self.accept(circle())
        await self.accept(OpenChannel(ORIGIN, CHANNEL, KEY))

    def reopen(self) -> None:
        """Close and open again; the memory backend keeps its values in this process."""
        if isinstance(self.store, SqliteStore):
            self.store.close()
            self.store = self._open()


def outcome_text(outcome: Outcome) -> str:
    return f"{type(outcome).__name__} {getattr(outcome, 'code', '')!r}"


def circle(**changes: Any) -> OpenCircle:
    values: dict[str, Any] = {
        "code_hash": CODE,
        "setup_key": KEY,
        "origin": ORIGIN,
        "genesis": b"genesis",
        "fold": b"fold",
        "root": b"r" * 32,
        "note": b"note 1",
        "commons_id": COMMONS,
        "commons_key": KEY,
        "inbox_id": INBOX,
        "inbox_key": KEY,
    }
    return OpenCircle(**{**values, **changes})


def put(number: int, *, epoch: int = 0, envelope: bytes = ENVELOPE, now: int = NOW) -> PutEnvelope:
    return PutEnvelope(CHANNEL, epoch, number.to_bytes(16, "big"), envelope, now)


def commit(number: int, epoch: int, **changes: Any) -> PutCommit:
    values: dict[str, Any] = {
        "channel_id": CHANNEL,
        "epoch": epoch,
        "envelope_id": number.to_bytes(16, "big"),
        "envelope": b"c" * 1024,
        "staged": b"",
        "next_key": bytes([epoch + 1]) * 32,
        "mail": (),
        "tree": b"",
        "now": NOW,
    }
    return PutCommit(**{**values, **changes})


def entry(seq: int, data: bytes) -> AppendEntry:
    return AppendEntry(ORIGIN, seq, 1, data, b"fold", b"r" * 32, b"note %d" % (seq + 1))


@pytest.fixture(params=["memory", "sqlite"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Scenario], None]:
    """Run a scenario on one backend."""

    @asynccontextmanager
    async def bench() -> AsyncIterator[Bench]:
        def fail() -> None:
            raise AssertionError("the store failed")

        def open_store() -> Store:
            if request.param == "memory":
                return MemoryStore()
            return SqliteStore(tmp_path / "relay.sqlite3", fail)

        made = Bench(open_store)
        try:
            yield made
        finally:
            made.store.close()

    def run_scenario(scenario: Scenario) -> None:
        async def main() -> None:
            async with bench() as made:
                await scenario(made)

        asyncio.run(main())

    return run_scenario


def test_puts_get_contiguous_indices_in_the_order_of_submission(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        outcomes: list[Outcome] = []
        for number in range(200):
            bench.store.submit(put(number), outcomes.append)
        assert outcomes == []
        assert await bench.accept(put(1000)) == 200
        assert [getattr(one, "n", None) for one in outcomes] == list(range(200))
        rows = bench.store.envelopes(CHANNEL, 0, 300, 500, 10**9)
        assert [row.envelope_id for row in rows[:200]] == [
            number.to_bytes(16, "big") for number in range(200)
        ]

    run(scenario)


def test_same_id_and_bytes_give_the_old_index_other_bytes_a_conflict(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        for number in range(3):
            await bench.accept(put(number))
        bench.reopen()
        again = await bench.write(put(1))
        assert isinstance(again, Accepted)
        assert (again.n, again.fresh) == (1, False)
        assert await bench.refused(put(1, envelope=b"x" * 1024)) is Refusal.ID_CONFLICT
        assert await bench.accept(put(9)) == 3

    run(scenario)


def test_duplicates_inside_one_batch_are_stored_once(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        outcomes: list[Outcome] = []
        for number in (1, 2, 1, 3, 2):
            bench.store.submit(put(number), outcomes.append)
        bench.store.submit(put(3, epoch=7), outcomes.append)
        assert await bench.accept(put(4)) == 3
        assert [getattr(one, "n", None) for one in outcomes] == [0, 1, 0, 2, 1, 2]

    run(scenario)


def test_stale_epoch_is_refused_unless_the_id_is_stored(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(put(1))
        await bench.accept(commit(2, 0))
        assert await bench.refused(put(3)) is Refusal.STALE_EPOCH
        assert await bench.accept(put(1)) == 0
        assert await bench.accept(put(3, epoch=1)) == 2

    run(scenario)


def test_one_commit_ends_an_epoch_and_its_retry_is_answered(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(put(1))
        assert await bench.accept(commit(2, 0)) == 1
        assert await bench.refused(commit(3, 0)) is Refusal.STALE_EPOCH
        bench.reopen()
        again = await bench.write(commit(2, 0))
        assert isinstance(again, Delivered)
        assert (again.n, again.fresh) == (1, False)
        conflict = commit(2, 0, envelope=b"x" * 1024)
        assert await bench.refused(conflict) is Refusal.ID_CONFLICT
        ended = bench.store.ladder(CHANNEL, 0)
        assert ended is not None
        assert (ended.first_n, ended.commit_n, ended.log_size_end) == (0, 1, 1)
        current = bench.store.ladder(CHANNEL, 1)
        assert current is not None
        assert (current.first_n, current.commit_n, current.key) == (2, None, b"\x01" * 32)
        channel = bench.store.channel(CHANNEL)
        assert channel is not None
        assert (channel.epoch, channel.next_n, channel.is_commons) == (1, 2, False)
        (row,) = bench.store.envelopes(CHANNEL, 1, 1, 9, 9)
        assert (row.kind, row.epoch, row.next_key) == (EnvelopeKind.COMMIT, 0, b"\x01" * 32)

    run(scenario)


def test_commit_records_the_size_of_the_log_at_that_moment(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(entry(1, b"one"))
        await bench.accept(commit(1, 0, channel_id=COMMONS))
        await bench.accept(entry(2, b"two"))
        ended = bench.store.ladder(COMMONS, 0)
        assert ended is not None
        assert ended.log_size_end == 2

    run(scenario)


def test_commit_and_its_welcomes_are_one_record(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        unknown = commit(1, 0, mail=(Mail(INBOX, b"hello", b""), Mail(b"?" * 16, b"x", b"")))
        assert await bench.refused(unknown) is Refusal.UNKNOWN_OBJECT
        assert bench.store.mail(ObjectKind.INBOX, INBOX, 0, 9, 9) == []
        assert bench.store.envelopes(CHANNEL, 0, 9, 9, 9) == []
        outcome = await bench.write(commit(2, 0, mail=(Mail(INBOX, b"hello", b""),)))
        assert isinstance(outcome, Delivered)
        assert outcome.mail == ((INBOX, 0),)
        (item,) = bench.store.mail(ObjectKind.INBOX, INBOX, 0, 9, 9)
        assert (item.n, item.item, item.parts) == (0, b"hello", 0)

    run(scenario)


def test_staged_objects_travel_with_the_commit_that_names_them(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        parts = [b"a" * 5000, b"b" * 5000, b"c"]
        whole = sha256(*parts)
        tree, welcome = sha256(b"tree"), sha256(b"welcome")

        def part(index: int, digest: bytes = whole) -> StagePart:
            return StagePart(CHANNEL, digest, index, 3, parts[index], NOW + HOUR, NOW)

        assert await bench.accept(part(0)) == 1
        assert await bench.accept(part(2)) == 2
        assert await bench.accept(part(2)) == 2
        named = commit(
            1, 0, envelope=b"", staged=whole, tree=tree, mail=(Mail(INBOX, b"", welcome),)
        )
        assert await bench.refused(named) is Refusal.PARTS_MISSING
        assert await bench.accept(part(1)) == 3
        for digest, data in ((tree, b"tree"), (welcome, b"welcome")):
            await bench.accept(StagePart(CHANNEL, digest, 0, 1, data, NOW + HOUR, NOW))
        assert await bench.accept(named) == 0
        bench.reopen()
        assert bench.store.part(CHANNEL, whole, 1) == (3, parts[1])
        assert bench.store.part(CHANNEL, tree, 0) == (1, b"tree")
        assert bench.store.part(INBOX, welcome, 0) == (1, b"welcome")
        (row,) = bench.store.envelopes(CHANNEL, 0, 0, 1, 1)
        assert (row.envelope, row.object_hash, row.parts) == (b"", whole, 3)
        await bench.accept(commit(2, 1))
        assert bench.store.part(CHANNEL, whole, 1) == (3, parts[1])

    run(scenario)


def test_the_tree_of_an_ended_epoch_is_kept_for_newcomers_who_were_away(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        tree = sha256(b"tree")
        await bench.accept(StagePart(CHANNEL, tree, 0, 1, b"tree", NOW + HOUR, NOW))
        await bench.accept(commit(0, 0, tree=tree))
        for epoch in range(1, KEPT_TREE_EPOCHS + 1):
            await bench.accept(commit(epoch, epoch))
            assert bench.store.part(CHANNEL, tree, 0) == (1, b"tree")
        last = KEPT_TREE_EPOCHS + 1
        await bench.accept(commit(last, last))
        assert bench.store.part(CHANNEL, tree, 0) is None

    run(scenario)


def test_a_staged_object_with_the_wrong_hash_is_dropped(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        wrong = StagePart(CHANNEL, b"w" * 32, 0, 1, b"data", NOW + HOUR, NOW)
        assert await bench.refused(wrong) is Refusal.PARTS_MISSING
        assert await bench.refused(commit(1, 0, envelope=b"", staged=b"w" * 32)) is (
            Refusal.PARTS_MISSING
        )

    run(scenario)


def test_staged_objects_are_bounded_and_run_out(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()

        def part(number: int, now: int) -> StagePart:
            return StagePart(CHANNEL, bytes([number]) * 32, 0, 2, b"x", now + HOUR, now)

        for number in range(MAX_STAGED_OBJECTS):
            await bench.accept(part(number, NOW))
        assert await bench.refused(part(99, NOW)) is Refusal.QUOTA
        later = NOW + HOUR + 1
        assert await bench.accept(part(99, later)) == 1
        whole = sha256(b"x")
        await bench.accept(StagePart(CHANNEL, whole, 0, 1, b"x", later, later))
        too_late = commit(1, 0, envelope=b"", staged=whole, now=later + 1)
        assert await bench.refused(too_late) is Refusal.PARTS_MISSING

    run(scenario)


def test_founding_needs_the_bound_code_and_is_idempotent(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.refused(circle()) is Refusal.WRONG_CODE
        bound = await bench.write(BindCode(CODE, KEY, ORIGIN))
        again = await bench.write(BindCode(CODE, KEY, "home/ffff"))
        assert isinstance(bound, Bound)
        assert isinstance(again, Bound)
        assert bound.origin == again.origin == ORIGIN
        assert await bench.refused(BindCode(CODE, b"o" * 32, ORIGIN)) is Refusal.WRONG_CODE
        assert await bench.refused(circle(setup_key=b"o" * 32)) is Refusal.WRONG_CODE
        first = await bench.write(circle())
        second = await bench.write(circle(note=b"another signature"))
        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert (first.fresh, second.fresh) == (True, False)
        assert await bench.refused(circle(genesis=b"other")) is Refusal.ID_CONFLICT
        log = bench.store.log(ORIGIN)
        assert log is not None
        assert (log.size, log.note, log.settled) == (1, b"note 1", b"")
        assert bench.store.origins() == [ORIGIN]

    run(scenario)


def test_a_refused_founding_leaves_nothing(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        other = "home/8899"
        await bench.write(BindCode(b"d" * 32, KEY, other))
        taken = circle(code_hash=b"d" * 32, origin=other, inbox_id=b"J" * 16)
        assert await bench.refused(taken) is Refusal.ID_CONFLICT
        assert bench.store.log(other) is None
        assert bench.store.mailbox(ObjectKind.INBOX, b"J" * 16) is None

    run(scenario)


def test_opening_a_channel_again_needs_the_same_key(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        again = await bench.write(OpenChannel(ORIGIN, CHANNEL, KEY))
        assert isinstance(again, Accepted)
        assert not again.fresh
        other = OpenChannel(ORIGIN, CHANNEL, b"o" * 32)
        assert await bench.refused(other) is Refusal.ID_CONFLICT

    run(scenario)


def test_a_box_holds_each_item_once_few_items_and_for_its_time(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(OpenBox(ORIGIN, BOX, KEY, NOW + HOUR))
        assert await bench.refused(OpenBox(ORIGIN, BOX, KEY, NOW)) is Refusal.ID_CONFLICT
        assert await bench.accept(PutBoxItem(BOX, b"letter", NOW)) == 0
        assert await bench.accept(PutBoxItem(BOX, b"letter", NOW)) == 0
        for number in range(1, MAX_BOX_ITEMS):
            assert await bench.accept(PutBoxItem(BOX, b"%d" % number, NOW)) == number
        assert await bench.refused(PutBoxItem(BOX, b"more", NOW)) is Refusal.QUOTA
        items = bench.store.mail(ObjectKind.BOX, BOX, 1, 99, 10**6)
        assert [item.n for item in items] == list(range(1, MAX_BOX_ITEMS))
        late = NOW + HOUR + 1
        assert await bench.accept(PutBoxItem(BOX, b"letter", late)) == 0
        assert await bench.refused(PutBoxItem(BOX, b"late", late)) is Refusal.EXPIRED
        assert await bench.refused(OpenInbox(BOX, b"J" * 16, KEY, late)) is Refusal.EXPIRED

    run(scenario)


def test_a_box_opens_one_inbox(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(OpenBox(ORIGIN, BOX, KEY, NOW + HOUR))
        assert await bench.refused(OpenInbox(BOX, INBOX, KEY, NOW)) is Refusal.ID_CONFLICT
        await bench.accept(OpenInbox(BOX, b"J" * 16, KEY, NOW))
        await bench.accept(OpenInbox(BOX, b"J" * 16, KEY, NOW + 2 * HOUR))
        assert await bench.refused(OpenInbox(BOX, b"L" * 16, KEY, NOW)) is Refusal.ID_CONFLICT
        row = bench.store.mailbox(ObjectKind.INBOX, b"J" * 16)
        assert row is not None
        assert (row.origin, row.key, row.next_n, row.expires) == (ORIGIN, KEY, 0, 0)

    run(scenario)


def test_of_twenty_who_open_an_inbox_with_one_box_at_once_one_does(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(OpenBox(ORIGIN, BOX, KEY, NOW + HOUR))
        ids = [bytes((number,)) * 16 for number in range(1, 21)]
        outcomes = await asyncio.gather(
            *(bench.write(OpenInbox(BOX, inbox_id, KEY, NOW)) for inbox_id in ids)
        )
        both = zip(ids, outcomes, strict=True)
        opened = [one for one, outcome in both if isinstance(outcome, Accepted)]
        assert len(opened) == 1
        refused = [one.code for one in outcomes if isinstance(one, Refused)]
        assert refused == [Refusal.ID_CONFLICT] * 19
        bench.reopen()
        there = [one for one in ids if bench.store.mailbox(ObjectKind.INBOX, one) is not None]
        assert there == opened

    run(scenario)


def test_a_key_package_is_taken_once_and_oldest_first(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        assert await bench.accept(AddKeyPackages(INBOX, (b"1", b"2", b"1"))) == 2
        assert await bench.accept(AddKeyPackages(INBOX, (b"2", b"3"))) == 3
        assert await bench.accept(AddKeyPackages(INBOX, ())) == 3
        many = tuple(b"many %d" % number for number in range(MAX_KEY_PACKAGES - 2))
        assert await bench.refused(AddKeyPackages(INBOX, many)) is Refusal.QUOTA
        bench.reopen()
        foreign = TakeKeyPackage("home/other", INBOX)
        assert await bench.refused(foreign) is Refusal.UNKNOWN_OBJECT
        for expected in (b"1", b"2", b"3"):
            taken = await bench.write(TakeKeyPackage(ORIGIN, INBOX))
            assert isinstance(taken, Taken)
            assert taken.package == expected
        assert await bench.refused(TakeKeyPackage(ORIGIN, INBOX)) is Refusal.NO_KEY_PACKAGE

    run(scenario)


def test_the_log_takes_one_entry_at_each_position(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        assert await bench.accept(entry(1, b"one")) == 1
        again = await bench.write(entry(1, b"one"))
        assert isinstance(again, Accepted)
        assert not again.fresh
        moved = await bench.write(entry(1, b"other"))
        assert isinstance(moved, Refused)
        assert (moved.code, moved.detail) == (Refusal.MOVED, 2)
        assert await bench.refused(entry(5, b"far")) is Refusal.MOVED
        assert await bench.accept(SetNote(ORIGIN, 2, b"note 2 cosigned")) == 2
        assert await bench.refused(SetNote(ORIGIN, 1, b"old")) is Refusal.MOVED
        await bench.accept(entry(2, b"two"))
        bench.reopen()
        log = bench.store.log(ORIGIN)
        assert log is not None
        assert (log.size, log.note, log.settled) == (3, b"note 3", b"note 2 cosigned")
        assert bench.store.entries(ORIGIN, 0, 3, 10**6) == [b"genesis", b"one", b"two"]
        assert bench.store.entries(ORIGIN, 1, 2, 10**6) == [b"one"]

    run(scenario)


NEXT = b"N" * 16


def moved(**changes: Any) -> MoveCommons:
    values: dict[str, Any] = {
        "origin": ORIGIN,
        "old_id": COMMONS,
        "new_id": NEXT,
        "key": b"n" * 32,
        "log_size": 3,
    }
    return MoveCommons(**{**values, **changes})


def test_a_commons_moves_once_and_the_old_one_is_read_to_its_end(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        there = PutEnvelope(COMMONS, 0, b"1" * 16, ENVELOPE, NOW)
        assert await bench.accept(there) == 0
        await bench.accept(moved())
        for _ in range(2):
            again = await bench.write(moved())
            assert isinstance(again, Accepted)
            assert not again.fresh
            bench.reopen()
        new, old = bench.store.channel(NEXT), bench.store.channel(COMMONS)
        assert new is not None
        assert (new.origin, new.is_commons, new.epoch, new.next_n) == (ORIGIN, True, 0, 0)
        first = bench.store.ladder(NEXT, 0)
        assert first is not None
        assert (first.key, first.commit_n) == (b"n" * 32, None)
        assert old is not None
        assert (old.is_commons, old.epoch, old.next_n) == (False, 1, 1)
        last, beyond = bench.store.ladder(COMMONS, 0), bench.store.ladder(COMMONS, 1)
        assert last is not None
        assert (last.commit_n, last.log_size_end) == (0, 3)
        assert beyond is not None
        assert beyond.key == bytes(32)
        assert [row.n for row in bench.store.envelopes(COMMONS, 0, 9, 9, 1 << 20)] == [0]
        # The same put again is answered; nothing else gets in.
        assert await bench.accept(there) == 0
        other = PutEnvelope(COMMONS, 0, b"2" * 16, ENVELOPE, NOW)
        assert await bench.refused(other) is Refusal.STALE_EPOCH
        assert await bench.refused(commit(7, 0, channel_id=COMMONS)) is Refusal.STALE_EPOCH
        assert await bench.accept(PutEnvelope(NEXT, 0, b"3" * 16, ENVELOPE, NOW)) == 0

    run(scenario)


def test_keys_of_proofs_are_found_by_kind_and_epoch_and_nowhere_else(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        kinds = (ObjectKind.CHANNEL, ObjectKind.INBOX, ObjectKind.BOX)
        store = bench.store
        # Asked before there is anything, a store must not go on believing that there is nothing.
        assert [store.proof_key(kind, CHANNEL, 0) for kind in kinds] == [None] * 3
        await bench.found()
        await bench.accept(OpenBox(ORIGIN, BOX, b"b" * 32, NOW + HOUR))
        await bench.accept(commit(1, 0))
        keys = {
            (ObjectKind.CHANNEL, CHANNEL, 0): KEY,
            (ObjectKind.CHANNEL, CHANNEL, 1): b"\x01" * 32,
            (ObjectKind.CHANNEL, COMMONS, 0): KEY,
            (ObjectKind.INBOX, INBOX, 0): KEY,
            (ObjectKind.BOX, BOX, 0): b"b" * 32,
        }
        for _ in range(2):
            for kind in kinds:
                for object_id in (CHANNEL, COMMONS, INBOX, BOX, b"?" * 16):
                    for epoch in (0, 1, 2):
                        place = (kind, object_id, epoch)
                        assert store.proof_key(*place) == keys.get(place), place
        # A commons that has ended is in an epoch that nobody proves.
        await bench.accept(moved())
        assert store.proof_key(ObjectKind.CHANNEL, COMMONS, 1) is None
        assert store.ladder(COMMONS, 1) is not None

    run(scenario)


def test_a_code_is_known_by_the_key_that_it_is_bound_to(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.store.bound_key(CODE) is None
        await bench.found()
        bench.reopen()
        assert bench.store.bound_key(CODE) == KEY
        assert bench.store.bound_key(KEY) is None

    run(scenario)


def test_a_commons_moves_to_no_channel_that_is_there(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        assert await bench.refused(moved(new_id=CHANNEL)) is Refusal.ID_CONFLICT
        assert await bench.refused(moved(new_id=COMMONS, old_id=NEXT)) is Refusal.ID_CONFLICT
        assert await bench.refused(moved(origin="elsewhere")) is Refusal.UNKNOWN_OBJECT
        commons = bench.store.channel(COMMONS)
        assert commons is not None
        assert commons.is_commons
        assert bench.store.channel(NEXT) is None

    run(scenario)


def test_all_of_a_commons_that_has_ended_ages_out(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        for number in range(3):
            await bench.accept(PutEnvelope(COMMONS, 0, bytes([number]) * 16, ENVELOPE, NOW))
        await bench.accept(moved())
        later = NOW + 40 * 24 * HOUR
        assert await bench.accept(Expire(later - HOUR, later - HOUR, later, 100)) == 3
        assert bench.store.envelopes(COMMONS, 0, 9, 9, 1 << 20) == []
        assert not await bench.accept(Expire(later - HOUR, later - HOUR, later, 100))

    run(scenario)


def test_a_mirror_takes_only_what_continues_it(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        def push(from_seq: int, *entries: bytes) -> MirrorEntries:
            return MirrorEntries(ORIGIN, from_seq, entries, b"r" * 32, b"note")

        assert await bench.accept(push(0, b"a", b"b")) == 2
        assert await bench.accept(push(2)) == 2
        behind = await bench.write(push(3, b"d"))
        assert isinstance(behind, Refused)
        assert (behind.code, behind.detail) == (Refusal.MOVED, 2)
        assert await bench.accept(push(2, b"c")) == 3
        bench.reopen()
        assert bench.store.entries(ORIGIN, 0, 9, 10**6) == [b"a", b"b", b"c"]

    run(scenario)


def test_reads_are_bounded_by_items_and_bytes(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        for number in range(6):
            await bench.accept(put(number))
        store = bench.store
        assert [row.n for row in store.envelopes(CHANNEL, 2, 9, 2, 10**6)] == [2, 3]
        assert [row.n for row in store.envelopes(CHANNEL, 2, 9, 9, 2048)] == [2, 3]
        assert [row.n for row in store.envelopes(CHANNEL, 2, 9, 9, 1)] == [2]
        assert [row.n for row in store.envelopes(CHANNEL, 2, 4, 9, 10**6)] == [2, 3, 4]
        assert store.channel(b"?" * 16) is None
        assert store.ladder(CHANNEL, 5) is None

    run(scenario)


def test_expiry_goes_by_age_and_spares_the_commit_of_the_current_epoch(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        old, young = NOW, NOW + 50 * HOUR
        await bench.accept(put(1, now=old))
        await bench.accept(commit(2, 0, now=old))
        await bench.accept(put(3, epoch=1, now=old))
        await bench.accept(put(4, epoch=1, now=young))
        expire = Expire(before=old + HOUR, forget_before=old - HOUR, now=young, limit=100)
        assert await bench.accept(expire) == 2
        assert await bench.accept(expire) == 0
        assert [row.n for row in bench.store.envelopes(CHANNEL, 0, 9, 9, 10**6)] == [1, 3]
        channel = bench.store.channel(CHANNEL)
        assert channel is not None
        assert (channel.floor_n, channel.next_n) == (3, 4)
        bench.reopen()
        # Ids outlive the envelopes for as long as a sender may retry.
        assert await bench.accept(put(3, epoch=1, now=young)) == 2
        assert await bench.refused(put(3, epoch=1, envelope=b"x" * 1024)) is Refusal.ID_CONFLICT
        assert await bench.accept(put(5, epoch=1, now=young)) == 4
        assert bench.store.ladder(CHANNEL, 0) is not None
        forget = Expire(before=old + HOUR, forget_before=old + HOUR, now=young, limit=100)
        await bench.accept(forget)
        assert await bench.accept(put(3, epoch=1, now=young)) == 5

    run(scenario)


def test_an_empty_channel_never_gives_an_index_again(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        for number in range(3):
            await bench.accept(put(number))
        assert bench.store.counts().envelopes == 3
        await bench.accept(put(2))  # once more
        await bench.refused(put(2, envelope=b"x" * 1024))
        assert bench.store.counts().envelopes == 3
        await bench.accept(Expire(NOW + HOUR, NOW + HOUR, NOW, 100))
        assert bench.store.counts().envelopes == 0
        bench.reopen()
        assert await bench.accept(put(9)) == 3
        assert bench.store.counts().envelopes == 1
        channel = bench.store.channel(CHANNEL)
        assert channel is not None
        assert (channel.next_n, channel.floor_n) == (4, 3)

    run(scenario)


def test_closing_finishes_what_was_submitted(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        outcomes: list[Outcome] = []
        for number in range(10):
            bench.store.submit(put(number), outcomes.append)
        if isinstance(bench.store, SqliteStore):
            bench.reopen()
            assert [getattr(one, "n", None) for one in outcomes] == list(range(10))
            assert bench.store.counts().envelopes == 10

    run(scenario)


# --- seats ----------------------------------------------------------------------------------------

ACCOUNT = "00112233445566aa"


def allowance(seats: int = 2, *freed: bytes, now: int = NOW) -> Allowance:
    return Allowance(ACCOUNT, seats, frozenset(freed), now)


def box(number: int, seats: int = 2, *freed: bytes, now: int = NOW) -> OpenBox:
    key, expires = bytes([number]) * 32, now + HOUR
    wanted = Reservation(allowance(seats, *freed, now=now), key, expires)
    return OpenBox(ORIGIN, bytes([number]) * 16, key, expires, wanted)


def seat(number: int, seats: int = 2, *freed: bytes, now: int = NOW) -> TakeSeat:
    handle = bytes([0x80 + number]) * 16
    return TakeSeat(allowance(seats, *freed, now=now), bytes([number]) * 32, handle)


async def no_seat(bench: Bench, write: Write, seats: int = 2) -> bool:
    outcome = await bench.write(write)
    return (
        isinstance(outcome, Refused) and outcome.code is Refusal.NO_SEAT and outcome.detail == seats
    )


def test_an_open_box_reserves_a_seat_and_a_full_account_opens_none(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(box(1))
        await bench.accept(box(2))
        assert await no_seat(bench, box(3))
        assert bench.store.mailbox(ObjectKind.BOX, bytes([3]) * 16) is None
        again = await bench.write(box(1))
        assert isinstance(again, Accepted)
        assert not again.fresh
        bench.reopen()
        assert bench.store.seats(ACCOUNT, NOW).reserved == 2
        await bench.accept(box(3, 3))

    run(scenario)


def test_a_device_that_enrols_anew_reserves_its_seat_once(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(box(1))
        wanted = Reservation(allowance(), b"\x02" * 32, NOW + HOUR)
        await bench.accept(ReserveSeat(wanted))
        await bench.accept(ReserveSeat(wanted))
        assert bench.store.seats(ACCOUNT, NOW).reserved == 2
        bench.reopen()
        other = Reservation(allowance(), b"\x03" * 32, NOW + HOUR)
        assert await no_seat(bench, ReserveSeat(other))
        await bench.accept(seat(2))
        assert bench.store.seats(ACCOUNT, NOW).handles == (b"\x82" * 16,)
        late = Reservation(allowance(now=NOW + HOUR + 1), b"\x03" * 32, NOW + 2 * HOUR)
        await bench.accept(ReserveSeat(late))

    run(scenario)


def test_a_reservation_ends_with_the_box(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(box(1, 1))
        assert await no_seat(bench, box(2, 1, now=NOW + HOUR), 1)
        await bench.accept(box(2, 1, now=NOW + HOUR + 1))
        assert await no_seat(bench, seat(1, 1, now=NOW + HOUR + 1), 1)
        await bench.accept(seat(2, 1, now=NOW + HOUR + 1))

    run(scenario)


def test_a_seat_takes_the_place_of_its_reservation_once(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(box(1))
        await bench.accept(seat(1))
        bench.reopen()
        again = await bench.write(seat(1))
        assert isinstance(again, Accepted)
        assert not again.fresh
        rows = bench.store.seats(ACCOUNT, NOW)
        assert (rows.handles, rows.reserved) == ((b"\x81" * 16,), 0)
        # Nothing links the handle to the invitation any more: the key alone finds nothing.
        assert bench.store.account_of_seat(b"\x01" * 32, b"?" * 16) is None
        assert bench.store.account_of_seat(b"?" * 32, b"\x81" * 16) == ACCOUNT
        other = TakeSeat(allowance(), b"\x01" * 32, b"x" * 16)
        assert await bench.refused(other) is Refusal.BAD_TICKET

    run(scenario)


def test_a_seat_that_the_operator_set_free_counts_no_longer(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(box(1, 1))
        await bench.accept(seat(1, 1))
        assert await no_seat(bench, box(2, 1), 1)
        await bench.accept(box(2, 1, b"\x81" * 16))
        assert await no_seat(bench, box(3, 1, b"\x81" * 16), 1)

    run(scenario)


def test_binding_a_code_reserves_the_founders_seat_once(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        def bind(seats: int, code: bytes = CODE) -> BindCode:
            wanted = Reservation(allowance(seats), code, NOW + HOUR)
            return BindCode(code, KEY, ORIGIN, wanted)

        assert await no_seat(bench, bind(0), 0)
        assert bench.store.code_of(ORIGIN) is None
        assert isinstance(await bench.write(bind(1)), Bound)
        assert isinstance(await bench.write(bind(1)), Bound)
        assert bench.store.code_of(ORIGIN) == CODE
        assert bench.store.seats(ACCOUNT, NOW).reserved == 1

    run(scenario)


def test_reservations_that_ran_out_long_ago_are_deleted(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(box(1))
        await bench.accept(Expire(NOW + HOUR, 0, NOW, 10))
        assert bench.store.account_of_seat(b"\x01" * 32, b"") == ACCOUNT
        await bench.accept(Expire(NOW + HOUR + 1, 0, NOW, 10))
        assert bench.store.account_of_seat(b"\x01" * 32, b"") is None

    run(scenario)


# --- holds ----------------------------------------------------------------------------------------


def holding(channels: frozenset[bytes], origins: frozenset[str]) -> Expire:
    late = NOW + 40 * 24 * HOUR
    return Expire(late, late, late, 100, channels, origins)


def test_a_held_channel_keeps_everything_until_the_pass_after_its_release(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        other = b"O" * 16
        await bench.accept(OpenChannel(ORIGIN, other, KEY))
        for number in range(3):
            await bench.accept(put(number))
        await bench.accept(PutEnvelope(other, 0, b"1" * 16, ENVELOPE, NOW))
        held = holding(frozenset({CHANNEL}), frozenset())
        assert await bench.accept(held) == 1
        assert len(bench.store.envelopes(CHANNEL, 0, 9, 9, 10**9)) == 3
        assert bench.store.envelopes(other, 0, 9, 9, 10**9) == []
        channel = bench.store.channel(CHANNEL)
        assert channel is not None
        assert channel.floor_n == 0
        assert await bench.accept(held) == 0
        assert await bench.accept(holding(frozenset(), frozenset())) == 3
        assert bench.store.envelopes(CHANNEL, 0, 9, 9, 10**9) == []

    run(scenario)


def test_a_held_circle_keeps_channels_inboxes_and_boxes(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        await bench.accept(put(1))
        await bench.accept(commit(2, 0, mail=(Mail(INBOX, b"hello", b""),)))
        await bench.accept(commit(3, 1))
        await bench.accept(OpenBox(ORIGIN, BOX, KEY, NOW + HOUR))
        await bench.accept(PutBoxItem(BOX, b"letter", NOW))
        assert await bench.accept(holding(frozenset(), frozenset({ORIGIN}))) == 0
        assert len(bench.store.envelopes(CHANNEL, 0, 9, 9, 10**9)) == 3
        assert bench.store.ladder(CHANNEL, 0) is not None
        assert len(bench.store.mail(ObjectKind.INBOX, INBOX, 0, 9, 10**9)) == 1
        assert len(bench.store.mail(ObjectKind.BOX, BOX, 0, 9, 10**9)) == 1
        assert await bench.accept(holding(frozenset(), frozenset({"home/another"}))) == 2
        assert bench.store.mail(ObjectKind.INBOX, INBOX, 0, 9, 10**9) == []
        assert bench.store.mailbox(ObjectKind.BOX, BOX) is None

    run(scenario)


# --- a circle that comes from another home ------------------------------------------------------

MOVED = "old.example/1"
NEW_COMMONS = b"M" * 16
BROUGHT = ((2, b"genesis"), (1, b"sealed"), (2, b"move"))


def adoption(**changes: Any) -> AdoptCircle:
    values: dict[str, Any] = {
        "code_hash": b"a" * 32,
        "setup_key": KEY,
        "origin": MOVED,
        "entries": BROUGHT,
        "fold": b"fold",
        "root": b"r" * 32,
        "note": note(MOVED, len(BROUGHT)),
        "commons": OpenChannel(MOVED, NEW_COMMONS, KEY, 7, 40),
        "inboxes": ((b"1" * 16, KEY), (b"2" * 16, b"o" * 32)),
    }
    return AdoptCircle(**{**values, **changes})


def note(origin: str, size: int) -> bytes:
    """What looks like a checkpoint to a store."""
    return f"{origin}\n{size}\nroot\n".encode()


def test_an_adopted_circle_goes_on_where_it_stood(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        assert await bench.accept(adoption()) == len(BROUGHT)
        bench.reopen()
        log = bench.store.log(MOVED)
        assert log is not None
        assert (log.size, log.root, log.settled) == (len(BROUGHT), b"r" * 32, b"")
        assert bench.store.entries(MOVED, 0, 9, 1 << 20) == [entry for _, entry in BROUGHT]
        channel = bench.store.channel(NEW_COMMONS)
        assert channel is not None
        assert (channel.is_commons, channel.epoch, channel.next_n) == (True, 7, 40)
        rung = bench.store.ladder(NEW_COMMONS, 7)
        assert rung is not None
        assert (rung.key, rung.first_n, rung.commit_n) == (KEY, 40, None)
        assert bench.store.ladder(NEW_COMMONS, 0) is None
        assert bench.store.mailbox(ObjectKind.INBOX, b"2" * 16) is not None
        assert await bench.accept(PutEnvelope(NEW_COMMONS, 7, b"i" * 16, ENVELOPE, NOW)) == 40
        stale = PutEnvelope(NEW_COMMONS, 6, b"j" * 16, ENVELOPE, NOW)
        assert await bench.refused(stale) is Refusal.STALE_EPOCH

    run(scenario)


def test_a_circle_is_adopted_once_and_with_one_code(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.accept(adoption())
        again = await bench.write(adoption())
        assert isinstance(again, Accepted)
        assert not again.fresh
        other = adoption(setup_key=b"o" * 32)
        assert await bench.refused(other) is Refusal.WRONG_CODE
        await bench.accept(SetNote(MOVED, len(BROUGHT), note(MOVED, len(BROUGHT))))
        changed = adoption(entries=(*BROUGHT[:2], (2, b"another move")))
        assert await bench.refused(changed) is Refusal.ID_CONFLICT

    run(scenario)


def test_what_no_mirror_cosigned_gives_way_to_another_log(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.accept(adoption())
        await bench.accept(OpenChannel(MOVED, CHANNEL, KEY, 2, 5))
        await bench.accept(PutEnvelope(NEW_COMMONS, 7, b"i" * 16, ENVELOPE, NOW))
        longer = (*BROUGHT[:2], (1, b"more"), (2, b"move"))
        outcome = await bench.write(adoption(entries=longer))
        assert isinstance(outcome, Accepted)
        assert outcome.fresh
        assert bench.store.entries(MOVED, 0, 9, 1 << 20) == [entry for _, entry in longer]
        assert bench.store.channel(CHANNEL) is None
        assert await bench.accept(PutEnvelope(NEW_COMMONS, 7, b"k" * 16, ENVELOPE, NOW)) == 40

    run(scenario)


def test_an_adoption_takes_no_id_that_is_there(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        taken = adoption(commons=OpenChannel(MOVED, CHANNEL, KEY, 7, 40))
        assert await bench.refused(taken) is Refusal.ID_CONFLICT
        assert bench.store.log(MOVED) is None
        inbox = adoption(inboxes=((INBOX, KEY),))
        assert await bench.refused(inbox) is Refusal.ID_CONFLICT
        assert bench.store.channel(NEW_COMMONS) is None

    run(scenario)


def test_a_later_epoch_takes_the_place_of_one_in_which_nothing_was_stored(run: Any) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.found()
        moved = b"V" * 16
        await bench.accept(OpenChannel(ORIGIN, moved, KEY, 3, 10))
        await bench.accept(OpenChannel(ORIGIN, moved, b"o" * 32, 4, 12))
        lower = OpenChannel(ORIGIN, moved, KEY, 3, 10)
        assert await bench.refused(lower) is Refusal.ID_CONFLICT
        assert await bench.accept(PutEnvelope(moved, 4, b"i" * 16, ENVELOPE, NOW)) == 12
        higher = OpenChannel(ORIGIN, moved, KEY, 5, 20)
        assert await bench.refused(higher) is Refusal.ID_CONFLICT
        same = await bench.write(OpenChannel(ORIGIN, moved, b"o" * 32, 4, 12))
        assert isinstance(same, Accepted)
        assert not same.fresh

    run(scenario)

"""Readable entries at the home: who is heard, what is stored, and how holds stop retention."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, CircleId
from cloister.limits import READABLE_APPEND_BURST, SEALED_APPEND_BURST
from cloister.relay.delivery import Flusher
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.retention import Held, Retention, held_by
from cloister.relay.services.context import Context
from cloister.relay.services.log import Logs
from cloister.relay.session import Grant, Session, State, make_outbox
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.writes import (
    BindCode,
    OpenChannel,
    OpenCircle,
    Outcome,
    PutEnvelope,
)
from cloister.roster.entry import Entry
from cloister.roster.genesis import circle_id_of
from cloister.roster.orders import EntryReference, Hold, HoldScope, StewardSet
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType, make_readable
from cloister.roster.relay_fold import RelayFold
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.events import Done, Failed, Head, Logged
from cloister.wire.frame import decode_events
from unit.relay.home_core import settle
from unit.roster.circle import (
    COMMONS,
    FOUNDED,
    ORIGIN,
    genesis_of,
    person,
    relay_key,
    secret,
    steward_key,
)

DAY = 86_400
CHANNEL = b"K" * 16
OTHER = b"O" * 16
ZERO = bytes(32)
Scenario = Callable[["Home"], Awaitable[None]]


class Home:
    """The log service over the memory backend, and what a session was sent."""

    def __init__(self) -> None:
        self.now = FOUNDED
        self.steady = 1000.0
        self.store = MemoryStore()
        self.genesis = genesis_of(person("Ada"), default_policy())
        self.context = Context(
            relay_id=b"R" * 32,
            store=self.store,
            metrics=Metrics(),
            now=lambda: self.now,
            monotonic=lambda: self.steady,
        )
        self.logs = self.new_logs()
        self.kept: list[str] = []
        self.logs.on_kept = self.kept.append

    def new_logs(self) -> Logs:
        return Logs(self.context, "home.example", relay_key("home.example"))

    async def write(self, write: Any) -> Outcome:
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.store.submit(write, future.set_result)
        return await asyncio.wait_for(future, 60)

    async def found(self) -> None:
        fold = RelayFold.found(self.genesis)
        key = Ed25519Key(secret("epoch 0")).public
        await self.write(BindCode(b"c" * 32, key, ORIGIN))
        await self.write(
            OpenCircle(
                code_hash=b"c" * 32,
                setup_key=key,
                origin=ORIGIN,
                genesis=self.genesis,
                fold=fold.encode(),
                root=fold.root,
                note=self.logs.sign(ORIGIN, fold.size, fold.root),
                commons_id=COMMONS,
                commons_key=key,
                inbox_id=b"I" * 16,
                inbox_key=key,
            )
        )

    @property
    def fold(self) -> RelayFold:
        live = self.logs.get(ORIGIN)
        assert live is not None
        return live.fold

    def session(self, *, is_member: bool = False) -> tuple[Session, list[Any]]:
        session = Session(b"n" * 32, make_outbox(Flusher(Metrics()), 0.0), 0.0)
        sent: list[Any] = []
        session.outbox.transmit = lambda frame: sent.extend(decode_events(frame))
        if is_member:
            grant = Grant(ObjectKind.CHANNEL, COMMONS, ORIGIN, 0, 0)
            grant.is_commons = True
            session.commons[ORIGIN] = grant
            session.state = State.PROVEN
        return session, sent

    def readable(
        self, kind: int, content: bytes, key: HybridKey | None = None, seq: int | None = None
    ) -> bytes:
        return make_readable(
            kind,
            content,
            steward_key=key or steward_key(),
            circle_id=CircleId(circle_id_of(self.genesis)),
            seq=self.fold.size if seq is None else seq,
            root=self.fold.root,
            ts=self.now,
        )

    def hold(self, channel: bytes | None = None, key: HybridKey | None = None) -> bytes:
        content = Hold(
            scope=HoldScope.CIRCLE if channel is None else HoldScope.CONVERSATION,
            targets=(),
            channel=ChannelId(channel) if channel is not None else None,
            authority_hash=ZERO,
            sealed_note=b"",
        ).encode()
        return self.readable(ReadableType.HOLD, content, key)

    async def append(self, entry: bytes, *, expected: int | None = None, **who: bool) -> Any:
        session, sent = self.session(**who)
        size = self.fold.size if expected is None else expected
        self.logs.append(session, commands.Append(7, ORIGIN, size, entry))
        await settle()
        return sent[0]


def run(scenario: Scenario) -> None:
    async def main() -> None:
        home = Home()
        await home.found()
        await scenario(home)

    asyncio.run(main())


def test_a_stewards_entry_is_stored_without_the_commons() -> None:
    async def scenario(home: Home) -> None:
        entry = home.hold()
        assert await home.append(entry) == Done(7, 1)
        assert home.store.entries(ORIGIN, 1, 2, 10**6) == [entry]
        assert home.fold.governance.holds_circle()
        assert home.kept == [ORIGIN]
        # The same bytes again: the same answer, and nothing more.
        assert await home.append(entry, expected=1) == Done(7, 1)
        assert home.fold.size == 2

    run(scenario)


def test_a_log_is_followed_on_when_a_later_proof_opens_it_again() -> None:
    async def scenario(home: Home) -> None:
        session, sent = home.session(is_member=True)
        grant = session.commons[ORIGIN]
        session.grants[ObjectKind.CHANNEL, COMMONS] = grant
        home.logs.follow(session, commands.FollowLog(3, ORIGIN, 1))
        # It sleeps while the epoch ends and the proof lapses, and hears nothing without one.
        session.remove_grant(grant)
        entry = home.hold()
        await home.append(entry)
        live = home.logs.get(ORIGIN)
        assert live is not None
        live.settled = live.note
        home.logs.catch_up(session)
        await settle()
        assert sent == [Done(3, 0)]
        session.commons[ORIGIN] = grant
        home.logs.catch_up(session)
        await settle()
        assert sent[1:] == [Logged(1, (entry,)), Head(0, live.note)]

    run(scenario)


def test_what_is_stored_is_obeyed_after_a_restart() -> None:
    async def scenario(home: Home) -> None:
        await home.append(home.hold())
        home.logs = home.new_logs()
        assert home.fold.governance.holds_circle()

    run(scenario)


def test_a_fold_of_an_older_layout_is_made_anew_from_the_entries() -> None:
    async def scenario(home: Home) -> None:
        await home.append(home.hold())
        fold = home.fold
        home.store._logs[ORIGIN].fold = b"\x00\x01" + b"an older layout"
        home.logs = home.new_logs()
        assert home.fold == fold

    run(scenario)


@pytest.mark.parametrize("expected", [0, 1, 5])
def test_a_stranger_learns_nothing_of_the_log(expected: int) -> None:
    async def scenario(home: Home) -> None:
        mallory = steward_key("mallory")
        seq = expected
        forged = home.readable(ReadableType.HOLD, b"", mallory, seq)
        answer = await home.append(forged, expected=expected)
        assert (answer.code, answer.detail) == (Refusal.UNKNOWN_OBJECT, 0)
        session, sent = home.session()
        home.logs.append(session, commands.Append(7, "no/log", expected, forged))
        await settle()
        assert sent == [Failed(7, int(Refusal.UNKNOWN_OBJECT), 0)]
        assert home.fold.size == 1

    run(scenario)


def test_a_stewards_entry_at_the_wrong_place_says_where_the_log_ends() -> None:
    async def scenario(home: Home) -> None:
        entry = home.hold()
        await home.append(home.hold(CHANNEL))
        answer = await home.append(entry, expected=1)
        assert (answer.code, answer.detail) == (Refusal.MOVED, 2)

    run(scenario)


def test_an_invalid_act_of_a_steward_is_refused_and_not_stored() -> None:
    async def scenario(home: Home) -> None:
        entry = home.readable(ReadableType.HOLD, b"no hold at all")
        answer = await home.append(entry)
        assert answer.code == Refusal.BAD_ENTRY
        answer = await home.append(home.readable(99, b""))
        assert answer.code == Refusal.BAD_ENTRY
        assert home.fold.size == 1

    run(scenario)


def test_a_key_that_a_proposed_set_names_may_show_that_it_is_held() -> None:
    async def scenario(home: Home) -> None:
        new = steward_key("new")
        wanted = StewardSet(stewards=(steward_key().public, new.public), officers=()).encode()
        proposal = home.readable(ReadableType.STEWARD_SET, wanted)
        assert (await home.append(home.hold(key=new))).code == Refusal.UNKNOWN_OBJECT
        assert await home.append(proposal) == Done(7, 1)
        name = EntryReference(entry_hash=Entry.decode(proposal).entry_hash).encode()
        approval = home.readable(ReadableType.APPROVE, name, new)
        assert await home.append(approval) == Done(7, 2)

    run(scenario)


def test_readable_entries_have_a_rate_of_their_own() -> None:
    async def scenario(home: Home) -> None:
        live = home.logs.get(ORIGIN)
        assert live is not None
        for _ in range(READABLE_APPEND_BURST):
            assert isinstance(await home.append(home.hold(CHANNEL)), Done)
        answer = await home.append(home.hold(CHANNEL))
        assert (answer.code, answer.detail) == (Refusal.SLOW_DOWN, 2)
        home.steady += 1
        assert isinstance(await home.append(home.hold(CHANNEL)), Done)
        assert READABLE_APPEND_BURST > SEALED_APPEND_BURST

    run(scenario)


# --- retention ------------------------------------------------------------------------------------


def retention(home: Home) -> Retention:
    made = Retention(
        home.store,
        Log(lambda: home.now, io.StringIO()),
        retention_s=30 * DAY,
        held=lambda: held_by(home.logs.governances()),
        now=lambda: home.now,
        monotonic=lambda: home.now + home.steady,
    )
    made.witness(home.now)
    return made


async def filled(home: Home) -> None:
    for channel in (CHANNEL, OTHER):
        await home.write(OpenChannel(ORIGIN, channel, b"k" * 32))
        await home.write(PutEnvelope(channel, 0, b"1" * 16, b"e" * 1024, home.now))


def left(home: Home, channel: bytes) -> int:
    return len(home.store.envelopes(channel, 0, 9, 9, 10**9))


def test_a_hold_in_the_log_keeps_its_conversation_from_ageing_out() -> None:
    async def scenario(home: Home) -> None:
        await filled(home)
        await home.append(home.hold(CHANNEL))
        home.now += 31 * DAY
        assert await retention(home).expire_all() == 1
        assert (left(home, CHANNEL), left(home, OTHER)) == (1, 0)

    run(scenario)


def test_a_hold_on_the_circle_keeps_everything_until_it_is_released() -> None:
    async def scenario(home: Home) -> None:
        await filled(home)
        await home.append(home.hold())
        home.now += 31 * DAY
        passes = retention(home)
        assert await passes.expire_all() == 0
        live = home.logs.get(ORIGIN)
        assert live is not None
        governance = live.fold.governance
        live.fold = replace(live.fold, governance=replace(governance, holds={}))
        assert await passes.expire_all() == 2
        assert (left(home, CHANNEL), left(home, OTHER)) == (0, 0)

    run(scenario)


def test_a_circle_without_holds_holds_nothing() -> None:
    async def scenario(home: Home) -> None:
        assert held_by(home.logs.governances()) == Held()

    run(scenario)

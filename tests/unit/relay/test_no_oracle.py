"""No answer tells a stranger, or a member of another circle, what exists: every request, by table.

Each request is made twice, once with names of what another circle has here and once with names of
nothing; the answers must be the same bytes.  What differs and must is listed with its reason.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, get_args

import pytest

from cloister.bench.oracle import Inquiry
from cloister.bench.oracle_circle import ENTROPY, OracleCircle, fresh_key, hold_of
from cloister.bench.oracle_questions import Stranger
from cloister.bench.oracle_relay import NOW, OracleRelay, key_of
from cloister.crypto.hashing import sha256
from cloister.crypto.oprf import blind
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import Handle
from cloister.limits import MAX_CLOCK_SKEW_S, MAX_UNPROVEN_REQUESTS
from cloister.relay.nobody import LABEL, NO_KEY
from cloister.relay.session import Session, TooManyRequests
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.share import UNSIGNED, ShareReceipt
from cloister.wire import adopting, commands
from cloister.wire.auth import (
    OPEN_LABEL,
    SHARE_LABEL,
    ObjectKind,
    ShareAct,
    ShareContent,
    open_content,
    prove,
    prove_steward,
)
from cloister.wire.codes import Refusal
from cloister.wire.events import Done, Entries, Failed
from cloister.wire.frame import decode_events, encode_frame

CHANNEL, INBOX, BOX = (int(kind) for kind in ObjectKind)
MINE: Final = Ed25519Key(Secret(b"m" * 32))
MY_STEWARD: Final = fresh_key()
THREE_KEYS: Final = (b"u" * 32, b"c" * 32, b"o" * 32)
ELEMENT: Final = blind(b"guess", ENTROPY)[1]


@dataclass(frozen=True)
class Names:
    """What a request may name: all of another circle's, or all of nobody's."""

    relay: OracleRelay
    session: Session
    channel_id: bytes
    commons_id: bytes
    inbox_id: bytes
    box_id: bytes
    handle: bytes
    code: bytes
    circle: OracleCircle

    @property
    def origin(self) -> str:
        return self.circle.origin

    @property
    def own_commons(self) -> bytes:
        """Of the circle that the asker belongs to."""
        return self.relay.commons[0]

    def proof(self, kind: ObjectKind, object_id: bytes, key: Ed25519Key = MINE) -> bytes:
        return prove(key, self.relay.card.relay_id, kind, object_id, 0, self.session.nonce)

    def prove(self, kind: ObjectKind, object_id: bytes) -> commands.Prove:
        return commands.Prove(1, int(kind), object_id, 0, self.proof(kind, object_id))

    def by_code(self, code: bytes, genesis: bytes = b"") -> tuple[bytes, bytes, bytes]:
        content = open_content(self.relay.card.relay_id, sha256(code), genesis)
        return code, MINE.public, MINE.sign(OPEN_LABEL, content)

    def on_share(self, act: ShareAct, element: bytes = b"") -> tuple[Any, ...]:
        content = ShareContent(
            relay_id=self.relay.card.relay_id,
            handle=self.handle,
            generation=1,
            act=int(act),
            element=element,
            nonce=self.session.nonce,
        )
        signature = MINE.sign(SHARE_LABEL, content.encode())
        return (1, self.handle, 1, *([element] if element else []), signature)

    def enrol_again(self) -> commands.EnrolAgain:
        """With a receipt that is not the relay's: it looks for no share before it has seen that."""
        receipt = ShareReceipt(
            relay_id=self.relay.card.relay_id,
            handle=Handle(self.handle),
            bind=bytes(32),
            unlock_key=MINE.public,
            owner_key=MINE.public,
            signature=UNSIGNED,
        )
        _, handle, _, signature = self.on_share(ShareAct.ENROL_AGAIN)
        assert handle == receipt.handle
        return commands.EnrolAgain(1, receipt.encode(), THREE_KEYS[1], signature, signature)

    def commit(self, channel_id: bytes, epoch: int, *inboxes: bytes) -> commands.Commit:
        following, relay_id = key_of(channel_id, 1), self.relay.card.relay_id
        kind = ObjectKind.CHANNEL
        return commands.Commit(
            1,
            channel_id,
            epoch,
            ENTROPY.random(16),
            bytes(1024),
            following.public,
            prove(following, relay_id, kind, channel_id, epoch + 1, self.session.nonce),
            tuple(commands.Delivery(one, b"welcome") for one in inboxes),
        )

    def entry(self) -> bytes:
        return make_readable(
            ReadableType.HOLD,
            hold_of(bytes(16)),
            steward_key=MY_STEWARD,
            circle_id=self.circle.log.fold.circle_id,
            seq=5,
            root=bytes(32),
            ts=NOW,
        )

    def open_circle(self, code: bytes) -> commands.OpenCircle:
        genesis = self.circle.genesis
        return commands.OpenCircle(
            1,
            *self.by_code(code, genesis),
            genesis,
            bytes(self.circle.commons_id),
            MINE.public,
            ENTROPY.random(16),
            MINE.public,
        )

    def adopt(self, code: bytes) -> adopting.AdoptCircle:
        values: Any = (self.commons_id, MINE.public, 0, 0, (), bytes(32), b"s")
        return adopting.AdoptCircle(1, *self.by_code(code), self.origin, b"note", *values)


Make = Callable[[Names], commands.AnyRequest]
_OWN = "in the own circle"

TABLE: Final[Mapping[type, Mapping[str, Make]]] = {
    commands.Prove: {
        "a channel": lambda n: n.prove(ObjectKind.CHANNEL, n.channel_id),
        "an inbox": lambda n: n.prove(ObjectKind.INBOX, n.inbox_id),
        "a box": lambda n: n.prove(ObjectKind.BOX, n.box_id),
    },
    commands.Follow: {
        "a channel": lambda n: commands.Follow(1, CHANNEL, n.channel_id, 0),
        "an inbox": lambda n: commands.Follow(1, INBOX, n.inbox_id, 0),
        "a box": lambda n: commands.Follow(1, BOX, n.box_id, 0),
    },
    commands.Seen: {"a channel": lambda n: commands.Seen(0, CHANNEL, n.channel_id, 5)},
    commands.Put: {"a channel": lambda n: commands.Put(1, n.channel_id, 0, bytes(16), bytes(1024))},
    commands.Commit: {
        "a channel": lambda n: n.commit(n.channel_id, 0),
        "a Welcome": lambda n: n.commit(n.own_commons, 0, n.inbox_id),
    },
    commands.Stage: {
        "a channel": lambda n: commands.Stage(1, CHANNEL, n.channel_id, bytes(32), 0, 1, b"p"),
        "an inbox": lambda n: commands.Stage(1, INBOX, n.inbox_id, bytes(32), 0, 1, b"p"),
    },
    commands.ReadPart: {
        "a channel": lambda n: commands.ReadPart(1, CHANNEL, n.channel_id, 0, 0),
        "an inbox": lambda n: commands.ReadPart(1, INBOX, n.inbox_id, 0, 0),
    },
    commands.ReadTree: {"a channel": lambda n: commands.ReadTree(1, n.channel_id, 0)},
    commands.Begin: {"a code": lambda n: commands.Begin(1, *n.by_code(n.code))},
    commands.OpenCircle: {
        "a code": lambda n: n.open_circle(n.code),
        "a genesis": lambda n: n.open_circle(n.relay.free_code),
    },
    commands.OpenChannel: {
        "a commons": lambda n: commands.OpenChannel(
            1, n.commons_id, ENTROPY.random(16), MINE.public
        )
    },
    commands.OpenInbox: {
        "a box": lambda n: commands.OpenInbox(1, n.box_id, ENTROPY.random(16), MINE.public)
    },
    commands.OpenBox: {
        "a commons": lambda n: commands.OpenBox(
            1, n.commons_id, ENTROPY.random(16), MINE.public, NOW + 60
        )
    },
    commands.PutBox: {"a box": lambda n: commands.PutBox(1, n.box_id, b"item")},
    commands.PublishKeyPackages: {
        "an inbox": lambda n: commands.PublishKeyPackages(1, n.inbox_id, (b"package",)),
        "its pool": lambda n: commands.PublishKeyPackages(1, n.inbox_id, ()),
    },
    commands.TakeKeyPackage: {
        "a commons": lambda n: commands.TakeKeyPackage(1, n.commons_id, n.inbox_id),
        "an inbox": lambda n: commands.TakeKeyPackage(1, n.own_commons, n.inbox_id),
    },
    commands.Append: {
        "a steward's": lambda n: commands.Append(1, n.origin, 5, n.entry()),
        "no entry": lambda n: commands.Append(1, n.origin, 5, b"x"),
        "a sealed one": lambda n: commands.Append(1, n.origin, 5, _sealed(n)),
    },
    commands.ReadLog: {"a log": lambda n: commands.ReadLog(1, n.origin, 0)},
    commands.ReadHead: {"a log": lambda n: commands.ReadHead(1, n.origin)},
    commands.ReadProof: {"a log": lambda n: commands.ReadProof(1, n.origin, 1, 2)},
    commands.FollowLog: {"a log": lambda n: commands.FollowLog(1, n.origin, 0)},
    commands.Ping: {"nothing": lambda _n: commands.Ping(1)},
    commands.Enrol: {
        "nothing": lambda _n: commands.Enrol(1, b"t", *THREE_KEYS, bytes(32), bytes(64))
    },
    commands.Evaluate: {
        "a share": lambda n: commands.Evaluate(*n.on_share(ShareAct.EVALUATE, ELEMENT))
    },
    commands.Confirm: {"a share": lambda n: commands.Confirm(*n.on_share(ShareAct.CONFIRM))},
    commands.NextGeneration: {
        "a share": lambda n: commands.NextGeneration(*n.on_share(ShareAct.NEXT))
    },
    commands.DropGeneration: {
        "a share": lambda n: commands.DropGeneration(*n.on_share(ShareAct.DROP))
    },
    commands.EnrolAgain: {"a share": lambda n: n.enrol_again()},
    commands.Order: {"no order": lambda _n: commands.Order(1, b"x")},  # and the stranger's ways
    commands.ReadErasure: {"a share": lambda n: commands.ReadErasure(1, n.handle, bytes(32))},
    commands.ReadSeats: {"a commons": lambda n: commands.ReadSeats(1, n.commons_id)},
    commands.ProveSteward: {
        "a log": lambda n: commands.ProveSteward(
            1,
            n.origin,
            steward_key_id(n.circle.steward.public),
            prove_steward(MY_STEWARD, n.relay.card.relay_id, n.origin, n.session.nonce),
        )
    },
    adopting.AdoptEntries: {
        "a code": lambda n: adopting.AdoptEntries(1, *n.by_code(n.code), 0, (n.circle.genesis,))
    },
    adopting.AdoptCircle: {
        "a code": lambda n: n.adopt(n.code),
        "a log": lambda n: n.adopt(n.relay.free_code),
    },
    adopting.AskTickets: {"a commons": lambda n: adopting.AskTickets(1, n.commons_id, MINE.public)},
}

CHOSEN: Final[Mapping[str, Make]] = {
    "channel": lambda n: commands.OpenChannel(1, n.own_commons, n.channel_id, MINE.public),
    "box": lambda n: commands.OpenBox(1, n.own_commons, n.box_id, MINE.public, NOW + 60),
}
"""Ids that members choose themselves are taken or free: whoever knows one and belongs to some
circle of the relay can find that out, and leaves a channel or a box behind that he cannot remove
(docs/security/limitations.md)."""


def _sealed(names: Names) -> bytes:
    """A sealed entry by its outside: the kind is the byte that makes it readable."""
    entry = bytearray(names.entry())
    at = 2 + 32 + 8 + 32 + 8
    assert entry[at] == 2
    entry[at] = 1
    return bytes(entry)


class World:
    """The relay, and the two sets of names."""

    def __init__(self, relay: OracleRelay) -> None:
        self.relay = relay
        stranger = relay.circles[1]
        self._known: Any = (
            relay.channels[0],
            relay.commons[1],
            relay.inboxes[0],
            relay.boxes[0],
            relay.open_shares[0].handle,
            relay.used_codes[0],
            stranger,
        )
        entry = stranger.log.fold.relay_set.entries[0]
        self._unknown: Any = (
            *(ENTROPY.random(16) for _ in range(5)),
            b"BENCH-9999999",
            OracleCircle("home.example/0000000000000000", relay.card, entry),
        )

    def names(self, session: Session, *, known: bool) -> Names:
        return Names(self.relay, session, *(self._known if known else self._unknown))

    async def stranger(self) -> Session:
        return self.relay.stranger()

    async def member(self) -> Session:
        """Somebody who belongs to the first circle."""
        session = self.relay.stranger()
        key = key_of(self.relay.commons[0])
        names = self.names(session, known=False)
        proof = names.proof(ObjectKind.CHANNEL, self.relay.commons[0], key)
        request = commands.Prove(1, CHANNEL, self.relay.commons[0], 0, proof)
        await self.relay.answer(session, encode_frame([request]))
        assert session.current_commons(self.relay.commons[0]) is not None
        return session

    async def answers(self, who: Callable[[], Awaitable[Session]], make: Make) -> list[bytes]:
        """What is answered about another circle's things, and about nobody's."""
        found = []
        for known in (True, False):
            session = await who()
            request = make(self.names(session, known=known))
            found.append(await self.relay.answer(session, encode_frame([request])))
            self.relay.hang_up(session)
        return found


Scenario = Callable[[World], Awaitable[None]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Scenario], None]]:
    with asyncio.Runner() as runner:

        async def begin() -> OracleRelay:
            relay = OracleRelay(tmp_path_factory.mktemp("relay"), 16, random.Random(7))
            await relay.fill()
            return relay

        relay = runner.run(begin())

        def play(scenario: Scenario) -> None:
            relay.now = NOW

            async def main() -> None:
                await scenario(World(relay))

            runner.run(main())

        yield play
        relay.close()


def test_the_table_has_every_request() -> None:
    assert set(TABLE) == set(get_args(commands.AnyRequest))


def test_no_answer_tells_a_stranger_what_exists(run: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        told = []
        for kind, ways in TABLE.items():
            for way, make in ways.items():
                known, unknown = await world.answers(world.stranger, make)
                if known != unknown:
                    told.append((kind.__name__, way, decode_events(known), decode_events(unknown)))
        assert told == []

    run(scenario)


def test_no_answer_tells_a_member_what_another_circle_has(run: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        told = []
        for kind, ways in TABLE.items():
            for way, make in ways.items():
                known, unknown = await world.answers(world.member, make)
                assert bool(known) == (kind is not commands.Seen), (kind, way)
                if known != unknown:
                    told.append((kind.__name__, way, decode_events(known), decode_events(unknown)))
        assert told == []

    run(scenario)


def test_an_old_genesis_does_not_tell_whether_its_circle_is_here(
    run: Callable[[Scenario], None],
) -> None:
    async def scenario(world: World) -> None:
        make = TABLE[commands.OpenCircle]["a genesis"]
        codes = []
        for later in (0, MAX_CLOCK_SKEW_S + 1):
            world.relay.now = NOW + later
            known, unknown = await world.answers(world.stranger, make)
            assert known == unknown
            (refused,) = decode_events(known)
            assert isinstance(refused, Failed)
            codes.append(Refusal(refused.code))
        assert codes == [Refusal.WRONG_CODE, Refusal.BAD_ENTRY]

    run(scenario)


def test_the_ways_of_the_bench_are_answered_alike(run: Callable[[Scenario], None]) -> None:
    async def scenario(world: World) -> None:
        rng = random.Random(3)
        questions = Stranger(world.relay).questions
        for question, ways in questions.items():
            found = Inquiry(world.relay, rng).ask(question, ways, 3)
            assert len(found) == len(ways) - 1 >= 1
            assert all(one.same_bytes for one in found), found

    run(scenario)


def test_an_id_that_members_choose_is_taken_or_free(run: Callable[[Scenario], None]) -> None:
    """What is left: it is written down, so it is held here to what is written."""

    async def scenario(world: World) -> None:
        for make in CHOSEN.values():
            known, unknown = map(decode_events, await world.answers(world.member, make))
            assert known == [Failed(1, int(Refusal.ID_CONFLICT), 0)]
            assert not isinstance(unknown[0], Failed)
            known, unknown = map(decode_events, await world.answers(world.stranger, make))
            assert known == unknown == [Failed(1, int(Refusal.NOT_PROVEN), 0)]

    run(scenario)


# --- what stands for no key -----------------------------------------------------------------------


def test_nobody_has_the_key_that_stands_for_none() -> None:
    """It is a hash, so nobody chose it; and a point of the curve, so it is checked as any other."""
    assert sha256(LABEL, b"\x00") == NO_KEY
    p = 2**255 - 19
    y = int.from_bytes(NO_KEY, "little") & (2**255 - 1)
    u, v = y * y - 1, -121665 * pow(121666, -1, p) * y * y + 1
    x_squared = u * pow(v, -1, p) % p
    assert y < p
    assert pow(x_squared, (p - 1) // 2, p) == 1


def asked_until_cut(relay: OracleRelay, session: Session, frame: bytes) -> int:
    for asked in range(MAX_UNPROVEN_REQUESTS + 1):
        try:
            relay.ask(session, frame)
        except TooManyRequests:
            return asked
    raise AssertionError("a stranger may ask for ever")


RFC_SEED: Final = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
"""Of the key of RFC 8032, 7.1, test 1, whose public half once stood for no key: a proof by it
fitted what did not exist, and was not counted as a wrong one."""


@pytest.mark.parametrize("seed", [b"m" * 32, RFC_SEED], ids=["any key", "a published key"])
def test_a_connection_is_cut_after_as_many_wrong_proofs_of_either(
    run: Callable[[Scenario], None], seed: bytes
) -> None:
    def proof(names: Names) -> commands.AnyRequest:
        signature = names.proof(ObjectKind.CHANNEL, names.channel_id, Ed25519Key(Secret(seed)))
        return commands.Prove(1, CHANNEL, names.channel_id, 0, signature)

    run(partial(cut_alike, [proof]))


def test_a_connection_is_cut_after_as_many_requests_of_either(
    run: Callable[[Scenario], None],
) -> None:
    """Of every kind; those that tell of an own right, an activation code, count for nothing."""
    ways = [make for kind, ways in TABLE.items() for make in ways.values() if kind not in FREE]
    run(partial(cut_alike, ways))


FREE: Final = {adopting.AdoptEntries}


async def cut_alike(ways: list[Make], world: World) -> None:
    for make in ways:
        counts = []
        for known in (True, False):
            session = await world.stranger()
            frame = encode_frame([make(world.names(session, known=known))])
            counts.append(asked_until_cut(world.relay, session, frame))
        assert counts[0] == counts[1] <= MAX_UNPROVEN_REQUESTS


def test_what_the_own_circle_has_is_found(run: Callable[[Scenario], None]) -> None:
    """The same requests about what is one's own are done: the table refuses nothing by mistake."""

    async def scenario(world: World) -> None:
        session = await world.member()
        origin = world.relay.circles[0].origin
        frame = encode_frame([commands.ReadLog(1, origin, 0)])
        (entries,) = decode_events(await world.relay.answer(session, frame))
        frame = encode_frame([commands.FollowLog(2, origin, 0)])
        done, *_ = decode_events(await world.relay.answer(session, frame))
        assert isinstance(entries, Entries)
        assert len(entries.entries) == len(world.relay.circles[0].log.steps)
        assert done == Done(2, 0)

    run(scenario)

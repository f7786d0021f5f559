"""The mirror cosigns one history and refuses every other."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, CircleId, InboxId, MemberId
from cloister.limits import MAX_ENTRY_BYTES, MAX_LOG_PAGE_BYTES
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror import Mirror
from cloister.relay.storage.memory import MemoryStore
from cloister.roster.content import Tick
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import SealedType, seal_entry
from cloister.roster.genesis import circle_id_of, make_genesis
from cloister.roster.policy import default_policy
from cloister.roster.relay_card import RelayCard, RelayRole, RelaySet, make_relay_card
from cloister.transparency import (
    Frontier,
    RelayVerifier,
    leaf_hash,
    sign_checkpoint,
    verify_settled,
    with_signatures,
)
from cloister.wire.mirror import (
    MirrorBehind,
    MirrorCosigned,
    MirrorPush,
    MirrorRefusal,
    MirrorRefused,
)

ENTROPY = SystemEntropy()
ORIGIN = "home/0011223344556677"
TS = 1_800_000_000


def hybrid() -> HybridKey:
    return HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32)))


def card(key: HybridKey, role: RelayRole, name: str, place: str) -> RelayCard:
    is_entry = role is RelayRole.ENTRY
    return make_relay_card(
        key,
        tls_certificate=b"certificate",
        jurisdiction=place,
        operator=name,
        host="192.0.2.1",
        port=443,
        roles=role,
        name=name,
        mirror_host="192.0.2.1" if is_entry else "",
        mirror_port=444 if is_entry else 0,
        unlock_host="192.0.2.1" if is_entry else "",
        unlock_port=445 if is_entry else 0,
    )


class World:
    """A home that may lie, and the mirror it pushes to."""

    def __init__(self) -> None:
        self.home_key, self.entry_key = hybrid(), hybrid()
        self.home = card(self.home_key, RelayRole.HOME, "home", "HK")
        self.entry = card(self.entry_key, RelayRole.ENTRY, "entry", "PA")
        self.store = MemoryStore()
        self.device = Ed25519Key(Secret(ENTROPY.random(32)))
        self.log_key = Secret(ENTROPY.random(32))
        self.genesis = self.make_genesis(self.home, self.entry)
        self.start()

    def start(self) -> None:
        """A new process of the mirror over the same storage."""
        self.mirror = Mirror(
            self.store,
            Identity(self.entry_key, self.entry),
            Metrics(),
            Log(lambda: TS, io.StringIO()),
            lambda: TS,
        )

    def make_genesis(self, home: RelayCard, entry: RelayCard) -> bytes:
        self.card = DeviceCard(
            device_key=self.device.public,
            hpke_key=HpkeKey(Secret(ENTROPY.random(32))).public,
            inbox_id=InboxId(b"i" * 16),
            inbox_key=Ed25519Key(Secret(ENTROPY.random(32))).public,
            bot=False,
        )
        return make_genesis(
            origin=ORIGIN,
            relay_set=RelaySet(home=home, entries=(entry,)),
            policy=default_policy(),
            steward_key=hybrid(),
            device_key=self.device,
            device=self.card,
            member_id=MemberId(b"m" * 16),
            name="Amira",
            commons_channel=ChannelId(b"c" * 16),
            log_key=self.log_key,
            ts=TS,
            entropy=ENTROPY,
        )

    def tick(
        self, entries: Sequence[bytes], root: bytes | None = None, content: bytes = b""
    ) -> bytes:
        frontier = Frontier.empty().extend(leaf_hash(one) for one in entries)
        return seal_entry(
            SealedType.TICK,
            Tick().encode() + content,
            author=self.card.did,
            device_key=self.device,
            circle_id=CircleId(circle_id_of(entries[0])),
            seq=len(entries),
            root=frontier.root if root is None else root,
            ts=TS,
            generation=0,
            log_key=self.log_key,
            entropy=ENTROPY,
        )

    def note(self, entries: Sequence[bytes], key: HybridKey | None = None) -> bytes:
        frontier = Frontier.empty().extend(leaf_hash(one) for one in entries)
        signer = key or self.home_key
        return sign_checkpoint(ORIGIN, len(entries), frontier.root, self.home.name, signer)

    async def push(self, entries: Sequence[bytes], from_seq: int, note: bytes | None = None) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        push = MirrorPush(ORIGIN, from_seq, tuple(entries[from_seq:]), note or self.note(entries))
        self.mirror.push(self.home, push, future.set_result)
        return await asyncio.wait_for(future, 60)


def run(scenario: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario(World())

    asyncio.run(main())


def code(answer: Any) -> int:
    assert isinstance(answer, MirrorRefused), answer
    return answer.code


def test_a_push_is_stored_then_cosigned_and_again_when_asked() -> None:
    async def scenario(world: World) -> None:
        entries = [world.genesis]
        entries.append(world.tick(entries))
        for from_seq in (0, 2, 1):
            answer = await world.push(entries, from_seq)
            assert isinstance(answer, MirrorCosigned)
            assert answer.size == 2
            settled = verify_settled(
                with_signatures(world.note(entries), answer.lines),
                RelayVerifier("home", world.home_key.public),
                [RelayVerifier("entry", world.entry_key.public)],
                ORIGIN,
            )
            assert settled.newest_cosignature_time == TS
            world.start()
        assert world.store.entries(ORIGIN, 0, 9, 10**6) == entries

    run(scenario)


def test_a_gap_is_asked_for() -> None:
    async def scenario(world: World) -> None:
        entries = [world.genesis]
        entries.append(world.tick(entries))
        answer = await world.push(entries, 2)
        assert isinstance(answer, MirrorBehind)
        assert answer.size == 0
        await world.push(entries[:1], 0)
        answer = await world.push(entries, 2)
        assert isinstance(answer, MirrorBehind)
        assert answer.size == 1

    run(scenario)


def test_a_second_history_is_never_cosigned() -> None:
    async def scenario(world: World) -> None:
        entries = [world.genesis]
        one, two = [*entries, world.tick(entries)], [*entries, world.tick(entries)]
        assert isinstance(await world.push(one, 0), MirrorCosigned)
        for process in range(2):
            assert code(await world.push(two, 0)) == MirrorRefusal.FORK, process
            assert code(await world.push(two, 2)) == MirrorRefusal.FORK
            longer = [*two, world.tick(two)]
            assert code(await world.push(longer, 1)) == MirrorRefusal.FORK
            assert code(await world.push(longer, 2)) == MirrorRefusal.MALFORMED
            assert code(await world.push(entries, 0)) == MirrorRefusal.FORK
            other = [world.make_genesis(world.home, world.entry)]
            assert code(await world.push(other, 0)) == MirrorRefusal.FORK
            world.start()
        assert world.store.entries(ORIGIN, 0, 9, 10**6) == one

    run(scenario)


def test_entries_that_do_not_continue_are_malformed() -> None:
    async def scenario(world: World) -> None:
        entries = [world.genesis]
        wrong_root = [*entries, world.tick(entries, root=b"r" * 32)]
        assert code(await world.push(wrong_root, 0)) == MirrorRefusal.MALFORMED
        garbage = [*entries, b"garbage"]
        assert code(await world.push(garbage, 0)) == MirrorRefusal.MALFORMED
        longer = [*entries, world.tick(entries)]
        head_of_less = world.note(entries)
        assert code(await world.push(longer, 0, head_of_less)) == MirrorRefusal.MALFORMED
        assert world.store.log(ORIGIN) is None

    run(scenario)


def test_a_head_by_another_key_or_with_another_root_is_refused() -> None:
    async def scenario(world: World) -> None:
        entries = [world.genesis]
        foreign = world.note(entries, hybrid())
        assert code(await world.push(entries, 0, foreign)) == MirrorRefusal.MALFORMED
        lying = sign_checkpoint(ORIGIN, 1, b"r" * 32, "home", world.home_key)
        assert code(await world.push(entries, 0, lying)) == MirrorRefusal.FORK
        assert code(await world.push(entries, 0, b"no note")) == MirrorRefusal.MALFORMED

    run(scenario)


def test_a_circle_of_other_relays_is_not_mirrored() -> None:
    async def scenario(world: World) -> None:
        other = card(hybrid(), RelayRole.ENTRY, "other", "CH")
        elsewhere = [world.make_genesis(world.home, other)]
        assert code(await world.push(elsewhere, 0)) == MirrorRefusal.NOT_YOURS
        foreign_home = card(hybrid(), RelayRole.HOME, "other", "CH")
        not_mine = [world.make_genesis(foreign_home, world.entry)]
        assert code(await world.push(not_mine, 0)) == MirrorRefusal.NOT_YOURS

    run(scenario)


def test_a_relay_that_joins_late_gets_the_log_from_the_beginning() -> None:
    async def scenario(world: World) -> None:
        other = card(hybrid(), RelayRole.ENTRY, "other", "CH")
        entries = [world.make_genesis(world.home, other)]
        while sum(map(len, entries)) <= MAX_LOG_PAGE_BYTES - MAX_ENTRY_BYTES:
            entries.append(world.tick(entries, content=bytes(60_000)))
        page = await world.push(entries, 0)
        assert isinstance(page, MirrorCosigned), "a page that is full is not the last"
        entries.append(world.tick(entries))
        rest = await world.push(entries, len(entries) - 1)
        assert code(rest) == MirrorRefusal.NOT_YOURS, "the last one must name this relay"

    run(scenario)


def page_of(world: World, entries: list[bytes]) -> list[bytes]:
    """More entries, as large together as a page: whoever pushes so many may have more."""
    longer = list(entries)
    while sum(map(len, longer[len(entries) :])) <= MAX_LOG_PAGE_BYTES - MAX_ENTRY_BYTES:
        longer.append(world.tick(longer, content=bytes(60_000)))
    return longer


def test_attack_another_home_of_the_list_goes_on_with_a_log_that_is_not_its_own() -> None:
    async def scenario(world: World) -> None:
        other_key = hybrid()
        other = card(other_key, RelayRole.HOME, "other", "IS")

        async def push_as_other(entries: list[bytes], from_seq: int) -> Any:
            frontier = Frontier.empty().extend(leaf_hash(one) for one in entries)
            note = sign_checkpoint(ORIGIN, len(entries), frontier.root, other.name, other_key)
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            push = MirrorPush(ORIGIN, from_seq, tuple(entries[from_seq:]), note)
            world.mirror.push(other, push, future.set_result)
            return await asyncio.wait_for(future, 60)

        entries = [world.genesis]
        assert isinstance(await world.push(entries, 0), MirrorCosigned)
        short = [*entries, world.tick(entries)]
        assert code(await push_as_other(short, 1)) == MirrorRefusal.NOT_YOURS
        assert code(await push_as_other(page_of(world, entries), 1)) == MirrorRefusal.NOT_YOURS

    run(scenario)


def test_a_new_home_brings_what_was_before_to_a_mirror_that_has_nothing() -> None:
    async def scenario(world: World) -> None:
        first_home, first_key = world.home, world.home_key
        world.home_key = hybrid()
        world.home = card(world.home_key, RelayRole.HOME, "other", "IS")
        entries = page_of(world, [world.genesis])
        # It is named only by what would come after this page.
        assert isinstance(await world.push(entries, 0), MirrorCosigned)
        more = page_of(world, entries)
        assert isinstance(await world.push(more, len(entries)), MirrorCosigned)
        world.home, world.home_key = first_home, first_key
        last = [*more, world.tick(more)]
        assert isinstance(await world.push(last, len(more)), MirrorCosigned)

    run(scenario)

"""Relays that lie about power: locks, unlocks, erasures, enrolments, PINs and seats."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from cloister.client.identity import identity_of
from cloister.client.inputs import Invite, Join
from cloister.client.ordering import ERASED
from cloister.client.powers import Approve, EraseDevice, LockDevice, UnlockDevice
from cloister.client.share_keys import unlock_seed
from cloister.crypto import oprf
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.device.vault import SecretNotRight
from cloister.errors import CloisterError
from cloister.ids import Handle, RelayId
from cloister.roster.orders import SignedLock, sign_lock_as_steward
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.share import UNSIGNED, SeatTerm, sign_by_relay
from cloister.testing.hostile_lies import KeepInbox, Lie, Lose, is_readable_of
from cloister.testing.hostile_log import HideLog
from cloister.testing.hostile_relay import HostileRelay, silent_differences
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_relays import ACTIVATION_CODE
from cloister.values import replace
from cloister.wire.auth import SHARE_LABEL, ShareAct, ShareContent
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest, Append, Evaluate, Order
from cloister.wire.events import AnyEvent, Done, Enrolled, Erasure, Evaluated, Failed, Seats
from scenario.governed import DAY_S, later, roster_of, two_stewards, view
from scenario.hostile import codes, go_on, pass_time, play, recover, tick
from unit.device.share_relays import ShareRelay, ShareWorld

STOLEN = 2
ENTROPY = SystemEntropy()


def ask_share(circle: SimulatedCircle, device: SimulatedDevice, relay_id: RelayId) -> AnyEvent:
    """What a relay answers to whoever has a device's disk and a guess at its PIN."""
    (opened,) = [one for one, card in device.core.enrolled_shares if card.relay_id == relay_id]
    key = Ed25519Key(unlock_seed(identity_of(device.core.state), relay_id))
    _, element = oprf.blind(b"a guess", ENTROPY)
    handle = opened.receipt.handle

    def make(relay: bytes, nonce: bytes) -> Evaluate:
        content = ShareContent(
            relay_id=relay,
            handle=handle,
            generation=1,
            act=int(ShareAct.EVALUATE),
            element=element,
            nonce=nonce,
        )
        signature = key.sign(SHARE_LABEL, content.encode())
        return Evaluate(rid=1, handle=handle, generation=1, blinded=element, signature=signature)

    return circle.relays.shares[relay_id].take(make)


def bring(circle: SimulatedCircle, relay_id: RelayId, lock: SignedLock) -> AnyEvent:
    """What a relay answers to an order, whoever brings it."""
    return circle.relays.shares[relay_id].take(lambda relay, nonce: Order(1, lock.encode()))


def is_locked(answer: AnyEvent) -> bool:
    return isinstance(answer, Failed) and answer.code == Refusal.LOCKED


def state_of(seen_by: SimulatedDevice, name: str) -> object:
    (found,) = view(seen_by, "devices", name)
    return found["state"]


# --- locks ----------------------------------------------------------------------------------------


def test_a_lock_that_the_home_keeps_out_of_the_log_still_shuts_the_other_relay() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        home, entry = circle.relays.shares
        cyd.is_offline = True
        hostile = HostileRelay(circle)
        hostile.against(ada, Lose(Append, is_meant=is_readable_of(ReadableType.ORDER_LOCK)))
        act = LockDevice(ref=circle.ref(), device="Cyd")
        ada.feed(act)
        await go_on(circle, 10)
        # Nor does the home obey: its operator takes the lock out of his own file.
        for opened, card in cyd.core.enrolled_shares:
            if card.relay_id == home:
                circle.relays.shares[home].store.set_lock(opened.receipt.handle, None, 0)
        assert isinstance(ask_share(circle, cyd, home), Evaluated)
        assert is_locked(ask_share(circle, cyd, entry))
        (lock,) = view(ada, "locks")
        assert not lock["in_log"]
        assert not lock["done"], "the steward sees that it is not in the log"
        assert not silent_differences(circle)
        hostile.honest()
        await circle.settle()
        (lock,) = view(ada, "locks")
        assert lock["in_log"]
        assert lock["done"]
        assert state_of(ben, "Cyd") == "locked"
        assert is_locked(ask_share(circle, cyd, home))
        await recover(circle, ada, ben)

    play(story())


def test_a_lock_by_no_steward_locks_nothing_and_a_replayed_one_comes_too_late() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        cyd.is_offline = True
        ada.is_offline = True
        ada.feed(LockDevice(ref=circle.ref(), device="Cyd"))
        (pending,) = ada.core.state.orders.values()
        lock = SignedLock.decode(pending.order)
        stranger = HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32)))
        forged = sign_lock_as_steward(lock.order, stranger, lock.key_id)
        aimed = sign_lock_as_steward(
            replace(lock.order, ts=lock.order.ts + 1), stranger, steward_key_id(stranger.public)
        )
        for relay_id in circle.relays.shares:
            for one in (forged, aimed, replace(lock, signatures=(b"x",))):
                answer = bring(circle, relay_id, one)
                assert isinstance(answer, Failed)
                assert answer.code in (Refusal.UNKNOWN_OBJECT, Refusal.MALFORMED)
            assert isinstance(ask_share(circle, cyd, relay_id), Evaluated)
        ada.is_offline = False
        await circle.settle()
        await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd"))
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        for relay_id in circle.relays.shares:
            answer = bring(circle, relay_id, lock)
            assert isinstance(answer, Failed)
            assert answer.code == Refusal.EXPIRED
            assert isinstance(ask_share(circle, cyd, relay_id), Evaluated)
        cyd.is_offline = False
        await recover(circle, ada, ben, cyd)

    play(story())


def test_a_relay_that_refuses_a_lock_for_good_is_named_aloud() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        _, entry = circle.relays.shares
        cyd.is_offline = True

        def refuse(relay_id: RelayId, event: AnyEvent) -> tuple[AnyEvent, ...]:
            if relay_id == entry and isinstance(event, Done):
                return (Failed(event.rid, int(Refusal.UNKNOWN_OBJECT)),)
            return (event,)

        HostileRelay(circle).against_shares(ada, refuse)
        await circle.act(ada, LockDevice(ref=circle.ref(), device="Cyd"))
        assert any("entry.example does not carry out a lock" in one.text for one in ada.alarms)
        (lock,) = view(ada, "locks")
        assert lock["locked_at"] == ["home.example"]
        await recover(circle, ada, ben)

    play(story())


def test_a_lock_that_a_home_hides_from_a_member_while_the_relays_obey_it() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        hostile = HostileRelay(circle)
        hostile.against(ben, HideLog(ben))
        cyd.is_offline = True
        await circle.act(ada, LockDevice(ref=circle.ref(), device="Cyd"))
        for relay_id in circle.relays.shares:
            assert is_locked(ask_share(circle, cyd, relay_id))
        assert state_of(ada, "Cyd") == "locked"
        assert state_of(ben, "Cyd") == "active"
        # Ada's groups are without Cyd and stand on an entry that Ben does not have: he waits.
        await pass_time(circle, 700)
        assert "log behind" in codes(ben)
        assert not silent_differences(circle)
        hostile.honest()
        await circle.settle()
        assert state_of(ben, "Cyd") == "locked"
        await recover(circle, ada, ben)

    play(story())


def test_an_unlock_that_is_kept_from_its_device_leaves_it_shut_and_comes_after_all() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await circle.act(ada, LockDevice(ref=circle.ref(), device="Cyd"))
        assert cyd.phase == "locked"
        hostile = HostileRelay(circle)
        hostile.against(cyd, HideLog(cyd), KeepInbox())
        await circle.act(ada, UnlockDevice(ref=circle.ref(), device="Cyd"))
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        assert state_of(ada, "Cyd") == "active"
        assert cyd.phase == "locked"
        assert "out" in codes(cyd)
        assert not silent_differences(circle)
        hostile.honest()
        await circle.settle()
        assert cyd.phase == "member"
        await recover(circle, ada, ben, cyd)

    play(story())


# --- erasures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", ["forged", "of another relay", "kept back"])
def test_a_receipt_of_an_erasure_counts_only_when_its_relay_signed_it(lie: str) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        home, _ = circle.relays.shares
        cyd.is_offline = True
        act = EraseDevice(ref=circle.ref(), device="Cyd", reason=STOLEN)
        await circle.act(ada, act)
        await circle.act(ben, Approve(ref=circle.ref(), reference="Cyd"))
        others: dict[RelayId, bytes] = {}

        def alter(relay_id: RelayId, event: AnyEvent) -> tuple[AnyEvent, ...]:
            if not isinstance(event, Erasure) or event.state != ERASED:
                return (event,)
            others[relay_id] = event.receipt
            if relay_id != home:
                return (event,)
            if lie == "kept back":
                return (Erasure(event.rid, 2),)
            flipped = bytes((event.receipt[-1] ^ 1,))
            receipt = event.receipt[:-1] + flipped if lie == "forged" else others.get(entry, b"")
            return (Erasure(event.rid, ERASED, receipt),)

        entry = circle.relays.entry_card.relay_id
        hostile = HostileRelay(circle)
        for device in (ada, ben):
            hostile.against_shares(device, alter)
        await later(circle, DAY_S + 3600)
        await pass_time(circle, 120)
        (erasing,) = view(ada, "erasures")
        assert erasing["erased_at"] == ["entry.example"]
        assert erasing["state"] != "erased"
        if lie != "kept back":
            assert "erasure" in codes(ada) | codes(ben)
        hostile.honest()
        await pass_time(circle, 120)
        await circle.settle()
        assert view(ada, "erasures")[0]["state"] == view(ben, "erasures")[0]["state"] == "erased"
        await recover(circle, ada, ben)

    play(story())


def test_an_erase_that_one_steward_wants_and_the_home_alone_has_destroys_nothing() -> None:
    """The home keeps the other steward's refusal from the log: the entry relay knows no approval
    either, and what nobody has cosigned destroys nothing there."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle, cool_off_s=0)
        cyd.is_offline = True
        await circle.act(ada, EraseDevice(ref=circle.ref(), device="Cyd", reason=STOLEN))
        circle.relays.cosigns = False
        ben.feed(Approve(ref=circle.ref(), reference="Cyd"))
        await go_on(circle, 5)
        await pass_time(circle, 3600)
        for share in circle.relays.shares.values():
            share.enforcement.look_at_all()
        for opened, card in cyd.core.enrolled_shares:
            row = circle.relays.shares[card.relay_id].store.share(opened.receipt.handle)
            assert row is not None
            assert row.erased_at is None, card.name
        circle.relays.cosigns = True
        circle.relays.logs.on_grown(roster_of(ada).origin)
        await circle.settle()
        await later(circle, 3600)
        assert view(ada, "erasures")[0]["erased_at"] == ["entry.example", "home.example"]
        await recover(circle, ada, ben)

    play(story())


# --- enrolling ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lie", ["forged", "of another device", "no receipt"])
def test_a_receipt_for_other_keys_enrols_nobody(lie: str) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", unlock_shares=True)
        kept: list[bytes] = []

        def alter(relay_id: RelayId, event: AnyEvent) -> tuple[AnyEvent, ...]:
            if not isinstance(event, Enrolled):
                return (event,)
            receipt = event.receipt[:-1] + bytes((event.receipt[-1] ^ 1,))
            if lie == "of another device":
                (receipt,) = [
                    one.receipt.encode()
                    for one, card in ada.core.enrolled_shares
                    if card.relay_id == relay_id
                ]
            kept.append(receipt)
            return (
                (Done(event.rid),)
                if lie == "no receipt"
                else (msgspec.structs.replace(event, receipt=receipt),)
            )

        code = await circle.act(ada, Invite(ref=circle.ref()))
        ben = circle.add("Ben")
        hostile = HostileRelay(circle)
        hostile.against_shares(ben, alter)
        ben.feed(Join(ref=circle.ref(), code=code, name="Ben"))
        await go_on(circle, 10)
        assert kept
        assert "ReceiptRefused" in codes(ben)
        assert ben.phase == "joining: enrolling"
        hostile.honest()
        await pass_time(circle, 60)
        await circle.settle()
        assert ben.phase == "joining: waiting"
        counted = {share.store.counts()[0] for share in circle.relays.shares.values()}
        assert counted == {2}

    play(story())


# --- unlocking ------------------------------------------------------------------------------------


class LyingShareRelay(ShareRelay):
    """Answers an Evaluate with something else than it should."""

    lie: Callable[[Evaluated], AnyEvent] | None = None

    def answer(self, request: AnyRequest, nonce: bytes) -> AnyEvent:
        true = super().answer(request, nonce)
        return self.lie(true) if self.lie and isinstance(true, Evaluated) else true


def an_old_answer() -> Callable[[Evaluated], AnyEvent]:
    first: list[Evaluated] = []

    def lie(true: Evaluated) -> AnyEvent:
        first.append(true)
        return msgspec.structs.replace(first[0], rid=true.rid)

    return lie


LIES_ABOUT_SHARES: dict[str, tuple[Callable[[Evaluated], AnyEvent], str]] = {
    "a wrong element": (
        lambda true: Evaluated(true.rid, oprf.blind(b"x", ENTROPY)[1], true.left),
        "PIN is not right",
    ),
    "no element": (lambda true: Evaluated(true.rid, bytes(32), true.left), "identity element"),
    "not canonical": (
        lambda true: Evaluated(true.rid, b"\xff" * 32, true.left),
        "not the canonical",
    ),
    "another event": (lambda true: Done(true.rid, 9), "something else"),
    "fewer tries than none": (
        lambda true: msgspec.structs.replace(true, left=-1),
        "something else",
    ),
}


@pytest.mark.parametrize("name", sorted(LIES_ABOUT_SHARES))
def test_a_relay_that_evaluates_wrongly_opens_nothing_and_breaks_nothing(
    name: str, tmp_path: Path
) -> None:
    lie, words = LIES_ABOUT_SHARES[name]

    async def story() -> None:
        world, liar = await lying_world(tmp_path)
        liar.lie = lie
        with pytest.raises(CloisterError, match=words):
            await world.open()
        liar.lie = None
        await world.open_and_settle()
        assert liar.share.tries_left == 10

    asyncio.run(story())


async def lying_world(folder: Path) -> tuple[ShareWorld, LyingShareRelay]:
    world = ShareWorld.at(folder)
    liar = LyingShareRelay(folder, "home", 0)
    world.relays[0] = liar
    await world.enrol()
    return world, liar


def test_an_old_answer_to_an_unlock_fits_no_later_question(tmp_path: Path) -> None:
    async def story() -> None:
        world, liar = await lying_world(tmp_path)
        liar.lie = an_old_answer()
        (await world.open()).close()  # the first is the true one
        with pytest.raises(SecretNotRight):
            await world.open()
        liar.lie = None
        await world.open_and_settle()

    asyncio.run(story())


@pytest.mark.parametrize("left", [0, 10**9])
def test_what_a_relay_claims_of_the_tries_is_only_told(left: int, tmp_path: Path) -> None:
    """The other relay counts for itself; the lower number of the two is what the person is told."""

    async def story() -> None:
        world, liar = await lying_world(tmp_path)
        liar.lie = lambda true: msgspec.structs.replace(true, left=left)
        (await world.open()).close()
        with pytest.raises(SecretNotRight) as refused:
            await world.open(Secret(b"000001"))
        assert ("No tries are left" if left == 0 else "8 tries are left") in str(refused.value)
        liar.lie = None
        world.relays[1].now += 60
        await world.open_and_settle()

    asyncio.run(story())


# --- seats ----------------------------------------------------------------------------------------

TERM_END = 1_800_000_000 + 180 * DAY_S


def books(path: Path, *, term_end: int) -> None:
    account = {
        "account": "A1",
        "seats": 4,
        "term_end": term_end,
        "code_hashes": [sha256(ACTIVATION_CODE.encode()).hex()],
    }
    path.write_text(json.dumps({"v": 1, "accounts": [account]}))


class OtherTerm(Lie):
    """The answer about seats carries another term."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self._change = change

    def tell(self, event: AnyEvent) -> tuple[AnyEvent, ...]:
        if not isinstance(event, Seats) or not event.term:
            return (event,)
        return (msgspec.structs.replace(event, term=self._change(event.term)),)


def signed(key: HybridKey, term: SeatTerm, **changes: object) -> bytes:
    unsigned = replace(term, signature=UNSIGNED, **changes)  # type: ignore[arg-type]
    return replace(unsigned, signature=sign_by_relay(unsigned, key)).encode()


@pytest.mark.parametrize("lie", ["forged", "by another relay", "shortened", "of other handles"])
def test_a_term_that_is_not_the_circles_changes_no_seat(lie: str, tmp_path: Path) -> None:
    async def story() -> None:
        accounts = tmp_path / "accounts.json"
        books(accounts, term_end=TERM_END)
        circle = SimulatedCircle(accounts=accounts)
        ada = await circle.found("Ada", unlock_shares=True)
        ben = await circle.admit("Ben", ada, [ada])
        home_key, entry_key = circle.relays.keys

        def change(encoded: bytes) -> bytes:
            term = SeatTerm.decode(encoded)
            if lie == "forged":
                return replace(term, term_end=term.term_end + DAY_S).encode()
            if lie == "by another relay":
                return signed(entry_key, term, term_end=term.term_end + DAY_S)
            if lie == "shortened":
                return signed(home_key, term, term_end=circle.now + DAY_S)
            return signed(home_key, term, handles=(Handle(bytes(16)),), term_end=2 * TERM_END)

        books(accounts, term_end=TERM_END + 180 * DAY_S)
        hostile = HostileRelay(circle)
        for device in (ada, ben):
            hostile.against(device, OtherTerm(change))
            device.drop_link()
        await go_on(circle, 20)
        ends = {record.term_end for record in roster_of(ada).devices.values()}
        assert ends == {TERM_END}, "no one's seat is longer or shorter than before"
        assert roster_of(ada).root == roster_of(ben).root
        if lie in ("forged", "by another relay"):
            assert "RemoteError" in codes(ada)
            assert "RemoteError" in codes(ben)
        hostile.honest()
        await circle.settle()
        tick(circle)
        await circle.settle()
        ends = {record.term_end for record in roster_of(ada).devices.values()}
        assert ends == {TERM_END + 180 * DAY_S}
        assert not silent_differences(circle)

    play(story())

"""A relay that was restored from before an enrolment takes the device back by its own receipt."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest

from cloister.crypto.oprf import blind
from cloister.crypto.secret import Secret
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Log
from cloister.relay.shares.rows import TRIES
from cloister.relay.shares.worker import ThreadWorker
from cloister.roster.share import ShareReceipt
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.auth import ShareAct
from cloister.wire.codes import Refusal
from cloister.wire.events import AnyEvent, Failed
from cloister.wire.frame import decode_events
from unit.relay.shares.readable_log import COOL_OFF_S, ReadableLog
from unit.relay.shares.test_enrolling import BASE_POINT
from unit.relay.shares.world import (
    ENTROPY,
    ENTRY,
    HOME,
    Device,
    ShareWorld,
    done,
    ed25519,
    hybrid,
    refused,
    with_other,
)


@pytest.fixture
def world() -> ShareWorld:
    return ShareWorld()


@pytest.fixture
def device(world: ShareWorld) -> Device:
    return world.enrol(Device("amira"))


@pytest.mark.parametrize("at", [HOME, ENTRY], ids=["home", "entry"])
def test_share_comes_back_without_a_scalar_and_gets_another(at: Identity) -> None:
    world = ShareWorld(at)
    device = world.enrol(Device("amira"))
    before = world.output(device, b"x")
    row = world.store.share(device.handle)
    world.forget(device)
    refused(world.confirm(device), Refusal.UNKNOWN_OBJECT)
    done(world.enrol_again(device), 0)
    refused(world.output(device, b"x"), Refusal.GENERATION, 0)
    assert row is not None
    assert world.store.share(device.handle) == replace(row, tries_left=TRIES)
    done(world.next(device, 2), 2)
    after = world.output(device, b"x", 2)
    assert isinstance(after, Secret)
    assert after != before
    # The answer was lost on its way: the same again changes nothing.
    row = world.store.share(device.handle)
    done(world.enrol_again(device), 0)
    assert world.store.share(device.handle) == row
    assert world.output(device, b"x", 2) == after


def test_who_never_lost_anything_gains_nothing(world: ShareWorld, device: Device) -> None:
    """Nobody has tries given back by it."""
    assert [world.guess(device) for _ in range(3)] == [9, 8, 7]
    done(world.enrol_again(device), 0)
    share = world.store.share(device.handle)
    assert share is not None
    assert (share.tries_left, world.store.generations(device.handle)) == (7, [1])


@pytest.mark.parametrize(
    "keys",
    [
        {"owner": ed25519("thief")},
        {"unlock": ed25519("other device of the member")},
        {"unlock": ed25519("thief"), "owner": ed25519("thief")},
    ],
    ids=["the disk alone", "another device of the member", "a member who reads the log"],
)
@pytest.mark.parametrize("is_there", [False, True], ids=["lost", "there"])
def test_attack_somebody_else_enrols_with_the_receipt(
    world: ShareWorld, device: Device, keys: dict[str, Any], is_there: bool
) -> None:
    if not is_there:
        world.forget(device)
    row = world.store.share(device.handle)
    attacker = with_other(device, confirm=ed25519("attacker"), **keys)
    refused(world.enrol_again(device, signed_by=attacker), Refusal.UNKNOWN_OBJECT)
    assert world.store.share(device.handle) == row


def test_attack_another_confirm_key_is_put_in_the_place_of_one_that_is_there(
    world: ShareWorld, device: Device
) -> None:
    """Not even by whoever has both keys: tries would be given back without end."""
    row = world.store.share(device.handle)
    other = with_other(device, confirm=ed25519("attacker"))
    refused(world.enrol_again(device, signed_by=other), Refusal.UNKNOWN_OBJECT)
    assert world.store.share(device.handle) == row


@pytest.mark.parametrize("role", ["unlock", "owner"])
def test_attack_one_key_in_two_roles(world: ShareWorld, device: Device, role: str) -> None:
    """The unlock key lies outside the vault: were it the confirm key too, tries would not end."""
    world.forget(device)
    one = with_other(device, confirm=getattr(device, role))
    refused(world.enrol_again(device, signed_by=one), Refusal.MALFORMED)
    assert world.store.share(device.handle) is None


def _another_handle(receipt: ShareReceipt) -> bytes:
    return replace(receipt, handle=type(receipt.handle)(ENTROPY.random(16))).encode()


def _another_owner(receipt: ShareReceipt) -> bytes:
    return replace(receipt, owner_key=ed25519("thief").public).encode()


def _garbage(receipt: ShareReceipt) -> bytes:
    return receipt.encode()[:-1]


@pytest.mark.parametrize("forge", [_another_handle, _another_owner, _garbage])
def test_attack_forged_receipt(
    world: ShareWorld, device: Device, forge: Callable[[ShareReceipt], bytes]
) -> None:
    world.forget(device)
    assert device.receipt is not None
    thief = with_other(device, owner=ed25519("thief"))
    for signer in (device, thief):
        answer = world.enrol_again(device, signed_by=signer, receipt=forge(device.receipt))
        refused(answer, Refusal.UNKNOWN_OBJECT)
    assert world.store.counts() == (0, 0)


def test_attack_receipt_of_another_relay() -> None:
    home, entry = ShareWorld(HOME), ShareWorld(ENTRY)
    device = entry.enrol(Device("amira"))
    refused(home.enrol_again(device), Refusal.UNKNOWN_OBJECT)
    assert home.store.counts() == (0, 0)


@pytest.mark.parametrize("changed", ["confirm_key", "unlock_signature", "owner_signature"])
def test_what_is_not_signed_as_it_is_sent_is_refused(
    world: ShareWorld, device: Device, changed: str
) -> None:
    world.forget(device)
    value = ed25519("other").public if changed == "confirm_key" else bytes(64)
    changes: dict[str, Any] = {changed: value}
    refused(world.enrol_again(device, **changes), Refusal.UNKNOWN_OBJECT)
    assert world.store.share(device.handle) is None


def test_weak_confirm_key_is_refused(world: ShareWorld, device: Device) -> None:
    world.forget(device)
    for weak in (bytes(32), b"\1" + bytes(31), BASE_POINT[::-1]):
        refused(world.enrol_again(device, confirm_key=weak), Refusal.UNKNOWN_OBJECT)
    assert world.store.share(device.handle) is None


def test_attack_enrolment_is_replayed_on_another_connection(
    world: ShareWorld, device: Device
) -> None:
    recorded: list[commands.EnrolAgain] = []

    def make(_relay_id: bytes, nonce: bytes) -> commands.EnrolAgain:
        recorded.append(world.again_request(device, nonce))
        return recorded[-1]

    done(world.shares.take(make), 0)
    world.forget(device)  # restored a second time
    refused(world.shares.take(lambda _relay_id, _nonce: recorded[0]), Refusal.UNKNOWN_OBJECT)
    assert world.store.share(device.handle) is None


# --- what the log says ----------------------------------------------------------------------------


def _on_one_connection(world: ShareWorld, device: Device) -> tuple[AnyEvent, AnyEvent]:
    """Enrol again and at once ask for a scalar; nothing comes between that looks at the logs."""
    arrived: list[AnyEvent] = []
    session = world.shares.connect(lambda frame: arrived.extend(decode_events(frame)))
    world.shares.send(session, world.again_request(device, session.nonce))
    signature = world.signed(device, ShareAct.NEXT, session.nonce, 2)
    world.shares.send(session, commands.NextGeneration(2, device.handle, 2, signature))
    world.shares.flusher.flush()
    world.shares.disconnect(session)
    return arrived[-2], arrived[-1]


def test_what_the_log_says_of_the_share_counts_before_anything_is_asked_of_it() -> None:
    log = ReadableLog()
    world = ShareWorld(logs=log)
    locked, erased, held = (world.enrol(Device(name)) for name in ("amira", "jonas", "noor"))
    for one in (locked, erased, held):
        world.forget(one)
    log.lock(locked)
    log.hold(log.target(held))
    order_hash = log.erase(log.target(erased))
    log.approve(order_hash)
    log.ts += COOL_OFF_S
    world.now += COOL_OFF_S
    log.tick()
    codes = {}
    for one in (locked, erased, held):
        first, second = _on_one_connection(world, one)
        done(first, 0)
        codes[one.name] = Refusal(second.code) if isinstance(second, Failed) else None
    # Under a hold what is lost is made up for as ever.
    assert codes == {"amira": Refusal.LOCKED, "jonas": Refusal.ERASED, "noor": None}
    share = world.store.share(held.handle)
    assert share is not None
    assert share.is_held
    _, receipt = world.store.erasure(order_hash, erased.handle)
    assert receipt


def test_attack_a_locked_share_is_asked_in_the_same_breath() -> None:
    """The thread has all three requests before the loop has the first answer."""

    async def run() -> list[AnyEvent]:
        log = ReadableLog()
        world = ShareWorld(logs=log)
        locked = world.enrol(Device("amira"))
        world.forget(locked)
        log.lock(locked)
        world.shares.enforcement.look_at_all()
        worker = ThreadWorker(world.store, Log(lambda: 0, io.StringIO()), lambda: None)
        world.shares.service._worker = world.shares.enforcement._worker = worker
        arrived: list[AnyEvent] = []
        session = world.shares.connect(lambda frame: arrived.extend(decode_events(frame)))
        _, element = blind(b"271828", ENTROPY)
        following = world.signed(locked, ShareAct.NEXT, session.nonce, 2)
        asking = world.signed(locked, ShareAct.EVALUATE, session.nonce, 2, element)
        world.shares.send(session, world.again_request(locked, session.nonce))
        world.shares.send(session, commands.NextGeneration(2, locked.handle, 2, following))
        world.shares.send(session, commands.Evaluate(3, locked.handle, 2, element, asking))
        while worker.waiting:  # noqa: ASYNC110  what is waited for is another thread
            await asyncio.sleep(0.001)
        world.shares.flusher.flush()
        assert not world.store.generations(locked.handle)
        worker.close()
        return arrived[-3:]

    first, *later = asyncio.run(run())
    done(first, 0)
    for answer in later:
        refused(answer, Refusal.LOCKED)


def test_enrolling_again_looks_at_one_share_and_not_at_all_of_the_log() -> None:
    """A member may ask for it a hundred times a second."""
    log = ReadableLog()
    world = ShareWorld(logs=log)
    devices = [world.enrol(Device(str(number))) for number in range(50)]
    log.hold(*map(log.target, devices))
    device = devices[0]
    session = world.shares.connect(lambda _frame: None)
    statements: list[str] = []
    world.store.connection.set_trace_callback(statements.append)
    world.shares.send(session, world.again_request(device, session.nonce))
    world.store.connection.set_trace_callback(None)
    assert len(statements) < 10


def test_receipt_by_another_key_of_that_name_is_refused(world: ShareWorld, device: Device) -> None:
    """The relay takes its own word and nobody else's."""
    assert device.receipt is not None
    foreign = ShareWorld(replace(HOME, key=hybrid("somebody else")))
    made = foreign.enrol(Device("jonas"))
    refused(world.enrol_again(made), Refusal.UNKNOWN_OBJECT)
    assert world.store.share(made.handle) is None

"""Locks on receipt, and what the log says of shares: unlocks, holds, erasures."""

from __future__ import annotations

from typing import Any

import pytest

from cloister.crypto.secret import Secret
from cloister.ids import CircleId
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.rows import TRIES
from cloister.relay.shares.store import ShareStore
from cloister.roster.errors import RuleViolation
from cloister.roster.orders import SignedLock, SignerKind
from cloister.roster.readable import ReadableType
from cloister.roster.share import ErasureReceipt, verify_by_relay
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import Erasure
from unit.relay.shares.readable_log import COOL_OFF_S, ReadableLog
from unit.relay.shares.world import (
    ENTROPY,
    ENTRY,
    HOME,
    ORIGIN,
    Device,
    ShareWorld,
    done,
    hybrid,
    refused,
)


@pytest.fixture
def log() -> ReadableLog:
    return ReadableLog()


@pytest.fixture
def world(log: ReadableLog) -> ShareWorld:
    return ShareWorld(logs=log)


@pytest.fixture
def device(world: ShareWorld) -> Device:
    return world.enrol(Device("amira"))


def order(world: ShareWorld, lock: SignedLock) -> Any:
    return world.shares.take(lambda _relay_id, _nonce: commands.Order(1, lock.encode()))


def look(world: ShareWorld) -> None:
    world.shares.enforcement.look_at_all()


def erasure(world: ShareWorld, device: Device, order_hash: bytes) -> Erasure:
    answer = world.shares.take(
        lambda _relay_id, _nonce: commands.ReadErasure(1, device.handle, order_hash)
    )
    assert isinstance(answer, Erasure)
    return answer


def is_locked(world: ShareWorld, device: Device) -> bool:
    share = world.store.share(device.handle)
    assert share is not None
    return share.locked_at is not None


# --- locks on receipt -----------------------------------------------------------------------------


def test_steward_locks_on_receipt_and_the_same_order_again_changes_nothing(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    other = world.enrol(Device("jonas"))
    lock = log.steward_lock(log.order(log.target(device)))
    for _ in range(2):
        done(order(world, lock), 1)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    assert isinstance(world.output(other, b"x"), Secret)


def test_owner_locks_on_receipt(world: ShareWorld, log: ReadableLog, device: Device) -> None:
    phone = world.enrol(Device("amira's phone"))
    both = log.order(log.target(device), log.target(phone))
    done(order(world, log.owner_lock(both, device, phone)), 2)
    assert is_locked(world, device)
    assert is_locked(world, phone)


def test_lock_is_durable(world: ShareWorld, log: ReadableLog, device: Device) -> None:
    order(world, log.steward_lock(log.order(log.target(device))))
    world.store.close()
    key_file = EpochKeyFile(world.shares.folder / "shares.key")
    again = ShareStore(world.shares.folder / "shares.sqlite3", key_file, ENTROPY)
    share = again.share(device.handle)
    assert share is not None
    assert share.locked_at is not None


def wrong_signer(log: ReadableLog, device: Device) -> SignedLock:
    return log.steward_lock(log.order(log.target(device)), hybrid("stranger"))


def stolen_name(log: ReadableLog, device: Device) -> SignedLock:
    forged = wrong_signer(log, device)
    real = log.steward_lock(forged.order)
    return replace(forged, key_id=real.key_id)


def wrong_owner(log: ReadableLog, device: Device) -> SignedLock:
    return log.owner_lock(log.order(log.target(device)), Device("stranger"))


def wrong_opening(log: ReadableLog, device: Device) -> SignedLock:
    target = replace(log.target(device), opening=bytes(32))
    return log.steward_lock(log.order(target))


def other_relay(log: ReadableLog, device: Device) -> SignedLock:
    return log.steward_lock(log.order(log.target(device, ENTRY.card.relay_id)))


def other_circle(log: ReadableLog, device: Device) -> SignedLock:
    stranger = replace(log.order(log.target(device)), circle_id=CircleId(b"c" * 32))
    return log.steward_lock(stranger)


def steward_as_owner(log: ReadableLog, device: Device) -> SignedLock:
    lock = log.owner_lock(log.order(log.target(device)), device)
    return replace(lock, by=SignerKind.STEWARD)


@pytest.mark.parametrize(
    "forge",
    [
        wrong_signer,
        stolen_name,
        wrong_owner,
        wrong_opening,
        other_relay,
        other_circle,
        steward_as_owner,
    ],
)
def test_attack_forged_lock(
    world: ShareWorld, log: ReadableLog, device: Device, forge: Any
) -> None:
    refused(order(world, forge(log, device)), Refusal.UNKNOWN_OBJECT)
    assert not is_locked(world, device)


def test_attack_suspended_steward_locks(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    lock = log.steward_lock(log.order(log.target(device)))
    log.suspend(log.first, by=log.second)
    refused(order(world, lock), Refusal.UNKNOWN_OBJECT)
    done(order(world, log.steward_lock(lock.order, log.second)), 1)


def test_attack_garbage_for_an_order(world: ShareWorld, device: Device) -> None:
    answer = world.shares.take(lambda _relay_id, _nonce: commands.Order(1, b"x"))
    refused(answer, Refusal.MALFORMED)


def test_attack_steward_of_another_circle_locks_a_device(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    """He knows the handle, even the opening; the bind is for this log's origin only."""
    stranger = ReadableLog("home.example/fedcba9876543210")

    class Both(ReadableLog):
        def __init__(self) -> None: ...

        def origins(self) -> list[str]:
            return [log.origin, stranger.origin]

        def kept(self, origin: str) -> Any:
            return (log if origin == log.origin else stranger).kept(origin)

        def entries_of(self, origin: str, from_seq: int, to_seq: int) -> list[bytes]:
            one = log if origin == log.origin else stranger
            return one.entries_of(origin, from_seq, to_seq)

    world.shares.enforcement._logs = Both()
    look(world)
    lock = stranger.steward_lock(stranger.order(stranger.target(device)))
    refused(order(world, lock), Refusal.UNKNOWN_OBJECT)
    stranger.lock(device)
    stranger.hold(stranger.target(device))
    look(world)
    share = world.store.share(device.handle)
    assert share is not None
    assert share.locked_at is None
    assert not share.is_held


# --- what the log says ----------------------------------------------------------------------------


def test_lock_in_the_log_holds_where_no_order_came(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    log.is_settled = False
    log.lock(device)
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)


def test_two_stewards_unlock_and_give_the_tries_back(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    world.store.set_tries(device.handle, 0, 0)
    log.lock(device)
    look(world)
    proposal = log.unlock(device)
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    log.is_settled = False
    log.approve(proposal)
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    log.is_settled = True
    look(world)
    assert world.guess(device) == TRIES - 1
    # Looking again gives nothing again.
    look(world)
    assert world.guess(device) == TRIES - 2


def test_sealed_share_is_unlocked_though_nobody_locked_it(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    world.store.set_tries(device.handle, 0, 0)
    log.approve(log.unlock(device))
    look(world)
    assert world.guess(device) == TRIES - 1


def test_one_steward_unlocks_with_the_owners_consent(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    log.lock(device)
    look(world)
    log.unlock(device, log.consent(device))
    look(world)
    assert not is_locked(world, device)


def test_attack_one_steward_invents_the_owners_consent(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    """The log cannot tell, for no relay's fold knows owner keys; the relay itself can."""
    log.lock(device)
    look(world)
    log.unlock(device, log.consent(device, signer="a thief"))
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    # Nor does a restart, which reads the log from the beginning, believe it.
    world.shares.enforcement._named.clear()
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)


def test_attack_old_order_is_replayed_after_the_unlock(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    steward = log.steward_lock(log.order(log.target(device)))
    owner = log.owner_lock(log.order(log.target(device)), device)
    for lock in (steward, owner):
        done(order(world, lock), 1)
    log.approve(log.unlock(device))
    look(world)
    for lock in (steward, owner):
        refused(order(world, lock), Refusal.EXPIRED)
    assert not is_locked(world, device)
    done(order(world, log.steward_lock(log.order(log.target(device)))), 1)
    assert is_locked(world, device)


def test_attack_order_from_the_far_future_outlasts_no_unlock(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    far = log.order(log.target(device), log_size=2**62)
    done(order(world, log.steward_lock(far)), 1)
    refused(order(world, log.owner_lock(far, device)), Refusal.UNKNOWN_OBJECT)
    log.approve(log.unlock(device))
    look(world)
    assert not is_locked(world, device)


def test_hold_keeps_what_it_covers_and_ends_when_that_is_settled(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    log.is_settled = False
    hold = log.hold(log.target(device))
    look(world)
    refused(world.next(device, 2), Refusal.HELD)
    assert isinstance(world.output(device, b"x"), Secret)
    log.release(hold)
    look(world)
    refused(world.next(device, 2), Refusal.HELD)
    log.is_settled = True
    look(world)
    done(world.next(device, 2), 2)


# --- erasures -------------------------------------------------------------------------------------


def test_erasure_comes_after_the_cool_off_by_both_clocks_and_is_receipted(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    other = world.enrol(Device("jonas"))
    before = world.output(other, b"x")
    order_hash = log.erase(log.target(device))
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    assert erasure(world, device, order_hash).state == 2
    log.approve(order_hash)
    # Log time alone does not do, were it ahead; nor does the relay's clock alone.
    log.ts += COOL_OFF_S
    log.tick()
    look(world)
    assert erasure(world, device, order_hash).state == 2
    world.now += COOL_OFF_S
    look(world)
    answer = erasure(world, device, order_hash)
    assert answer.state == 3
    receipt = ErasureReceipt.decode(answer.receipt)
    verify_by_relay(receipt, HOME.card.key)
    assert (receipt.handle, receipt.order_hash) == (device.handle, order_hash)
    assert receipt.at == world.now
    refused(world.output(device, b"x"), Refusal.ERASED)
    assert world.store.generations(device.handle) == []
    assert world.output(other, b"x") == before
    # Nothing is done twice.
    world.now += 100
    look(world)
    assert erasure(world, device, order_hash) == answer


def test_relays_clock_alone_erases_nothing(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    log.approve(log.erase(log.target(device)))
    world.now += 10 * COOL_OFF_S
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)


def test_attack_one_steward_erases(world: ShareWorld, log: ReadableLog, device: Device) -> None:
    """Alone he can lock; his approval of his own order is no second one."""
    order_hash = log.erase(log.target(device))
    with pytest.raises(RuleViolation):
        log.append(ReadableType.APPROVE, order_hash, log.first)
    for _ in range(3):
        log.ts += 10 * COOL_OFF_S
        world.now += 10 * COOL_OFF_S
        log.tick()
        look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    assert erasure(world, device, order_hash).state == 2


def test_attack_home_erases_by_a_log_that_nobody_has_cosigned(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    log.is_settled = False
    log.approve(log.erase(log.target(device)))
    log.ts += COOL_OFF_S
    world.now += COOL_OFF_S
    log.tick()
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    log.is_settled = True
    look(world)
    refused(world.output(device, b"x"), Refusal.ERASED)


def test_refused_erase_is_forgotten(world: ShareWorld, log: ReadableLog, device: Device) -> None:
    order_hash = log.erase(log.target(device))
    look(world)
    log.refuse(order_hash)
    look(world)
    assert erasure(world, device, order_hash).state == 1
    log.ts += COOL_OFF_S
    world.now += COOL_OFF_S
    log.tick()
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)


@pytest.mark.parametrize("scope", ["device", "circle"])
def test_hold_wins_over_an_erase_that_is_not_due(
    world: ShareWorld, log: ReadableLog, device: Device, scope: str
) -> None:
    order_hash = log.erase(log.target(device))
    log.approve(order_hash)
    log.hold(*([log.target(device)] if scope == "device" else []))
    log.ts += COOL_OFF_S
    world.now += COOL_OFF_S
    log.tick()
    look(world)
    refused(world.output(device, b"x"), Refusal.LOCKED)
    assert erasure(world, device, order_hash).state == 1


def test_erase_with_another_opening_destroys_nothing(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    wrong = replace(log.target(device), opening=bytes(32))
    log.approve(log.erase(wrong))
    log.ts += COOL_OFF_S
    world.now += COOL_OFF_S
    log.tick()
    look(world)
    assert isinstance(world.output(device, b"x"), Secret)


def test_each_relay_erases_its_own_share_and_names_no_other() -> None:
    log = ReadableLog()
    home, entry = ShareWorld(logs=log), ShareWorld(ENTRY, logs=log)
    at_home, at_entry = home.enrol(Device("amira")), entry.enrol(Device("amira"))
    log.approve(log.erase(log.target(at_home), log.target(at_entry, ENTRY.card.relay_id)))
    log.ts += COOL_OFF_S
    log.tick()
    for world, device in ((home, at_home), (entry, at_entry)):
        world.now += COOL_OFF_S
        look(world)
        refused(world.output(device, b"x"), Refusal.ERASED)
        assert world.store.counts() == (1, 1)
    assert log.origin == ORIGIN


def test_what_was_missed_while_the_relay_was_down_is_done_when_it_starts(
    world: ShareWorld, log: ReadableLog, device: Device
) -> None:
    log.approve(log.erase(log.target(device)))
    log.ts += COOL_OFF_S
    world.now += COOL_OFF_S
    log.tick()
    # As ShareKeeper.start does, with nothing in memory.
    look(world)
    refused(world.output(device, b"x"), Refusal.ERASED)

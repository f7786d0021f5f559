"""Evaluating, confirming, changing the generation: ten tries, and who may."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cloister.crypto.oprf import blind, evaluate, finalize
from cloister.crypto.secret import Secret
from cloister.relay.shares import service
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.rows import DELAYS_S, TRIES
from cloister.relay.shares.service import CONNECTION_BURST
from cloister.relay.shares.store import ShareStore
from cloister.wire import commands
from cloister.wire.auth import ShareAct
from cloister.wire.codes import Refusal
from cloister.wire.events import AnyEvent, Evaluated, Failed
from cloister.wire.frame import decode_events
from unit.relay.shares.world import (
    ENTROPY,
    ENTRY,
    Device,
    ShareWorld,
    done,
    ed25519,
    refused,
    with_other,
)


@pytest.fixture
def world() -> ShareWorld:
    return ShareWorld()


@pytest.fixture
def device(world: ShareWorld) -> Device:
    return world.enrol(Device("amira"))


def use_up(world: ShareWorld, device: Device) -> None:
    for number in range(TRIES):
        world.now += DELAYS_S[number]
        assert world.guess(device) == TRIES - 1 - number


# --- tries ----------------------------------------------------------------------------------------


def test_same_pin_gives_the_same_output_and_another_another(
    world: ShareWorld, device: Device
) -> None:
    right = world.output(device, b"271828")
    assert isinstance(right, Secret)
    assert world.output(device, b"271828") == right
    assert world.output(device, b"271829") != right


def test_tries_wait_longer_and_longer_and_end(world: ShareWorld, device: Device) -> None:
    for number, delay in enumerate(DELAYS_S):
        if delay:
            refused(world.output(device, b"x"), Refusal.SLOW_DOWN, delay)
            world.now += delay - 1
            refused(world.output(device, b"x"), Refusal.SLOW_DOWN, 1)
            world.now += 1
        assert world.guess(device) == TRIES - 1 - number
    refused(world.output(device, b"x"), Refusal.SEALED)
    world.now += 10 * 365 * 86_400
    refused(world.output(device, b"x"), Refusal.SEALED)
    # Sealed is not erased: the scalar is there for when the stewards unlock the device.
    assert world.store.scalar(device.handle, 1) is not None


def test_confirm_gives_the_tries_back_also_after_the_last(
    world: ShareWorld, device: Device
) -> None:
    assert [world.guess(device) for _ in range(3)] == [9, 8, 7]
    done(world.confirm(device), TRIES)
    assert world.guess(device) == 9
    done(world.confirm(device), TRIES)
    use_up(world, device)
    done(world.confirm(device), TRIES)
    assert world.guess(device) == 9


def test_attack_thief_confirms_with_the_unlock_key(world: ShareWorld, device: Device) -> None:
    """The unlock key lies on the disk beside the vault; the confirm key is inside."""
    thief = with_other(device, confirm=device.unlock)
    world.guess(device)
    for act in (world.confirm, lambda one: world.next(one, 2), lambda one: world.drop(one, 1)):
        refused(act(thief), Refusal.UNKNOWN_OBJECT)
    assert world.guess(device) == 8


def test_attack_stranger_burns_the_tries_of_a_device(world: ShareWorld, device: Device) -> None:
    stranger = with_other(device, unlock=ed25519("stranger"))
    for _ in range(20):
        refused(world.output(stranger, b"x"), Refusal.UNKNOWN_OBJECT)
    assert world.guess(device) == 9


def test_attack_stranger_learns_which_handles_exist(world: ShareWorld, device: Device) -> None:
    """An unknown handle and a wrong signature get equal answers, byte for byte."""
    stranger = with_other(device, unlock=ed25519("stranger"))
    nobody = Device("nobody")
    _, element = blind(b"x", ENTROPY)
    assert world.evaluate(stranger, element) == world.evaluate(nobody, element)
    assert world.confirm(with_other(device, confirm=ed25519("s"))) == world.confirm(nobody)


def test_attack_evaluate_is_replayed_on_another_connection(
    world: ShareWorld, device: Device
) -> None:
    _, element = blind(b"x", ENTROPY)
    recorded: list[commands.Evaluate] = []

    def make(_relay_id: bytes, nonce: bytes) -> commands.Evaluate:
        signature = world.signed(device, ShareAct.EVALUATE, nonce, 1, element)
        recorded.append(commands.Evaluate(1, device.handle, 1, element, signature))
        return recorded[-1]

    assert isinstance(world.shares.take(make), Evaluated)
    refused(world.shares.take(lambda _relay_id, _nonce: recorded[0]), Refusal.UNKNOWN_OBJECT)
    assert world.guess(device) == 8


def test_attack_evaluate_is_carried_to_the_other_relay(world: ShareWorld, device: Device) -> None:
    """What is signed names the relay: the home cannot ask the entry relay with it."""
    other = ShareWorld(ENTRY)
    twin = other.enrol(Device("amira"))
    mistaken = with_other(twin)
    mistaken.handle = twin.handle
    other.relay_id = world.relay_id
    refused(other.output(mistaken, b"x"), Refusal.UNKNOWN_OBJECT)


def test_what_is_no_element_costs_no_try(world: ShareWorld, device: Device) -> None:
    for element in (bytes(32), b"\xff" * 32, b"\x01" + bytes(31)):
        refused(world.evaluate(device, element), Refusal.MALFORMED)
    assert world.guess(device) == 9


def test_attack_power_is_cut_between_the_try_and_its_evaluation(
    world: ShareWorld, device: Device, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """When anything is evaluated the try is on disk: a relay started from that disk counts it."""

    class PowerCut(BaseException):
        pass

    def cut(_scalar: Secret, _element: bytes) -> bytes:
        for path in world.shares.folder.iterdir():
            shutil.copy(path, tmp_path)
        raise PowerCut

    monkeypatch.setattr(service, "evaluate", cut)
    with pytest.raises(PowerCut):
        world.guess(device)
    key_file = EpochKeyFile(tmp_path / "shares.key")
    share = ShareStore(tmp_path / "shares.sqlite3", key_file, ENTROPY).share(device.handle)
    assert share is not None
    assert share.tries_left == TRIES - 1


# --- thief of a device and of one relay -----------------------------------------------------------


def test_attack_thief_has_the_disk_and_one_relays_database() -> None:
    """The key comes from both outputs: one scalar leaves the other relay's ten tries to guess."""
    pin = b"271828"
    home, entry = ShareWorld(), ShareWorld(ENTRY)
    at_home, at_entry = home.enrol(Device("amira")), entry.enrol(Device("amira"))
    both = (home.output(at_home, pin), entry.output(at_entry, pin))
    stolen = home.store.scalar(at_home.handle, 1)
    assert stolen is not None

    def at_will(guess: bytes) -> Secret:
        blinding, element = blind(guess, ENTROPY)
        return finalize(guess, blinding, evaluate(stolen, element))

    # Offline he computes the home's half for every PIN, and has nothing to compare it with.
    assert at_will(pin) == both[0]
    assert at_will(b"000000") != both[0]
    # Neither half tells anything of the other: the scalars are drawn apart.
    assert entry.store.scalar(at_entry.handle, 1) != stolen
    assert at_will(pin) != both[1]
    # For the other half he has what is left of ten tries, and then none.
    answers: list[Secret | Failed] = []
    for delay in DELAYS_S:
        entry.now += delay
        answers.append(entry.output(at_entry, b"000000"))
    assert sum(isinstance(one, Secret) for one in answers) == TRIES - 1
    refused(entry.output(at_entry, pin), Refusal.SEALED)


# --- locked, erased -------------------------------------------------------------------------------


def test_locked_share_answers_nothing_but_that(world: ShareWorld, device: Device) -> None:
    world.store.set_lock(device.handle, 5, -1)
    for answer in (
        world.output(device, b"x"),
        world.confirm(device),
        world.next(device, 2),
        world.drop(device, 1),
    ):
        refused(answer, Refusal.LOCKED)
    world.store.set_lock(device.handle, None, 6)
    assert world.guess(device) == 9


def test_erased_share_answers_nothing_but_that_also_when_it_is_unlocked(
    world: ShareWorld, device: Device
) -> None:
    world.store.destroy([device.handle], [], world.now)
    for locked_at in (5, None):
        world.store.set_lock(device.handle, locked_at, -1)
        for answer in (
            world.output(device, b"x"),
            world.confirm(device),
            world.next(device, 2),
            world.drop(device, 1),
        ):
            refused(answer, Refusal.ERASED)
    assert world.store.counts() == (1, 1)


# --- generations ----------------------------------------------------------------------------------


def test_generation_changes_in_two_steps_each_of_which_may_be_repeated(
    world: ShareWorld, device: Device
) -> None:
    old = world.output(device, b"271828")
    for _ in range(2):
        done(world.next(device, 2), 2)
        assert world.store.generations(device.handle) == [1, 2]
    assert world.output(device, b"271828", 1) == old
    new = world.output(device, b"271828", 2)
    assert isinstance(new, Secret)
    assert new != old
    done(world.confirm(device, 2), TRIES)
    for _ in range(2):
        done(world.drop(device, 2), 0)
        assert world.store.generations(device.handle) == [2]
    refused(world.output(device, b"271828", 1), Refusal.GENERATION, 2)
    refused(world.confirm(device, 1), Refusal.GENERATION, 2)
    assert world.output(device, b"271828", 2) == new


def test_generations_share_their_tries(world: ShareWorld, device: Device) -> None:
    """Two at once while the PIN is changed, and not twice as many guesses."""
    done(world.next(device, 2), 2)
    world.guess(device)
    answer = world.evaluate(device, blind(b"x", ENTROPY)[1], 2)
    assert isinstance(answer, Evaluated)
    assert answer.left == 8


def test_generations_have_no_gaps_and_the_last_is_never_dropped(
    world: ShareWorld, device: Device
) -> None:
    for generation in (0, 3, 2**63 - 1):
        refused(world.next(device, generation), Refusal.GENERATION, 1)
    done(world.next(device, 2), 2)
    refused(world.next(device, 3), Refusal.QUOTA)
    for generation in (0, 3, 2**63 - 1):
        refused(world.drop(device, generation), Refusal.GENERATION, 2)
    done(world.drop(device, 1), 0)
    assert world.store.generations(device.handle) == [1, 2]


def test_epoch_key_follows_a_dropped_generation(world: ShareWorld, device: Device) -> None:
    done(world.next(device, 2), 2)
    done(world.drop(device, 2), 0)
    before = world.store.connection.execute("SELECT ek_id FROM meta").fetchone()
    world.shares.enforcement.look_at_all()
    assert world.store.connection.execute("SELECT ek_id FROM meta").fetchone() != before
    assert isinstance(world.output(device, b"x", 2), Secret)


def test_held_share_keeps_its_generations_and_is_served(world: ShareWorld, device: Device) -> None:
    done(world.next(device, 2), 2)
    world.store.set_held(device.handle, True)
    refused(world.next(device, 3), Refusal.HELD)
    refused(world.drop(device, 2), Refusal.HELD)
    assert isinstance(world.output(device, b"x", 1), Secret)
    done(world.confirm(device), TRIES)


# --- rates ----------------------------------------------------------------------------------------


def test_connection_that_asks_too_fast_is_told_to_wait(world: ShareWorld) -> None:
    arrived: list[AnyEvent] = []
    session = world.shares.connect(lambda frame: arrived.extend(decode_events(frame)))
    for _ in range(CONNECTION_BURST + 1):
        world.shares.send(session, commands.ReadErasure(1, bytes(16), bytes(32)))
    world.shares.flusher.flush()
    *answered, last = arrived[1:]
    assert not any(isinstance(one, Failed) for one in answered)
    refused(last, Refusal.SLOW_DOWN, 2)

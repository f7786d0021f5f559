"""What one steward's keys, one stolen disk, or a stranger at the door gain: nothing.

Real relays; the other side is a script that keeps no rule which the relays do not make it keep.
"""

from __future__ import annotations

import asyncio
import random
import resource
import signal
import time
from collections.abc import Awaitable, Callable

import picows
import pytest

from cloister.crypto.secret import Secret
from cloister.demo.check.opening import ShareFiles
from cloister.device.unlock.evaluation import unlock_input
from cloister.device.vault.key_file import (
    Cost,
    ShareKeyFile,
    ShareReference,
    Stretched,
    UnlockRoute,
    parse_key_file,
)
from cloister.device.vault.wrapping import fresh_stretch, unwrap_with_shares, wrap_with_shares
from cloister.relay.shares.rows import FIRST_GENERATION, TRIES, ErasureState
from cloister.roster.orders import (
    CarriedConsent,
    EntryReference,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    StewardSet,
    Unlock,
)
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayRole, RelaySet, make_relay_card
from cloister.roster.share import ErasureReceipt, verify_by_relay
from cloister.wire import commands
from cloister.wire.codes import Refusal
from counts import is_long
from integration.relay_world import ENTROPY, PATIENCE_S, Device, Pair, Refused
from integration.share_world import (
    GovernedCircle,
    Share,
    Steward,
    answers,
    become,
    enrol_at_both,
    fresh_hybrid,
    fresh_key,
    tickets_of,
    to_entry,
)

pytestmark = [pytest.mark.process, pytest.mark.slow]

SHUT: list[Refusal | int] = [Refusal.LOCKED, Refusal.LOCKED]
OPEN: list[Refusal | int] = [TRIES - 1, TRIES - 1]


def reference(entry_hash: bytes) -> bytes:
    return EntryReference(entry_hash=entry_hash).encode()


def erase_of(steward: Steward) -> bytes:
    return Erase(targets=steward.targets, reason=EraseReason.STOLEN, sealed_note=b"").encode()


def hold_of(steward: Steward) -> bytes:
    return Hold(
        scope=HoldScope.MEMBER,
        targets=steward.targets,
        channel=None,
        authority_hash=bytes(32),
        sealed_note=b"",
    ).encode()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def is_mirrored(pair: Pair, size: int) -> bool:
    """Whether the entry relay keeps so many entries of all logs."""
    return int(pair.entry.status()["entries_stored"]) >= size


async def erasures(pair: Pair, shares: tuple[Share, Share], order: bytes) -> list[int]:
    """What each relay says of an erase; receipts are verified."""
    states = []
    for share, connect in zip(shares, (Device.connect, to_entry), strict=True):
        device = await connect(pair)
        found = await device.ask(commands.ReadErasure, share.handle, order)
        await device.close()
        if found.receipt:
            receipt = ErasureReceipt.decode(found.receipt)
            verify_by_relay(receipt, share.relay.card.key)
            assert (receipt.handle, receipt.order_hash) == (share.handle, order)
        states.append(found.state)
    return states


# --- one steward's keys ---------------------------------------------------------------------------


def other_relays(pair: Pair) -> bytes:
    """A relay set with an entry relay of the rogue's own."""
    card = make_relay_card(
        fresh_hybrid(),
        tls_certificate=pair.entry.card.tls_certificate,
        jurisdiction="PA",
        operator="Rogue",
        host="127.0.0.1",
        port=1,
        roles=RelayRole.ENTRY,
        name="rogue",
        mirror_host="127.0.0.1",
        mirror_port=2,
        unlock_host="127.0.0.1",
        unlock_port=3,
    )
    return RelaySet(home=pair.home.card, entries=(card,)).encode()


def test_one_steward_alone_does_nothing_that_takes_two(pair: Pair) -> None:
    async def run() -> None:
        world = await GovernedCircle.found(pair)
        device, steward = world.device, world.steward
        accomplice = fresh_hybrid()
        set_of_two = StewardSet(stewards=(world.keys[0].public, accomplice.public), officers=())
        unlock = Unlock(targets=steward.targets, consents=())
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        hold = await steward.append(device, ReadableType.HOLD, hold_of(steward))
        said = await steward.refusal(device, ReadableType.ORDER_ERASE, erase_of(steward))
        assert said == Refusal.BAD_ENTRY
        change = await steward.append(device, ReadableType.STEWARD_SET, set_of_two.encode())
        waiting = [
            change,
            await steward.append(device, ReadableType.RELAY_SET, other_relays(pair)),
            await steward.append(device, ReadableType.HOLD_RELEASE, reference(hold)),
            await steward.append(device, ReadableType.ORDER_UNLOCK, unlock.encode()),
        ]
        # The key that is to be new says yes: that counts for itself alone.
        await steward.append(device, ReadableType.APPROVE, reference(change), accomplice)
        for one in waiting:
            said = await steward.refusal(device, ReadableType.APPROVE, reference(one))
            assert said == Refusal.BAD_ENTRY
        for one in waiting[1:]:
            for key, expected in (
                (accomplice, Refusal.UNKNOWN_OBJECT if one != change else Refusal.BAD_ENTRY),
                (world.officer, Refusal.BAD_ENTRY),
            ):
                said = await steward.refusal(device, ReadableType.APPROVE, reference(one), key)
                assert said in {expected, Refusal.BAD_ENTRY}
        lock = steward.lock().encode()
        said = await steward.refusal(device, ReadableType.ORDER_LOCK, lock, accomplice)
        assert said in {Refusal.BAD_ENTRY, Refusal.UNKNOWN_OBJECT}
        # Still held, still locked.
        said = await steward.refusal(device, ReadableType.ORDER_ERASE, erase_of(steward))
        assert said == Refusal.BAD_ENTRY
        await become(pair, world.shares, SHUT)
        await device.close()

    asyncio.run(run())


def test_one_steward_alone_does_not_erase(pair: Pair) -> None:
    async def run() -> None:
        world = await GovernedCircle.found(pair)
        device, steward = world.device, world.steward
        erase = await steward.append(device, ReadableType.ORDER_ERASE, erase_of(steward))
        for key in (world.keys[0], world.officer):
            said = await steward.refusal(device, ReadableType.APPROVE, reference(erase), key)
            assert said == Refusal.BAD_ENTRY
        await become(pair, world.shares, SHUT)
        # A hold by an officer comes in between; the second steward is too late.
        await steward.append(device, ReadableType.HOLD, hold_of(steward), world.officer)
        said = await steward.refusal(device, ReadableType.APPROVE, reference(erase), world.keys[1])
        assert said == Refusal.BAD_ENTRY
        await device.ask(commands.Ping)
        assert ErasureState.ERASED not in await erasures(pair, world.shares, erase)
        await device.close()

    asyncio.run(run())


def test_false_consent_opens_nothing_at_a_relay_that_was_away(own_pair: Pair) -> None:
    """The entry relay hears of the lock, and of the unlock that no owner signed, in one go."""

    async def run() -> None:
        world = await GovernedCircle.found(own_pair)
        await become(own_pair, world.shares, OPEN)
        own_pair.entry.stop()
        device, steward = await Device.connect(own_pair, is_direct=True), world.steward
        lock = steward.lock().encode()
        consent = CarriedConsent(log_size=len(steward.circle.entries) + 1, signature=bytes(64))
        forged = Unlock(targets=steward.targets, consents=(consent.encode(),) * 2)
        await steward.append(device, ReadableType.ORDER_LOCK, lock)
        await steward.append(device, ReadableType.ORDER_UNLOCK, forged.encode())
        await device.close()
        own_pair.entry.start()
        size = len(steward.circle.entries)
        await until(lambda: is_mirrored(own_pair, size))
        assert await answers(own_pair, world.shares) == SHUT

    asyncio.run(run())


def test_order_from_before_an_unlock_is_no_order_any_more(pair: Pair) -> None:
    async def run() -> None:
        world = await GovernedCircle.found(pair)
        device, steward = world.device, world.steward
        old = steward.lock().encode()
        await steward.append(device, ReadableType.ORDER_LOCK, old)
        unlock = Unlock(targets=steward.targets, consents=())
        asked = await steward.append(device, ReadableType.ORDER_UNLOCK, unlock.encode())
        await steward.append(device, ReadableType.APPROVE, reference(asked), world.keys[1])
        await become(pair, world.shares, OPEN)
        for connect in (Device.connect, to_entry):
            other = await connect(pair)
            assert await other.refusal(commands.Order, old) == Refusal.EXPIRED
            await other.close()
        assert await steward.refusal(device, ReadableType.ORDER_LOCK, old) == Refusal.BAD_ENTRY
        assert await answers(pair, world.shares) == OPEN
        await device.close()

    asyncio.run(run())


def test_clock_a_day_off_keeps_nobody_from_locking_and_moves_no_log(pair: Pair) -> None:
    async def run() -> None:
        world = await GovernedCircle.found(pair)
        device, steward = world.device, world.steward
        for ahead in (-86_400, 86_400):
            off = steward.readable(ReadableType.HOLD, hold_of(steward), ahead_s=ahead)
            size = len(steward.circle.entries)
            code = await device.refusal(commands.Append, steward.circle.origin, size, off)
            assert code == Refusal.BAD_ENTRY
        for connect, ahead in ((Device.connect, -86_400), (to_entry, 86_400)):
            other = await connect(pair)
            assert (await other.ask(commands.Order, steward.lock(ahead_s=ahead).encode())).n == 1
            await other.close()
        assert await answers(pair, world.shares) == SHUT
        await device.close()

    asyncio.run(run())


# --- what is destroyed stays destroyed ------------------------------------------------------------


@pytest.mark.parametrize(
    "after_s",
    [
        pytest.param(0, marks=pytest.mark.nightly),
        0.02,
        pytest.param(0.2, marks=pytest.mark.nightly),
    ],
)
def test_relays_killed_while_they_erase_have_erased(own_pair: Pair, after_s: float) -> None:
    async def order() -> tuple[GovernedCircle, bytes]:
        world = await GovernedCircle.found(own_pair)
        device, steward = world.device, world.steward
        erase = await steward.append(device, ReadableType.ORDER_ERASE, erase_of(steward))
        await steward.append(device, ReadableType.APPROVE, reference(erase), world.keys[1])
        # Log time moves on with the next entry.
        await asyncio.sleep(1)
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        await asyncio.sleep(after_s)
        return world, erase

    async def look(world: GovernedCircle, erase: bytes) -> None:
        async def is_done() -> bool:
            return await erasures(own_pair, world.shares, erase) == [ErasureState.ERASED] * 2

        await until(is_done)
        assert await answers(own_pair, world.shares) == [Refusal.ERASED] * 2
        for share in world.shares:
            files = ShareFiles(share.relay.folder, share.relay.card)
            assert files.scalar(share.handle, FIRST_GENERATION) is None

    world, erase = asyncio.run(order())
    own_pair.entry.stop(signal.SIGKILL)
    own_pair.home.stop(signal.SIGKILL)
    own_pair.entry.start()
    own_pair.home.start()
    asyncio.run(look(world, erase))


# --- a disk and a PIN -----------------------------------------------------------------------------


def test_disk_pin_and_one_relays_files_do_not_open_a_vault(pair: Pair) -> None:
    async def run() -> None:
        pin, vault_key = Secret(b"271828"), Secret(ENTROPY.random(32))
        shares = await enrol_at_both(pair)
        stretched = fresh_stretch(pin, Cost(64, 1, 1), ENTROPY)
        references = [at(share) for share in shares]
        outputs = {}
        for share, one, connect in zip(shares, references, (Device.connect, to_entry), strict=True):
            device = await connect(pair)
            output, _ = await share.evaluate(device, unlock_input(one, stretched))
            outputs[one.relay_id] = output
            await device.close()
        file = parse_key_file(
            wrap_with_shares(
                vault_key, stretched, references, outputs, undropped=False, entropy=ENTROPY
            )
        )
        assert isinstance(file, ShareKeyFile)
        found = {
            one.relay_id: stolen(share, one, stretched)
            for share, one in zip(shares, references, strict=True)
        }
        # Each relay's files give what the relay would have answered, and that is one half.
        assert {key: one.expose() for key, one in found.items()} == {
            key: one.expose() for key, one in outputs.items()
        }
        for relay_id, output in found.items():
            assert unwrap_with_shares(file, stretched, {relay_id: output}) is None
            guessed = {one.relay_id: Secret(ENTROPY.random(64)) for one in references}
            assert unwrap_with_shares(file, stretched, {**guessed, relay_id: output}) is None
        assert unwrap_with_shares(file, stretched, {}) is None
        opened = unwrap_with_shares(file, stretched, found)
        assert opened is not None
        assert opened.expose() == vault_key.expose()

    asyncio.run(run())


def at(share: Share) -> ShareReference:
    route = UnlockRoute(
        entry_host="", entry_port=0, entry_certificate=b"",
        target_host="", target_port=0, target_certificate=b"",
    )  # fmt: skip
    return ShareReference(
        relay_id=bytes(share.relay.card.relay_id),
        handle=share.handle,
        generation=FIRST_GENERATION,
        unlock_seed=bytes(32),
        routes=(route,),
    )


def stolen(share: Share, one: ShareReference, stretched: Stretched) -> Secret:
    output = ShareFiles(share.relay.folder, share.relay.card).answer(one, stretched)
    assert output is not None
    return output


# --- strangers at the door ------------------------------------------------------------------------


def test_one_ticket_asked_for_twenty_times_at_once_enrols_one(pair: Pair) -> None:
    async def run() -> None:
        for _ in range(100 if is_long() else 1):
            await ask_twenty_times(pair)

    asyncio.run(run())


async def ask_twenty_times(pair: Pair) -> None:
    key, tickets = await tickets_of(pair)
    for relay, connect in ((pair.home, Device.connect), (pair.entry, to_entry)):
        ticket = tickets[relay.card.relay_id]

        devices = [await connect(pair) for _ in range(20)]
        shares = [Share.make(relay, fresh_key().public) for _ in devices]
        enrolments = [
            share.enrol(device, ticket, key) for share, device in zip(shares, devices, strict=True)
        ]
        said = await asyncio.gather(*enrolments, return_exceptions=True)
        refused = [one.code for one in said if isinstance(one, Refused)]
        assert refused == [Refusal.BAD_TICKET] * 19
        assert sum(bool(share.handle) for share in shares) == 1
        for device in devices:
            await device.close()


def test_garbage_at_the_unlock_face_costs_the_stranger_his_connection(pair: Pair) -> None:
    async def run() -> None:
        chance = random.Random(1)
        card = pair.entry.card
        for size in (0, 1, 17, 1_024, 70_000, 300_000, 2_000_000):
            device = await to_entry(pair)
            device.transport.send(picows.WSMsgType.BINARY, chance.randbytes(size))
            await asyncio.wait_for(device.gone.wait(), PATIENCE_S)
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", chance.randbytes(100_000)):
            _, writer = await asyncio.open_connection(card.unlock_host, card.unlock_port)
            writer.write(data)
            writer.close()
        shares = await enrol_at_both(pair)
        assert await answers(pair, shares) == OPEN

    asyncio.run(run())


# --- a full disk ----------------------------------------------------------------------------------


def test_full_disk_gives_no_guess_away(own_pair: Pair) -> None:
    async def fill(share: Share) -> None:
        device = await to_entry(own_pair)
        process = share.relay.process
        assert process is not None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (512, 512))
        with pytest.raises(Refused) as refused:
            await share.evaluate(device, b"000000")
        assert refused.value.code == Refusal.STORAGE

    shares = asyncio.run(enrol_at_both(own_pair))
    asyncio.run(fill(shares[1]))
    assert own_pair.entry.process is not None
    assert own_pair.entry.process.wait(PATIENCE_S) == 1
    own_pair.entry.start()
    assert asyncio.run(answers(own_pair, shares)) == OPEN

"""Unlock shares: relays count, two are needed, no kill leaves a vault that nobody opens."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cloister.client.effects import RESTORED, UNKNOWN_EPOCH, Alarm
from cloister.crypto.secret import Secret
from cloister.device.app import Losses
from cloister.device.unlock import upkeep as upkeep_of_the_device
from cloister.device.unlock.lease import LeasedShare
from cloister.device.unlock.pin_rules import check_pin
from cloister.device.unlock.upkeep import Upkeep
from cloister.device.unlock.words import RelaysAway, ShareErased, ShareLocked, SlowDown
from cloister.device.vault import SecretNotRight, Vault, VaultNeedsShares, open_key
from cloister.device.vault.key_file import ShareKeyFile, parse_key_file
from cloister.device.vault.wrapping import unwrap_with_shares
from cloister.errors import CloisterError, LockedError, NetworkError, PolicyError, UsageError
from cloister.relay.shares.rows import DELAYS_S, TRIES
from unit.device.share_relays import OTHER_PIN, PIN, ShareRelay, ShareWorld

WRONG = Secret(b"000001")

Story = Callable[[ShareWorld], Awaitable[None]]


def play(folder: Path, story: Story, relays: int = 2) -> None:
    async def main() -> None:
        world = ShareWorld.at(folder, relays)
        async with asyncio.timeout(30):
            await world.enrol()
            await story(world)

    asyncio.run(main())


def key_file(world: ShareWorld) -> ShareKeyFile:
    parsed = parse_key_file((world.folder / "vault.key").read_bytes())
    assert isinstance(parsed, ShareKeyFile)
    return parsed


def owes(upkeep: Upkeep) -> bool:
    return upkeep.is_owed


# --- putting the shares in force ------------------------------------------------------------------


def test_a_vault_whose_device_has_enrolled_is_wrapped_anew_at_the_next_opening(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        world = ShareWorld.at(tmp_path)
        world.make_vault()
        Vault.open(world.folder, PIN).close()
        vault = await world.open()
        upkeep = world.upkeep(vault)
        assert owes(upkeep)
        assert "not in force yet" in upkeep.state
        await upkeep.settle()
        assert not owes(upkeep)
        assert upkeep.state == "PIN and unlock shares of 2 relays"
        vault.close()
        with pytest.raises(VaultNeedsShares):
            Vault.open(world.folder, PIN)
        await world.open_and_settle()

    asyncio.run(main())


def test_a_relay_that_is_away_leaves_the_passphrase_in_force_and_the_debt_standing(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        world = ShareWorld.at(tmp_path)
        world.make_vault()
        world.relays[1].is_up = False
        vault = await world.open()
        upkeep = world.upkeep(vault)
        with pytest.raises(NetworkError):
            await upkeep.settle()
        assert owes(upkeep)
        vault.close()
        Vault.open(world.folder, PIN).close()
        world.relays[1].is_up = True
        await world.open_and_settle()
        key_file(world)

    asyncio.run(main())


# --- opening --------------------------------------------------------------------------------------


def test_each_opening_asks_every_relay_once_and_gives_the_tries_back(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        for relay in world.relays:
            relay.requests.clear()
        await world.open_and_settle()
        for relay in world.relays:
            assert relay.requests == ["Evaluate", "Confirm"]
            assert relay.share.tries_left == TRIES

    play(tmp_path, story)


def test_what_is_wrong_with_the_files_is_found_before_a_relay_is_asked(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        holder = await world.open()
        for relay in world.relays:
            relay.requests.clear()
        with pytest.raises(CloisterError, match="another process"):
            await world.open()
        holder.close()
        (world.folder / "vault.db").rename(world.folder / "away")
        with pytest.raises(CloisterError, match="missing"):
            await world.open()
        assert all(not relay.requests for relay in world.relays)

    play(tmp_path, story)


def test_a_stolen_folder_with_the_right_pin_stays_shut_while_locked_and_offline(
    tmp_path: Path,
) -> None:
    async def story(world: ShareWorld) -> None:
        stolen = tmp_path / "stolen"
        shutil.copytree(world.folder, stolen)
        thief = ShareWorld(stolen, world.relays)
        world.relays[0].lock()  # one relay that obeys is enough
        with pytest.raises(ShareLocked, match="locked by a steward") as caught:
            await thief.open(PIN)
        assert caught.value.exit_code == 7
        with pytest.raises(VaultNeedsShares):
            Vault.open(stolen, PIN)
        # With the other relay's answer in hand, too: one share of two opens nothing.
        parsed = key_file(thief)
        from cloister.device.unlock.evaluation import evaluate_all
        from cloister.device.vault.key_file import stretch_for
        from unit.device.share_relays import ENTROPY

        stretched = stretch_for(parsed, PIN)
        asked = await evaluate_all(parsed.references, stretched, ENTROPY, thief.open_link)
        assert [share.relay_id for share in asked.shares] == [world.relays[1].relay_id]
        assert unwrap_with_shares(parsed, stretched, asked.by_relay) is None
        forged = {one.relay_id: asked.shares[0].y for one in parsed.references}
        assert unwrap_with_shares(parsed, stretched, forged) is None
        world.relays[0].lock(is_locked=False)
        await world.open_and_settle()

    play(tmp_path, story)


def test_from_cold_both_relays_are_needed_and_the_refusal_says_so(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        world.relays[1].is_up = False
        for _ in range(TRIES + 1):
            with pytest.raises(RelaysAway, match="two relays are needed"):
                await world.open()
        # Waiting for one relay costs nothing at the other.
        assert world.relays[0].share.tries_left == TRIES

    play(tmp_path, story)


def test_with_the_lease_the_pin_opens_offline_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        leases: list[tuple[LeasedShare, ...]] = []
        vault = await world.open()
        await world.upkeep(vault, on_lease=leases.append).settle()
        vault.close()
        for relay in world.relays:
            relay.is_up = False
            relay.requests.clear()
        (await world.open(PIN, lease=leases[-1])).close()
        with pytest.raises(SecretNotRight, match="not right"):
            await world.open(WRONG, lease=leases[-1])
        assert all(not relay.requests for relay in world.relays)

    play(tmp_path, story)


def test_ten_wrong_pins_seal_the_share_and_the_right_one_is_refused_then(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        for number in range(TRIES):
            for relay in world.relays:
                relay.now += DELAYS_S[number]
            with pytest.raises(SecretNotRight) as caught:
                await world.open(WRONG)
            left = TRIES - number - 1
            assert (f"{left} tr" if left else "No tries are left") in str(caught.value)
        for relay in world.relays:
            relay.now += 10 * 86_400
        with pytest.raises(ShareLocked, match="sealed"):
            await world.open(PIN)

    play(tmp_path, story)


def test_the_fourth_try_has_to_wait_and_the_wait_is_said(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        for _ in range(3):
            with pytest.raises(SecretNotRight):
                await world.open(WRONG)
        with pytest.raises(SlowDown, match="wait 30 s"):
            await world.open(PIN)
        for relay in world.relays:
            relay.now += 30
        await world.open_and_settle()
        assert all(relay.share.tries_left == TRIES for relay in world.relays)

    play(tmp_path, story)


def test_an_erased_share_is_said_to_be_gone(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        relay = world.relays[0]
        relay.store.connection.execute("UPDATE share SET erased_at = 1")
        with pytest.raises(ShareErased, match="destroyed"):
            await world.open()

    play(tmp_path, story)


def test_tries_that_could_not_be_given_back_are_owed(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault)
        world.relays[0].is_up = False
        with pytest.raises(NetworkError):
            await upkeep.settle()
        assert owes(upkeep)
        assert world.relays[0].share.tries_left == TRIES - 1
        assert world.relays[1].share.tries_left == TRIES
        world.relays[0].is_up = True
        await upkeep.settle()
        assert not owes(upkeep)
        assert world.relays[0].share.tries_left == TRIES
        vault.close()

    play(tmp_path, story)


@pytest.mark.parametrize("away", [0, 1, 2])
def test_of_three_relays_any_two_open_the_vault(tmp_path: Path, away: int) -> None:
    async def story(world: ShareWorld) -> None:
        assert len(key_file(world).wraps) == 3
        world.relays[away].is_up = False
        vault = await world.open()
        vault.close()

    play(tmp_path, story, relays=3)


def test_of_three_relays_one_that_answers_wrongly_does_not_shut_the_vault(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        world.relays[0].answers_wrongly = True
        (await world.open()).close()

    play(tmp_path, story, relays=3)


def test_no_relay_gets_what_another_gets(tmp_path: Path) -> None:
    """The same input to two relays would let one relay's answers be tried at the other."""
    from cloister.device.unlock.evaluation import unlock_input
    from cloister.device.vault.key_file import stretch_for

    async def story(world: ShareWorld) -> None:
        parsed = key_file(world)
        stretched = stretch_for(parsed, PIN)
        inputs = {unlock_input(one, stretched) for one in parsed.references}
        assert len(inputs) == 2

    play(tmp_path, story)


def test_every_altered_byte_of_a_key_file_with_shares_is_found(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        good = (world.folder / "vault.key").read_bytes()
        for position in range(len(good)):
            bad = bytearray(good)
            bad[position] ^= 0x01
            with pytest.raises(CloisterError, match=r"vault\.key"):
                parse_key_file(bytes(bad))

    play(tmp_path, story)


# --- changing the PIN -----------------------------------------------------------------------------


async def change(world: ShareWorld, old: Secret, new: Secret) -> None:
    vault = await world.open(old)
    try:
        await world.upkeep(vault).change_pin(old, new)
    finally:
        vault.close()


def test_after_a_change_the_new_pin_opens_and_nothing_of_the_old_does(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        stolen = tmp_path / "stolen"
        shutil.copytree(world.folder, stolen)
        await change(world, PIN, OTHER_PIN)
        await world.open_and_settle(OTHER_PIN)
        with pytest.raises(SecretNotRight):
            await world.open(PIN)
        # A copy of the folder from before, with the PIN from before: its generation is gone.
        with pytest.raises(CloisterError, match=r"no share that fits vault\.key"):
            await ShareWorld(stolen, world.relays).open(PIN)
        assert [relay.generations for relay in world.relays] == [[2], [2]]

    play(tmp_path, story)


def test_the_old_pin_is_demanded_and_no_relay_is_asked_for_it(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        for relay in world.relays:
            relay.requests.clear()
        with pytest.raises(SecretNotRight):
            await upkeep.change_pin(WRONG, OTHER_PIN)
        with pytest.raises(UsageError, match="at least 6"):
            await upkeep.change_pin(PIN, Secret(b"2713"))
        assert all(not relay.requests for relay in world.relays)
        vault.close()

    play(tmp_path, story)


def test_tries_of_a_change_that_failed_are_given_back_soon(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        def fail(what: str) -> None:
            if what == "before Evaluate at entry":
                raise NetworkError("the entry does not answer")

        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda _low, high: high)
        await upkeep.settle()
        running = asyncio.ensure_future(upkeep.run())
        await asyncio.sleep(0.01)  # it waits for hours now
        world.step = fail
        with pytest.raises(NetworkError):
            await upkeep.change_pin(PIN, OTHER_PIN)
        world.step = lambda _what: None
        await asyncio.sleep(0.2)
        assert world.relays[0].share.tries_left == TRIES
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        vault.close()

    play(tmp_path, story)


def test_why_no_pin_can_be_set_before_the_shares_are_in_force_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        world = ShareWorld.at(tmp_path)
        world.make_vault()
        vault = await world.open()
        upkeep = world.upkeep(vault)
        world.relays[0].lock()
        with pytest.raises(ShareLocked):
            await upkeep.change_pin(PIN, OTHER_PIN)
        world.relays[0].lock(is_locked=False)
        restore(world.relays[0])
        with pytest.raises(LockedError, match="was restored from a backup"):
            await upkeep.change_pin(PIN, OTHER_PIN)
        await upkeep.settle()
        await upkeep.change_pin(PIN, OTHER_PIN)
        vault.close()

    asyncio.run(main())


def test_under_a_hold_the_pin_stays(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        for relay in world.relays:
            relay.hold(True)
        with pytest.raises(PolicyError, match="legal hold"):
            await change(world, PIN, OTHER_PIN)
        await world.open_and_settle(PIN)

    play(tmp_path, story)


def test_a_change_with_one_relay_away_changes_nothing_and_can_be_done_later(
    tmp_path: Path,
) -> None:
    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        world.relays[1].is_up = False
        with pytest.raises(NetworkError):
            await world.upkeep(vault).change_pin(PIN, OTHER_PIN)
        vault.close()
        world.relays[1].is_up = True
        await change(world, PIN, OTHER_PIN)
        await world.open_and_settle(OTHER_PIN)

    play(tmp_path, story)


def test_without_shares_a_passphrase_is_changed_by_its_own_rule(tmp_path: Path) -> None:
    async def main() -> None:
        world = ShareWorld.at(tmp_path)
        world.make_vault()
        world.relays = []
        vault = await world.open()
        await world.upkeep(vault).change_pin(PIN, Secret(b"pw"))
        vault.close()
        with pytest.raises(LockedError):
            Vault.open(world.folder, PIN)
        Vault.open(world.folder, Secret(b"pw")).close()

    asyncio.run(main())


# --- a relay that was restored from a backup ------------------------------------------------------


def restore(relay: ShareRelay, *, generation: int = 1, is_older: bool = False) -> None:
    """What a restored relay has of a share: all but the scalars, as of the backup.

    ``is_older``: the backup is from before the enrolment, and there is nothing."""
    execute = relay.store.connection.execute
    execute("DELETE FROM scalar")
    execute("UPDATE share SET generation = ?, tries_left = 3", (generation,))
    if is_older:
        execute("DELETE FROM share")


def test_open_vault_makes_new_shares_where_a_relay_has_lost_them(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        await change(world, PIN, OTHER_PIN)
        vault = await world.open(OTHER_PIN)
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        await upkeep.look_for_losses()
        assert [upkeep.is_owed, world.relays[0].generations] == [False, [2]]
        restore(world.relays[0])  # from before the change of the PIN
        shutil.copytree(world.folder, tmp_path / "cold")
        with pytest.raises(LockedError, match="was restored from a backup"):
            await ShareWorld(tmp_path / "cold", world.relays).open(OTHER_PIN)
        await upkeep.look_for_losses()
        await upkeep.settle()
        vault.close()
        await world.open_and_settle(OTHER_PIN)
        assert [relay.generations for relay in world.relays] == [[3], [3]]
        assert [relay.share.tries_left for relay in world.relays] == [TRIES, TRIES]

    play(tmp_path, story)


@pytest.mark.parametrize("which", [0, 1], ids=["home", "entry"])
def test_open_vault_enrols_again_where_the_backup_is_older_than_it(
    tmp_path: Path, which: int
) -> None:
    async def story(world: ShareWorld) -> None:
        await change(world, PIN, OTHER_PIN)
        relay, handle = world.relays[which], world.relays[which].share.handle
        vault = await world.open(OTHER_PIN)
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        restore(relay, is_older=True)
        shutil.copytree(world.folder, tmp_path / "cold")
        with pytest.raises(LockedError, match="does not know this device's share"):
            await ShareWorld(tmp_path / "cold", world.relays).open(OTHER_PIN)
        await upkeep.check()
        assert not owes(upkeep)
        assert not upkeep.trouble
        vault.close()
        await world.open_and_settle(OTHER_PIN)
        assert relay.share.handle == handle
        assert [relay.generations for relay in world.relays] == [[3], [3]]
        assert [relay.share.tries_left for relay in world.relays] == [TRIES, TRIES]

    play(tmp_path, story)


def test_a_relay_that_knows_nobody_is_troublesome_and_nothing_is_made_anew(tmp_path: Path) -> None:
    """Where it will not enrol the device again, the other relay's generation stays."""

    async def story(world: ShareWorld) -> None:
        home, entry = world.relays
        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        restore(home, is_older=True)
        home.forgets = True
        await upkeep.check()
        assert "does not know this device's share" in str(upkeep.trouble)
        assert entry.generations == [1]
        home.forgets = False
        await upkeep.check()
        assert not owes(upkeep)
        assert not upkeep.trouble
        vault.close()
        await world.open_and_settle()

    play(tmp_path, story)


@pytest.mark.parametrize("is_older", [False, True], ids=["scalars", "all"])
def test_what_is_lost_before_it_was_in_force_is_made_anew_too(
    tmp_path: Path, is_older: bool
) -> None:
    """Enrolled, and the key file does not need the shares yet: the vault is open all the more."""

    async def story(world: ShareWorld) -> None:
        home, entry = world.relays

        def fail(what: str) -> None:
            if what == "before Evaluate at home":
                raise NetworkError("the program is gone")

        restore(home, is_older=is_older)
        vault = await world.open()
        upkeep = world.upkeep(vault)
        with pytest.raises(CloisterError):
            await upkeep.settle()
        world.step = fail  # the first attempt is broken off when a new scalar is made
        with pytest.raises(CloisterError):
            await upkeep.settle()
        assert home.generations
        world.step = lambda _what: None
        later = world.upkeep(vault)  # after a restart, which knows of no loss
        with pytest.raises(CloisterError):
            await later.settle()
        await later.settle()
        assert not owes(later)
        vault.close()
        await world.open_and_settle()
        assert [home.generations, entry.generations] == [[2], [2]]

    world = ShareWorld.at(tmp_path)
    world.make_vault()
    for relay in world.relays:
        relay.enrol()
    asyncio.run(story(world))


def test_losses_are_looked_for_however_much_changes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each text changes something; a device that is used would never come to look."""
    monkeypatch.setattr(upkeep_of_the_device, "LOOK_S", 0.2)

    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        await upkeep.settle()
        restore(world.relays[0])
        running = asyncio.ensure_future(upkeep.run())
        try:
            async with asyncio.timeout(10):
                while world.relays[0].generations != [2]:
                    upkeep.look()
                    await asyncio.sleep(0.02)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            vault.close()

    play(tmp_path, story)


def test_a_restore_that_is_known_of_has_them_looked_for_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_of_the_device, "SUSPECTED_S", 0.05)

    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        await upkeep.settle()
        running = asyncio.ensure_future(upkeep.run())
        try:
            await asyncio.sleep(0.01)
            restore(world.relays[0])
            upkeep.suspect()
            async with asyncio.timeout(10):
                while world.relays[0].generations != [2]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            vault.close()

    play(tmp_path, story)


async def _upkeep_runs(upkeep: Upkeep, until: Callable[[], bool]) -> None:
    running = asyncio.ensure_future(upkeep.run())
    try:
        async with asyncio.timeout(10):
            while not until():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_who_opens_by_a_lease_and_locks_soon_hears_of_a_loss_before_it_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No relay was asked, and nobody tells a device that an entry relay was restored."""
    monkeypatch.setattr(upkeep_of_the_device, "SUSPECTED_S", 0.05)

    async def story(world: ShareWorld) -> None:
        home, entry = world.relays
        leases: list[tuple[LeasedShare, ...]] = []
        vault = await world.open()
        upkeep = world.upkeep(vault, on_lease=leases.append)
        await upkeep.settle()
        vault.close()
        restore(entry)
        home.is_up = False
        vault = await world.open(PIN, leases[-1])
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        # With the other one away the attempt is broken off behind this relay, and then the lock
        # comes: the next opening must take it up, or the vault would open no more.
        await _upkeep_runs(upkeep, lambda: upkeep.trouble is not None)
        assert entry.generations == [2]
        vault.close()
        vault = await world.open(PIN, leases[-1])
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        home.is_up = True
        await _upkeep_runs(upkeep, lambda: home.generations == [2])
        await upkeep.settle()
        vault.close()
        await world.open_and_settle()

    play(tmp_path, story)


def test_who_could_not_be_asked_is_asked_again_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_of_the_device, "SUSPECTED_S", 0.05)

    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        await upkeep.settle()
        upkeep.suspect()
        world.relays[0].is_up = False

        def comes_back() -> bool:
            if upkeep.trouble is not None and not world.relays[0].is_up:
                restore(world.relays[0])
                world.relays[0].is_up = True
            return world.relays[0].generations == [2]

        await _upkeep_runs(upkeep, comes_back)
        await upkeep.settle()
        vault.close()
        await world.open_and_settle()

    play(tmp_path, story)


def test_attack_a_home_that_says_it_again_and_again_is_not_told_each_time_who_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_of_the_device, "SUSPECTED_S", 0.02)

    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        await upkeep.settle()
        asked = world.relays[0].requests
        asked.clear()
        said = 0

        def is_said_often() -> bool:
            nonlocal said
            if asked:  # it says it again as soon as it has seen who asks
                said += 1
                upkeep.suspect()
            return said > 30

        upkeep.suspect()
        await _upkeep_runs(upkeep, is_said_often)
        assert asked == ["DropGeneration"]
        vault.close()

    play(tmp_path, story)


def test_the_third_relay_that_lost_its_share_before_the_opening_is_asked_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep_of_the_device, "SUSPECTED_S", 0.05)

    async def story(world: ShareWorld) -> None:
        restore(world.relays[2])
        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        await _upkeep_runs(upkeep, lambda: world.relays[2].generations == [2])
        await upkeep.settle()
        vault.close()
        world.relays[0].is_up = False
        await world.open_and_settle()

    play(tmp_path, story, relays=3)


@pytest.mark.parametrize(("code", "looks"), [(RESTORED, 1), (UNKNOWN_EPOCH, 1), ("power", 0)])
def test_an_epoch_that_the_home_does_not_know_sounds_like_a_restore_too(
    code: str, looks: int
) -> None:
    """A device whose every epoch is younger than the backup hears of nothing else."""
    suspected: list[str] = []
    upkeep = SimpleNamespace(suspect=lambda: suspected.append(code))
    Losses(cast("Upkeep", upkeep)).take(Alarm(code=code, text="the home says so"))
    assert len(suspected) == looks


def test_each_conversation_tells_of_the_restore_and_the_wait_is_drawn_once(tmp_path: Path) -> None:
    """Of many draws the least counts, and a fleet would come in the first seconds."""

    async def story(world: ShareWorld) -> None:
        draws: list[float] = []

        def draw(_low: float, high: float) -> float:
            draws.append(high)
            return high

        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=draw)
        await upkeep.settle()
        running = asyncio.ensure_future(upkeep.run())
        try:
            for _ in range(5):
                await asyncio.sleep(0)
                upkeep.suspect()
                await asyncio.sleep(0.01)
            assert draws.count(upkeep_of_the_device.SUSPECTED_S) == 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            vault.close()

    play(tmp_path, story)


def test_who_asks_has_new_shares_at_once_or_is_told_why_not(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        restore(world.relays[1])
        world.relays[0].is_up = False
        await upkeep.check()
        assert owes(upkeep)
        assert "cannot be reached" in str(upkeep.trouble)
        world.relays[0].is_up = True
        await upkeep.check()
        assert not owes(upkeep)
        assert not upkeep.trouble
        vault.close()
        await world.open_and_settle()

    play(tmp_path, story)


def test_a_share_lost_before_the_old_one_was_dropped_is_made_anew_too(tmp_path: Path) -> None:
    """The relay fails between a change of the PIN and its last step, and is restored."""

    async def story(world: ShareWorld) -> None:
        home, _entry = world.relays

        def fail(what: str) -> None:
            if what == "before DropGeneration at home":
                home.is_up = False
                raise NetworkError("the home is gone")

        world.step = fail
        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.change_pin(PIN, OTHER_PIN)
        assert owes(upkeep)
        world.step = lambda _what: None
        restore(home)
        home.is_up = True
        await upkeep.check()
        assert not owes(upkeep)
        assert not upkeep.trouble
        vault.close()
        await world.open_and_settle(OTHER_PIN)

    play(tmp_path, story)


def test_what_was_not_dropped_before_a_move_is_dropped_after_it(tmp_path: Path) -> None:
    """Else a loss at the new home could never be made up for: no relay keeps three."""

    async def story(world: ShareWorld) -> None:
        def fail(what: str) -> None:
            if what.startswith("before DropGeneration"):
                raise NetworkError("the relays are gone")

        world.step = fail
        vault = await world.open()
        await world.upkeep(vault).change_pin(PIN, OTHER_PIN)
        world.step = lambda _what: None
        _, entry = world.relays
        world.relays.append(ShareRelay(tmp_path, "new home", 2))
        home = world.relays[2]
        await world.upkeep(vault, relays=[home, entry]).settle()
        assert [home.generations, entry.generations] == [[1], [2]]
        restore(home)
        vault.key.unconfirmed.add(home.relay_id)
        upkeep = world.upkeep(vault, relays=[home, entry])
        with pytest.raises(CloisterError):
            await upkeep.settle()
        await upkeep.settle()
        assert not owes(upkeep)
        vault.close()
        await world.open(OTHER_PIN)

    play(tmp_path, story)


def test_what_a_restored_relay_has_lost_is_made_anew_under_a_hold_too(tmp_path: Path) -> None:
    """A hold is there so that nothing is lost; it must not lock its own device out."""

    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        for relay in world.relays:
            relay.hold(True)
        await upkeep.check()
        assert not upkeep.trouble, "both shares are there"
        restore(world.relays[0])
        await upkeep.check()
        vault.close()
        vault = await world.open()
        upkeep = world.upkeep(vault)
        assert owes(upkeep), "nothing is dropped under a hold"
        for relay in world.relays:
            relay.hold(False)
        await upkeep.settle()
        assert not owes(upkeep)
        vault.close()
        await world.open_and_settle()
        assert [relay.generations for relay in world.relays] == [[2], [1]]

    play(tmp_path, story)


def test_what_a_hold_forbids_to_drop_is_asked_for_now_and_then_and_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restore under a hold on the circle all devices would ask four times a minute."""

    async def story(world: ShareWorld) -> None:
        vault = await world.open()
        upkeep = world.upkeep(vault, uniform=lambda low, high: (low + high) / 2)
        await upkeep.settle()
        for relay in world.relays:
            relay.hold(True)
        restore(world.relays[0])
        await upkeep.check()
        assert owes(upkeep)
        assert not upkeep.trouble
        slept: list[float] = []
        over = asyncio.Event()

        async def sleep(seconds: float) -> None:
            slept.append(seconds)
            if sum(slept) >= 86_400:
                over.set()
                await asyncio.Event().wait()

        monkeypatch.setattr(asyncio, "sleep", sleep)
        running = asyncio.ensure_future(upkeep.run())
        await over.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert len(slept) <= 86_400 / upkeep_of_the_device.SUSPECTED_S
        assert not upkeep.trouble
        vault.close()

    play(tmp_path, story)


def test_share_that_was_made_anew_before_a_hold_is_put_in_force_under_it(tmp_path: Path) -> None:
    """The relay has the later generation alone, and the program was killed before it wrapped."""

    async def story(world: ShareWorld) -> None:
        def fail(what: str) -> None:
            if what == "before Evaluate at home":
                raise NetworkError("the program is gone")

        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        restore(world.relays[0])
        world.step = fail
        await upkeep.check()
        vault.close()
        world.step = lambda _what: None
        for relay in world.relays:
            relay.hold(True)
        vault = await world.open()  # by the other two
        later = world.upkeep(vault)
        await later.settle()
        await later.check()
        vault.close()
        world.relays[1].is_up = False
        (await world.open()).close()

    play(tmp_path, story, relays=3)


def test_whoever_has_the_disk_alone_is_helped_by_no_restored_relay(tmp_path: Path) -> None:
    async def story(world: ShareWorld) -> None:
        stolen = tmp_path / "stolen"
        shutil.copytree(world.folder, stolen)
        vault = await world.open()
        restore(world.relays[0])
        upkeep = world.upkeep(vault)
        await upkeep.look_for_losses()
        await upkeep.settle()
        vault.close()
        # The copy is of the generation that is gone, at both relays.
        with pytest.raises(CloisterError):
            await ShareWorld(stolen, world.relays).open(PIN)

    play(tmp_path, story)


@pytest.mark.parametrize("is_older", [False, True], ids=["scalars", "all"])
def test_share_lost_again_before_the_new_one_was_in_force_is_made_anew_again(
    tmp_path: Path, is_older: bool
) -> None:
    """The other relay is away for long, and the restored one backed up and restored meanwhile."""

    async def story(world: ShareWorld) -> None:
        home, entry = world.relays
        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        restore(home, is_older=is_older)
        entry.is_up = False
        await upkeep.check()
        assert home.generations == [2]
        restore(home, generation=2)
        entry.is_up = True
        await upkeep.check()
        assert not upkeep.trouble
        assert not owes(upkeep)
        vault.close()
        await world.open_and_settle()

    play(tmp_path, story)


def test_of_three_relays_one_that_has_lost_its_share_and_evaluates_nothing_uses_up_no_tries(
    tmp_path: Path,
) -> None:
    """Else the other two would seal theirs, and the vault stay shut."""

    async def story(world: ShareWorld) -> None:
        home, *others = world.relays

        def fail(what: str) -> None:
            if what == "before Evaluate at home":
                raise NetworkError("the home does not answer")

        vault = await world.open()
        upkeep = world.upkeep(vault)
        await upkeep.settle()
        restore(home)
        world.step = fail
        for _ in range(TRIES + 2):
            await upkeep.check()
            assert owes(upkeep)
            for relay in others:
                assert relay.share.tries_left == TRIES - 1
                relay.now += DELAYS_S[-1]
        vault.close()
        await world.open_and_settle()

    play(tmp_path, story, relays=3)


# --- killed at any step ---------------------------------------------------------------------------


def killed_at(
    tmp_path: Path,
    number: int,
    work: Callable[[ShareWorld], Awaitable[None]],
    relays: int = 2,
) -> bool:
    """Do the work in a process that is killed (SIGKILL) at the given step; tell whether it was."""
    child = os.fork()
    if child == 0:
        steps = 0

        def step(_what: str) -> None:
            nonlocal steps
            steps += 1
            if steps == number:
                os.kill(os.getpid(), signal.SIGKILL)

        def stepping(real: Callable[..., object]) -> Callable[..., object]:
            def around(*arguments: object) -> object:
                step("before")
                result = real(*arguments)
                step("after")
                return result

            return around

        try:
            world = ShareWorld.at(tmp_path, relays)
            world.step = step
            for name in ("write_new_file", "sync_folder"):
                setattr(open_key, name, stepping(getattr(open_key, name)))
            asyncio.run(_do(world, work))
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


async def _do(world: ShareWorld, work: Callable[[ShareWorld], Awaitable[None]]) -> None:
    await work(world)


async def _which_opens(world: ShareWorld) -> Secret:
    """Return the PIN that opens the vault; exactly one does."""
    opening = []
    for pin in (PIN, OTHER_PIN):
        for relay in world.relays:
            relay.now += 60  # the tries of the killed process count, too
        try:
            await world.open_and_settle(pin)
        except SecretNotRight:
            continue
        opening.append(pin)
    assert len(opening) == 1
    return opening[0]


@pytest.mark.process
def test_killed_at_any_step_of_the_re_wrap_the_pin_opens_and_the_next_start_finishes(
    tmp_path: Path,
) -> None:
    number = 0
    was_killed = True
    while was_killed:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        ShareWorld.at(folder).make_vault()
        was_killed = killed_at(folder, number, ShareWorld.open_and_settle)
        world = ShareWorld.at(folder)
        asyncio.run(world.open_and_settle(PIN))
        assert not key_file(world).undropped
        assert all(relay.share.tries_left == TRIES for relay in world.relays)
    assert number > 10  # two relays, two requests each, and the steps on the disk


@pytest.mark.process
def test_killed_at_any_step_of_a_change_one_pin_opens_and_it_can_be_done_again(
    tmp_path: Path,
) -> None:
    async def work(world: ShareWorld) -> None:
        await change(world, PIN, OTHER_PIN)

    number = 0
    was_killed = True
    seen = set()
    while was_killed:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        asyncio.run(ShareWorld.at(folder).enrol())
        was_killed = killed_at(folder, number, work)
        world = ShareWorld.at(folder)
        in_force = asyncio.run(_which_opens(world))
        seen.add(in_force.expose())
        assert not key_file(world).undropped
        after = PIN if in_force == OTHER_PIN else OTHER_PIN
        asyncio.run(change(world, in_force, after))
        asyncio.run(world.open_and_settle(after))
        generation = key_file(world).references[0].generation
        assert all(relay.generations == [generation] for relay in world.relays)
    assert seen == {PIN.expose(), OTHER_PIN.expose()}
    assert number > 20


@pytest.mark.process
@pytest.mark.parametrize("is_older", [False, True], ids=["scalars", "all"])
@pytest.mark.parametrize("relays", [2, 3])
def test_killed_at_any_step_of_making_a_share_anew_the_next_start_finishes(
    tmp_path: Path, relays: int, is_older: bool
) -> None:
    """With two relays the lease opens the vault then, with three the other two."""
    leases: list[tuple[LeasedShare, ...]] = []

    async def prepare(world: ShareWorld) -> None:
        await world.enrol()
        vault = await world.open()
        await world.upkeep(vault, on_lease=leases.append).settle()
        vault.close()

    async def check(world: ShareWorld) -> None:
        for relay, handle in zip(world.relays, handles, strict=True):
            relay.handle = handle
        vault = await world.open(lease=leases[-1] if relays == 2 else ())
        upkeep = world.upkeep(vault)
        with suppress(CloisterError):
            await upkeep.settle()
        await upkeep.check()
        vault.close()
        assert not upkeep.trouble
        assert not owes(upkeep)

    number = 0
    was_killed = True
    while was_killed:
        number += 1
        folder = tmp_path / str(number)
        folder.mkdir()
        world = ShareWorld.at(folder, relays)
        asyncio.run(prepare(world))
        handles = [relay.share.handle for relay in world.relays]
        restore(world.relays[0], is_older=is_older)
        was_killed = killed_at(folder, number, check, relays)
        world = ShareWorld.at(folder, relays)
        asyncio.run(check(world))
        asyncio.run(world.open_and_settle())
        generation = key_file(world).references[0].generation
        assert all(relay.generations == [generation] for relay in world.relays)
        assert all(relay.share.tries_left == TRIES for relay in world.relays)
    assert number > 20


# --- which PINs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pin", ["12345", "123456", "654321", "111111", "121212", "123123", "qwerty", "QWERTY",
            "abcdef", "password", "19890824", "24081989", "08241989", "999999999"],
)  # fmt: skip
def test_what_everybody_would_try_first_is_refused(pin: str) -> None:
    with pytest.raises(UsageError):
        check_pin(Secret(pin.encode()))


@pytest.mark.parametrize("pin", ["271353", "864209", "correct horse", "ünïcödé", "99887761"])
def test_other_pins_are_taken(pin: str) -> None:
    check_pin(Secret(pin.encode()))

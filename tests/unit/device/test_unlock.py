"""Unlock shares: relays count, two are needed; changing the PIN."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from cloister.crypto.secret import Secret
from cloister.device.unlock.lease import LeasedShare
from cloister.device.unlock.pin_rules import check_pin
from cloister.device.unlock.words import RelaysAway, ShareErased, ShareLocked, SlowDown
from cloister.device.vault import SecretNotRight, Vault, VaultNeedsShares
from cloister.device.vault.key_file import parse_key_file
from cloister.device.vault.wrapping import unwrap_with_shares
from cloister.errors import CloisterError, LockedError, NetworkError, PolicyError, UsageError
from cloister.relay.shares.rows import DELAYS_S, TRIES
from unit.device.share_relays import OTHER_PIN, PIN, ShareWorld
from unit.device.share_stories import change, key_file, owes, play, restore

WRONG = Secret(b"000001")


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

"""A relay that was restored from a backup has lost its shares: an open vault makes new ones."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from cloister.client.effects import RESTORED, UNKNOWN_EPOCH, Alarm
from cloister.device.app import Losses
from cloister.device.unlock import upkeep as upkeep_of_the_device
from cloister.device.unlock.lease import LeasedShare
from cloister.device.unlock.upkeep import Upkeep
from cloister.errors import CloisterError, LockedError, NetworkError
from cloister.relay.shares.rows import DELAYS_S, TRIES
from unit.device.share_relays import OTHER_PIN, PIN, ShareRelay, ShareWorld
from unit.device.share_stories import change, owes, play, restore, upkeep_runs


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

        def is_made_anew() -> bool:
            upkeep.look()
            return world.relays[0].generations == [2]

        await upkeep_runs(upkeep, is_made_anew)
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
        asked = world.relays[0].requests
        asked.clear()

        def is_made_anew() -> bool:
            if not asked:  # it runs, and waits for hours
                restore(world.relays[0])
                upkeep.suspect()
            return world.relays[0].generations == [2]

        await upkeep_runs(upkeep, is_made_anew)
        vault.close()

    play(tmp_path, story)


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
        await upkeep_runs(upkeep, lambda: upkeep.trouble is not None)
        assert entry.generations == [2]
        vault.close()
        vault = await world.open(PIN, leases[-1])
        upkeep = world.upkeep(vault, uniform=lambda low, high: high)
        home.is_up = True
        await upkeep_runs(upkeep, lambda: home.generations == [2])
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

        await upkeep_runs(upkeep, comes_back)
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
        await upkeep_runs(upkeep, is_said_often)
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
        await upkeep_runs(upkeep, lambda: world.relays[2].generations == [2])
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

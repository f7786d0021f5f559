"""No kill, at whatever step, leaves a vault that nobody opens."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from cloister.crypto.secret import Secret
from cloister.device.unlock.lease import LeasedShare
from cloister.device.vault import SecretNotRight, open_key
from cloister.errors import CloisterError
from cloister.relay.shares.rows import TRIES
from unit.device.share_relays import OTHER_PIN, PIN, ShareWorld
from unit.device.share_stories import change, key_file, owes, restore


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

"""What the stories about unlock shares are told with."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from cloister.crypto.secret import Secret
from cloister.device.unlock.upkeep import Upkeep
from cloister.device.vault.key_file import ShareKeyFile, parse_key_file
from unit.device.share_relays import ShareRelay, ShareWorld

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


async def change(world: ShareWorld, old: Secret, new: Secret) -> None:
    vault = await world.open(old)
    try:
        await world.upkeep(vault).change_pin(old, new)
    finally:
        vault.close()


def restore(relay: ShareRelay, *, generation: int = 1, is_older: bool = False) -> None:
    """What a restored relay has of a share: all but the scalars, as of the backup.

    ``is_older``: the backup is from before the enrolment, and there is nothing."""
    execute = relay.store.connection.execute
    execute("DELETE FROM scalar")
    execute("UPDATE share SET generation = ?, tries_left = 3", (generation,))
    if is_older:
        execute("DELETE FROM share")


async def upkeep_runs(upkeep: Upkeep, until: Callable[[], bool]) -> None:
    running = asyncio.ensure_future(upkeep.run())
    try:
        async with asyncio.timeout(10):
            while not until():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

"""The interface's way to the vault: through an agent that runs, or one that it starts for itself.

The vault is opened by a process of its own in any case, so that locking is the end of a process.
The interface has texts in its memory too; it is replaced by a fresh program when it locks
(``interface.run_screens``).
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cloister.device.paths import ensure_private_folder, socket_path
from cloister.errors import LocalError, LockedError, NotFoundError
from cloister.tui.access import Phase

if TYPE_CHECKING:
    from cloister.device.agent_client import RemoteDevice
    from cloister.device.facade import Facade
    from cloister.device.keeper_client import KeeperClient

T = TypeVar("T")
START_S: Final = 10.0
"""How long an agent may take to start on a busy machine."""
LOOK_S: Final = 0.05


class AgentAccess:
    """``Access`` to the vault of a profile."""

    def __init__(self, folder: Path, lease_s: int) -> None:
        self._folder = folder
        self._lease_s = lease_s

    def guess(self) -> Phase:
        """Return what the folder looks like."""
        return Phase.LOCKED if self._folder.exists() else Phase.ABSENT

    async def phase(self) -> Phase:
        """Return where the vault stands; start an agent where none runs."""
        keeper = await _aside(self._find_keeper)
        if keeper is not None:
            return Phase((await _aside(keeper.state)).phase)
        if await self._find_agent() is not None:
            return Phase.OPEN  # a command holds it while it runs
        self._start()
        from cloister.device.vault_files import vault_exists

        return Phase.LOCKED if vault_exists(self._folder) else Phase.ABSENT

    async def device(self) -> Facade:
        """Return the device of an open vault.  Raises ``LockedError``."""
        device = await self._find_agent()
        if device is None:
            raise LockedError("The vault is locked.")
        return device

    async def unlock(self, pin: str, *, new: bool) -> Facade:
        """Open the vault, or make it."""
        from cloister.crypto.secret import Secret
        from cloister.device.unlock.pin_rules import check_pin
        from cloister.device.vault_files import vault_exists

        secret = Secret(pin.encode("utf-8"))
        if not vault_exists(self._folder):
            if not new:
                raise NotFoundError("There is no vault in this profile.", hint="Start again.")
            check_pin(secret)
        keeper = await self._keeper()
        await _aside(lambda: _unlock(keeper, secret.expose()))
        while (await _aside(keeper.state)).phase == "opening":  # noqa: ASYNC110 (another's doing)
            await asyncio.sleep(LOOK_S)
        return await self.device()

    async def lock(self) -> None:
        """End the process that holds the vault."""
        keeper = await _aside(self._find_keeper)
        if keeper is not None:
            await _aside(lambda: keeper.lock(drop_lease=False))
            return
        device = await self._find_agent()
        if device is not None:
            await device.lock()

    # Imports are here because they take as long as the toolkit, and the first frame needs none.

    def _find_keeper(self) -> KeeperClient | None:
        from cloister.device.keeper_client import find_keeper

        return find_keeper(self._folder)

    async def _find_agent(self) -> RemoteDevice | None:
        from cloister.device.agent_client import find_agent

        return await find_agent(socket_path(self._folder))

    async def _keeper(self) -> KeeperClient:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_S
        while True:
            keeper = await _aside(self._find_keeper)
            if keeper is not None:
                return keeper
            if loop.time() > deadline:
                raise LocalError("the agent did not start", hint="try: cloister agent run")
            await asyncio.sleep(LOOK_S)

    def _start(self) -> None:
        """Start an agent that ends when this process and what replaces it have ended."""
        ensure_private_folder(self._folder)
        life_read, life_write = os.pipe()
        # Held open, and handed on, by whatever runs in this process: nobody writes to it.
        os.set_inheritable(life_write, True)
        try:
            subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "cloister.cli.keeper_process"),
                    *("--folder", str(self._folder), "--life-fd", str(life_read)),
                    *("--lease-s", str(self._lease_s)),
                ],
                pass_fds=[life_read],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        finally:
            os.close(life_read)


def _unlock(keeper: KeeperClient, secret: bytes) -> None:
    read_fd, write_fd = os.pipe()
    try:
        # A secret is far below what a pipe takes at once.
        os.write(write_fd, secret)
    finally:
        os.close(write_fd)
    try:
        keeper.unlock(read_fd)
    finally:
        os.close(read_fd)


async def _aside(work: Callable[[], T]) -> T:
    """Ask the keeper, which blocks, beside the screen."""
    return await asyncio.to_thread(work)

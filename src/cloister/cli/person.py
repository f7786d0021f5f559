"""What every person's command shares: its options, and the way to the device.

If a process holds the profile's vault already, that one is asked through its socket.  Otherwise
the command opens the vault itself, serves the socket while it runs, and closes the vault again.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from cloister.errors import CloisterError, LockedError, TrustError, UsageError

if TYPE_CHECKING:
    from cloister.cli.output import Output
    from cloister.crypto.secret import Secret
    from cloister.device.facade import Facade
    from cloister.device.settings import Settings
    from cloister.device.unlock.lease import LeasedShare
    from cloister.device.vault import Vault

T = TypeVar("T")
Work = Callable[["Facade"], Awaitable[T]]

BUSY_S: Final = 15.0
"""How long to wait for a process that is just opening or closing the vault."""
SETTLE_S: Final = 10.0
"""How long to wait for the relay before showing what the vault holds."""
AFTERWARDS_S: Final = 5.0
"""How long to go on after an act for what follows from it, such as adding an admitted newcomer."""


@dataclass(frozen=True, slots=True)
class Person:
    """The options of a person's command, and the settings under them."""

    settings: Settings
    origins: dict[str, str]
    output: Output
    passphrase_fd: int | None
    passphrase: Secret | None = field(default=None, repr=False)
    """The PIN or passphrase, where the command has asked for it already."""
    problems: list[CloisterError] = field(default_factory=list)
    """What was met on the way and decides the exit status, after all data has been shown."""

    @property
    def folder(self) -> Path:
        """The profile's folder, which may not exist yet."""
        from cloister.device.paths import profile_folder

        return profile_folder(self.settings.profile)

    def run(self, work: Work[T], *, create: bool = False, resumable: bool = False) -> T:
        """Run ``work`` with the device.

        ``create``: a profile without a vault gets one.  ``resumable``: when the process ends that
        held the vault, ``work`` is called again with the device that takes its place.
        """
        self.prepare()
        return asyncio.run(self._run(work, create, resumable))

    def prepare(self) -> None:
        """Harden this process, and say when its clock is not the machine's."""
        from cloister.clock import VARIABLE, ahead_s
        from cloister.device.hardening import harden_process

        harden_process()
        if ahead := ahead_s():
            self.output.talk(f"A clock file is in force ({VARIABLE}): {ahead} s ahead.")

    def act(self, work: Work[T], *, create: bool = False, online: bool = True) -> T:
        """Run ``work`` on a device that has caught up, then give it time for what follows.

        ``online`` False: the work can be done, or queued, without a relay.
        """

        from cloister.device.errors import DeviceClosed

        async def acting(device: Facade) -> T:
            if online:
                await device.settle(self.settings.timeout_s, required=True)
            result = await work(device)
            # What is done is done, also when the process that did it has ended since.
            with suppress(DeviceClosed):
                await device.settle(AFTERWARDS_S)
            return result

        return self.run(acting, create=create)

    def view(self, work: Work[T], *, offline: bool = False) -> T:
        """Run ``work`` after the device has caught up; say so if it could not."""

        async def viewing(device: Facade) -> T:
            if not offline:
                await self.catch_up(device)
            return await work(device)

        return self.run(viewing, resumable=True)

    async def catch_up(self, device: Facade) -> None:
        """Let the device catch up with its relay; say so if it could not."""
        if not await device.settle(SETTLE_S):
            status = await device.status()
            if status["link"] != "off":
                reason = status["trouble"] or "it is still answering"
                self.output.talk(f"not caught up with the relay ({reason}); this is what is here")
            if status["trust_problem"]:
                hint = "do not go on: somebody may stand in between; ask the operator in person"
                self.problems.append(TrustError(str(status["trouble"]), hint=hint))

    async def _run(self, work: Work[T], create: bool, resumable: bool) -> T:
        from cloister.device.agent_client import find_agent
        from cloister.device.errors import DeviceClosed
        from cloister.device.paths import socket_path

        folder = self.folder
        path = socket_path(folder)
        opening: Callable[[], Any] | None = None
        loop = asyncio.get_running_loop()
        deadline = loop.time() + BUSY_S
        while True:
            agent = await find_agent(path)
            if agent is not None:
                try:
                    return await work(agent)
                except DeviceClosed:
                    if not resumable:
                        raise
                    deadline = loop.time() + BUSY_S
                    continue
            if await self._is_kept(folder):
                if loop.time() > deadline:
                    raise LockedError(
                        "the agent has not opened the vault yet",
                        hint="it may be waiting for relays; look at what it says",
                    )
                await asyncio.sleep(0.2)
                continue
            # Only who holds the vault itself loads what that takes.
            from cloister.device.vault import VaultBusy

            opening = opening or self._opening(folder, create)
            try:
                return await self._hold(opening, path, work)
            except VaultBusy:
                if loop.time() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def _hold(self, opening: Callable[[], Any], path: Path, work: Work[T]) -> T:
        """Open the vault, serve it to others meanwhile, and run ``work``."""
        from cloister.cli.wakeups import telling_alarms, until_locked
        from cloister.device.agent import serve
        from cloister.device.app import run_device

        async with (
            run_device(opening, errand_delay_s=self.settings.errand_delay_s) as device,
            serve(device, path),
            telling_alarms(device, self.output),
        ):
            return await until_locked(device, work(device))

    async def _is_kept(self, folder: Path) -> bool:
        """Tell whether an agent is just opening the vault.  Raises ``LockedError`` if it is locked.

        While an agent runs it is the one to open the vault: a command that did so beside it would
        leave behind an open vault that the person has locked.
        """
        from cloister.device.keeper_client import find_keeper

        keeper = await asyncio.to_thread(find_keeper, folder)
        if keeper is None:
            return False
        if (await asyncio.to_thread(keeper.state)).phase == "locked":
            raise LockedError("The vault is locked.", hint="open it with: cloister unlock")
        return True

    def _opening(self, folder: Path, create: bool) -> Callable[[], Any]:
        """Ask for the PIN, once; return what opens (or makes) the vault."""
        from cloister.device.vault import VaultMissing, vault_exists

        if not create and not vault_exists(folder):
            raise VaultMissing(
                f"there is no vault in {folder}",
                hint="found a circle (cloister circle new), join one (cloister join), or name"
                " another profile (--profile)",
            )
        return opening_of(folder, self.passphrase_fd, known=self.passphrase)


def opening_of(
    folder: Path,
    passphrase_fd: int | None,
    lease: tuple[LeasedShare, ...] = (),
    known: Secret | None = None,
) -> Callable[[], Awaitable[Vault]]:
    """Read the PIN, or ask for it; return what opens the vault, or makes one where none is."""
    from cloister.cli.secrets_input import passphrase
    from cloister.device import app
    from cloister.device.paths import ensure_private_folder
    from cloister.device.unlock.opening import open_vault
    from cloister.device.vault import vault_exists

    if vault_exists(folder):
        secret = known or passphrase(passphrase_fd, new=False)
        return lambda: open_vault(folder, secret, lease=lease)
    secret = passphrase(passphrase_fd, new=True)
    ensure_private_folder(folder)
    return lambda: asyncio.to_thread(app.create_vault, folder, secret)


def person_command(function: Callable[..., None]) -> Callable[..., None]:
    """Add the shared options; the function gets a :class:`Person` first."""

    @click.option("--profile", metavar="DIR|NAME", help="Profile: a folder, or a name (default).")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
    @click.option("--plain", is_flag=True, default=None, help="No decoration.")
    @click.option("--quiet", "-q", is_flag=True, help="Only data and errors.")
    @click.option("--timeout", type=int, metavar="S", help="Longest wait for others, in seconds.")
    @click.option(
        "--passphrase-fd", type=int, metavar="N", help="Read the passphrase from a descriptor."
    )
    @functools.wraps(function)
    def command(
        *,
        profile: str | None,
        as_json: bool,
        plain: bool | None,
        quiet: bool,
        timeout: int | None,
        passphrase_fd: int | None,
        **options: Any,
    ) -> None:
        from cloister.cli.output import Output
        from cloister.device.paths import config_file
        from cloister.device.settings import load_settings

        _demand_text(options)
        outer = click.get_current_context().find_root().params
        flags = {
            "profile": profile or outer.get("profile"),
            "timeout_s": timeout,
            "plain": plain,
        }
        settings, origins = load_settings(config_file(), flags=flags)
        output = Output(as_json=as_json, plain=settings.plain, quiet=quiet)
        person = Person(settings, origins, output, passphrase_fd)
        function(person, **options)
        for problem in person.problems[:1]:
            raise problem

    return command


def _demand_text(options: Mapping[str, object]) -> None:
    """Refuse arguments that are no text: bytes that are not UTF-8 come as lone surrogates."""
    for value in options.values():
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, str) and not one.isascii():
                try:
                    one.encode("utf-8")
                except UnicodeEncodeError:
                    raise UsageError("an argument is not UTF-8") from None

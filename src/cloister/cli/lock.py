"""`cloister lock`, `cloister unlock`, `cloister pin`: what opens the vault, and closing it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.errors import NotFoundError

if TYPE_CHECKING:
    from cloister.device.facade import Facade


@click.command()
@click.option("--drop-lease", is_flag=True, help="Ask the relays again at the next unlock.")
@person_command
def lock(person: Person, *, drop_lease: bool) -> None:
    """Close the vault: the process that holds it is ended, and with it all it had in memory.

    The agent stays. Until the lease ends `cloister unlock` needs the PIN and no network.

    \b
    Examples:
      cloister lock
      cloister lock --drop-lease
    """
    from cloister.device.agent_client import find_agent
    from cloister.device.keeper_client import find_keeper
    from cloister.device.paths import socket_path

    async def lock_command_that_runs() -> None:
        found = await find_agent(socket_path(person.folder))
        if found is not None:
            await found.lock()

    keeper = find_keeper(person.folder)
    lease_s = 0
    if keeper is not None:
        lease_s = keeper.lock(drop_lease=drop_lease).lease_s
    else:
        asyncio.run(lock_command_that_runs())
    text = "locked" + (f"; the PIN alone unlocks for {lease_s // 60} min" if lease_s else "")
    person.output.data({"phase": "locked", "lease_s": lease_s}, text)


@click.command()
@person_command
def unlock(person: Person) -> None:
    """Open the vault of an agent that was locked, with the PIN.

    \b
    Examples:
      cloister unlock
      cloister unlock --passphrase-fd 3 3<pin.txt
    """
    from cloister.cli.secrets_input import passphrase
    from cloister.device.keeper_client import find_keeper

    person.prepare()
    keeper = find_keeper(person.folder)
    if keeper is None:
        raise NotFoundError(
            "no agent of this profile runs", hint="start one with: cloister agent run"
        )
    if keeper.state().phase == "locked":
        secret = passphrase(person.passphrase_fd, new=False)
        read_fd, write_fd = os.pipe()
        try:
            # A secret is far below what a pipe takes at once.
            os.write(write_fd, secret.expose())
        finally:
            os.close(write_fd)
        try:
            state = keeper.unlock(read_fd)
        finally:
            os.close(read_fd)
    else:
        state = keeper.state()
    person.output.data({"phase": state.phase, "lease_s": state.lease_s}, state.phase)


@click.command()
@click.option(
    "--new-passphrase-fd", type=int, metavar="N", help="Read the new PIN from a descriptor."
)
@person_command
def pin(person: Person, *, new_passphrase_fd: int | None) -> None:
    """Change the PIN (or passphrase) that opens the vault.

    With unlock shares in force the relays take part: all of them must be reachable.

    \b
    Examples:
      cloister pin
      cloister pin --passphrase-fd 3 --new-passphrase-fd 4 3<old.txt 4<new.txt
    """
    from cloister.cli.secrets_input import as_text, new_pin, passphrase
    from cloister.values import replace

    # Both are asked here and not when the vault is opened: an agent may hold it.
    old = passphrase(person.passphrase_fd, new=False)
    new = new_pin(new_passphrase_fd)
    knowing = replace(person, passphrase_fd=None, passphrase=old)

    async def changing(device: Facade) -> None:
        await device.change_pin(as_text(old), as_text(new))

    knowing.run(changing)
    person.output.data({"changed": True}, "the PIN is changed")

"""`cloister agent`: keep the device running; other commands of the profile use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.errors import LocalError

if TYPE_CHECKING:
    from cloister.device.facade import Facade


@click.group()
def agent() -> None:
    """Keep this device connected, so that messages come and duties are done.

    \b
    Examples:
      cloister agent run
      cloister agent stop
    """


@agent.command("run")
@person_command
def run(person: Person) -> None:
    """Hold the vault open and the device connected until interrupted or stopped.

    \b
    Examples:
      cloister agent run
      cloister agent run --profile ./amira --passphrase-fd 3 3<passphrase.txt
    """

    async def running(device: Facade) -> None:
        import asyncio
        import signal
        from contextlib import suppress

        from cloister.device.local import Device

        if not isinstance(device, Device):
            raise LocalError("an agent of this profile runs already")
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):
            loop.add_signal_handler(signal.SIGTERM, device.locked.set)
        person.output.talk("The agent runs. Ctrl+C, SIGTERM or `cloister agent stop` end it.")
        person.output.data({"state": "running", "profile": str(person.folder)}, "running")
        await device.locked.wait()

    person.run(running, create=True)
    person.output.talk("The vault is closed.")


@agent.command("stop")
@person_command
def stop(person: Person) -> None:
    """Close the vault that an agent holds; it ends."""
    import asyncio

    from cloister.device.agent_client import find_agent
    from cloister.device.paths import socket_path
    from cloister.errors import NotFoundError

    async def stopping() -> None:
        found = await find_agent(socket_path(person.folder))
        if found is None:
            raise NotFoundError("no agent of this profile runs")
        await found.lock()

    asyncio.run(stopping())

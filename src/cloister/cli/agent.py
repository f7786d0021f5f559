"""`cloister agent`: keep the device running; other commands of the profile use it."""

from __future__ import annotations

import click

from cloister.cli.person import Person, person_command


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

    A second process holds the vault; `cloister lock` ends that one, `cloister unlock` starts
    another. At the start relays that are away are waited for.

    \b
    Examples:
      cloister agent run
      cloister agent run --profile ./amira --passphrase-fd 3 3<passphrase.txt
    """
    import asyncio

    person.prepare()
    asyncio.run(_keep(person))
    person.output.talk("The vault is closed.")


async def _keep(person: Person) -> None:
    import asyncio
    import os
    import signal
    from contextlib import suppress

    from cloister.device.keeper import Keeper
    from cloister.device.unlock.lease import Lease

    keeper = Keeper(person.folder, Lease(person.settings.lease_s), tell=person.output.talk)
    with suppress(NotImplementedError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, keeper.ask_to_stop)
    async with keeper.serve():
        try:
            await keeper.unlock(person.passphrase_fd, is_patient=True)
            if person.passphrase_fd is not None:
                # The child has read it; nothing more is to come from there.
                with suppress(OSError):
                    os.close(person.passphrase_fd)
            person.output.talk(
                "The agent runs. Ctrl+C, SIGTERM or `cloister agent stop` end it;"
                " `cloister lock` closes the vault."
            )
            person.output.data({"state": "running", "profile": str(person.folder)}, "running")
            await keeper.wait()
        finally:
            await keeper.stop()


@agent.command("stop")
@person_command
def stop(person: Person) -> None:
    """Close the vault that an agent holds; it ends."""
    import asyncio

    from cloister.device.agent_client import find_agent
    from cloister.device.keeper_client import find_keeper
    from cloister.device.paths import socket_path
    from cloister.errors import NotFoundError

    async def stopping() -> None:
        found = await find_agent(socket_path(person.folder))
        if found is None:
            raise NotFoundError("no agent of this profile runs")
        await found.lock()

    keeper = find_keeper(person.folder)
    if keeper is not None:
        keeper.stop()
    else:
        # A command that holds the vault while it runs.
        asyncio.run(stopping())

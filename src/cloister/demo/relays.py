"""The two relays of the demo, set up and run by their own commands."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from cloister.demo.children import Child, DemoFailed, LifeLine
from cloister.demo.folder import Folder
from cloister.errors import NetworkError
from cloister.relay.folder import Folder as RelayFolder
from cloister.relay.health import ask_status

ENTRY, HOME = "entry", "home"
PLACES: Final = {ENTRY: ("PA", "Canal Relay Cooperative"), HOME: ("HK", "Harbour Hosting Ltd")}
"""Role -> declared jurisdiction (ISO 3166-1) and operator."""
READY_S: Final = 30.0
COMMAND_S: Final = 60.0
COMMAND_TRIES: Final = 20


async def set_up(folder: Folder) -> str:
    """Make both relays and introduce them to each other; return an activation code."""
    for role in PLACES:
        await _init(role, folder)
    for role, other in ((ENTRY, HOME), (HOME, ENTRY)):
        card = folder.relay(other) / "relay.card"
        await _command("relay", "peer", str(folder.relay(role)), str(card))
    said = await _command("relay", "code", str(folder.relay(HOME)))
    return said.split()[-1]


async def _init(role: str, folder: Folder) -> None:
    jurisdiction, operator = PLACES[role]

    def afresh() -> None:
        # A folder that is there in part is refused, rightly: nobody has its card yet.
        shutil.rmtree(folder.relay(role), ignore_errors=True)

    await _command(
        "relay", "init", str(folder.relay(role)), "--role", role, "--host", "127.0.0.1",
        "--jurisdiction", jurisdiction, "--operator", operator, before=afresh,
    )  # fmt: skip


def relay_child(role: str, folder: Folder, life: LifeLine) -> Child:
    """Return the process of one relay, not yet started."""
    return Child(role, ["relay", "run", str(folder.relay(role))], folder=folder, life=life)


async def ready(role: str, folder: Folder, child: Child) -> dict[str, Any]:
    """Wait until a relay says that it is ready; return its status."""
    port = RelayFolder(folder.relay(role)).settings({}).listen.health_port
    loop = asyncio.get_running_loop()
    deadline = loop.time() + READY_S
    while True:
        try:
            status = await asyncio.to_thread(ask_status, port)
            if status.get("ready"):
                return status
        except NetworkError as error:
            if child.life.failed is not None:
                raise child.life.failed from None
            if loop.time() > deadline:
                raise DemoFailed(
                    f"the {role} relay is not ready: {error}: {child.last_words()}"
                ) from None
        await asyncio.sleep(0.05)


async def _command(*arguments: str, before: Callable[[], None] | None = None) -> str:
    """Run one of our commands to its end; again when it was killed.  Returns what it printed."""
    for _ in range(COMMAND_TRIES):
        if before is not None:
            before()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "cloister", *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(COMMAND_S):
            out, errors = await process.communicate()
        if process.returncode == 0:
            return out.decode("utf-8", "replace")
        if process.returncode is None or process.returncode > 0:
            break
    said = _end_of(errors) or f"ended with status {process.returncode}"
    raise DemoFailed(f"cloister {' '.join(arguments[:2])}: {said}")


def _end_of(said: bytes) -> str:
    lines: Sequence[str] = said.decode("utf-8", "replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-3:])

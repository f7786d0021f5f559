"""The two relays of the demo, set up and run by their own commands."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cloister.books.terms import MONTHS, add_months
from cloister.demo.children import Child, DemoFailed, LifeLine
from cloister.demo.folder import Folder
from cloister.errors import NetworkError
from cloister.relay.folder import Folder as RelayFolder
from cloister.relay.health import ask_status

ENTRY, HOME = "entry", "home"
PLACES: Final = {ENTRY: ("PA", "Canal Relay Cooperative"), HOME: ("HK", "Harbour Hosting Ltd")}
"""Role -> declared jurisdiction (ISO 3166-1) and operator."""
PLAN, ACCOUNT, SEATS = "half-year", "account-7", 16
DAYS_LEFT: Final = 5
"""Of the circle's first term when the demo begins."""
READY_S: Final = 30.0
COMMAND_S: Final = 60.0
COMMAND_TRIES: Final = 20


async def set_up(folder: Folder) -> str:
    """Make both relays and introduce them to each other; return an activation code."""
    await asyncio.gather(*(_init(role, folder) for role in PLACES))
    activation_code, *_ = await asyncio.gather(
        _open_books(folder), _introduce(ENTRY, HOME, folder), _introduce(HOME, ENTRY, folder)
    )
    return activation_code


async def _introduce(role: str, other: str, folder: Folder) -> None:
    card = folder.relay(other) / "relay.card"
    await command(folder, "relay", "peer", str(folder.relay(role)), str(card))


async def _open_books(folder: Folder) -> str:
    """Sell the circle its seats, half a year ago but for a few days; return the activation code."""
    home = str(folder.relay(HOME))
    first = (datetime.now(UTC) + timedelta(days=DAYS_LEFT)).date()
    # Such a day that six calendar months end in DAYS_LEFT days: the demo skips to the end of a
    # term, not through it.
    start = add_months(first, -MONTHS)
    await command(
        folder, "operator", "plan", "add", home, PLAN, "--price", "1600.00", "--currency", "EUR"
    )
    said = await command(
        folder, "operator", "account", "add", home, ACCOUNT, "--plan", PLAN,
        "--seats", str(SEATS), "--start", start.isoformat(), "--timezone", "UTC", "--json",
    )  # fmt: skip
    code: str = json.loads(said)["activation_code"]
    return code


async def renew(folder: Folder) -> None:
    """The circle pays, and the operator renews its term."""
    home = str(folder.relay(HOME))
    await command(
        folder, "operator", "pay", home, ACCOUNT, "--amount", f"{1600 * SEATS}.00",
        "--reference", "transfer 2",
    )  # fmt: skip
    await command(folder, "operator", "renew", home, ACCOUNT)


async def _init(role: str, folder: Folder) -> None:
    jurisdiction, operator = PLACES[role]

    def afresh() -> None:
        # A folder that is there in part is refused, rightly: nobody has its card yet.
        shutil.rmtree(folder.relay(role), ignore_errors=True)

    await command(
        folder, "relay", "init", str(folder.relay(role)), "--role", role, "--host", "127.0.0.1",
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


async def command(folder: Folder, *arguments: str, before: Callable[[], None] | None = None) -> str:
    """Run one of our commands to its end; again when it was killed.  Returns what it printed."""
    for _ in range(COMMAND_TRIES):
        if before is not None:
            before()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "cloister", *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=folder.environment(),
        )  # fmt: skip
        try:
            async with asyncio.timeout(COMMAND_S):
                out, errors = await process.communicate()
        finally:
            if process.returncode is None:  # the demo was told to stop, or waits no longer
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return out.decode("utf-8", "replace")
        if process.returncode is None or process.returncode > 0:
            break
    said = _end_of(errors) or f"ended with status {process.returncode}"
    raise DemoFailed(f"cloister {' '.join(arguments[:2])}: {said}")


def _end_of(said: bytes) -> str:
    lines: Sequence[str] = said.decode("utf-8", "replace").strip().splitlines()
    return " ".join(line.strip() for line in lines[-3:])

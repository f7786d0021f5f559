"""The composition root: vault, core and engine of one profile, put together and taken apart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from cloister.client.core import Core
from cloister.client.seam import ClientCore
from cloister.crypto.capability import require_post_quantum
from cloister.crypto.entropy import Entropy, SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.engine import Engine, OpenLink
from cloister.device.link import Link
from cloister.device.local import Device
from cloister.device.vault import Vault
from cloister.device.views import CoreViews, Views

OpenVault = Callable[[], Vault]


@asynccontextmanager
async def run_device(
    open_vault: OpenVault,
    *,
    core: type[ClientCore] = Core,
    views: Views | None = None,
    entropy: Entropy | None = None,
    clock: Callable[[], float] = time.time,
    open_link: OpenLink = Link.open,
) -> AsyncIterator[Device]:
    """Open a vault, load the core from it, and run the engine while the body runs.

    ``open_vault`` blocks (Argon2id) and runs in a thread.  When the engine fails, the body is
    cancelled and the engine's error raised.  ``core`` and ``views`` are the client's own unless
    a test brings others.
    """
    require_post_quantum()
    vault = await asyncio.to_thread(open_vault)
    try:
        loaded = core.load(vault.records(), vault.entries())
        engine = Engine(
            vault,
            loaded,
            entropy=entropy or SystemEntropy(),
            clock=clock,
            open_link=open_link,
        )
    except BaseException:
        vault.close()
        raise
    body = asyncio.current_task()
    running = asyncio.create_task(engine.run(), name="engine")
    failed = False

    def ended(task: asyncio.Task[None]) -> None:
        nonlocal failed
        if not task.cancelled() and task.exception() is not None and body is not None:
            failed = True
            body.cancel()

    running.add_done_callback(ended)
    try:
        yield Device(engine, vault, views or CoreViews())
    except asyncio.CancelledError:
        if not failed:
            raise
        if body is not None:
            body.uncancel()
        await running  # raises what stopped the engine
    finally:
        running.remove_done_callback(ended)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.shield(engine.close())


def create_vault(folder: Path, passphrase: Secret) -> Vault:
    """Make the vault of a new profile."""
    return Vault.create(folder, passphrase, entropy=SystemEntropy())

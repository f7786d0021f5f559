"""The composition root: vault, core and engine of one profile, put together and taken apart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

from cloister.client.core import Core
from cloister.client.effects import RESTORED, UNKNOWN_EPOCH, Alarm, Changed, Notice
from cloister.client.seam import ClientCore
from cloister.clock import wall_time
from cloister.crypto.capability import require_post_quantum
from cloister.crypto.entropy import Entropy, SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.calls import OpenLink
from cloister.device.engine import Engine
from cloister.device.errands import MOST_DELAY_S
from cloister.device.expiry import Expiry
from cloister.device.link import Link
from cloister.device.local import Device
from cloister.device.unlock.enrolled import SharesOf, shares_of
from cloister.device.unlock.upkeep import OnLease, Upkeep
from cloister.device.vault import Vault
from cloister.device.views import CoreViews, Views
from cloister.errors import CloisterError

OpenVault = Callable[[], Awaitable[Vault]]

CONFIRM_S: Final = 2.0
"""How long an open vault is kept back to give the tries back; then it is done beside the rest."""
OWED_S: Final = 5.0
"""How long a device that closes may go on giving tries back and wrapping its key anew."""


@asynccontextmanager
async def run_device(
    open_vault: OpenVault,
    *,
    core: type[ClientCore] = Core,
    views: Views | None = None,
    shares: SharesOf = shares_of,
    entropy: Entropy | None = None,
    clock: Callable[[], float] = wall_time,
    open_link: OpenLink = Link.open,
    on_lease: OnLease = lambda leased: None,
    errand_delay_s: float = MOST_DELAY_S,
) -> AsyncIterator[Device]:
    """Open a vault, load the core from it, and run the engine while the body runs.

    When the engine fails, the body is cancelled and the engine's error raised.  ``core``,
    ``views`` and ``shares`` are the client's own unless a test brings others.  ``on_lease`` is
    told the relays' answers that open the vault, whenever they change; ``errand_delay_s`` is the
    most that an errand waits, so that its connection does not follow from another by the clock.
    """
    require_post_quantum()
    vault = await open_vault()
    entropy = entropy or SystemEntropy()
    try:
        loaded = core.load(vault.records(), vault.entries())
        engine = Engine(
            vault,
            loaded,
            entropy=entropy,
            clock=clock,
            open_link=open_link,
            errand_delay_s=errand_delay_s,
        )
    except BaseException:
        vault.close()
        raise
    upkeep = Upkeep(
        vault.key,
        lambda: shares(engine.core),
        entropy=entropy,
        open_link=open_link,
        on_disk=engine.on_disk,
        on_lease=on_lease,
    )
    engine.listen(Losses(upkeep))
    # Before anybody is told that the vault is open: who locks at once has the lease, and whose
    # program is killed again and again does not run out of tries.
    upkeep.begin_lease()
    try:
        with suppress(CloisterError, TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                await upkeep.confirm()
    except BaseException:
        await asyncio.shield(engine.close())
        raise
    body = asyncio.current_task()
    views = views or CoreViews()
    running = asyncio.create_task(
        _run(engine, upkeep, _expiry(engine, vault, views)), name="engine"
    )
    failed = False

    def ended(task: asyncio.Task[None]) -> None:
        nonlocal failed
        if not task.cancelled() and task.exception() is not None and body is not None:
            failed = True
            body.cancel()

    running.add_done_callback(ended)
    try:
        yield Device(engine, vault, views, upkeep)
        await _settle(upkeep)
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


class Losses:
    """Hears that the home was restored, or seems to be: no backup has unlock shares, and one of
    before an enrolment knows no epoch that this device is in."""

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    def take(self, notice: Notice) -> None:
        """Have the shares asked for soon."""
        if isinstance(notice, Alarm) and notice.code in {RESTORED, UNKNOWN_EPOCH}:
            self._upkeep.suspect()


def create_vault(folder: Path, passphrase: Secret) -> Vault:
    """Make the vault of a new profile."""
    return Vault.create(folder, passphrase, entropy=SystemEntropy())


def _expiry(engine: Engine, vault: Vault, views: Views) -> Expiry:
    def tell(channels: set[bytes]) -> None:
        for channel_id in channels:
            engine.tell(Changed(what="timeline", text=channel_id.hex()))

    return Expiry(
        vault,
        now=engine.now,
        held=lambda: views.held_channels(engine.core),
        on_disk=engine.on_disk,
        tell=tell,
    )


async def _run(engine: Engine, upkeep: Upkeep, expiry: Expiry) -> None:
    async def tell_changes() -> None:
        async with engine.changed:
            while True:
                await engine.changed.wait()
                upkeep.look()
                expiry.touch()

    try:
        async with asyncio.TaskGroup() as group:
            works = (engine.run(), upkeep.run(), expiry.run(), tell_changes())
            for work in works:
                group.create_task(work)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _settle(upkeep: Upkeep) -> None:
    """Do what is owed before the vault closes; what cannot be done now is owed the next time."""
    with suppress(CloisterError, TimeoutError):
        async with asyncio.timeout(OWED_S):
            if upkeep.is_owed:
                await upkeep.settle()

"""What the device tells while a command runs: it wakes those who wait, and alarms are shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from cloister.client.effects import BACK_IN, NEWS, Alarm, Changed
from cloister.device.errors import FellBehind
from cloister.errors import LockedError, NetworkError

if TYPE_CHECKING:
    from cloister.cli.output import Output
    from cloister.device.facade import Facade
    from cloister.device.local import Device

T = TypeVar("T")
RECHECK_S: Final = 2.0


async def wakeups(device: Facade) -> AsyncGenerator[None, None]:
    """Yield for ever; close it (``aclosing``) to stop listening.

    Notices only wake: what is new is asked of the vault, so none of them can be missed or
    counted twice.  Raises what ends the stream of notices.
    """
    woken = asyncio.Event()
    listening = asyncio.ensure_future(_listen(device, woken))
    listening.add_done_callback(lambda _: woken.set())
    try:
        while True:
            if listening.done():
                listening.result()
            yield
            try:
                async with asyncio.timeout(RECHECK_S):
                    await woken.wait()
            except TimeoutError:
                pass
            woken.clear()
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def telling_alarms(device: Facade, output: Output) -> AsyncGenerator[None, None]:
    """Tell the person every alarm, and what is only to be known, while the body runs."""

    async def tell() -> None:
        while True:
            # Who fell behind goes on: an agent tells alarms for as long as it lives.
            with suppress(FellBehind):
                async with aclosing(device.follow()) as notices:
                    async for notice in notices:
                        match notice:
                            case Alarm():
                                output.alarm(notice)
                            case Changed(what=what, text=text) if what in {NEWS, BACK_IN}:
                                output.news(text)
                            case _:
                                pass

    telling = asyncio.ensure_future(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def until_locked(device: Device, work: Awaitable[T]) -> T:
    """Do the work, but stop when another command locks the vault: raise ``LockedError``."""
    working = asyncio.ensure_future(work)
    locking = asyncio.ensure_future(device.locked.wait())
    try:
        await asyncio.wait({working, locking}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            # An agent ends by itself when it is locked.
            await asyncio.wait({working}, timeout=1)
        if working.done():
            return working.result()
        raise LockedError("another command has locked the vault", hint="nothing is lost")
    finally:
        working.cancel()
        locking.cancel()
        await asyncio.gather(working, locking, return_exceptions=True)


async def until_member(device: Facade, timeout_s: float) -> None:
    """Wait until this device is in its circle.  Raises ``NetworkError`` after ``timeout_s``."""
    try:
        async with asyncio.timeout(timeout_s), aclosing(wakeups(device)) as moments:
            async for _ in moments:
                if (await device.status())["phase"] == "member":
                    return
    except TimeoutError:
        raise NetworkError(
            f"this device is not in the circle after {timeout_s:.0f} s",
            hint="what was asked stays asked: wait longer (--timeout), or `cloister agent run`",
        ) from None


async def _listen(device: Facade, woken: asyncio.Event) -> None:
    while True:
        try:
            async with aclosing(device.follow()) as notices:
                async for _ in notices:
                    woken.set()
        except FellBehind:
            woken.set()

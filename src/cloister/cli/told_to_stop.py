"""Long work in the foreground: however it is told to stop, nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click

T = TypeVar("T")


def run_until_told(work: Awaitable[T]) -> T:
    """Run to the end; SIGTERM and a closed terminal end it as Ctrl+C does.

    Raises ``click.Abort`` when it was told to stop, and what the work raises."""

    async def listening() -> T:
        task = asyncio.current_task()
        if task is not None:
            for number in (signal.SIGTERM, signal.SIGHUP):
                asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(listening())
    except asyncio.CancelledError:
        raise click.Abort from None


@contextmanager
def stopping_as_ctrl_c() -> Iterator[None]:
    """Have SIGTERM and a closed terminal end what runs in the foreground as Ctrl+C does."""
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        # ``nohup`` asks that it be left to run.
        if signal.getsignal(number) == signal.SIG_DFL
    ]
    for number in numbers:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)

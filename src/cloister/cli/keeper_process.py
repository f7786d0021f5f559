"""The agent that the interface starts for itself: a keeper that ends with the interface.

    python -P -m cloister.cli.keeper_process --folder DIR --life-fd N --lease-s N

It starts locked, holds no key and no text (``cloister.device.keeper``), says nothing on the
person's terminal, and ends when nobody holds the other end of the pipe any more.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from cloister.errors import CloisterError


def main(arguments: Sequence[str] | None = None) -> None:
    """Keep a vault until the interface is gone."""
    from cloister.device.hardening import harden_process

    parser = argparse.ArgumentParser(prog="python -m cloister.cli.keeper_process")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--life-fd", type=int, required=True)
    parser.add_argument("--lease-s", type=int, required=True)
    given = parser.parse_args(arguments)
    harden_process()
    # Ctrl+C is the interface's affair.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        asyncio.run(_keep(given.folder, given.life_fd, given.lease_s))
    except CloisterError as error:
        raise SystemExit(error.exit_code) from None


async def _keep(folder: Path, life_fd: int, lease_s: int) -> None:
    from cloister.device.keeper import Keeper
    from cloister.device.unlock.lease import Lease

    keeper = Keeper(folder, Lease(lease_s))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, keeper.ask_to_stop)

    def on_life() -> None:
        if not os.read(life_fd, 4096):
            loop.remove_reader(life_fd)
            keeper.ask_to_stop()

    loop.add_reader(life_fd, on_life)
    async with keeper.serve():
        try:
            await keeper.wait()
        finally:
            await keeper.stop()


if __name__ == "__main__":
    main()

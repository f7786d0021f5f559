"""The process of `cloister agent` that holds the vault (``cloister.device.vault_process``).

    python -m cloister.cli.vault_process --folder DIR --order-fd N --report-fd N [--secret-fd N]

Started by the keeper only.  It reads or asks for the PIN itself, so that the keeper never has it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloister.errors import CloisterError

if TYPE_CHECKING:
    from cloister.device.vault import Vault
    from cloister.device.vault_process import Report


def main(arguments: Sequence[str] | None = None) -> None:
    """Hold the vault until told to end; report what goes wrong, and exit with its status."""
    from cloister.cli.failures import report_bug
    from cloister.device.agent_protocol import ErrorBody, error_body
    from cloister.device.hardening import die_with_parent, harden_process
    from cloister.device.vault import SecretNotRight
    from cloister.device.vault_process import Report, read_order, write_report

    parser = argparse.ArgumentParser(prog="python -m cloister.cli.vault_process")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--order-fd", type=int, required=True)
    parser.add_argument("--report-fd", type=int, required=True)
    parser.add_argument("--secret-fd", type=int)
    parser.add_argument("--patient", action="store_true")
    given = parser.parse_args(arguments)
    harden_process()
    # Ctrl+C reaches every process of the terminal; the keeper decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        lease = read_order(given.order_fd).lease
        die_with_parent(given.order_fd)

        def report(message: Report) -> None:
            write_report(given.report_fd, message)

        from cloister.cli.person import opening_of

        opening = opening_of(given.folder, given.secret_fd, lease)
        asyncio.run(_hold(given.folder, opening, report, is_patient=given.patient))
    except CloisterError as error:
        is_miss = isinstance(error, SecretNotRight)
        write_report(given.report_fd, Report(error=error_body(error), is_miss=is_miss))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 (the outermost frame: nobody else can)
        body = ErrorBody(exit_code=1, message=report_bug(error))
        write_report(given.report_fd, Report(error=body))
        sys.exit(1)


async def _hold(
    folder: Path,
    opening: Callable[[], Awaitable[Vault]],
    report: Callable[[Report], None],
    *,
    is_patient: bool,
) -> None:
    from cloister.cli.output import Output
    from cloister.cli.person import BUSY_S
    from cloister.cli.wakeups import telling_alarms
    from cloister.device.agent import serve
    from cloister.device.app import run_device
    from cloister.device.backoff import Backoff
    from cloister.device.paths import config_file, socket_path
    from cloister.device.settings import load_settings
    from cloister.device.unlock.words import RelaysAway
    from cloister.device.vault import VaultBusy
    from cloister.device.vault_process import Report

    output = Output()
    settings, _ = load_settings(config_file())
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BUSY_S
    backoff = Backoff(random.uniform)
    path = socket_path(folder)
    while True:
        try:
            async with (
                run_device(
                    opening,
                    on_lease=lambda leased: report(Report(lease=leased)),
                    errand_delay_s=settings.errand_delay_s,
                ) as device,
                serve(device, path),
                telling_alarms(device, output),
            ):
                loop.add_signal_handler(signal.SIGTERM, device.locked.set)
                report(Report(is_open=True))
                await device.locked.wait()
                return
        except VaultBusy:
            # The process before, killed, may not be gone yet; or a command is just done.
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.2)
        except RelaysAway as away:
            if not is_patient:
                raise
            output.talk(f"{away}; waiting")
            await asyncio.sleep(backoff.next_delay())


if __name__ == "__main__":
    main()

"""The agent's second process: it alone holds the vault, its keys and what is read from it.

Python cannot wipe memory; the end of a process can.  So everything secret lives in a child of the
keeper, and locking is killing it.  Between the two go lines of JSON over pipes: down the lease,
once; up that the vault is open, new answers for the lease, or why it is not open.  The PIN goes
past the keeper: the child gets the descriptor it is read from.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import msgspec

from cloister.device import agent_protocol as protocol
from cloister.device.unlock.lease import LeasedShare
from cloister.errors import CloisterError, LocalError

COMMAND: list[str] = [sys.executable, "-P", "-m", "cloister.cli.vault_process"]
"""What is started; arguments follow.  The demo puts its own process around it."""
MOST_LINE_BYTES: Final = 64 * 1024
END_S: Final = 25.0
"""How long a child that was asked to end may take; calls under way have ``agent.FINISH_S``."""


class Order(msgspec.Struct):
    """The one line from the keeper; after it the pipe stays open as long as the keeper lives."""

    lease: tuple[LeasedShare, ...] = ()


class Report(msgspec.Struct, omit_defaults=True):
    """A line from the child."""

    is_open: bool = False
    lease: tuple[LeasedShare, ...] = ()
    error: protocol.ErrorBody | None = None
    is_miss: bool = False
    """The error is a wrong PIN."""


class WrongSecret(CloisterError):
    """The child could not open the vault with what it was given; ``cause`` says it in words."""

    def __init__(self, cause: CloisterError) -> None:
        super().__init__(str(cause), hint=cause.hint)
        self.cause = cause


def encode_line(line: Order | Report) -> bytes:
    """Encode one line with its newline."""
    return msgspec.json.encode(line) + b"\n"


def read_order(order_fd: int) -> Order:
    """Read the keeper's line (in the child).  Raises ``LocalError``."""
    line = b""
    while not line.endswith(b"\n") and len(line) < MOST_LINE_BYTES:
        part = os.read(order_fd, 1)
        if not part:
            break
        line += part
    try:
        return msgspec.json.decode(line, type=Order)
    except msgspec.MsgspecError:
        raise LocalError("this command is started by `cloister agent run` only") from None


def write_report(report_fd: int, report: Report) -> None:
    """Tell the keeper (in the child); a keeper that is gone ends this process anyway."""
    with suppress(OSError):
        os.write(report_fd, encode_line(report))


class VaultProcess:
    """The keeper's view of its child."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reports: asyncio.StreamReader,
        order_fd: int,
        on_lease: Callable[[tuple[LeasedShare, ...]], None],
    ) -> None:
        self._process = process
        self._reports = reports
        self._order_fd = order_fd
        self._on_lease = on_lease

    @classmethod
    async def start(
        cls,
        folder: Path,
        *,
        secret_fd: int | None,
        is_patient: bool,
        lease: Sequence[LeasedShare],
        on_lease: Callable[[tuple[LeasedShare, ...]], None],
    ) -> Self:
        """Start the child.

        ``secret_fd``: where it reads the PIN; else it looks or asks itself.  ``is_patient``: it
        waits for relays that are away.
        """
        order_read, order_fd = os.pipe()
        report_read, report_fd = os.pipe()
        arguments = ["--folder", str(folder), "--order-fd", str(order_read)]
        arguments += ["--report-fd", str(report_fd)]
        arguments += ["--patient"] if is_patient else []
        passed = [order_read, report_fd]
        if secret_fd is not None:
            arguments += ["--secret-fd", str(secret_fd)]
            passed.append(secret_fd)
        try:
            # Of the keeper's life this is all that the child needs: no argument and no variable
            # of the environment holds a secret, since other processes can read both.
            process = await asyncio.create_subprocess_exec(*COMMAND, *arguments, pass_fds=passed)
        except BaseException:
            os.close(order_fd)
            os.close(report_read)
            raise
        finally:
            os.close(order_read)
            os.close(report_fd)
        reports = asyncio.StreamReader(limit=MOST_LINE_BYTES)
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reports), os.fdopen(report_read, "rb", 0)
        )
        with suppress(BrokenPipeError):
            os.write(order_fd, encode_line(Order(lease=tuple(lease))))
        return cls(process, reports, order_fd, on_lease)

    async def until_open(self) -> None:
        """Wait until the vault is open.  Raises why it is not: ``WrongSecret``, or its error."""
        while (report := await self._report()) is not None:
            if report.is_open:
                return
            self._check(report)
        raise LocalError(
            "the process of the vault ended before the vault was open", hint="try again"
        )

    async def until_ended(self) -> CloisterError | None:
        """Take reports until the child ends; return the error it ended with."""
        error: CloisterError | None = None
        try:
            while (report := await self._report()) is not None:
                self._check(report)
        except CloisterError as reported:
            error = reported
        status = await self._process.wait()
        self.forget()
        if error is None and status != 0:
            error = LocalError(
                "the process of the vault was killed", hint="nothing is lost; start the agent anew"
            )
        return error

    async def kill(self) -> None:
        """End the child at once: with it goes everything it had in memory."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self.forget()

    async def end(self) -> None:
        """Let the child finish what it is doing, close the vault and end."""
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(END_S):
                await self._process.wait()
        except TimeoutError:
            await self.kill()
        self.forget()

    def forget(self) -> None:
        """Close the pipe that says that the keeper lives."""
        if self._order_fd >= 0:
            os.close(self._order_fd)
            self._order_fd = -1

    async def _report(self) -> Report | None:
        line = await self._reports.readline()
        if not line.endswith(b"\n"):
            return None
        return msgspec.json.decode(line, type=Report)

    def _check(self, report: Report) -> None:
        if report.lease:
            self._on_lease(report.lease)
        if report.error is not None:
            error = protocol.error_of(report.error)
            raise WrongSecret(error) if report.is_miss else error

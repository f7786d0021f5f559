"""Child processes that must run: started, watched, started again when they die."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cloister.demo.folder import Folder
from cloister.errors import LocalError

MOST_QUICK_DEATHS: Final = 10
QUICK_S: Final = 15.0
"""This many deaths within this time are no accident any more: the process cannot run."""
STOP_S: Final = 10.0


class DemoFailed(LocalError):
    """The demo cannot go on; the message says where it stopped."""


class LifeLine:
    """A pipe that children read and nobody writes: its end of file tells that the driver died."""

    def __init__(self) -> None:
        self.read_fd, self._write_fd = os.pipe()
        self.failed: DemoFailed | None = None
        """Why a child could not be kept running; without it the others wait in vain."""

    def close(self) -> None:
        """Let go: children that still run end."""
        os.close(self.read_fd)
        os.close(self._write_fd)


class Child:
    """One command of ``cloister`` in a process of its own, kept running until ``stop``."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        folder: Folder,
        life: LifeLine,
        secret: bytes | None = None,
        trace: Path | None = None,
    ) -> None:
        self.name = name
        self._arguments = arguments
        self._folder = folder
        self.life = life
        self._secret = secret
        self._trace = trace
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        self._unwanted = asyncio.Event()
        self._deaths: deque[float] = deque(maxlen=MOST_QUICK_DEATHS)
        self.starts = 0

    @property
    def pid(self) -> int | None:
        """Number of the running process."""
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if running and self._process is not None else None

    async def start(self) -> None:
        """Start the process and keep it running."""
        await self._spawn()
        self._watching = asyncio.create_task(self._watch(), name=f"watch {self.name}")

    def kill(self) -> None:
        """Kill the process at once, as a failure would; it is started again."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self, end: Callable[[], object] | None = None) -> None:
        """End the process for good: by SIGTERM, or as ``end`` does it."""
        self._unwanted.set()
        process = self._process
        if process is not None and process.returncode is None:
            if end is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal.SIGTERM)
            else:
                end()
            try:
                async with asyncio.timeout(STOP_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        if self._watching is not None:
            await asyncio.gather(self._watching, return_exceptions=True)
        self._folder.pid(self.name).unlink(missing_ok=True)

    async def run_to_end(self) -> int:
        """Run the process once, without starting it again; return its exit status."""
        await self._spawn()
        if self._process is None:
            raise DemoFailed(f"{self.name} was not started")
        status = await self._process.wait()
        self._folder.pid(self.name).unlink(missing_ok=True)
        return status

    def last_words(self) -> str:
        """Return the end of what the process said."""
        try:
            content = self._folder.log(self.name).read_bytes()[-2000:]
        except OSError:
            return ""
        return content.decode("utf-8", "replace").strip()

    async def _spawn(self) -> None:
        command = [sys.executable, "-P", "-m", "cloister.demo.actor"]
        command += ["--life-fd", str(self.life.read_fd)]
        if self._trace is not None:
            command += ["--trace", str(self._trace)]
        arguments = list(self._arguments)
        passed = [self.life.read_fd]
        secret_fd: int | None = None
        if self._secret is not None:
            secret_fd, write_fd = os.pipe()
            os.write(write_fd, self._secret)
            os.close(write_fd)
            passed.append(secret_fd)
            arguments = [one.replace("{fd}", str(secret_fd)) for one in arguments]
        log = os.open(
            self._folder.log(self.name),
            os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC,
            0o600,
        )
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                *(arguments if arguments[:1] == ["--probe"] else ["--", *arguments]),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=passed,
                env=self._folder.environment(),
                # A terminal's Ctrl+C is the driver's alone: it ends the children in order.
                start_new_session=True,
            )
        finally:
            os.close(log)
            if secret_fd is not None:
                os.close(secret_fd)
        self.starts += 1
        self._folder.pid(self.name).write_text(str(self._process.pid), encoding="ascii")

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while self._process is not None:
            status = await self._process.wait()
            if self._unwanted.is_set():
                return
            if status != -signal.SIGKILL:
                # Who is killed, by us or by anybody, does not thereby show that it cannot run.
                self._deaths.append(loop.time())
            many = len(self._deaths) == MOST_QUICK_DEATHS
            if many and self._deaths[-1] - self._deaths[0] < QUICK_S:
                self.life.failed = DemoFailed(
                    f"{self.name} ended {MOST_QUICK_DEATHS} times within {QUICK_S:.0f} s"
                    f" (last status {status}): {self.last_words()}"
                )
                return
            await self._spawn()
            if self._unwanted.is_set():
                # It was stopped in the moment between a death and the next start.
                self.kill()

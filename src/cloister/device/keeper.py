"""The keeper: the agent's first process, which holds no key and no text.

It starts the process that holds the vault, kills it to lock, starts another to unlock, and keeps
the lease meanwhile: the relays' answers, which open nothing without the PIN and the disk.  It
never has the PIN, what is made of it, or the vault's key.  Its socket (0600, peers of other users
are turned away) takes one call a connection (``keeper_protocol``).
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from cloister.device.agent_protocol import error_body
from cloister.device.keeper_protocol import MOST_CALL_BYTES, Call, State
from cloister.device.paths import KEEPER_SOCKET_NAME, ensure_private_folder, socket_path
from cloister.device.private_socket import bound_socket, peer_uid, remove_stale
from cloister.device.unlock.lease import Lease
from cloister.device.vault.profile_lock import ProfileLock
from cloister.device.vault_process import VaultProcess, WrongSecret
from cloister.errors import CloisterError, LocalError, UsageError

LOCK_NAME: Final = "keeper.lock"
CALL_S: Final = 10.0
"""How long a client may take to say what it wants."""
LEASE_CHECK_S: Final = 15.0
"""A lease that has run out is dropped within this time, whether anybody asks or not."""


class Keeper:
    """One profile's agent."""

    def __init__(
        self, folder: Path, lease: Lease, *, tell: Callable[[str], None] = lambda text: None
    ) -> None:
        self._folder = folder
        self._lease = lease
        self._tell = tell
        self._child: VaultProcess | None = None
        self._starting: object | None = None
        """Stands for a child that is only being started, until it is ended or is the child."""
        self._watching: asyncio.Task[None] | None = None
        self._is_open = False
        self._ended: asyncio.Future[CloisterError | None] = (
            asyncio.get_running_loop().create_future()
        )

    @property
    def state(self) -> State:
        """Where the vault stands."""
        is_locked = self._child is None and self._starting is None
        phase = "locked" if is_locked else "open" if self._is_open else "opening"
        return State(phase=phase, lease_s=self._lease.seconds_left)

    async def unlock(self, secret_fd: int | None, *, is_patient: bool = False) -> None:
        """Start a process and have it open the vault.  Raises why it cannot.

        ``is_patient``: relays that are away are waited for; else that is an error.
        """
        if self._child is not None or self._starting is not None:
            return
        leased = self._lease.shares
        starting = self._starting = object()
        try:
            child = await VaultProcess.start(
                self._folder,
                secret_fd=secret_fd,
                is_patient=is_patient,
                lease=leased,
                on_lease=self._lease.begin,
            )
        finally:
            is_wanted = self._starting is starting
            if is_wanted:
                self._starting = None
        if is_wanted:
            self._child = child
        try:
            if is_wanted:
                await child.until_open()
            if self._child is not child:
                # Locked since it began: also when it had just said that it is open.
                raise LocalError("the vault was locked while it was being opened")
        except BaseException as error:
            if self._child is child:
                self._child = None
            await child.kill()
            if isinstance(error, WrongSecret):
                if leased:
                    self._lease.missed()
                raise error.cause from None
            raise
        self._lease.hit()
        self._is_open = True
        self._watching = asyncio.create_task(self._watch(child), name="vault process")

    async def lock(self, *, drop_lease: bool = False) -> None:
        """Kill the process that holds the vault."""
        if drop_lease:
            self._lease.drop()
        child, self._child, self._is_open = self._child, None, False
        self._starting = None
        if child is not None:
            await child.kill()
            remove_stale(socket_path(self._folder))
            self._tell("The vault is locked.")

    async def stop(self) -> None:
        """End in good order."""
        child, self._child, self._is_open = self._child, None, False
        self._starting = None
        self._lease.drop()
        if child is not None:
            await child.end()
        if not self._ended.done():
            self._ended.set_result(None)

    def ask_to_stop(self) -> None:
        """The same from a signal handler: ``wait`` returns, and whoever waits stops."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def wait(self) -> None:
        """Wait until the agent is stopped.  Raises what ended the vault's process by itself."""
        error = await self._ended
        if error is not None:
            raise error

    async def _watch(self, child: VaultProcess) -> None:
        error = await child.until_ended()
        if self._child is child:
            # Nobody here ended it: it failed, or a command asked it to close the vault.
            self._child, self._is_open = None, False
            if not self._ended.done():
                self._ended.set_result(error)

    # --- the socket -------------------------------------------------------------------------------

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[None]:
        """Answer calls while the body runs.  Raises ``LocalError`` when another keeper runs."""
        ensure_private_folder(self._folder)
        try:
            held = ProfileLock.take(self._folder, LOCK_NAME)
        except LocalError:
            raise LocalError("an agent of this profile runs already") from None
        path = socket_path(self._folder, KEEPER_SOCKET_NAME)
        try:
            with bound_socket(path) as listening:
                listening.listen(16)
                listening.setblocking(False)
                tasks = [
                    asyncio.create_task(self._accept(listening), name="keeper"),
                    asyncio.create_task(self._mind_the_lease(), name="lease"),
                ]
                for task in tasks:
                    task.add_done_callback(self._on_task_ended)
                try:
                    yield
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            remove_stale(path)
            held.release()

    def _on_task_ended(self, task: asyncio.Task[None]) -> None:
        """A keeper that nobody can ask any more must not go on: a bug of ours ends it."""
        if not task.cancelled() and (error := task.exception()) and not self._ended.done():
            self._ended.set_exception(error)

    async def _mind_the_lease(self) -> None:
        while True:
            await asyncio.sleep(LEASE_CHECK_S)
            _ = self._lease.shares  # looking drops what has run out

    async def _accept(self, listening: socket.socket) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                connection, _ = await asyncio.get_running_loop().sock_accept(listening)
                group.create_task(self._serve(connection))

    async def _serve(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        connection.setblocking(False)
        descriptors: list[int] = []
        with connection, suppress(OSError, TimeoutError):
            try:
                if peer_uid(connection) != os.geteuid():
                    return
                async with asyncio.timeout(CALL_S):
                    line = await _receive(connection, descriptors)
                await loop.sock_sendall(connection, await self._answer(line, descriptors))
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)

    async def _answer(self, line: bytes, descriptors: list[int]) -> bytes:
        error: CloisterError | None = None
        try:
            call = msgspec.json.decode(line, type=Call)
            await self._do(call, descriptors)
        except msgspec.MsgspecError:
            error = UsageError("not a call of this protocol")
        except CloisterError as refused:
            error = refused
        answer = self.state
        answer.error = None if error is None else error_body(error)
        return msgspec.json.encode(answer) + b"\n"

    async def _do(self, call: Call, descriptors: list[int]) -> None:
        match call.op:
            case "state":
                pass
            case "lock":
                await self.lock(drop_lease=call.drop_lease)
            case "unlock":
                if not descriptors:
                    raise UsageError("an unlock comes with a descriptor for the PIN")
                was_locked = self.state.phase == "locked"
                await self.unlock(descriptors[0])
                if was_locked:
                    self._tell("The vault is open.")
            case "stop":
                await self.stop()
            case _:
                raise UsageError(f"the keeper does not know {call.op[:32]!r}")


async def _receive(connection: socket.socket, descriptors: list[int]) -> bytes:
    """Read one line and the descriptors beside it."""
    loop = asyncio.get_running_loop()
    room = socket.CMSG_SPACE(array.array("i").itemsize)
    line = b""
    while not line.endswith(b"\n") and len(line) < MOST_CALL_BYTES:
        readable = asyncio.Event()
        loop.add_reader(connection, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(connection)
        part, ancillary, _, _ = connection.recvmsg(MOST_CALL_BYTES, room)
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                received = array.array("i")
                received.frombytes(data[: len(data) - len(data) % received.itemsize])
                for descriptor in received:
                    os.set_inheritable(descriptor, False)
                    descriptors.append(descriptor)
        if not part:
            break
        line += part
    return line

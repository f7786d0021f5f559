"""The program `cloister`, of which each call is a fork of a process that has loaded it already.

A guide has a hundred calls, and loading is most of what one costs.  All else is as it always is: a
process of its own with the caller's arguments, folder, environment, descriptors and signals.  Two
things are cheaper than they are for people: the passphrase of a new vault costs nothing to try,
and a request to a relay's unlock shares waits for no observer of the network.

    python -P forked_program.py SOCKET      serve
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from typing import Any, Final

CALLER: Final = r"""
import json, os, signal, socket, struct, sys
here = [int(one) for one in os.listdir("/dev/fd")]
def is_inherited(one):
    try:
        return os.get_inheritable(one)
    except OSError:
        return False
given = [one for one in here if is_inherited(one)]
mask = os.umask(0)
os.umask(mask)
call = {
    "arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ),
    "descriptors": given, "umask": mask,
    "ignored": [n for n in (1, 2, 15) if signal.getsignal(n) is signal.SIG_IGN],
}
text = json.dumps(call).encode("utf-8", "surrogateescape")
program = socket.socket(socket.AF_UNIX)
program.connect(sys.argv[1])
socket.send_fds(program, [struct.pack("!I", len(text))], given)
program.sendall(text)
answers = program.makefile("r")
process = int(answers.readline())
for number in (1, 2, 15):
    if number not in call["ignored"]:
        signal.signal(number, lambda number, frame: os.kill(process, number))
sys.exit(int(answers.readline()))
"""
MOST_DESCRIPTORS: Final = 64
LOADED: Final = (
    "cloister.client.powers",
    "cloister.device.agent",
    "cloister.device.app",
    "cloister.device.keeper_client",
    "cloister.device.unlock.opening",
    "cloister.relay.app",
    "cloister.roster.readable",
    "cloister.tui.words",
)
"""What commands import when they are called, beside their own modules."""


class ForkedProgram:
    """The process that is forked.  ``place`` puts the program into a folder."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "program"
        self._caller = folder / "caller.py"
        self._caller.write_text(CALLER)
        # In a session of its own: a terminal of the developer is nobody's to ask at.  It ends with
        # the other end of its standard input.
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, str(self._socket)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        while not self._socket.exists():
            if self._process.poll() is not None:
                raise RuntimeError("the program to be forked did not start")
            time.sleep(0.01)

    def place(self, path: Path) -> None:
        """Write the program's file."""
        call = f'exec "{sys.executable}" -IS "{self._caller}" "{self._socket}" "$@"'
        path.write_text(f"#!/bin/sh\n{call}\n")
        path.chmod(0o700)

    def close(self) -> None:
        """End it.  Calls that run go on."""
        self._process.communicate()


def _serve(path: str) -> None:
    from cloister.cli.main import FAMILIES

    for family in FAMILIES.values():
        importlib.import_module(family.target.partition(":")[0])
    for name in LOADED:
        importlib.import_module(name)
    _make_vaults_cheap()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path + ".new")
    listening.listen(64)
    os.rename(path + ".new", path)
    signal.signal(signal.SIGCHLD, _reap)
    gc.freeze()
    while 0 not in select.select([listening.fileno(), 0], [], [])[0]:
        caller, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(caller)
        caller.close()


def _reap(*_: object) -> None:
    """Take note of who has answered, so that their times are counted as this process's."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _make_vaults_cheap() -> None:
    from cloister.crypto.entropy import SystemEntropy
    from cloister.crypto.secret import Secret
    from cloister.device import app
    from cloister.device.vault import Cost, Vault

    def create_cheap_vault(folder: Path, passphrase: Secret) -> Vault:
        return Vault.create(folder, passphrase, entropy=SystemEntropy(), cost=Cost(64, 1, 1))

    app.create_vault = create_cheap_vault


def _answer(caller: socket.socket) -> None:
    """Read a call, run it in a child, tell its process id and then its exit status; end."""
    head, descriptors, _, _ = socket.recv_fds(caller, 4, MOST_DESCRIPTORS)
    (length,) = struct.unpack("!I", head)
    text = b""
    while len(text) < length:
        text += caller.recv(length - len(text))
    call = json.loads(text)
    process = os.fork()
    if process == 0:
        caller.close()
        _run(call, descriptors)
    for one in descriptors:
        os.close(one)
    caller.sendall(b"%d\n" % process)
    has_ended = threading.Event()
    threading.Thread(target=_end_with, args=(caller, process, has_ended), daemon=True).start()
    _, status = os.waitpid(process, 0)
    has_ended.set()
    code = os.waitstatus_to_exitcode(status)
    with suppress(BrokenPipeError):  # killed, and nobody waits for it
        caller.sendall(b"%d\n" % (code if code >= 0 else 128 - code))
    os._exit(0)


def _end_with(caller: socket.socket, process: int, has_ended: threading.Event) -> None:
    """Kill a process when who has called it was killed."""
    caller.recv(1)
    if not has_ended.is_set():
        os.kill(process, signal.SIGKILL)


def _text_of(descriptor: int) -> TextIOWrapper:
    """Return what Python makes of a standard descriptor when it starts."""
    buffer = FileIO(descriptor, "r" if descriptor == 0 else "w", closefd=False)
    return TextIOWrapper(
        BufferedReader(buffer) if descriptor == 0 else BufferedWriter(buffer),
        encoding="utf-8",
        errors="backslashreplace" if descriptor == 2 else "surrogateescape",
        line_buffering=descriptor == 2 or os.isatty(descriptor),
    )


def _run(call: dict[str, Any], descriptors: list[int]) -> None:
    """Be the process that was called."""
    from cloister.cli.main import main

    numbers: list[int] = call["descriptors"]
    # First out of the way of the numbers that they are to get.
    moved = [os.dup2(one, MOST_DESCRIPTORS * 4 + n) for n, one in enumerate(descriptors)]
    for one in descriptors:
        os.close(one)
    for number, one in zip(numbers, moved, strict=True):
        os.dup2(one, number)
        os.close(one)
    os.chdir(call["folder"])
    os.umask(call["umask"])
    os.environ.clear()
    os.environ.update(call["environment"])
    for number in call["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    sys.argv[1:] = call["arguments"]
    sys.stdin = _text_of(0)
    sys.stdout = _text_of(1)
    sys.stderr = _text_of(2)
    try:
        main(call["arguments"])
    except SystemExit as ended:
        sys.stdout.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


if __name__ == "__main__":
    _serve(sys.argv[1])

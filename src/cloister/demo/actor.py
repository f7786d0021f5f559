"""One process of the demo: the ordinary command, tied to the driver's life, its network traced.

    python -m cloister.demo.actor [--life-fd N] [--trace FILE] -- ARGUMENTS OF cloister

The child ends with the driver: at the parent's death by the kernel's word (Linux), and everywhere
by the end of file on a pipe that the driver holds open.  The trace is an audit hook of Python:
asyncio connects through ``socket``, which reports every address before it is used.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any, Final

from cloister.device import vault_process

_PR_SET_PDEATHSIG: Final = 1
TRACED: Final = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyname_ex",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
    }
)
"""Every way in which a Python program reaches another host or asks for its address."""


def trace_network(path: Path) -> None:
    """Append every event of ``TRACED`` to a file, for the rest of this process's life."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in TRACED:
            return
        family = ""
        if arguments and hasattr(arguments[0], "family"):
            family = arguments[0].family.name
            arguments = arguments[1:]
        body = {"event": event, "family": family, "address": _plain(arguments)}
        os.write(descriptor, json.dumps(body).encode() + b"\n")

    sys.addaudithook(hook)


def _plain(value: object) -> object:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return value if isinstance(value, str | int | None) else str(value)


def die_with_the_driver(life_fd: int) -> None:
    """End this process, without ceremony, when the driver is gone."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None, use_errno=True)
        library.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)

    def watch() -> None:
        os.read(life_fd, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    # A driver that died before the line above has closed the pipe: the thread sees that.
    threading.Thread(target=watch, name="life", daemon=True).start()


def main() -> None:
    """Run one command of ``cloister`` in this process."""
    parser = argparse.ArgumentParser(prog="python -m cloister.demo.actor")
    parser.add_argument("--life-fd", type=int)
    parser.add_argument("--trace", type=Path)
    parser.add_argument(
        "--vault-process", action="store_true", help="be the process of an agent's vault"
    )
    parser.add_argument("--probe", action="store_true", help="ask the relay as a removed device")
    parser.add_argument("arguments", nargs="*")
    given = parser.parse_args()
    if given.trace is not None:
        trace_network(given.trace)
        # What an agent does on the network, the process that holds its vault does.
        actor = [sys.executable, "-P", "-m", "cloister.demo.actor", "--trace", str(given.trace)]
        vault_process.COMMAND[:] = [*actor, "--vault-process", "--"]
    if given.vault_process:
        from cloister.cli.vault_process import main as hold

        hold(given.arguments)
        return
    if given.life_fd is not None:
        die_with_the_driver(given.life_fd)
    if given.probe:
        from cloister.demo.probe import main as probe

        probe(given.arguments)
        return
    from cloister.cli.main import main as run

    run(given.arguments)


if __name__ == "__main__":
    main()

"""Has the product's modules in memory, and forks a relay each time one is asked for.

Run as ``python nursery_program.py``. A line of standard input is a JSON list: ``["start",
[ARGUMENTS], {ENVIRONMENT}, LOG]`` is answered with the process id, ``["status", PID]`` with the
exit status once the process has ended. What is forked becomes what Python makes of such arguments,
only sooner: loading the modules is most of the time in which a relay starts.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
import threading

import cloister.cli.main
import cloister.relay.app  # noqa: F401


def serve() -> list[str]:
    """Answer until the input ends, then end; in a forked process return what it is to run."""
    children: set[int] = set()
    for line in sys.stdin:
        match json.loads(line):
            case ["start", arguments, environment, log]:
                pid = os.fork()
                if pid == 0:
                    _become(environment, log)
                    return list(arguments)
                children.add(pid)
                print(pid, flush=True)
            case ["status", pid]:
                _, status = os.waitpid(pid, 0)
                children.discard(pid)
                print(os.waitstatus_to_exitcode(status), flush=True)
            case other:
                raise ValueError(other)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    return []


def _become(environment: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(environment)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND), 2)


def run(arguments: list[str]) -> None:
    """Run a program or ``-m`` module as Python does."""
    if arguments[0] == "-m":
        sys.argv = arguments[1:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = arguments
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    assert threading.active_count() == 1
    if what := serve():
        run(what)

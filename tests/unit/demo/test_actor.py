"""A demo's process: its network is written down, and it does not outlive its driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

TRACED = """
import asyncio, socket, sys
from pathlib import Path
from cloister.demo.actor import trace_network
trace_network(Path(sys.argv[1]))

async def main():
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    connecting = socket.socket()
    connecting.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connecting, (host, port))
    connecting.close()
    print(port)
    await asyncio.get_running_loop().getaddrinfo("localhost", 1)
asyncio.run(main())
"""


def test_connections_and_look_ups_are_written_down(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    done = subprocess.run(
        [sys.executable, "-P", "-c", TRACED, str(trace)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    events = [json.loads(line) for line in trace.read_text().splitlines()]
    connect = next(event for event in events if event["event"] == "socket.connect")
    assert connect["family"] == "AF_INET"
    assert connect["address"] == [["127.0.0.1", int(done.stdout)]]
    looked_up = events[-1]
    assert looked_up["event"] == "socket.getaddrinfo"
    assert looked_up["address"][:2] == ["localhost", 1]


def test_a_child_ends_when_the_driver_lets_go_of_the_pipe() -> None:
    read_fd, write_fd = os.pipe()
    program = (
        "import sys, time; from cloister.demo.actor import die_with_the_driver;"
        " die_with_the_driver(int(sys.argv[1])); print('runs', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", program, str(read_fd)],
        pass_fds=[read_fd],
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "runs\n"
        os.close(write_fd)
        assert child.wait(timeout=60) == -9
    os.close(read_fd)

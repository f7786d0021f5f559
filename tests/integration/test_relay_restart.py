"""Stopping, killing and starting relays: what was acknowledged stays."""

from __future__ import annotations

import asyncio
import itertools
import os
import resource
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.relay.folder import Folder, FolderInUse
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import (
    CHANNEL,
    SOURCE,
    Circle,
    Device,
    Pair,
    Refused,
    envelope_id,
    pinned,
)

pytestmark = pytest.mark.process
IN_FLIGHT = 40
IN_PROCESSES = pytest.mark.parametrize("own_pair", [0, 2], ids=["one", "several"], indirect=True)
"""Relays of one process, and of several."""
IN_SEVERAL = pytest.mark.parametrize(
    "own_pair",
    [pytest.param(0, id="one", marks=pytest.mark.nightly), pytest.param(2, id="several")],
    indirect=True,
)
"""What ``tests/crash`` does to a relay of one process in every run."""


@IN_SEVERAL
def test_sigkill_in_a_burst_loses_nothing_that_was_acknowledged(own_pair: Pair) -> None:
    acknowledged: dict[bytes, int] = {}

    async def burst() -> Circle:
        device = await Device.connect(own_pair)
        circle = await Circle.found(device, own_pair.home.code)
        await circle.prove(device)
        await device.ask(commands.FollowLog, circle.origin, 0)
        await device.next_of(events.Head)

        enough = asyncio.Event()
        numbers = itertools.count()

        async def work() -> None:
            while True:
                one = next(numbers).to_bytes(16, "big")
                answer = await device.ask(commands.Put, circle.commons_id, 0, one, one * 64)
                acknowledged[one] = answer.n
                if len(acknowledged) >= 150:
                    enough.set()

        tasks = [asyncio.create_task(work()) for _ in range(IN_FLIGHT)]
        await enough.wait()
        process = own_pair.home.process
        assert process is not None
        process.send_signal(signal.SIGKILL)
        await asyncio.wait_for(device.gone.wait(), 60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        own_pair.home.stop(signal.SIGKILL)
        return circle

    async def check(circle: Circle) -> None:
        device = await Device.connect(own_pair)
        proved = await circle.prove(device)
        assert len(acknowledged) <= proved.next_n <= len(acknowledged) + IN_FLIGHT
        await device.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
        stored: dict[bytes, int] = {}
        for n in range(proved.next_n):
            item = await device.next_of(events.Item)
            assert item.n == n
            assert item.envelope == item.envelope_id * 64
            stored[item.envelope_id] = item.n
            if n % 64 == 0:
                device.send(commands.Seen(0, CHANNEL, circle.commons_id, n))
        assert acknowledged.items() <= stored.items()
        # The retry of a stored one is answered, of another stored now: each once.
        for one, n in list(acknowledged.items())[:3]:
            again = await device.ask(commands.Put, circle.commons_id, 0, one, one * 64)
            assert again.n == n
        head = await device.ask(commands.ReadHead, circle.origin)
        assert head.note.count("— ".encode()) == 4
        await device.close()

    circle = asyncio.run(burst())
    own_pair.home.start(**own_pair.home.environment)
    asyncio.run(check(circle))


@IN_PROCESSES
def test_sigterm_answers_what_is_under_way_and_ends_well(own_pair: Pair) -> None:
    async def main() -> None:
        device = await Device.connect(own_pair)
        circle = await Circle.found(device, own_pair.home.code)
        await circle.prove(device)
        tasks = [
            asyncio.create_task(
                device.ask_any(commands.Put, circle.commons_id, 0, envelope_id(), b"e" * 1024)
            )
            for _ in range(50)
        ]
        await asyncio.gather(*tasks)
        process = own_pair.home.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(device.gone.wait(), 60)

    asyncio.run(main())
    process = own_pair.home.process
    assert process is not None
    assert process.wait(10) == 0
    assert b'"stopped"' in own_pair.home.log()
    own_pair.home.process = None
    assert own_pair.entry.stop() == 0


def test_cosignatures_come_once_the_mirror_is_there(own_pair: Pair) -> None:
    async def main() -> None:
        device = await Device.connect(own_pair)
        circle = await Circle.found(device, own_pair.home.code)
        await circle.prove(device)
        await device.ask(commands.FollowLog, circle.origin, 0)
        await device.next_of(events.Head)
        mirrored = own_pair.entry.status()
        assert mirrored["entries_stored"] == 1
        first = circle.tick()
        await device.ask(commands.Append, circle.origin, 1, first)
        circle.entries.append(first)
        own_pair.entry.stop(signal.SIGKILL)
        own_pair.entry.start()
        device = await Device.connect(own_pair)
        await circle.prove(device)
        await device.ask(commands.Append, circle.origin, 2, circle.tick())
        await device.ask(commands.FollowLog, circle.origin, 2)
        until = time.monotonic() + 20
        while True:
            head = await device.next_of(events.Head)
            if head.note.split(b"\n")[1] == b"3":
                break
            assert time.monotonic() < until
        assert own_pair.entry.status()["entries_stored"] == 3
        await device.close()

    asyncio.run(main())


def test_a_folder_is_private_and_runs_once(pair: Pair) -> None:
    for path in (pair.home.folder, pair.home.folder / "keys"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    for path in pair.home.folder.rglob("*"):
        if path.is_file() and path.name != "log":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    with pytest.raises(FolderInUse):
        Folder(pair.home.folder).lock()
    second = subprocess.run(
        [sys.executable, "-m", "cloister", "relay", "run", str(pair.home.folder)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "another process" in second.stderr
    assert "Traceback" not in second.stderr
    status = pair.home.status()
    assert status["ready"] is True
    assert status["role"] == "home"


def test_a_folder_that_is_none_gives_exit_3_and_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cloister", "relay", "run", str(tmp_path / "nothing")],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "no relay folder" in done.stderr


@IN_SEVERAL
def test_a_disk_that_fails_stops_the_home_without_a_false_answer(own_pair: Pair) -> None:
    async def main() -> None:
        device = await Device.connect(own_pair)
        circle = await Circle.found(device, own_pair.home.code)
        await circle.prove(device)
        done = await device.ask(commands.Put, circle.commons_id, 0, envelope_id(), b"e" * 1024)
        assert done.n == 0
        process = own_pair.home.process
        assert process is not None
        # Files may not grow any more: to SQLite this is an error of the disk, not a full one.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        # No answer at all: a write of the home's own had met the disk before this one came.
        with pytest.raises((Refused, ConnectionError)) as met:
            await device.ask(commands.Put, circle.commons_id, 0, envelope_id(), b"e" * 65536)
        assert getattr(met.value, "code", Refusal.STORAGE) == Refusal.STORAGE
        await asyncio.wait_for(device.gone.wait(), 60)

    asyncio.run(main())
    process = own_pair.home.process
    assert process is not None
    assert process.wait(10) == 1
    own_pair.home.process = None
    log = own_pair.home.log()
    assert b"storage-failed" in log
    assert b"Traceback" not in log


@pytest.fixture
def strict_pair(tmp_path: Path) -> Iterator[Pair]:
    """A pair that gives each handshake half a second."""
    made = Pair.start(tmp_path, CLOISTER__LIMITS__HANDSHAKE_S="0.5")
    yield made
    made.stop()


def test_slow_handshakes_are_cut(strict_pair: Pair) -> None:
    home, entry = strict_pair.home.card, strict_pair.entry.card
    began = time.monotonic()
    slow = [socket.create_connection((card.host, card.port), 10) for card in (home, entry)]
    for card, request in ((home, b"GET /home HTTP/1.1\r\n"), (entry, b"CONNECT 127")):
        plain = socket.create_connection((card.host, card.port), 10)
        tls = pinned(card.tls_certificate).wrap_socket(plain, server_hostname=card.host)
        tls.sendall(request)
        slow.append(tls)
    for one in slow:
        try:
            while one.recv(4096):
                pass
        except (ssl.SSLError, ConnectionError):
            pass
        one.close()
    assert time.monotonic() - began < 8

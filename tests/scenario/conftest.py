"""One run of the demo for all tests: kept, its relays' memory searched while it runs.

And what the devices of a circle would each work out anew, once (``simulation.once``).
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cloister.demo.check.secrecy import encodings
from cloister.roster.relay_card import RelayCard
from cloister.testing.simulation.once import working_out_once
from counts import is_long

CANARY_BYTES = 9
PEOPLE = 3
LINES = 24
MOST_S = 60
BETWEEN_SCANS_S = 0.4 if is_long() else 2.0
"""What a relay's memory held it goes on holding for a while; one search of it costs 0.2 s."""
CHUNK_BYTES = 65536
NOTHING = bytes(CHUNK_BYTES)


@dataclass
class Played:
    """A demo that was played, and what was seen in the relays' memory meanwhile."""

    folder: Path
    status: int
    output: str
    scans: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    marker_seen: dict[str, int] = field(default_factory=dict)

    @property
    def summary(self) -> dict[str, Any]:
        """The object on the last line."""
        body: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return body


def canary_script() -> tuple[bytes, bytes]:
    """Return a script in which every name and text holds a random string, and that string.

    All of them begin alike, so that a search of a process's memory has one thing to look for.
    """
    shared = secrets.token_hex(CANARY_BYTES)
    canaries = [shared + secrets.token_hex(4) for _ in range(PEOPLE + LINES)]
    names = [f"N{canary}" for canary in canaries[:PEOPLE]]
    lines = [
        f"{names[number % (2 if number < 6 else PEOPLE)]}: text {canary} ends"
        for number, canary in enumerate(canaries[PEOPLE:])
    ]
    return "\n".join(lines).encode(), shared.encode()


@pytest.fixture(autouse=True)
def worked_out_once() -> Iterator[None]:
    """A signature that was made here, or was verified before, is not verified by each device."""
    with working_out_once():
        yield


@pytest.fixture(scope="session")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Play the demo once in the whole run, whichever worker comes first."""
    # Workers of pytest-xdist have a folder each below a common one.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    record = shared / "played.json"
    with (shared / "played.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not record.exists():
            result = _play(shared / "played")
            record.write_text(json.dumps({**vars(result), "folder": str(result.folder)}))
    body = json.loads(record.read_text())
    return Played(**{**body, "folder": Path(body["folder"])})


def _play(folder: Path) -> Played:
    script, canary = canary_script()
    path = folder.parent / "script.txt"
    path.write_bytes(script)
    command = [
        sys.executable, "-P", "-m", "cloister", "demo", "--json",
        "--script", str(path), "--keep", str(folder),
    ]  # fmt: skip
    result = Played(folder, 0, "")
    over = threading.Event()
    scanning = threading.Thread(target=_scan, args=(folder, canary, result, over))
    scanning.start()
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=3 * MOST_S
        )
    finally:
        over.set()
        scanning.join()
    result.status, result.output = done.returncode, done.stdout
    return result


def _scan(folder: Path, canary: bytes, result: Played, over: threading.Event) -> None:
    needles = encodings(canary)
    while not over.wait(BETWEEN_SCANS_S):
        for role in ("entry", "home"):
            try:
                pid = int((folder / "pids" / role).read_text())
                name = RelayCard.decode((folder / "relays" / role / "relay.card").read_bytes()).name
                content = read_memory(pid)
            except (OSError, ValueError):
                continue  # not started yet, or just being killed
            result.scans[role] = result.scans.get(role, 0) + 1
            if name.encode() in content:
                result.marker_seen[role] = result.marker_seen.get(role, 0) + 1
            result.found += [role for needle in needles if needle in content]


def read_memory(pid: int) -> bytes:
    """Return all readable memory of a process that may be written to.

    Raises ``OSError`` when the process is gone or the system forbids it.
    """
    parts = []
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb") as memory:
        for line in maps:
            span, rights = line.split(" ", 2)[:2]
            if not rights.startswith("rw"):
                continue
            start, end = (int(half, 16) for half in span.split("-"))
            for place in range(start, end, CHUNK_BYTES):
                length = min(CHUNK_BYTES, end - place)
                try:
                    memory.seek(place)
                    part = memory.read(length)
                except (OSError, OverflowError, ValueError):
                    break  # special mappings cannot be read
                # Most of it was never written to: nothing looks for that many zeros.
                parts.append(b"\0" if part == NOTHING[:length] else part)
    return b"".join(parts)


@pytest.fixture
def copy(played: Played, tmp_path: Path) -> Path:
    """Return a copy of the demo's folder to plant a fault in."""
    target = tmp_path / "demo"
    shutil.copytree(played.folder, target, ignore=shutil.ignore_patterns("*.sock"))
    return target

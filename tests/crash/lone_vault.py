"""One device vault in its own process, and how many texts it said were stored."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cloister.crypto.entropy import SystemEntropy
from cloister.device.vault import Cost, Vault
from crash.vault_program import PASSPHRASE, TABLE
from unit.device.scripted import CHANNEL

PROGRAM = str(Path(__file__).with_name("vault_program.py"))
TESTS = str(Path(__file__).parents[1])
MANY = 5_000
"""More than are stored before anybody ends it."""
MANY_ROWS = 1_000_000
SMALL, LARGE = 1024, 256 * 1024


class LoneVault:
    """The vault, made in a folder, and what its process has answered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.stored = 0
        self.first_answer = ""
        Vault.create(folder, PASSPHRASE, entropy=SystemEntropy(), cost=Cost(64, 1, 1)).close()
        self.process: subprocess.Popen[str] | None = None

    @property
    def database(self) -> Path:
        return self.folder / "vault.db"

    @property
    def log(self) -> Path:
        return self.folder / "vault.db-wal"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def start(self, *faults: str, before: Sequence[str] = ()) -> None:
        """Open the vault in a new process, in the faulty way that is named or as it should be."""
        assert self.process is None
        self.process = subprocess.Popen(
            [*before, sys.executable, PROGRAM, str(self.folder), *faults],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": TESTS},
        )
        self.first_answer = self._answer()
        assert before or self.first_answer == "open"

    def ask(self, step: str) -> str:
        """Have one step done; return the answer."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(step + "\n")
        self.process.stdin.flush()
        return self._answer()

    def put(self, size: int = SMALL) -> str:
        """Commit one more text; note it when it is said to be stored."""
        answer = self.ask(str(size))
        self.stored += answer == "done"
        return answer

    def put_many(self, enough: int) -> None:
        """Have texts committed one after the other; return after some answers, and it goes on."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{SMALL}\n" * MANY)
        self.process.stdin.flush()
        for _ in range(enough):
            assert self._answer() == "done"
        self.stored += enough

    def kill_and_count(self) -> None:
        """kill -9 while it goes on; what it has answered until then counts."""
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        # Not by ``communicate``, which passes over what ``readline`` has read ahead.
        self.stored += self.process.stdout.read().count("done\n")
        self.process.communicate()
        assert self.process.returncode == -signal.SIGKILL
        self.process = None

    def end(self) -> int:
        """Let the process end; return its exit status."""
        assert self.process is not None
        self.process.communicate(timeout=60)
        status = self.process.returncode
        self.process = None
        return status

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self.process is not None:
            self.process.kill()
            self.end()

    def _answer(self) -> str:
        assert self.process is not None
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def missing(folder: Path, stored: int) -> int:
    """Open the vault of a folder; return how many of the texts that were stored are not there.

    Raises VaultDamaged when it does not hang together."""
    vault = Vault.open(folder, PASSPHRASE)
    try:
        rows = [row.position for row in vault.timeline.history(CHANNEL, limit=MANY_ROWS)]
        values = vault.records().get(TABLE, {})
    finally:
        vault.close()
    assert rows == list(range(1, len(rows) + 1))
    assert [int.from_bytes(key, "big") for key in sorted(values)] == rows
    assert all(value == key * (len(value) // len(key)) for key, value in values.items())
    # At most one commit is under way when the power goes.
    return max(0, stored - len(rows))

"""What a text writes to the vault, by the size of the group and by how many of it have sent.

The cores are real ones, without relay and without network: a text is sent, acknowledged, shown to
its sender by the relay, and received, each in a transaction of its own in a real vault on disk.
"""

from __future__ import annotations

import json as json_module
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.vault import Cost, Vault
from cloister.device.vault_files import DATABASE_NAME
from cloister.testing.crowded_channel import (
    CrowdedChannel,
    CrowdedDevice,
    crowded_channel,
    written_bytes,
)

DEFAULT_SIZES: Final = (2, 50, 500)
GOAL_BYTES: Final = 4096
TEXTS: Final = 20
_TEXT: Final = "x" * 200
_PASSPHRASE: Final = Secret(b"bench")
# Opening the vault is not what is measured.
_CHEAP: Final = Cost(64, 1, 1)


@dataclass(slots=True)
class Step:
    """One input of a text's way: the most bytes handed over, and the mean on disk, in one text."""

    row_bytes: int = 0
    log_bytes: int = 0
    commit_ms: float = float("inf")


@dataclass(slots=True)
class Result:
    """A group of ``n`` leaves; ``senders`` of them have sent and left what most can be left."""

    n: int
    senders: int
    ratchet_bytes: int
    steps: dict[str, Step] = field(default_factory=dict)

    @property
    def sent_bytes(self) -> int:
        """What a text writes at its sender, until the relay has shown it."""
        return sum(self.steps[one].row_bytes for one in ("send", "acknowledged", "shown"))

    @property
    def is_met(self) -> bool:
        """Whether both devices write less than the goal."""
        return max(self.sent_bytes, self.steps["receive"].row_bytes) < GOAL_BYTES


class _Kept:
    """A device's vault, and its write-ahead log."""

    def __init__(self, device: CrowdedDevice, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        vault = Vault.create(folder, _PASSPHRASE, entropy=SystemEntropy(), cost=_CHEAP)
        vault.commit(device.stored())
        vault.close()
        self.device = device
        # Opened anew, its log is empty, and too short to be written over in this measurement.
        self.vault = Vault.open(folder, _PASSPHRASE)
        self._log = folder / (DATABASE_NAME + "-wal")

    def commit(self, step: Step) -> None:
        before = self._log_bytes()
        start = time.perf_counter()
        self.vault.commit(self.device.writes)
        step.commit_ms = min(step.commit_ms, (time.perf_counter() - start) * 1000)
        step.log_bytes += self._log_bytes() - before
        step.row_bytes = max(step.row_bytes, written_bytes(self.device.writes))

    def _log_bytes(self) -> int:
        return self._log.stat().st_size if self._log.exists() else 0


def measure(n: int, senders: int, folder: Path) -> Result:
    """Send ``TEXTS`` texts in a group of ``n`` leaves."""
    channel = crowded_channel(n, senders)
    sender = _Kept(channel.sender, folder / "sender")
    receiver = _Kept(channel.receiver, folder / "receiver")
    records = channel.sender.channel.group.ratchet_records()
    result = Result(n, senders, sum(len(key) + len(value) for key, value in records.items()))
    for _ in range(TEXTS):
        _one_text(channel, sender, receiver, result)
    for step in result.steps.values():
        step.log_bytes //= TEXTS
        step.commit_ms = round(step.commit_ms, 3)
    for kept in (sender, receiver):
        kept.vault.close()
    return result


def _one_text(channel: CrowdedChannel, sender: _Kept, receiver: _Kept, result: Result) -> None:
    put = channel.send(_TEXT)
    sender.commit(result.steps.setdefault("send", Step()))
    channel.acknowledge(put)
    sender.commit(result.steps.setdefault("acknowledged", Step()))
    channel.deliver(channel.sender, put)
    sender.commit(result.steps.setdefault("shown", Step()))
    channel.deliver(channel.receiver, put)
    receiver.commit(result.steps.setdefault("receive", Step()))


def run(sizes: Sequence[int] = DEFAULT_SIZES, json: bool = False) -> list[Result]:
    """Measure each size with nobody else and with everybody else having sent."""
    say: Callable[[str], None] = (lambda line: None) if json else print
    say(f"bytes a text of {len(_TEXT)} writes to the vault: rows (write-ahead log)")
    say(f"{'members':>8}{'senders':>9}{'ratchets':>10}{'sent':>16}{'acknowledged':>16}"
        f"{'shown':>16}{'received':>16}   goal {GOAL_BYTES}")  # fmt: skip
    results = []
    pairs = [(size, senders) for size in sizes for senders in sorted({0, size - 2})]
    for n, senders in pairs:
        print(f"a group of {n}, {senders} have sent …", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="cloister-bench-") as name:
            result = measure(n, senders, Path(name))
        results.append(result)
        say(_row(result))
    if json:
        report = {"v": 1, "bench": "vault", "goal_bytes": GOAL_BYTES}
        found = [asdict(one) | {"is_met": one.is_met} for one in results]
        print(json_module.dumps({**report, "results": found}))
    return results


def _row(result: Result) -> str:
    cells = "".join(
        f"{f'{step.row_bytes} ({step.log_bytes})':>16}" for step in result.steps.values()
    )
    mark = "met" if result.is_met else "MISSED"
    return f"{result.n:>8}{result.senders:>9}{result.ratchet_bytes:>10}{cells}   {mark}"

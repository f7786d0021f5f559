"""The relay's program with a fault planted in it, for the tests of the tests.

Run as ``python faulty_relay.py FAULT relay run DIR``; the fault is one of ``FAULTS``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from cloister.__main__ import main
from cloister.relay.storage.sqlite import schema, writer
from cloister.relay.storage.writes import Outcome, PutEnvelope, Write


def _with_settings(*settings: str) -> None:
    """Have the writer's connection forget how the product sets it."""
    open_file = schema.open_file

    def open_badly(path: Any, **named: Any) -> Any:
        connection = open_file(path, **named)
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")
        return connection

    vars(writer)["open_file"] = open_badly


def _normal() -> None:
    """SQLite's own default for a write-ahead log in many programs: no flush at a commit."""
    _with_settings("synchronous = NORMAL")


def _silent_checkpoint() -> None:
    """Checkpoints are SQLite's, inside a COMMIT, which drops their errors."""
    _with_settings("wal_autocheckpoint = 50")
    vars(writer)["CHECKPOINT_PAGES"] = sys.maxsize


def _late_commit() -> None:
    """Envelopes are answered when they are in the transaction, which ends with the next batch."""
    transact = writer.Writer._transact

    def transact_late(self: writer.Writer, batch: Sequence[Write]) -> list[Outcome]:
        if self._connection.in_transaction:
            self._connection.execute("COMMIT")
        if not all(isinstance(write, PutEnvelope) for write in batch):
            return transact(self, batch)
        self._connection.execute("BEGIN IMMEDIATE")
        return self._apply_all(batch)

    vars(writer)["Writer"]._transact = transact_late


FAULTS: Final[dict[str, Callable[[], None]]] = {
    "late-commit": _late_commit,
    "normal": _normal,
    "silent-checkpoint": _silent_checkpoint,
}

if __name__ == "__main__":
    FAULTS[sys.argv.pop(1)]()
    main()

"""A device's vault in a process of its own, for tests that fail its disk or cut its power.

Run as ``python vault_program.py FOLDER [FAULT]``. Each line of standard input is one step:
``BYTES`` commits one more text with a value of that size, ``mark`` moves the read marker,
``close`` ends. Each is answered by one line, once it has returned.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloister.client.effects import PutMessage, PutRecord
from cloister.crypto.secret import Secret
from cloister.device.vault import Vault, store
from cloister.errors import CloisterError
from unit.device.scripted import CHANNEL, text_message

PASSPHRASE: Final = Secret(b"correct horse")
TABLE: Final = "t"


def _set(vault: Vault, setting: str) -> None:
    vault._connection.execute(f"PRAGMA {setting}")


def _normal(vault: Vault) -> None:
    """No flush at a commit."""
    _set(vault, "synchronous = NORMAL")


def _silent_checkpoint(vault: Vault) -> None:
    """Checkpoints are SQLite's, inside a COMMIT, which drops their errors."""
    _set(vault, "wal_autocheckpoint = 50")
    vars(store)["CHECKPOINT_PAGES"] = sys.maxsize


FAULTS: Final[dict[str, Callable[[Vault], None]]] = {
    "normal": _normal,
    "silent-checkpoint": _silent_checkpoint,
}


def main(folder: Path, faults: list[str]) -> int:
    try:
        vault = Vault.open(folder, PASSPHRASE)
    except CloisterError as error:
        print(f"failed {error}", flush=True)
        return 1
    for fault in faults:
        FAULTS[fault](vault)
    count = len(vault.records().get(TABLE, {}))
    print("open", flush=True)
    for line in sys.stdin:
        step = line.strip()
        try:
            if step == "close":
                vault.close()
                print("done", flush=True)
                return 0
            if step == "mark":
                vault.mark_read(CHANNEL, count, 0)
            else:
                count += 1
                key = count.to_bytes(8, "big")
                row = PutMessage(message=text_message(count, own=True))
                value = key * (int(step) // len(key))
                vault.commit([row, PutRecord(table=TABLE, key=key, value=value)])
            print("done", flush=True)
        except CloisterError as error:
            print(f"failed {error} ({error.hint})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

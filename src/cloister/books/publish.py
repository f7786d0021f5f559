"""The one file that the relay reads of the books: written whole, or not at all.

It names accounts by random ids, codes by hashes, devices by handles: no customer, no price.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloister.books.rows import Account
from cloister.errors import LocalError

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Published:
    """An account with its codes (SHA-256, in hex) and the handles set free (in hex)."""

    account: Account
    code_hashes: tuple[str, ...]
    freed: tuple[str, ...]


def publication(accounts: Iterable[Published]) -> bytes:
    """The bytes of the file; equal books give equal bytes."""
    listed: list[Mapping[str, object]] = [
        {
            "account": one.account.id,
            "seats": one.account.seats,
            "term_end": one.account.term_end,
            "code_hashes": one.code_hashes,
            "freed": one.freed,
        }
        for one in accounts
    ]
    return json.dumps({"v": VERSION, "accounts": listed}, indent=1).encode() + b"\n"


def publish(path: Path, data: bytes) -> None:
    """Put the file in its place, if it is not there already. Raises LocalError."""
    try:
        if path.exists() and path.read_bytes() == data:
            return
        temporary = path.with_name(f".{path.name}.new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise LocalError(
            f"{path} cannot be written: {error.strerror}",
            hint="the books are changed, the relay does not know yet: free the disk and run"
            " cloister operator report accounts DIR",
        ) from None

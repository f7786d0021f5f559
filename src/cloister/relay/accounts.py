"""What the operator's books say of this relay's circles: the file that they publish, read again
when it has changed.

books/accounts.json     {"v": 1, "accounts": [{"account": ID, "seats": N, "term_end": S,
                         "code_hashes": [HEX], "freed": [HEX]}]}

The file names accounts by random ids: no customer, no circle.  Without the file this relay sells
no seats, and every circle has as many devices as the protocol allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec

from cloister.errors import LocalError
from cloister.limits import SEAT_GRACE_S
from cloister.relay.logsafe import Cause, Log

VERSION: Final = 1
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account.  ``term_end`` in s since the Unix epoch; hashes and handles in hex."""

    account: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    seats: _Count
    term_end: _Count
    code_hashes: tuple[str, ...] = ()
    freed: tuple[str, ...] = ()

    @property
    def freed_handles(self) -> frozenset[bytes]:
        """The handles that the operator set free."""
        return frozenset(map(bytes.fromhex, self.freed))

    @property
    def lapses_at(self) -> int:
        """When the grace time after the term is over (s)."""
        return self.term_end + SEAT_GRACE_S


class _File(msgspec.Struct, frozen=True):
    v: int
    accounts: tuple[Account, ...]


class Accounts:
    """The accounts in force.  A file that cannot be read leaves the last good one in force."""

    def __init__(self, path: Path, log: Log) -> None:
        """Read the file, if there is one.  Raises LocalError when it is no accounts file."""
        self._path = path
        self._log = log
        self._seen = self._look()
        self._by_id: dict[str, Account] = {}
        self._by_code: dict[bytes, Account] = {}
        self.version = 0
        """Grows with every change."""
        self._read()

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        seen = self._look()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._read()
        except LocalError as error:
            self._log.warning("accounts-not-read", cause=Cause(error))

    def get(self, account: str) -> Account | None:
        """Return an account by its id."""
        return self._by_id.get(account)

    def of_code(self, code_hash: bytes) -> Account | None:
        """Return the account that an activation code opens."""
        return self._by_code.get(code_hash)

    def _look(self) -> tuple[int, int] | None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0)
        # The books replace the file, so a new one is another inode too.
        return status.st_mtime_ns, status.st_ino

    def _read(self) -> None:
        by_id: dict[str, Account] = {}
        by_code: dict[bytes, Account] = {}
        for account in self._accounts():
            by_id[account.account] = account
            for code_hash in account.code_hashes:
                by_code[bytes.fromhex(code_hash)] = account
        self._by_id, self._by_code = by_id, by_code
        self.version += 1

    def _accounts(self) -> Iterator[Account]:
        if self._seen is None:
            return iter(())
        try:
            file = msgspec.json.decode(self._path.read_bytes(), type=_File)
            for account in file.accounts:
                for value in (*account.code_hashes, *account.freed):
                    bytes.fromhex(value)
            if file.v != VERSION:
                raise ValueError
        except (OSError, ValueError, msgspec.DecodeError):
            raise LocalError(
                f"{self._path} is no file of accounts",
                hint="make it anew from the books: cloister operator report accounts DIR",
            ) from None
        return iter(file.accounts)

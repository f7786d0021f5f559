"""One SQLCipher connection: keyed with raw bytes, its settings demanded and read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlcipher3 import dbapi2

from cloister.crypto.secret import Secret
from cloister.device.vault.errors import VaultDamaged, VaultWriteFailed
from cloister.device.vault.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from cloister.errors import CloisterError, LocalError

DatabaseError: Final = dbapi2.DatabaseError

_FULL: Final = 2
_RESTORE_HINT: Final = (
    "put vault.db and vault.key back from one and the same backup, without vault.db-wal and "
    "vault.db-shm; or join again with a new profile folder"
)
_DISK_REFUSED: Final = ("disk I/O", "full", "readonly", "unable to open")
_READ_FAILED: Final = ("not a database", "malformed", "corrupt", "hmac")


def connect(path: Path, vault_key: Secret) -> Any:
    """Open and key a connection; nothing has been read through it yet."""
    connection = dbapi2.connect(str(path), isolation_level=None, check_same_thread=False)
    try:
        # Before the key: the library's log goes to standard error by default. (Any word but "off"
        # and the standard streams would be the name of a file.)
        connection.execute("PRAGMA cipher_log = off")
        connection.execute("PRAGMA cipher_log_level = NONE")
        connection.execute("PRAGMA cipher_memory_security = ON")
        if not _one(connection, "PRAGMA cipher_version"):
            # A plain SQLite would take every PRAGMA below and write in the clear.
            raise LocalError(
                "the database library has no encryption",
                hint="set the environment up again: it must hold sqlcipher3",
            )
        # The form x'..' makes these bytes the key itself; 32 bare bytes would be stretched as a
        # passphrase and open another database. A bytearray, so that it can be overwritten.
        raw = bytearray(b"x'" + vault_key.expose().hex().encode("ascii") + b"'")
        try:
            connection.set_key(raw)
        finally:
            raw[:] = bytes(len(raw))
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def make_database(path: Path, vault_key: Secret) -> None:
    """Write the empty tables into a file that exists and is empty."""
    connection = connect(path, vault_key)
    try:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.executescript(SCHEMA)
    except DatabaseError as error:
        raise write_error(error) from None
    finally:
        connection.close()


def open_database(path: Path, vault_key: Secret) -> Any:
    """Open a vault's database, check it whole, and demand durable commits.

    Raises ``VaultDamaged``, or ``VaultWriteFailed`` when the disk refuses.
    """
    connection = connect(path, vault_key)
    try:
        version = _one(connection, "PRAGMA user_version")
        application = _one(connection, "PRAGMA application_id")
        if application != APPLICATION_ID or not isinstance(version, int):
            raise VaultDamaged("vault.db is not a vault", hint=_RESTORE_HINT)
        if version != SCHEMA_VERSION:
            raise VaultDamaged(
                f"vault.db has form {version}, this program knows {SCHEMA_VERSION}",
                hint="use the version of the program that made or changed the vault",
            )
        # Every page's authentication code, then the structure. What is not committed properly in
        # a write-ahead log of this key is dropped by SQLite, of another key found here.
        if connection.execute("PRAGMA cipher_integrity_check").fetchone() is not None:
            raise VaultDamaged("vault.db is damaged: a page was altered", hint=_RESTORE_HINT)
        if _one(connection, "PRAGMA quick_check(1)") != "ok":
            raise VaultDamaged("vault.db is damaged: its structure is broken", hint=_RESTORE_HINT)
        if _one(connection, "PRAGMA journal_mode = WAL") != "wal":
            raise LocalError("the vault's folder does not support a write-ahead log")
        connection.execute("PRAGMA synchronous = FULL")
        if _one(connection, "PRAGMA synchronous") != _FULL:
            raise LocalError("the database library does not promise durable commits")
    except DatabaseError as error:
        connection.close()
        raise read_error(error) from None
    except BaseException:
        connection.close()
        raise
    return connection


def read_error(error: Exception) -> CloisterError:
    """Say what a failed read means.  The library's words hold no content, only conditions."""
    text = str(error)
    if any(sign in text for sign in _READ_FAILED):
        return VaultDamaged(f"vault.db is damaged or not this key's: {text}", hint=_RESTORE_HINT)
    if any(sign in text for sign in _DISK_REFUSED):
        # Reading needs room too, for the write-ahead log: with none, nothing is damaged.
        return VaultWriteFailed(
            f"vault.db cannot be used: {text}",
            hint="is the disk full, read-only or failing? Make room and try again; only if that"
            " does not help put vault.db and vault.key back from a backup",
        )
    return VaultDamaged(f"vault.db cannot be read: {text}", hint=_RESTORE_HINT)


def write_error(error: Exception) -> CloisterError:
    """Say what a failed write means."""
    text = str(error)
    if any(sign in text for sign in _READ_FAILED):
        return read_error(error)
    return VaultWriteFailed(
        f"the vault could not be written: {text}",
        hint="nothing of this step was stored or sent; make room, check the disk, start again",
    )


def _one(connection: Any, statement: str) -> object:
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]

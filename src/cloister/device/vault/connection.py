"""One SQLCipher connection: keyed with raw bytes, its settings demanded and read back."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlcipher3 import dbapi2

from cloister.crypto.secret import Secret
from cloister.device.vault.errors import VaultDamaged, VaultWriteFailed
from cloister.device.vault.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION, STEPS
from cloister.device.vault_files import sync_folder
from cloister.errors import CloisterError, LocalError
from cloister.layouts import LayoutRefused, bring_up

DatabaseError: Final = dbapi2.DatabaseError

_FULL: Final = 2
_SQLITE_FULL: Final = 13
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
        # Every page's authentication code, then the structure. What is not committed properly in
        # a write-ahead log of this key is dropped by SQLite, of another key found here.
        if connection.execute("PRAGMA cipher_integrity_check").fetchone() is not None:
            raise VaultDamaged("vault.db is damaged: a page was altered", hint=_RESTORE_HINT)
        if _one(connection, "PRAGMA quick_check(1)") != "ok":
            raise VaultDamaged("vault.db is damaged: its structure is broken", hint=_RESTORE_HINT)
        bring_up(connection.execute, "vault.db", SCHEMA_VERSION, fresh="", steps=STEPS)
        if _one(connection, "PRAGMA journal_mode = WAL") != "wal":
            raise LocalError("the vault's folder does not support a write-ahead log")
        connection.execute("PRAGMA synchronous = FULL")
        if _one(connection, "PRAGMA synchronous") != _FULL:
            raise LocalError("the database library does not promise durable commits")
        # A checkpoint that SQLite begins by itself, in a COMMIT, drops its errors: see Vault.
        if _one(connection, "PRAGMA wal_autocheckpoint = 0") != 0:
            raise LocalError("the database library does not leave checkpoints to this program")
        # The first read opens the log; until then no checkpoint can be had.
        connection.execute("SELECT 1 FROM record LIMIT 1").fetchone()
        # The log has its name by now. SQLite flushes the folder too, and drops the error.
        sync_folder(path.parent)
    except LayoutRefused as refused:
        connection.close()
        raise VaultDamaged(str(refused), hint=refused.hint) from None
    except DatabaseError as error:
        connection.close()
        raise read_error(error) from None
    except OSError as error:
        connection.close()
        raise VaultWriteFailed(
            f"the vault's folder could not be flushed to the disk: {error.strerror}",
            hint="check the disk, then start again",
        ) from None
    except BaseException:
        connection.close()
        raise
    return connection


def checkpoint(connection: Any, *, at_pages: int, truncate: bool = False) -> None:
    """Copy the log into the file when it has so many pages.  Raises ``DatabaseError``.

    A full disk is no error: what is committed is in the log, and the log stays."""
    _, pages, _ = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
    if pages < at_pages:
        return
    try:
        kind = "TRUNCATE" if truncate else "PASSIVE"
        connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
    except DatabaseError as error:
        if not is_full(error):
            raise


def abandon(connection: Any) -> None:
    """Keep a connection open until the process is gone.

    The last connection that closes copies the log into the file once more, flushes, and removes
    the log.  After a failed flush that one would "succeed", and with the log the only sound copy
    of what was committed would go.  A thread that never ends holds it: what a module or a class
    holds, the interpreter lets go of as it ends."""
    hold = partial(_hold, connection)
    threading.Thread(target=hold, name="abandoned-vault", daemon=True).start()


def _hold(_: Any) -> None:
    threading.Event().wait()


def is_full(error: Exception) -> bool:
    """Tell whether the disk is full: the one error after which the file is as it was."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == _SQLITE_FULL


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


def checkpoint_error(error: Exception) -> CloisterError:
    """Say what it means that the log could not be copied into the file."""
    return VaultWriteFailed(
        f"the vault's log could not be copied into it: {error}",
        hint="what was stored is in vault.db-wal: leave it beside vault.db; check the disk, start"
        " again",
    )


def _one(connection: Any, statement: str) -> object:
    row = connection.execute(statement).fetchone()
    return None if row is None else row[0]

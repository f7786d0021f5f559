"""The embedded backend: SQLite in WAL mode, one writer thread, group commit, FULL flushes."""

from cloister.relay.storage.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]

"""The reference backend, in dictionaries."""

from cloister.relay.storage.memory.store import MemoryStore

__all__ = ["MemoryStore"]

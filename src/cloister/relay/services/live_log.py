"""One circle's log as the home holds it in memory."""

from __future__ import annotations

from typing import Final

from cloister.limits import (
    READABLE_APPEND_BURST,
    READABLE_APPEND_INTERVAL_S,
    SEALED_APPEND_BURST,
    SEALED_APPEND_INTERVAL_S,
)
from cloister.relay.ratelimit import Bucket
from cloister.relay.session import LogFollow, Session
from cloister.relay.storage.api import LogRow, Store
from cloister.roster.entry import EntryKind
from cloister.roster.relay_card import RelaySet
from cloister.roster.relay_fold import RelayFold
from cloister.transparency import HashTree, leaf_hash
from cloister.wire import commands

PAGE_BYTES: Final = 64 * 1024
"""Entries read at once when a log is loaded."""


class LiveLog:
    """One circle's log in memory: fold, tree of hashes, heads, followers."""

    __slots__ = (
        "cosigned_at",
        "fold",
        "followers",
        "in_flight",
        "note",
        "origin",
        "rates",
        "settled",
        "settled_size",
        "tree",
        "waiting",
    )

    def __init__(self, row: LogRow, fold: RelayFold, tree: HashTree) -> None:
        self.origin = row.origin
        self.fold = fold
        self.tree = tree
        self.note = row.note
        self.settled = row.settled
        self.settled_size = settled_size_of(row.settled)
        self.rates = {
            EntryKind.SEALED: Bucket(SEALED_APPEND_BURST, SEALED_APPEND_INTERVAL_S),
            EntryKind.READABLE: Bucket(READABLE_APPEND_BURST, READABLE_APPEND_INTERVAL_S),
        }
        self.in_flight = False
        self.waiting: list[tuple[Session, commands.Append]] = []
        self.followers: dict[Session, LogFollow] = {}
        self.cosigned_at: dict[bytes, int] = {}
        """By relay id of the mirror: when its last cosignature came (s)."""

    @property
    def size(self) -> int:
        """Entries on disk."""
        return self.fold.size

    @property
    def relay_set(self) -> RelaySet:
        """The circle's relays, as its readable entries say."""
        return self.fold.relay_set


def load_tree(store: Store, row: LogRow) -> HashTree:
    """Read the hashes of a stored log."""
    tree = HashTree()
    while tree.size < row.size:
        for entry in store.entries(row.origin, tree.size, row.size, PAGE_BYTES):
            tree.append(leaf_hash(entry))
    return tree


def settled_size_of(note: bytes) -> int:
    """Return the size in a checkpoint of this relay's own; 0 while none is settled."""
    return int(note.split(b"\n", 2)[1]) if note else 0

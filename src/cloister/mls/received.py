"""What comes out of processing a message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloister.ids import LeafIndex
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Proposal

if TYPE_CHECKING:
    from cloister.mls.group import Group


@dataclass(frozen=True, slots=True)
class Member:
    """A member's place and leaf."""

    leaf_index: LeafIndex
    leaf: LeafNode


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationReceived:
    """An application message, its signature verified with the sender's leaf of this epoch.

    ``next`` is stored before ``plaintext`` is shown: the key is gone from it.
    """

    sender: LeafIndex
    plaintext: bytes
    authenticated_data: bytes
    next: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalReceived:
    """A proposal, kept in ``next`` for a commit that refers to it.

    ``sender`` is None when it came from outside the group.
    """

    sender: LeafIndex | None
    proposal: Proposal
    reference: bytes
    authenticated_data: bytes
    next: Group


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitReceived:
    """A valid commit.

    Attributes:
        adds: the leaf indices of the new members, in ``next``.
        removes: who was removed, with the leaf each had.
        updates: leaves replaced by Update proposals (the committer's own is always replaced).
        next: the group in its new epoch; None when this commit removed us.
    """

    committer: LeafIndex
    adds: tuple[LeafIndex, ...]
    removes: tuple[Member, ...]
    updates: tuple[LeafIndex, ...]
    authenticated_data: bytes
    removed_self: bool
    next: Group | None


Received = ApplicationReceived | ProposalReceived | CommitReceived

"""What comes out of processing a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from cloister.ids import LeafIndex
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Proposal, ReInit

if TYPE_CHECKING:
    from cloister.mls.group import Group


class Member(msgspec.Struct, frozen=True):
    """A member's place and leaf."""

    leaf_index: LeafIndex
    leaf: LeafNode


class ApplicationReceived(msgspec.Struct, frozen=True, kw_only=True):
    """An application message, its signature verified with the sender's leaf of this epoch.

    ``next`` is stored before ``plaintext`` is shown: the key is gone from it.
    """

    sender: LeafIndex
    plaintext: bytes
    authenticated_data: bytes
    next: Group


class ProposalReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal, kept in ``next`` for a commit that refers to it.

    ``sender`` is None when it came from outside the group.
    """

    sender: LeafIndex | None
    proposal: Proposal
    reference: bytes
    authenticated_data: bytes
    next: Group


class CommitReceived(msgspec.Struct, frozen=True, kw_only=True):
    """A valid commit.

    Attributes:
        committer: who made it; in an external commit the place of the newcomer, in ``next``.
        adds: the leaf indices of the members added by Add proposals, in ``next``.
        removes: who was removed, with the leaf each had.
        updates: leaves replaced by Update proposals (the committer's own is always replaced).
        is_external: whether a newcomer added himself with it; ``removes`` then says in whose
            stead, and the application judges whether the two are one client (12.2).
        reinit: the ReInit that ends the group with this commit, or None.
        next: the group in its new epoch; None when this commit removed us.
    """

    committer: LeafIndex
    adds: tuple[LeafIndex, ...]
    removes: tuple[Member, ...]
    updates: tuple[LeafIndex, ...]
    is_external: bool = False
    reinit: ReInit | None = None
    authenticated_data: bytes
    removed_self: bool
    next: Group | None


Received = ApplicationReceived | ProposalReceived | CommitReceived

"""The Commit structure (RFC 9420 section 12.4)."""

from __future__ import annotations

from cloister.codec import CachedStruct, layout, optional, vector
from cloister.mls.limits import MAX_PROPOSALS
from cloister.mls.proposal import ProposalOrRef
from cloister.mls.update_path import UpdatePath


@layout
class Commit(CachedStruct):
    """struct { ProposalOrRef proposals<V>; optional<UpdatePath> path; } Commit"""

    proposals: tuple[ProposalOrRef, ...] = vector(ProposalOrRef, max_items=MAX_PROPOSALS)
    path: UpdatePath | None = optional(UpdatePath)

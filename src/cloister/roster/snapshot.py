"""A roster as bytes, for the vault: all records, and nothing that can be derived from them."""

from __future__ import annotations

from typing import Final

from cloister.codec import (
    Struct,
    fixed,
    flag,
    layout,
    nested,
    text,
    uint16,
    uint32,
    uint64,
    vector,
)
from cloister.errors import CloisterError
from cloister.ids import ChannelId, CircleId
from cloister.roster.errors import SnapshotError
from cloister.roster.fields import CHANNEL_ID, CIRCLE_ID, HASH_BYTES
from cloister.roster.genesis import MAX_ORIGIN_BYTES
from cloister.roster.governance_state import GovernanceRecord
from cloister.roster.policy import Policy
from cloister.roster.state import (
    DeviceRecord,
    InviteRecord,
    Member,
    Objections,
    OpenRequest,
    Proposal,
)
from cloister.transparency.merkle import Frontier

SNAPSHOT_VERSION: Final = 4
"""Another version is not read: the roster is folded anew from the log, which is kept."""


@layout
class RosterSnapshot(Struct):
    """The stored form of a Roster. Vectors are in the order in which the log brought the records.

    It holds the private keys of invitations, so it is kept in the vault only.
    """

    version: int = uint16()
    circle_id: CircleId = CIRCLE_ID
    origin: str = text(MAX_ORIGIN_BYTES)
    commons_channel: ChannelId = CHANNEL_ID
    policy: Policy = nested(Policy)
    governance: GovernanceRecord = nested(GovernanceRecord)
    frontier: Frontier = nested(Frontier)
    ts: int = uint64()
    forming: bool = flag()
    generation: int = uint32()
    log_key_commitment: bytes = fixed(HASH_BYTES)
    members: tuple[Member, ...] = vector(Member, min_items=1)
    devices: tuple[DeviceRecord, ...] = vector(DeviceRecord, min_items=1)
    invites: tuple[InviteRecord, ...] = vector(InviteRecord)
    requests: tuple[OpenRequest, ...] = vector(OpenRequest)
    proposals: tuple[Proposal, ...] = vector(Proposal)
    objections: tuple[Objections, ...] = vector(Objections)


def read_snapshot(data: bytes) -> RosterSnapshot:
    """Decode a stored roster. Raises SnapshotError: fold the log anew then."""
    if int.from_bytes(data[:2], "big") != SNAPSHOT_VERSION:
        raise SnapshotError("the stored roster is of another version")
    try:
        return RosterSnapshot.decode(data)
    except CloisterError as error:
        raise SnapshotError(f"the stored roster is damaged: {error}") from error

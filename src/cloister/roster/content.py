"""What sealed entries carry, type by type. The join request has a module of its own."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import (
    Struct,
    enum8,
    fixed,
    layout,
    nested,
    opaque,
    optional,
    text,
    uint32,
    uint64,
)
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridPublic, HybridSignature
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import SHORT_ID_BYTES, BoxId, DeviceId, InviteId, MemberId
from cloister.roster.fields import (
    BOX_ID,
    DEVICE_ID,
    ED25519_PUBLIC_BYTES,
    HASH_BYTES,
    INVITE_ID,
    MEMBER_ID,
)
from cloister.roster.labels import labelled_hash

MAX_REASON_BYTES: Final = 128
"""A reason of this length still fits the smallest sealed entry."""
WRAPPED_LOG_KEY_BYTES: Final = 12 + 64 + 16
"""Nonce, exported secret and log key before, tag."""

# An invite id stands in join requests; under its own label it is no other hash of the same key.
INVITE_ID_LABEL: Final = b"Invite id"
# A steward key says: the device of this did may name me. No other signature of it has this label.
STEWARD_KEY_LABEL: Final = b"StewardKey"


class InviteKind(IntEnum):
    """Whom an invitation lets in: a person, or one more device of its author."""

    MEMBER = 1
    DEVICE = 2
    RETURN = 3
    """A member who has no device any more, on a new one, vouched for like a newcomer."""


class Role(IntEnum):
    """What a member may do. A founder is a steward.

    A role follows from the key the member holds in the steward set: see orders.StewardSet.
    """

    MEMBER = 1
    STEWARD = 2
    OFFICER = 3


class RemovalKind(IntEnum):
    """Why somebody goes. Only COMPROMISE reaches back to what the member vouched for."""

    DEPARTURE = 1
    MISCONDUCT = 2
    COMPROMISE = 3


class RevokeKind(IntEnum):
    """What becomes of a device that its own member revokes."""

    RETIRED = 1
    """For good."""
    LOST = 2
    """Locked: an unlock lets it in again."""


class ExportScope(IntEnum):
    """How much of its history a device writes out."""

    CONVERSATION = 1
    """One conversation, and not which: members outside it need not know that there is one."""
    EVERYTHING = 2
    BACKUP = 3
    """Everything, sealed under a passphrase."""


class Acquaintance(IntEnum):
    """How a voucher knows that the request is the newcomer's."""

    MET = 1
    VOICE = 2
    NEITHER = 3


def invite_id_of(inv_key: bytes) -> InviteId:
    """The name of an invitation: a hash of its public key, 32 bytes."""
    return InviteId(labelled_hash(INVITE_ID_LABEL, inv_key))


@layout
class Invite(Struct):
    """struct { opaque inv_key[32]; opaque box_id[16]; opaque box_seed[32];
    opaque invite_hpke_seed<V> (32 bytes); InviteKind kind; Role role; uint64 expires;
    optional<MemberId> subject; } Invite

    Both seeds are private keys that all members share, so that any of them can read the box and
    open what a newcomer puts there: no absence of the inviter blocks a newcomer. Nobody but the
    inviter and the newcomer holds the private half of ``inv_key``. ``expires`` is in seconds
    since the Unix epoch. ``subject`` is the member whose device is to come (DEVICE, RETURN).
    """

    inv_key: bytes = fixed(ED25519_PUBLIC_BYTES)
    box_id: BoxId = BOX_ID
    box_seed: bytes = fixed(32)
    invite_hpke_seed: bytes = opaque(min_bytes=32, max_bytes=32)
    kind: InviteKind = enum8(InviteKind)
    role: Role = enum8(Role)
    expires: int = uint64()
    subject: MemberId | None = optional(MEMBER_ID)

    @property
    def box_key(self) -> bytes:
        """Public half of the box key, 32 bytes."""
        return Ed25519Key(Secret(self.box_seed)).public

    @property
    def invite_id(self) -> InviteId:
        """The name by which a join request refers to this invitation."""
        return invite_id_of(self.inv_key)

    @property
    def hpke_key(self) -> HpkeKey:
        """The private key that opens join requests to this invitation."""
        return HpkeKey(Secret(self.invite_hpke_seed))


@layout
class Vouch(Struct):
    """struct { opaque request_hash[32]; Acquaintance how; } Vouch"""

    request_hash: bytes = fixed(HASH_BYTES)
    how: Acquaintance = enum8(Acquaintance)


@layout
class LogKey(Struct):
    """struct { uint32 generation; opaque commitment[32]; opaque wrapped<V> (92 bytes); } LogKey

    ``wrapped`` = nonce[12] || AES-256-GCM(LK_g, nonce, exported[32] || LK_g-1[32]): see log_keys.
    """

    generation: int = uint32()
    commitment: bytes = fixed(HASH_BYTES)
    wrapped: bytes = opaque(min_bytes=WRAPPED_LOG_KEY_BYTES, max_bytes=WRAPPED_LOG_KEY_BYTES)


@layout
class Remove(Struct):
    """struct { opaque member_id[16]; RemovalKind kind; uint64 since; opaque reason<V>; } Remove

    A proposal, not yet a removal. ``since`` is the position in the log from which on the
    member's own entries are not trusted (COMPROMISE), and 0 otherwise.
    """

    member_id: MemberId = MEMBER_ID
    kind: RemovalKind = enum8(RemovalKind)
    since: int = uint64()
    reason: str = text(MAX_REASON_BYTES)


@layout
class Approve(Struct):
    """struct { opaque entry_hash[32]; } Approve: SHA-256 of the encoded entry approved."""

    entry_hash: bytes = fixed(HASH_BYTES)


@layout
class Leave(Struct):
    """struct { } Leave: the author's member goes, with all devices."""


@layout
class Tick(Struct):
    """struct { } Tick: nothing but the passing of log time."""


@layout
class InviteRevoke(Struct):
    """struct { opaque invite_id[32]; } InviteRevoke: by the inviter or a steward."""

    invite_id: InviteId = INVITE_ID


@layout
class VouchRevoke(Struct):
    """struct { opaque request_hash[32]; } VouchRevoke: the author's vouch counts no more."""

    request_hash: bytes = fixed(HASH_BYTES)


@layout
class DeviceRevoke(Struct):
    """struct { opaque did[32]; RevokeKind kind; } DeviceRevoke: by another device of the member,
    or, when RETIRED, by the device itself."""

    did: DeviceId = DEVICE_ID
    kind: RevokeKind = enum8(RevokeKind)


@layout
class Suspend(Struct):
    """struct { opaque member_id[16]; opaque reason<V>; } Suspend: by one steward, at once.

    It lapses after SUSPENSION_S unless a second steward approves it.
    """

    member_id: MemberId = MEMBER_ID
    reason: str = text(MAX_REASON_BYTES)


@layout
class Reinstate(Struct):
    """struct { opaque member_id[16]; opaque reason<V>; } Reinstate

    Ends a suspension: at once while nobody has approved it, by two stewards afterwards.
    """

    member_id: MemberId = MEMBER_ID
    reason: str = text(MAX_REASON_BYTES)


@layout
class StewardKey(Struct):
    """struct { HybridPublic key; HybridSignature proof; } StewardKey

    The author's member would sign as steward or officer with this key; ``proof`` is the key's own
    signature over the author's did. It gives no power: a steward_set does.
    """

    key: HybridPublic = nested(HybridPublic)
    proof: HybridSignature = nested(HybridSignature)


@layout
class Objection(Struct):
    """struct { opaque entry_hash[32]; opaque reason<V>; } Objection: to an order_erase.

    Two members' objections pause it: stewards carry them to the relays as a pause.
    """

    entry_hash: bytes = fixed(HASH_BYTES)
    reason: str = text(MAX_REASON_BYTES)


@layout
class Export(Struct):
    """struct { opaque export_id[16]; ExportScope scope; } Export: the author's device takes its
    history out of its vault. ``export_id`` is random: two exports are two entries."""

    export_id: bytes = fixed(SHORT_ID_BYTES)
    scope: ExportScope = enum8(ExportScope)

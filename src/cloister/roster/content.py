"""What sealed entries carry, type by type. The join request has a module of its own."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import Struct, enum8, fixed, layout, opaque, text, uint32, uint64
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import BoxId, InviteId, MemberId
from cloister.roster.fields import BOX_ID, ED25519_PUBLIC_BYTES, HASH_BYTES, MEMBER_ID
from cloister.roster.labels import labelled_hash

MAX_REASON_BYTES: Final = 128
"""A reason of this length still fits the smallest sealed entry."""
WRAPPED_LOG_KEY_BYTES: Final = 12 + 64 + 16
"""Nonce, exported secret and log key before, tag."""

# An invite id stands in join requests; under its own label it is no other hash of the same key.
INVITE_ID_LABEL: Final = b"Invite id"


class InviteKind(IntEnum):
    """Whom an invitation lets in: a person, or one more device of its author."""

    MEMBER = 1
    DEVICE = 2


class Role(IntEnum):
    """What a member may do. A founder is a steward."""

    MEMBER = 1
    STEWARD = 2


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
    opaque invite_hpke_seed<V> (32 bytes); InviteKind kind; Role role; uint64 expires; } Invite

    Both seeds are private keys that all members share, so that any of them can read the box and
    open what a newcomer puts there: no absence of the inviter blocks a newcomer. Nobody but the
    inviter and the newcomer holds the private half of ``inv_key``. ``expires`` is in seconds
    since the Unix epoch.
    """

    inv_key: bytes = fixed(ED25519_PUBLIC_BYTES)
    box_id: BoxId = BOX_ID
    box_seed: bytes = fixed(32)
    invite_hpke_seed: bytes = opaque(min_bytes=32, max_bytes=32)
    kind: InviteKind = enum8(InviteKind)
    role: Role = enum8(Role)
    expires: int = uint64()

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
    """struct { opaque member_id[16]; opaque reason<V>; } Remove: a proposal, not yet a removal."""

    member_id: MemberId = MEMBER_ID
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

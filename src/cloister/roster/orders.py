"""What readable entries carry, type by type: the acts that relays obey.

Devices stand here as handles with openings, conversations as channel ids, stewards as keys. No
name, no member, no device id: whoever seizes a relay learns from an order that some handle was
locked, and not whose.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import (
    OPAQUE,
    Struct,
    enum8,
    fixed,
    flag,
    layout,
    nested,
    opaque,
    optional,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.hybrid_signature import HybridKey, HybridPublic, HybridSignature, verify_hybrid
from cloister.crypto.signature import Ed25519Key, verify_ed25519
from cloister.ids import ChannelId, CircleId, Handle, RelayId
from cloister.roster.fields import (
    CHANNEL_ID,
    CIRCLE_ID,
    ED25519_PUBLIC_BYTES,
    HANDLE,
    HASH_BYTES,
    RELAY_ID,
)
from cloister.roster.labels import labelled_hash

MAX_STEWARDS: Final = 16
MAX_OFFICERS: Final = 16
MAX_TARGETS: Final = 64
"""Handles of one order: the share relays of a member's devices."""
MAX_NOTE_BYTES: Final = 1024

# A steward, or the owner of a device, says: serve these shares to nobody.
LOCK_LABEL: Final = b"LockOrder"
# The owner of a device says: it may be unlocked; one steward must say so too.
UNLOCK_CONSENT_LABEL: Final = b"UnlockConsent"
ORDER_HASH_LABEL: Final = b"LockOrder hash"


@layout
class StewardSet(Struct):
    """struct { HybridPublic stewards<V> (1 to 16); HybridPublic officers<V> (0 to 16); }

    Takes the place of the set before. Officers place holds, and two of them call back a circle
    whose stewards are silent; nothing else.
    """

    stewards: tuple[HybridPublic, ...] = vector(HybridPublic, min_items=1, max_items=MAX_STEWARDS)
    officers: tuple[HybridPublic, ...] = vector(HybridPublic, max_items=MAX_OFFICERS)


@layout
class StewardSuspend(Struct):
    """struct { opaque key_id[32]; uint8 lift; } StewardSuspend

    By one steward, at once: the key is not obeyed for SUSPENSION_S, or until it is lifted; an
    approval by a second steward makes it last. ``lift`` ends a suspension.
    """

    key_id: bytes = fixed(HASH_BYTES)
    lift: bool = flag()


@layout
class EntryReference(Struct):
    """struct { opaque entry_hash[32]; } EntryReference: approve, refuse, pause, hold_release.

    ``entry_hash`` is SHA-256 of the encoded readable entry that is meant.
    """

    entry_hash: bytes = fixed(HASH_BYTES)


@layout
class Target(Struct):
    """struct { opaque relay_id[32]; opaque handle[16]; opaque opening[32]; } Target"""

    relay_id: RelayId = RELAY_ID
    handle: Handle = HANDLE
    opening: bytes = fixed(HASH_BYTES)


class SignerKind(IntEnum):
    """Who signed a lock."""

    STEWARD = 1
    OWNER = 2


@layout
class LockOrder(Struct):
    """struct { opaque circle_id[32]; uint64 log_size; uint64 ts; Target targets<V>; } LockOrder

    ``log_size`` is that of the author's settled log: an order older than the last unlock of a
    handle does not lock it again. ``ts`` in seconds since the Unix epoch.
    """

    circle_id: CircleId = CIRCLE_ID
    log_size: int = uint64()
    ts: int = uint64()
    targets: tuple[Target, ...] = vector(Target, min_items=1, max_items=MAX_TARGETS)

    @property
    def order_hash(self) -> bytes:
        """The name of the order, 32 bytes."""
        return labelled_hash(ORDER_HASH_LABEL, self.encode())


@layout
class SignedLock(Struct):
    """struct { LockOrder order; SignerKind by; opaque key_id[32]; opaque signatures<V><V>; }

    By a steward: ``key_id`` names the steward key, one encoded HybridSignature. By the owner:
    ``key_id`` is zero, and one Ed25519 signature for each target, by its handle's owner key.
    """

    order: LockOrder = nested(LockOrder)
    by: SignerKind = enum8(SignerKind)
    key_id: bytes = fixed(HASH_BYTES)
    signatures: tuple[bytes, ...] = vector(OPAQUE, min_items=1, max_items=MAX_TARGETS)


@layout
class Unlock(Struct):
    """struct { Target targets<V>; opaque consents<V><V>; } Unlock

    With a consent of the owner for each target one steward is enough, else a second approves.
    """

    targets: tuple[Target, ...] = vector(Target, min_items=1, max_items=MAX_TARGETS)
    consents: tuple[bytes, ...] = vector(OPAQUE, max_items=MAX_TARGETS)


@layout
class UnlockConsent(Struct):
    """What an owner key signs: struct { opaque circle_id[32]; uint64 log_size; Target target; }

    ``log_size`` is the seq of the order_unlock that carries it at most, and greater than the
    size at which the handle was locked.
    """

    circle_id: CircleId = CIRCLE_ID
    log_size: int = uint64()
    target: Target = nested(Target)


@layout
class CarriedConsent(Struct):
    """struct { uint64 log_size; opaque signature[64]; }: an element of Unlock.consents, encoded."""

    log_size: int = uint64()
    signature: bytes = fixed(64)


class EraseReason(IntEnum):
    """Why unlock shares are destroyed; in words in the sealed note."""

    LOST = 1
    STOLEN = 2
    DEPARTED = 3
    REQUESTED = 4


@layout
class Erase(Struct):
    """struct { Target targets<V>; EraseReason reason; opaque sealed_note<V>; } Erase

    ``sealed_note`` is under the log key: relays read who is meant by handle only.
    """

    targets: tuple[Target, ...] = vector(Target, min_items=1, max_items=MAX_TARGETS)
    reason: EraseReason = enum8(EraseReason)
    sealed_note: bytes = opaque(max_bytes=MAX_NOTE_BYTES)


class HoldScope(IntEnum):
    """What a legal hold covers."""

    CIRCLE = 1
    MEMBER = 2
    CONVERSATION = 3


@layout
class Hold(Struct):
    """struct { HoldScope scope; Target targets<V>; optional<ChannelId> channel;
    opaque authority_hash[32]; opaque sealed_note<V>; } Hold

    ``targets`` are a member's handles (MEMBER), ``channel`` is the conversation's
    (CONVERSATION). ``authority_hash`` is SHA-256 of the document that demands the hold, or zero.
    """

    scope: HoldScope = enum8(HoldScope)
    targets: tuple[Target, ...] = vector(Target, max_items=MAX_TARGETS)
    channel: ChannelId | None = optional(CHANNEL_ID)
    authority_hash: bytes = fixed(HASH_BYTES)
    sealed_note: bytes = opaque(max_bytes=MAX_NOTE_BYTES)


@layout
class ChannelReset(Struct):
    """struct { opaque old_id[16]; opaque new_id[16]; opaque key[32]; uint32 generation; }

    The commons moves to a new group, of which ``key`` is the epoch key of epoch 0; ``generation``
    is the newest log key that the author can open (flows 4.3).
    """

    old_id: ChannelId = CHANNEL_ID
    new_id: ChannelId = CHANNEL_ID
    key: bytes = fixed(ED25519_PUBLIC_BYTES)
    generation: int = uint32()


def sign_lock_as_steward(order: LockOrder, key: HybridKey, key_id: bytes) -> SignedLock:
    """A lock by a steward; ``key_id`` names the key."""
    signature = key.sign(LOCK_LABEL, order.encode())
    return SignedLock(
        order=order, by=SignerKind.STEWARD, key_id=key_id, signatures=(signature.encode(),)
    )


def sign_lock_as_owner(order: LockOrder, keys: tuple[Ed25519Key, ...]) -> SignedLock:
    """A lock by the owner; ``keys`` are the owner keys of the targets, in their order."""
    content = order.encode()
    return SignedLock(
        order=order,
        by=SignerKind.OWNER,
        key_id=bytes(HASH_BYTES),
        signatures=tuple(key.sign(LOCK_LABEL, content) for key in keys),
    )


def verify_lock_by_steward(lock: SignedLock, public: HybridPublic) -> None:
    """Verify both signatures of a steward. Raises BadSignature, BadPublicKey, DecodeError."""
    signature = HybridSignature.decode(lock.signatures[0])
    verify_hybrid(public, LOCK_LABEL, lock.order.encode(), signature)


def verify_lock_by_owner(lock: SignedLock, index: int, owner_key: bytes) -> None:
    """Verify the owner's signature for target ``index``. Raises BadSignature, BadPublicKey."""
    verify_ed25519(owner_key, LOCK_LABEL, lock.order.encode(), lock.signatures[index])


def verify_unlock_consent(
    carried: CarriedConsent, target: Target, circle_id: CircleId, owner_key: bytes
) -> None:
    """Verify an owner's consent for one target. Raises BadSignature, BadPublicKey."""
    content = UnlockConsent(circle_id=circle_id, log_size=carried.log_size, target=target).encode()
    verify_ed25519(owner_key, UNLOCK_CONSENT_LABEL, content, carried.signature)

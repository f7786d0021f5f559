"""Tickets, receipts and seat terms: what relays sign about one device's unlock shares and seat.

A relay knows a device by a handle only, which it draws at random. The device's join request shows
the circle, and nobody else, which handles are its own; the opening of a receipt shows a relay,
with an order and not before, that a handle belongs to a circle.
"""

from __future__ import annotations

from typing import Final

from cloister.codec import Struct, fixed, layout, nested, uint64, vector
from cloister.crypto.hybrid_signature import HybridKey, HybridPublic, HybridSignature, verify_hybrid
from cloister.ids import Handle, RelayId
from cloister.limits import MAX_DEVICES
from cloister.roster.fields import ED25519_PUBLIC_BYTES, HANDLE, HASH_BYTES, RELAY_ID
from cloister.roster.labels import labelled_hash
from cloister.roster.relay_card import RelayCard, RelaySet

SHARE_RELAYS: Final = 3
"""Relays that hold unlock shares of a device: the home and the first two entries."""
MIN_SHARE_RELAYS: Final = 2

# A bind shows nothing of the origin: r is 32 random bytes.
BIND_LABEL: Final = b"unlock share bind"
# The home says: whoever holds this key may enrol one device here, once.
TICKET_LABEL: Final = b"EnrolmentTicket"
# A relay says: I keep a share under this handle, for whoever opens this bind.
RECEIPT_LABEL: Final = b"ShareReceipt"
# A relay says: the scalars of this handle are destroyed, by this order.
ERASURE_LABEL: Final = b"ErasureReceipt"
# The home, for its operator, says: these handles have seats until then.
SEAT_TERM_LABEL: Final = b"SeatTerm"

_SIGNATURE_BYTES: Final = 64 + 2420


@layout
class Ticket(Struct):
    """struct { opaque issuer[32]; opaque relay_id[32]; opaque key[32]; uint64 expires;
    HybridSignature signature; } Ticket

    ``issuer`` is the home relay that signed it, ``relay_id`` the relay that takes it. ``key`` is
    the Ed25519 key that uses it: the box key of an invitation, or a founder's setup key.
    ``expires`` in seconds since the Unix epoch.
    """

    issuer: RelayId = RELAY_ID
    relay_id: RelayId = RELAY_ID
    key: bytes = fixed(ED25519_PUBLIC_BYTES)
    expires: int = uint64()
    signature: HybridSignature = nested(HybridSignature)


@layout
class ShareReceipt(Struct):
    """struct { opaque relay_id[32]; opaque handle[16]; opaque bind[32]; opaque unlock_key[32];
    opaque owner_key[32]; HybridSignature signature; } ShareReceipt

    ``unlock_key`` asks for the share, ``owner_key`` locks it; both Ed25519.
    """

    relay_id: RelayId = RELAY_ID
    handle: Handle = HANDLE
    bind: bytes = fixed(HASH_BYTES)
    unlock_key: bytes = fixed(ED25519_PUBLIC_BYTES)
    owner_key: bytes = fixed(ED25519_PUBLIC_BYTES)
    signature: HybridSignature = nested(HybridSignature)


@layout
class OpenedReceipt(Struct):
    """struct { ShareReceipt receipt; opaque opening[32]; } OpenedReceipt: what a join request
    and a founding carry for each share relay."""

    receipt: ShareReceipt = nested(ShareReceipt)
    opening: bytes = fixed(HASH_BYTES)


@layout
class ErasureReceipt(Struct):
    """struct { opaque relay_id[32]; opaque handle[16]; opaque order_hash[32]; uint64 at;
    HybridSignature signature; } ErasureReceipt

    ``order_hash`` is the entry hash of the order_erase, ``at`` the relay's time in seconds.
    """

    relay_id: RelayId = RELAY_ID
    handle: Handle = HANDLE
    order_hash: bytes = fixed(HASH_BYTES)
    at: int = uint64()
    signature: HybridSignature = nested(HybridSignature)


@layout
class SeatTerm(Struct):
    """struct { opaque relay_id[32]; uint64 term_end; opaque handles[16]<V>;
    HybridSignature signature; } SeatTerm

    Handles at the home relay that have seats until ``term_end``, in seconds since the Unix epoch.
    """

    relay_id: RelayId = RELAY_ID
    term_end: int = uint64()
    handles: tuple[Handle, ...] = vector(HANDLE, min_items=1, max_items=MAX_DEVICES)
    signature: HybridSignature = nested(HybridSignature)


Signed = Ticket | ShareReceipt | ErasureReceipt | SeatTerm

_LABELS: Final = {
    Ticket: TICKET_LABEL,
    ShareReceipt: RECEIPT_LABEL,
    ErasureReceipt: ERASURE_LABEL,
    SeatTerm: SEAT_TERM_LABEL,
}

UNSIGNED: Final = HybridSignature(ed25519=bytes(64), ml_dsa_44=bytes(2420))
"""Stands in ``signature`` until sign_by_relay has run."""


def bind_of(origin: str, opening: bytes) -> bytes:
    """What a relay stores of the circle a handle belongs to: 32 bytes that say nothing."""
    return labelled_hash(BIND_LABEL, opening + origin.encode())


def sign_by_relay(unsigned: Signed, key: HybridKey) -> HybridSignature:
    """Sign everything before the signature, which is the last field of each."""
    return key.sign(_LABELS[type(unsigned)], unsigned.encode()[:-_SIGNATURE_BYTES])


def verify_by_relay(signed: Signed, public: HybridPublic) -> None:
    """Verify a relay's signatures. Raises BadSignature, BadPublicKey."""
    content = signed.encode()[:-_SIGNATURE_BYTES]
    verify_hybrid(public, _LABELS[type(signed)], content, signed.signature)


def share_relays(relays: RelaySet) -> tuple[RelayCard, ...]:
    """The relays that hold the shares of a device: two, or three where the set has so many."""
    return (relays.home, *relays.entries)[:SHARE_RELAYS]

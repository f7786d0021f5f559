"""A newcomer's request: the keys it enrols, proved by the invitation's key and by its own.

The proof of the invitation covers the newcomer's keys. Whoever sees a request can repeat it, and
gains nothing: it admits the same keys.
"""

from __future__ import annotations

from typing import Final

from cloister.codec import (
    CachedStruct,
    DecodeError,
    Reader,
    encode_opaque,
    fixed,
    layout,
    nested,
    optional,
    text,
    uint64,
    vector,
)
from cloister.crypto.errors import DecryptError
from cloister.crypto.hpke import HpkeKey, hpke_seal
from cloister.crypto.signature import Ed25519Key, verify_ed25519
from cloister.ids import CircleId, InviteId, MemberId
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.content import invite_id_of
from cloister.roster.device_card import DeviceCard
from cloister.roster.digits import sixty_digits
from cloister.roster.fields import (
    CIRCLE_ID,
    ED25519_SIGNATURE_BYTES,
    HASH_BYTES,
    INVITE_ID,
    MEMBER_ID,
)
from cloister.roster.labels import framed, labelled_hash
from cloister.roster.name import check_new_name
from cloister.roster.share import SHARE_RELAYS, OpenedReceipt, SeatTerm

JOIN_REQUEST_PLAINTEXT_BYTES: Final = 12_288
"""Every sealed request has this length inside, so that neither a name's length nor the number of
share relays shows: three receipts, a seat term and the rest are at most 12,145 bytes."""

# The invitation's key says: these keys, and no others, may use me.
INVITE_PROOF_LABEL: Final = b"JoinRequest invitation"
# The device key says: I am held by whoever asks, and want exactly this.
DEVICE_PROOF_LABEL: Final = b"JoinRequest device"
# What vouchers sign. Not the hash of anything else, so that a vouch fits nothing else.
REQUEST_HASH_LABEL: Final = b"JoinRequest"
# The digits people compare are no prefix or function of the hash that entries show.
FINGERPRINT_LABEL: Final = b"JoinRequest fingerprint"
# Binds a sealed request to the invitation whose HPKE key it is sealed to.
SEALED_REQUEST_LABEL: Final = b"sealed JoinRequest"


@layout
class JoinRequest(CachedStruct):
    """struct { opaque circle_id[32]; opaque invite_id[32]; opaque member_id[16];
    DeviceCard device; opaque name<V>; OpenedReceipt receipts<V>; optional<SeatTerm> seat;
    uint64 seen_size; opaque seen_root[32]; opaque inv_signature[64];
    opaque device_signature[64]; } JoinRequest

    Both signatures are over everything before the first of them. ``receipts`` are those
    of the share relays, ``seat`` is the home relay's; both only where the policy asks for them.
    ``seen_size`` and ``seen_root`` are the checkpoint the newcomer saw.
    """

    circle_id: CircleId = CIRCLE_ID
    invite_id: InviteId = INVITE_ID
    member_id: MemberId = MEMBER_ID
    device: DeviceCard = nested(DeviceCard)
    name: str = text(MAX_NAME_BYTES)
    receipts: tuple[OpenedReceipt, ...] = vector(OpenedReceipt, max_items=SHARE_RELAYS)
    seat: SeatTerm | None = optional(SeatTerm)
    seen_size: int = uint64()
    seen_root: bytes = fixed(HASH_BYTES)
    inv_signature: bytes = fixed(ED25519_SIGNATURE_BYTES)
    device_signature: bytes = fixed(ED25519_SIGNATURE_BYTES)

    @property
    def signed_bytes(self) -> bytes:
        """What both signatures cover."""
        return self.encode()[: -2 * ED25519_SIGNATURE_BYTES]

    @property
    def request_hash(self) -> bytes:
        """What vouches name: SHA-256 over the whole request, signatures included; 32 bytes."""
        return labelled_hash(REQUEST_HASH_LABEL, self.encode())


def make_join_request(
    *,
    circle_id: CircleId,
    inv_key: Ed25519Key,
    member_id: MemberId,
    device: DeviceCard,
    device_key: Ed25519Key,
    name: str,
    seen_size: int,
    seen_root: bytes,
    receipts: tuple[OpenedReceipt, ...] = (),
    seat: SeatTerm | None = None,
) -> JoinRequest:
    """Make a request. Raises NameRefused.

    Args:
        inv_key: the invitation's key, derived from its seed.
        device_key: the private half of ``device.device_key``.
        seen_size: size and root of the settled checkpoint the newcomer has verified.
        receipts: of the share relays, in their order, where the policy has unlock shares.
        seat: the home relay's seat term, where the policy has seats.
    """
    unsigned = JoinRequest(
        circle_id=circle_id,
        invite_id=invite_id_of(inv_key.public),
        member_id=member_id,
        device=device,
        name=check_new_name(name),
        receipts=receipts,
        seat=seat,
        seen_size=seen_size,
        seen_root=seen_root,
        inv_signature=bytes(ED25519_SIGNATURE_BYTES),
        device_signature=bytes(ED25519_SIGNATURE_BYTES),
    )
    signed = unsigned.signed_bytes
    return JoinRequest.decode(
        signed
        + inv_key.sign(INVITE_PROOF_LABEL, signed)
        + device_key.sign(DEVICE_PROOF_LABEL, signed)
    )


def verify_invite_proof(request: JoinRequest, inv_public: bytes) -> None:
    """Verify the invitation's signature. Raises BadSignature, BadPublicKey."""
    verify_ed25519(inv_public, INVITE_PROOF_LABEL, request.signed_bytes, request.inv_signature)


def verify_device_proof(request: JoinRequest) -> None:
    """Verify the newcomer's own signature. Raises BadSignature, BadPublicKey."""
    verify_ed25519(
        request.device.device_key,
        DEVICE_PROOF_LABEL,
        request.signed_bytes,
        request.device_signature,
    )


def fingerprint(request: JoinRequest) -> str:
    """The sixty digits newcomer and voucher compare: twelve groups of five, with spaces between.

    Of J, bound to H(J): see ``digits``.
    """
    return sixty_digits(FINGERPRINT_LABEL, request.encode(), request.request_hash)


def seal_join_request(request: JoinRequest, invite_hpke_public: bytes) -> bytes:
    """Seal a request to the invitation's HPKE key; 13,424 bytes. Raises BadPublicKey."""
    plaintext = encode_opaque(request.encode()).ljust(JOIN_REQUEST_PLAINTEXT_BYTES, b"\0")
    return hpke_seal(invite_hpke_public, _info(request.invite_id), plaintext)


def open_join_request(hpke_key: HpkeKey, invite_id: InviteId, sealed: bytes) -> JoinRequest:
    """Open an item of the invite box. Raises DecryptError, DecodeError; proofs are not verified."""
    plaintext = hpke_key.open(_info(invite_id), sealed)
    if len(plaintext) != JOIN_REQUEST_PLAINTEXT_BYTES:
        raise DecryptError
    reader = Reader(plaintext)
    request = JoinRequest.decode(reader.opaque())
    if reader.raw(reader.remaining).strip(b"\0"):
        raise DecodeError("padding is not zero", reader.position)
    if request.invite_id != invite_id:
        raise DecodeError("join request names another invitation")
    return request


def _info(invite_id: InviteId) -> bytes:
    return framed(SEALED_REQUEST_LABEL) + invite_id

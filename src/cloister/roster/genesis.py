"""The first entry: what the circle is, signed by the steward who founds it.

It is readable, because relays take the relay set and the steward key from it, and it hides what
relays need not know: the founder, and the channel of the commons, whose id the entry relay, which
mirrors the log, must not learn.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister.codec import (
    CachedStruct,
    DecodeError,
    fixed,
    layout,
    nested,
    opaque,
    optional,
    text,
    vector,
)
from cloister.crypto.aead import NONCE_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, BadSignature, DecryptError
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey, HybridPublic, check_hybrid_public
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, verify_ed25519
from cloister.errors import LocalError
from cloister.ids import ChannelId, CircleId, MemberId
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.device_card import DeviceCard, check_device_card
from cloister.roster.enrolment import are_receipts_of, is_seat_of
from cloister.roster.entry import NO_CIRCLE, EntryKind, Header
from cloister.roster.errors import LogBroken, RelayRefused, UpdateNeeded
from cloister.roster.fields import CHANNEL_ID, ED25519_SIGNATURE_BYTES, HASH_BYTES, MEMBER_ID
from cloister.roster.form import read_entry
from cloister.roster.labels import framed, labelled_hash
from cloister.roster.log_keys import log_key_commitment
from cloister.roster.name import check_new_name, has_name_form
from cloister.roster.policy import Policy, unknown_in_policy
from cloister.roster.readable import (
    ReadableBody,
    ReadableType,
    make_readable,
    steward_key_id,
    verify_readable,
)
from cloister.roster.relay_card import RelaySet, check_relay_set
from cloister.roster.rules import Rule
from cloister.roster.share import SHARE_RELAYS, OpenedReceipt, SeatTerm
from cloister.transparency.merkle import EMPTY_ROOT

MAX_ORIGIN_BYTES: Final = 255
_MAX_FOUNDING_BYTES: Final = 12_288
"""Three receipts, a seat term, a device card and a name, sealed."""

# The commons channel id is 128 random bits, so its hash hides it from whoever mirrors the log.
COMMONS_COMMITMENT_LABEL: Final = b"commons channel"
# The founder's device says: I founded this circle, with this steward key and these relays.
FOUNDING_SIGNATURE_LABEL: Final = b"Founding"
# Ties the sealed founding to the readable rest of the same genesis.
FOUNDING_AAD_LABEL: Final = b"sealed founding"


@layout
class GenesisTerms(CachedStruct):
    """What relays and members read alike.

    struct { opaque origin<V>; opaque commons_commitment[32]; RelaySet relay_set; Policy policy;
             HybridPublic steward_key; opaque log_key_commitment[32]; } GenesisTerms
    """

    origin: str = text(MAX_ORIGIN_BYTES)
    commons_commitment: bytes = fixed(HASH_BYTES)
    relay_set: RelaySet = nested(RelaySet)
    policy: Policy = nested(Policy)
    steward_key: HybridPublic = nested(HybridPublic)
    log_key_commitment: bytes = fixed(HASH_BYTES)


@layout
class Genesis(CachedStruct):
    """struct { GenesisTerms terms; opaque sealed_founding<V>; } Genesis"""

    terms: GenesisTerms = nested(GenesisTerms)
    sealed_founding: bytes = opaque(max_bytes=_MAX_FOUNDING_BYTES)


@layout
class Founding(CachedStruct):
    """What only members read.

    struct { DeviceCard founder; opaque commons_channel[16]; opaque member_id[16]; opaque name<V>;
             OpenedReceipt receipts<V>; optional<SeatTerm> seat; opaque signature[64]; } Founding

    The signature is the founder's device's, over GenesisTerms and everything before it here.
    """

    founder: DeviceCard = nested(DeviceCard)
    commons_channel: ChannelId = CHANNEL_ID
    member_id: MemberId = MEMBER_ID
    name: str = text(MAX_NAME_BYTES)
    receipts: tuple[OpenedReceipt, ...] = vector(OpenedReceipt, max_items=SHARE_RELAYS)
    seat: SeatTerm | None = optional(SeatTerm)
    signature: bytes = fixed(ED25519_SIGNATURE_BYTES)


class ReadGenesis(msgspec.Struct, frozen=True):
    """A genesis whose readable half has been checked."""

    circle_id: CircleId
    ts: int
    terms: GenesisTerms
    sealed_founding: bytes
    entry: bytes


def commons_commitment_of(commons_channel: ChannelId) -> bytes:
    """What stands in the genesis for the commons channel id, 32 bytes."""
    return labelled_hash(COMMONS_COMMITMENT_LABEL, commons_channel)


def circle_id_of(genesis: bytes) -> CircleId:
    """The circle's name: SHA-256 of the encoded genesis entry, 32 bytes."""
    return CircleId(sha256(genesis))


def make_genesis(
    *,
    origin: str,
    relay_set: RelaySet,
    policy: Policy,
    steward_key: HybridKey,
    device_key: Ed25519Key,
    device: DeviceCard,
    member_id: MemberId,
    name: str,
    commons_channel: ChannelId,
    log_key: Secret,
    ts: int,
    entropy: Entropy,
    receipts: tuple[OpenedReceipt, ...] = (),
    seat: SeatTerm | None = None,
) -> bytes:
    """Make entry 0 and return it encoded.

    Args:
        origin: the log's name, ``<home relay host>/<random hex>``; visible ASCII without ``+``.
        device_key: the private half of ``device.device_key``.
        log_key: LK_0, 32 random bytes.
        ts: seconds since the Unix epoch.
        receipts: of the share relays, in their order, where the policy has unlock shares.
        seat: the home relay's seat term, where the policy has seats.

    Raises: RelayRefused for relays that break the pair rule; NameRefused; LocalError.
    """
    check_relay_set(relay_set, policy)
    unknown = unknown_in_policy(policy)
    if unknown is not None:
        raise LocalError(f"the policy's {unknown} is out of range")
    if not _is_origin(origin):
        raise LocalError("an origin is visible ASCII without a plus sign")
    terms = GenesisTerms(
        origin=origin,
        commons_commitment=commons_commitment_of(commons_channel),
        relay_set=relay_set,
        policy=policy,
        steward_key=steward_key.public,
        log_key_commitment=log_key_commitment(log_key),
    )
    unsigned = Founding(
        founder=device,
        commons_channel=commons_channel,
        member_id=member_id,
        name=check_new_name(name),
        receipts=receipts,
        seat=seat,
        signature=bytes(ED25519_SIGNATURE_BYTES),
    ).encode()[:-ED25519_SIGNATURE_BYTES]
    founding = unsigned + device_key.sign(FOUNDING_SIGNATURE_LABEL, terms.encode() + unsigned)
    nonce = entropy.random(NONCE_LENGTH)
    sealed = nonce + aes256gcm_seal(log_key, nonce, founding, _aad(terms))
    return make_readable(
        ReadableType.GENESIS,
        Genesis(terms=terms, sealed_founding=sealed).encode(),
        steward_key=steward_key,
        circle_id=NO_CIRCLE,
        seq=0,
        root=EMPTY_ROOT,
        ts=ts,
    )


def read_genesis(data: bytes) -> ReadGenesis:
    """Check all of a genesis that needs no key. Raises LogBroken, UpdateNeeded."""
    entry = read_entry(data, 0)
    _check_genesis_header(entry.header)
    try:
        body = ReadableBody.decode(entry.body)
        if body.type != ReadableType.GENESIS:
            raise LogBroken(Rule.GENESIS_FORM, 0)
        genesis = Genesis.decode(body.content)
    except DecodeError as error:
        raise LogBroken(Rule.GENESIS_FORM, 0) from error
    terms = genesis.terms
    if not _is_origin(terms.origin):
        raise LogBroken(Rule.GENESIS_FORM, 0)
    try:
        check_hybrid_public(terms.steward_key)
        if body.key_id != steward_key_id(terms.steward_key):
            raise LogBroken(Rule.GENESIS_SIGNATURE, 0)
        verify_readable(entry.header, body, terms.steward_key)
    except (BadPublicKey, BadSignature) as error:
        raise LogBroken(Rule.GENESIS_SIGNATURE, 0) from error
    unknown = unknown_in_policy(terms.policy)
    if unknown is not None:
        raise UpdateNeeded(Rule.GENESIS_POLICY, 0, f"the policy's {unknown}")
    try:
        check_relay_set(terms.relay_set, terms.policy)
    except RelayRefused as error:
        raise LogBroken(Rule.GENESIS_RELAYS, 0) from error
    return ReadGenesis(
        circle_id=circle_id_of(data),
        ts=entry.header.ts,
        terms=terms,
        sealed_founding=genesis.sealed_founding,
        entry=data,
    )


def open_founding(genesis: ReadGenesis, log_key: Secret) -> Founding:
    """Open the part for members and check it against the terms. Raises LogBroken."""
    terms = genesis.terms
    if log_key_commitment(log_key) != terms.log_key_commitment:
        raise LogBroken(Rule.GENESIS_FOUNDING, 0)
    sealed = genesis.sealed_founding
    try:
        plaintext = aes256gcm_open(
            log_key,
            sealed[:NONCE_LENGTH].ljust(NONCE_LENGTH, b"\0"),
            sealed[NONCE_LENGTH:],
            _aad(terms),
        )
        founding = Founding.decode(plaintext)
        check_device_card(founding.founder)
        verify_ed25519(
            founding.founder.device_key,
            FOUNDING_SIGNATURE_LABEL,
            terms.encode() + plaintext[:-ED25519_SIGNATURE_BYTES],
            founding.signature,
        )
    except (DecryptError, DecodeError, BadPublicKey, BadSignature):
        raise LogBroken(Rule.GENESIS_FOUNDING, 0) from None
    if not has_name_form(founding.name):
        raise LogBroken(Rule.GENESIS_FOUNDING, 0)
    if commons_commitment_of(founding.commons_channel) != terms.commons_commitment:
        raise LogBroken(Rule.GENESIS_COMMONS, 0)
    relays, policy = terms.relay_set, terms.policy
    if not are_receipts_of(founding.receipts, relays, policy, terms.origin):
        raise LogBroken(Rule.GENESIS_RECEIPTS, 0)
    if not is_seat_of(founding.seat, founding.receipts, relays, policy):
        raise LogBroken(Rule.GENESIS_RECEIPTS, 0)
    return founding


def _check_genesis_header(header: Header) -> None:
    fits = (
        header.circle_id == NO_CIRCLE
        and header.seq == 0
        and header.root == EMPTY_ROOT
        and header.kind is EntryKind.READABLE
        and header.lk_gen == 0
    )
    if not fits:
        raise LogBroken(Rule.GENESIS_FORM, 0)


def _is_origin(origin: str) -> bool:
    return bool(origin) and all(
        "!" <= character <= "~" and character != "+" for character in origin
    )


def _aad(terms: GenesisTerms) -> bytes:
    return framed(FOUNDING_AAD_LABEL) + terms.encode()

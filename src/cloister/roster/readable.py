"""Readable entries: acts that relays must obey, so relays must be able to read and verify them."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import DecodeError, Struct, fixed, layout, nested, opaque, uint16
from cloister.crypto.hybrid_signature import HybridKey, HybridPublic, HybridSignature, verify_hybrid
from cloister.ids import CircleId
from cloister.limits import MAX_ENTRY_BYTES
from cloister.roster.entry import VERSION, Entry, EntryKind, Header
from cloister.roster.errors import RuleViolation
from cloister.roster.fields import HASH_BYTES
from cloister.roster.labels import labelled_hash
from cloister.roster.rules import Rule

# A key id names a hybrid key in the role of steward only.
STEWARD_KEY_ID_LABEL: Final = b"steward key id"
# A steward's signatures under this label mean: I do this, at this place in this history.
READABLE_SIGNATURE_LABEL: Final = b"ReadableEntry"


class ReadableType(IntEnum):
    """Types of readable entries. Both folds stop at any other."""

    GENESIS = 1
    STEWARD_SET = 2
    STEWARD_SUSPEND = 3
    RELAY_SET = 4
    APPROVE = 5
    REFUSE = 6
    ORDER_LOCK = 7
    ORDER_UNLOCK = 8
    ORDER_ERASE = 9
    HOLD = 10
    HOLD_RELEASE = 11
    CHANNEL_RESET = 12
    PAUSE = 13


@layout
class ReadableBody(Struct):
    """struct { uint16 type; opaque key_id[32]; opaque content<V>; HybridSignature signature; }"""

    type: int = uint16()
    key_id: bytes = fixed(HASH_BYTES)
    content: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)
    signature: HybridSignature = nested(HybridSignature)


@layout
class ReadableSigned(Struct):
    """struct { Header header; uint16 type; opaque key_id[32]; opaque content<V>; }"""

    header: Header = nested(Header)
    type: int = uint16()
    key_id: bytes = fixed(HASH_BYTES)
    content: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)


def steward_key_id(public: HybridPublic) -> bytes:
    """The name of a steward key, 32 bytes."""
    return labelled_hash(STEWARD_KEY_ID_LABEL, public.encode())


def make_readable(
    readable_type: int,
    content: bytes,
    *,
    steward_key: HybridKey,
    circle_id: CircleId,
    seq: int,
    root: bytes,
    ts: int,
) -> bytes:
    """Make a readable entry for position ``seq``: the encoded entry.

    Args:
        readable_type: a ReadableType, or a number this program does not know (tests).
        root: the tree's root at size ``seq``, 32 bytes.
        ts: seconds since the Unix epoch.
    """
    header = Header(
        version=VERSION,
        circle_id=circle_id,
        seq=seq,
        root=root,
        ts=ts,
        kind=EntryKind.READABLE,
        lk_gen=0,
    )
    key_id = steward_key_id(steward_key.public)
    signed = ReadableSigned(header=header, type=readable_type, key_id=key_id, content=content)
    body = ReadableBody(
        type=readable_type,
        key_id=key_id,
        content=content,
        signature=steward_key.sign(READABLE_SIGNATURE_LABEL, signed.encode()),
    )
    return Entry(header=header, body=body.encode()).encode()


def verify_readable(header: Header, body: ReadableBody, public: HybridPublic) -> None:
    """Verify both of a steward's signatures. Raises BadSignature, BadPublicKey."""
    signed = ReadableSigned(header=header, type=body.type, key_id=body.key_id, content=body.content)
    verify_hybrid(public, READABLE_SIGNATURE_LABEL, signed.encode(), body.signature)


def read_body(entry: Entry) -> ReadableBody:
    """Decode a readable body; key and signatures are not looked at. Raises RuleViolation."""
    try:
        body = ReadableBody.decode(entry.body)
    except DecodeError:
        raise RuleViolation(Rule.READABLE_FORM) from None
    if entry.header.lk_gen != 0:
        raise RuleViolation(Rule.READABLE_FORM)
    return body

"""One entry of the roster log: header, body, and how a sealed body is made and opened.

    struct { Header header; opaque body<V>; } Entry

The encoded entry is the leaf data of the log's tree. The header names the tree's root before the
entry, so that each author signs the whole history. Readable bodies are in ``readable``.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import (
    CachedStruct,
    DecodeError,
    Reader,
    Struct,
    enum8,
    fixed,
    layout,
    nested,
    opaque,
    uint16,
    uint32,
    uint64,
)
from cloister.crypto.aead import NONCE_LENGTH, TAG_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, verify_ed25519
from cloister.ids import CircleId, DeviceId
from cloister.limits import MAX_ENTRY_BYTES
from cloister.roster.fields import CIRCLE_ID, DEVICE_ID, ED25519_SIGNATURE_BYTES
from cloister.roster.labels import framed

VERSION: Final = 1
NO_CIRCLE: Final = CircleId(bytes(32))
"""circle_id of the genesis, which is what the circle id is made of."""

SEALED_PADDING_BYTES: Final = 256
"""Sealed contents are filled up to a multiple of this: all but join requests look alike."""

# An author's signature under this label means: I wrote this entry, at this place in this history.
SEALED_SIGNATURE_LABEL: Final = b"SealedEntry"
# Ties a ciphertext to its header, so that a relay cannot move a body to another place or time.
SEALED_AAD_LABEL: Final = b"sealed entry header"


class EntryKind(IntEnum):
    """Who can read an entry's body."""

    SEALED = 1
    READABLE = 2


class SealedType(IntEnum):
    """Types of sealed entries. The fold stops at any other."""

    INVITE = 1
    JOIN_REQUEST = 2
    VOUCH = 3
    LOG_KEY = 4
    REMOVE = 5
    APPROVE = 6
    LEAVE = 7
    TICK = 8
    INVITE_REVOKE = 9
    VOUCH_REVOKE = 10
    DEVICE_REVOKE = 12
    SUSPEND = 13
    REINSTATE = 14
    STEWARD_KEY = 15
    POLICY = 16
    OBJECTION = 17
    SEAT = 18
    ERASE_RECEIPT = 19
    SHARES = 20
    EXPORT = 21


@layout
class Header(CachedStruct):
    """What relays check of every entry; 87 bytes.

    struct { uint16 version = 1; opaque circle_id[32]; uint64 seq; opaque root[32]; uint64 ts;
             EntryKind kind; uint32 lk_gen; } Header

    ``ts`` is in seconds since the Unix epoch. ``lk_gen`` is the generation of the log key that
    seals the body, and 0 in readable entries.
    """

    version: int = uint16()
    circle_id: CircleId = CIRCLE_ID
    seq: int = uint64()
    root: bytes = fixed(32)
    ts: int = uint64()
    kind: EntryKind = enum8(EntryKind)
    lk_gen: int = uint32()


@layout
class Entry(CachedStruct):
    """struct { Header header; opaque body<V>; } Entry"""

    header: Header = nested(Header)
    body: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)

    @property
    def entry_hash(self) -> bytes:
        """SHA-256 of the encoded entry, by which an approval names it (not the leaf hash)."""
        return sha256(self.encode())


@layout
class SealedContent(Struct):
    """What is inside a sealed body, before the zeros that pad it.

    struct { uint16 type; opaque author[32]; opaque content<V>; opaque signature<V>; } SealedContent
    """

    type: int = uint16()
    author: DeviceId = DEVICE_ID
    content: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)
    signature: bytes = opaque(min_bytes=ED25519_SIGNATURE_BYTES, max_bytes=ED25519_SIGNATURE_BYTES)


@layout
class SealedSigned(Struct):
    """What the author's device key signs: everything but the padding."""

    header: Header = nested(Header)
    type: int = uint16()
    author: DeviceId = DEVICE_ID
    content: bytes = opaque(max_bytes=MAX_ENTRY_BYTES)


def seal_entry(
    sealed_type: int,
    content: bytes,
    *,
    author: DeviceId,
    device_key: Ed25519Key,
    circle_id: CircleId,
    seq: int,
    root: bytes,
    ts: int,
    generation: int,
    log_key: Secret,
    entropy: Entropy,
) -> bytes:
    """Make a sealed entry for position ``seq``.

    Args:
        sealed_type: a SealedType, or a number this program does not know (tests of old programs).
        content: the encoded structure of that type.
        root: the tree's root at size ``seq``, 32 bytes.
        ts: seconds since the Unix epoch, not smaller than that of the entry before.
        log_key: LK of ``generation``, 32 bytes.

    Returns: the encoded entry, ready to be appended when the log has size ``seq``.
    """
    header = Header(
        version=VERSION,
        circle_id=circle_id,
        seq=seq,
        root=root,
        ts=ts,
        kind=EntryKind.SEALED,
        lk_gen=generation,
    )
    signed = SealedSigned(header=header, type=sealed_type, author=author, content=content)
    sealed = SealedContent(
        type=sealed_type,
        author=author,
        content=content,
        signature=device_key.sign(SEALED_SIGNATURE_LABEL, signed.encode()),
    ).encode()
    sealed += bytes(-len(sealed) % SEALED_PADDING_BYTES)
    # A random nonce: no author knows which others he writes beside. The key seals far fewer than
    # 2^32 entries, the bound for random 96-bit nonces.
    nonce = entropy.random(NONCE_LENGTH)
    body = nonce + aes256gcm_seal(log_key, nonce, sealed, _aad(header))
    return Entry(header=header, body=body).encode()


def open_sealed(entry: Entry, log_key: Secret) -> SealedContent:
    """Open a sealed body; its signature is not verified here.

    Raises DecryptError when it does not open, DecodeError when what is inside has no valid form.
    """
    if len(entry.body) < NONCE_LENGTH + TAG_LENGTH:
        raise DecryptError
    nonce, ciphertext = entry.body[:NONCE_LENGTH], entry.body[NONCE_LENGTH:]
    reader = Reader(aes256gcm_open(log_key, nonce, ciphertext, _aad(entry.header)))
    content = SealedContent.read(reader)
    padding = reader.remaining
    # Only the shortest padding is valid: an author has no free bits to signal with by length.
    if reader.end % SEALED_PADDING_BYTES or padding >= SEALED_PADDING_BYTES:
        raise DecodeError("sealed content is not padded to a multiple of 256", reader.position)
    if reader.raw(padding).strip(b"\0"):
        raise DecodeError("padding is not zero", reader.position)
    return content


def verify_sealed(header: Header, sealed: SealedContent, device_public: bytes) -> None:
    """Verify the author's signature. Raises BadSignature, BadPublicKey."""
    signed = SealedSigned(
        header=header, type=sealed.type, author=sealed.author, content=sealed.content
    )
    verify_ed25519(device_public, SEALED_SIGNATURE_LABEL, signed.encode(), sealed.signature)


def _aad(header: Header) -> bytes:
    return framed(SEALED_AAD_LABEL) + header.encode()

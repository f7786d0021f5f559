"""Signed notes (C2SP signed-note v1): a text, an empty line, one signature a line.

    <text, ending in a newline>

    <em dash> <key name> <base64(key id[4] || signature)>

Parsing is strict and canonical: whatever parses, encodes to the same bytes again. Nothing is
verified here, hence the name `UnverifiedNote`.
"""

from __future__ import annotations

import base64
import binascii
import re
from enum import IntEnum
from typing import Final

import msgspec

from cloister.crypto.hashing import sha256
from cloister.transparency.errors import MisusedLog, NoteError

MAX_NOTE_BYTES: Final = 64 * 1024
"""Both signatures of nine relays fit. A larger note would harm whoever parses it."""
MAX_SIGNATURES: Final = 32
"""C2SP asks for 16 at least."""
KEY_ID_LENGTH: Final = 4
MAX_NAME_LENGTH: Final = 255
"""Of our own names: `cosigned_message` counts them in one byte."""

_DASH: Final = "\u2014 "
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f]")
"""All below the space but the newline."""


class SignatureType(IntEnum):
    """The byte between key name and public key in the hash that makes a key id."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06


def key_id(name: str, signature_type: SignatureType, public: bytes) -> bytes:
    """Return the 4-byte id under which a key signs: SHA-256(name || LF || type || key)[:4].

    It finds the key and authenticates nothing. The type in it lets one key make signatures of
    several types without one being looked up as another.
    """
    return sha256(name.encode(), b"\n", bytes((signature_type,)), public)[:KEY_ID_LENGTH]


def check_own_name(name: str) -> None:
    """Demand a form that we give to names and origins: visible ASCII without plus, 1 to 255 bytes.

    Narrower than C2SP: without spaces the text of a checkpoint can never begin like one of our
    labelled signatures ("Cloister 1.0 ..."), which relay keys make as well. Raises MisusedLog.
    """
    if not is_own_name(name):
        raise MisusedLog("a name is 1 to 255 visible ASCII characters without plus")


def is_own_name(name: str) -> bool:
    """Tell whether `name` has the form above."""
    return 1 <= len(name) <= MAX_NAME_LENGTH and all("!" <= c <= "~" and c != "+" for c in name)


def encode_base64(data: bytes) -> str:
    """Return standard base64 with padding (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Decode the one base64 form of some bytes. Raises NoteError on any other."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("not base64") from None
    # the library lets pass bits that belong to no byte; they would make two texts of one value
    if encode_base64(data) != text:
        raise NoteError("not canonical base64")
    return data


class SignatureLine(msgspec.Struct, frozen=True, kw_only=True):
    """One signature, by whoever claims this name and key id."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> bytes:
        """Return the line with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n".encode()


class UnverifiedNote(msgspec.Struct, frozen=True, kw_only=True):
    """A note whose form is right. Its text must not be used before a signature was verified."""

    text: bytes
    signatures: tuple[SignatureLine, ...]

    @classmethod
    def parse(cls, data: bytes) -> UnverifiedNote:
        """Parse a note. Raises NoteError; any other exception is a bug."""
        if len(data) > MAX_NOTE_BYTES:
            raise NoteError(f"note of more than {MAX_NOTE_BYTES} bytes")
        _decode_text(data)
        # the text may hold empty lines itself: the last one separates
        text, separator, lines = data.rpartition(b"\n\n")
        if not separator:
            raise NoteError("note without an empty line before its signatures")
        return cls(text=text + b"\n", signatures=parse_lines(lines))

    def encode(self) -> bytes:
        """Return the bytes of the note."""
        return self.text + b"\n" + b"".join(line.encode() for line in self.signatures)

    def find(self, name: str, wanted: bytes) -> bytes | None:
        """Return the signature under this name and key id, if there is one."""
        for line in self.signatures:
            if line.name == name and line.key_id == wanted:
                return line.signature
        return None


def parse_lines(data: bytes) -> tuple[SignatureLine, ...]:
    """Parse one or more signature lines, each with its newline. Raises NoteError.

    Lines of unknown keys must have the form, too; of one name and key id there is one line only,
    so that nobody can be shown the one while another checks the other.
    """
    text = _decode_text(data)
    if not text.endswith("\n"):
        raise NoteError("signature line without its newline")
    lines = text[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"more than {MAX_SIGNATURES} signatures")
    signatures = tuple(_parse_line(line) for line in lines)
    if len({(line.name, line.key_id) for line in signatures}) != len(signatures):
        raise NoteError("two signatures under one name and key id")
    return signatures


def _parse_line(line: str) -> SignatureLine:
    if not line.startswith(_DASH):
        raise NoteError("a signature line starts with an em dash and a space")
    name, separator, value = line[len(_DASH) :].partition(" ")
    if not separator or not name or "+" in name or any(c.isspace() for c in name):
        raise NoteError("malformed key name")
    decoded = decode_base64(value)
    if len(decoded) <= KEY_ID_LENGTH:
        raise NoteError("signature without content")
    return SignatureLine(
        name=name, key_id=decoded[:KEY_ID_LENGTH], signature=decoded[KEY_ID_LENGTH:]
    )


def _decode_text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteError("not UTF-8") from None
    if _CONTROL.search(text):
        raise NoteError("control character")
    return text

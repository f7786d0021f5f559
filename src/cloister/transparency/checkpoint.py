"""The head of a log as text (C2SP tlog-checkpoint v1).

    <origin>
    <tree size in decimal>
    <base64(root hash)>

No extension lines: the ML-DSA-44 signatures would not cover them, so none is accepted.
"""

from __future__ import annotations

import msgspec

from cloister.transparency.errors import CheckpointError, MisusedLog, NoteError
from cloister.transparency.merkle import EMPTY_ROOT, HASH_LENGTH, MAX_TREE_SIZE
from cloister.transparency.note import decode_base64, encode_base64, is_own_name


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Which log, how many entries, and the root over them. Frozen; checked when made.

    `origin` names the log and nothing else: visible ASCII without plus, at most 255 bytes. It
    holds a relay's name and random digits, never the name of a circle, because it is public.
    """

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        fault = _fault(self.origin, self.size, self.root)
        if fault:
            raise MisusedLog(fault)

    @classmethod
    def parse(cls, text: bytes) -> Checkpoint:
        """Parse the text of a note. Raises CheckpointError; any other exception is a bug."""
        try:
            lines = text.decode("utf-8").split("\n")
        except UnicodeDecodeError:
            raise CheckpointError("not UTF-8") from None
        if len(lines) != 4 or lines[3]:
            raise CheckpointError("a checkpoint has three lines")
        origin, digits, encoded_root, _ = lines
        # isdecimal() alone takes the digits of other scripts, int() signs and underscores
        if not (digits.isascii() and digits.isdecimal()) or len(digits) > 19:
            raise CheckpointError("malformed tree size")
        size = int(digits)
        if str(size) != digits:
            raise CheckpointError("tree size with leading zeroes")
        try:
            root = decode_base64(encoded_root)
        except NoteError as error:
            raise CheckpointError(f"root hash: {error}") from None
        fault = _fault(origin, size, root)
        if fault:
            raise CheckpointError(fault)
        return cls(origin=origin, size=size, root=root)

    def encode(self) -> bytes:
        """Return the text: three lines, each with its newline. This is what the log signs."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n".encode("ascii")


def _fault(origin: str, size: int, root: bytes) -> str | None:
    if not is_own_name(origin):
        return "an origin is 1 to 255 visible ASCII characters without plus"
    if not 0 <= size <= MAX_TREE_SIZE:
        return "tree size out of range"
    if len(root) != HASH_LENGTH:
        return "a root hash has 32 bytes"
    if size == 0 and root != EMPTY_ROOT:
        return "the empty tree has another root"
    return None

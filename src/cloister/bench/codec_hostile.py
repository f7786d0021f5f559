"""A mebibyte of malice: inputs made to cost a decoder much, or the checks behind it.

Each is as well formed as it has to be to be read as far as possible.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from cloister.bench.codec_messages import decode_tree
from cloister.codec import encode_opaque, encode_varint
from cloister.mls import Capabilities, KeyPackage
from cloister.mls.commit import Commit
from cloister.mls.extension import ExternalSenders
from cloister.mls.limits import (
    MAX_CERTIFICATES,
    MAX_CODE_POINTS,
    MAX_EXTENSIONS,
    MAX_LEAVES,
    MAX_MEMBER_EXTENSIONS,
    MAX_PATH_NODES,
    MAX_PROPOSALS,
    MAX_RESOLUTION,
)
from cloister.mls.message import MLSMessage
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome

SIZE: Final = 1 << 20

# An empty leaf of leaf_node_source update, up to its extensions, and with none of them.
LEAF_HEAD: Final = bytes.fromhex("00 00 0001 00 0000000000 02")
LEAF: Final = LEAF_HEAD + b"\x00\x00"
PARENT: Final = b"\x01\x02\x00\x00\x00"
KEY: Final = b"\x20" + bytes(32)
KEYED_LEAF: Final = KEY + KEY + LEAF_HEAD[2:] + b"\x00\x40\x40" + bytes(64)
KEYED_PARENT: Final = b"\x01\x02" + KEY + KEY + b"\x00"
BLANK: Final = b"\x00"
PACKAGE_HEAD: Final = bytes.fromhex("0001 0001 00")
CONTEXT_HEAD: Final = bytes.fromhex("0001 0001 00 0000000000000000 00 00")


@dataclass(frozen=True, slots=True)
class Hostile:
    """Hostile bytes of one kind and the decoder they are for."""

    kind: str
    name: str
    decode: Callable[[bytes], object]
    data: bytes


def filled(item: bytes, head: bytes = b"", tail: bytes = b"") -> bytes:
    """A vector of as many of the item as fit a mebibyte, between ``head`` and ``tail``."""
    room = SIZE - len(head) - len(tail) - len(encode_varint(SIZE))
    return head + encode_opaque(item * (room // len(item))) + tail


def extensions(count: int) -> bytes:
    """Empty extensions of so many types."""
    return encode_opaque(b"".join((0xF000 + n).to_bytes(2, "big") + b"\0" for n in range(count)))


def heavy_leaf() -> bytes:
    """The leaf that takes longest for its size: all lists full of what is cheapest to send."""
    capabilities = encode_opaque(b"\xf0\x00" * MAX_CODE_POINTS) * 5
    certificates = encode_opaque(bytes(MAX_CERTIFICATES))
    return (
        b"\0\0\0\2"
        + certificates
        + capabilities
        + b"\2"
        + extensions(MAX_MEMBER_EXTENSIONS)
        + b"\0"
    )


def hostile_inputs() -> Iterator[Hostile]:
    """All of them, kind by kind."""
    full_leaf = LEAF_HEAD + extensions(MAX_MEMBER_EXTENSIONS) + b"\0"
    full_add = b"\1\0\1" + PACKAGE_HEAD + heavy_leaf() + extensions(MAX_MEMBER_EXTENSIONS) + b"\0"
    full_node = b"\0" + encode_opaque(b"\0\0" * MAX_RESOLUTION)
    full_commit = (
        encode_opaque(full_add * MAX_PROPOSALS)
        + b"\1"
        + LEAF
        + encode_opaque(full_node * MAX_PATH_NODES)
    )
    big = encode_opaque(bytes(SIZE - 64))
    nested = b"\1\0\1" + PACKAGE_HEAD + LEAF_HEAD + encode_opaque(b"\xf0\0" + big) + b"\0\0\0"
    yield from (
        Hostile("depth", "Commit, Add, KeyPackage, leaf, extension", Commit.decode,
                encode_opaque(nested) + b"\0"),
        Hostile("lengths", "a giant length", MLSMessage.decode,
                bytes.fromhex("0001 0005 0001 0001 bfffffff") + bytes(SIZE)),
        Hostile("lengths", "one opaque of a mebibyte", MLSMessage.decode,
                bytes.fromhex("0001 0002 00 0000000000000000 01") + big + b"\0\0"),
        Hostile("empty vectors", "certificates", KeyPackage.decode,
                filled(b"\0", PACKAGE_HEAD + bytes.fromhex("00 00 0002"))),
        Hostile("empty vectors", "references in a Commit", Commit.decode,
                filled(b"\2\0", tail=b"\0")),
        Hostile("empty vectors", "secrets in a Welcome", Welcome.decode,
                filled(b"\0\0\0", b"\0\1", b"\0")),
        Hostile("empty vectors", "pre-shared keys in GroupSecrets", GroupSecrets.decode,
                filled(b"\1\0\0", b"\0\0")),
        Hostile("empty vectors", "external senders", ExternalSenders.decode, filled(b"\0\0\1\0")),
        Hostile("proposals", "empty KeyPackages", Commit.decode,
                filled(b"\1\0\1" + PACKAGE_HEAD + LEAF + b"\0\0", tail=b"\0")),
        Hostile("proposals", "a Commit full in every list", Commit.decode, full_commit),
        Hostile("extensions", "of a KeyPackage", KeyPackage.decode,
                filled(b"\xf0\0\0", PACKAGE_HEAD + LEAF, b"\0")),
        Hostile("extensions", "of a group context", GroupInfo.decode,
                filled(b"\xf0\0\0", CONTEXT_HEAD, bytes(7))),
        Hostile("extensions", "full lists in proposals", Commit.decode,
                filled(b"\1\0\7" + extensions(MAX_EXTENSIONS), tail=b"\0")),
        Hostile("capabilities", "a list of half a million", Capabilities.decode,
                filled(b"\xf0\0") + bytes(4)),
        Hostile("tree", "blanks", decode_tree, filled(BLANK)),
        Hostile("tree", "empty leaves", decode_tree, filled(b"\1\1" + LEAF + BLANK)),
        Hostile("tree", "empty leaves and parents", decode_tree,
                filled(b"\1\1" + LEAF + PARENT)),
        Hostile("tree", "leaves with full lists of extensions", decode_tree,
                filled(b"\1\1" + full_leaf + PARENT)),
        Hostile("tree", "leaves with all lists full", decode_tree,
                filled(b"\1\1" + heavy_leaf() + PARENT)),
        Hostile("tree", "as many leaves as may be, with keys", decode_tree,
                encode_opaque((b"\1\1" + KEYED_LEAF + KEYED_PARENT) * (MAX_LEAVES - 1)
                              + b"\1\1" + KEYED_LEAF)),
        Hostile("unmerged leaves", "one list", decode_tree,
                encode_opaque(b"\0\1\2\0\0" + filled(b"\0\0\0\1"))),
        Hostile("unmerged leaves", "full lists", decode_tree,
                filled(BLANK + b"\1\2\0\0" + encode_opaque(b"\0\0\7\xff" * MAX_LEAVES))),
    )  # fmt: skip

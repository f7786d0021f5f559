"""Lists have a longest form, so that a small message is not a large work."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.codec import DecodeError, EncodeError, Struct, encode_opaque
from cloister.mls import Capabilities, Extension, GroupContext, KeyPackage
from cloister.mls.commit import Commit
from cloister.mls.credential import Credential
from cloister.mls.extension import ExternalSenders, RequiredCapabilities
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import (
    MAX_CERTIFICATES,
    MAX_CODE_POINTS,
    MAX_EXTENSIONS,
    MAX_EXTERNAL_SENDERS,
    MAX_LEAVES,
    MAX_MEMBER_EXTENSIONS,
    MAX_PATH_NODES,
    MAX_PROPOSALS,
    MAX_RESOLUTION,
)
from cloister.mls.proposal import GroupContextExtensions, ReInit
from cloister.mls.ratchet_tree import ParentNode, RatchetTree
from cloister.mls.suite import suite_of
from cloister.mls.update_path import UpdatePath, UpdatePathNode
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome
from unit.mls.members import CLASSICAL

# A leaf of leaf_node_source update in which everything is empty, but for its extensions.
LEAF_HEAD = bytes.fromhex("00 00 0001 00 0000000000 02")
EMPTY_LEAF = LEAF_HEAD + b"\x00\x00"
CONTEXT_HEAD = bytes.fromhex("0001 0001 00 0000000000000000 00 00")


def extensions(count: int) -> bytes:
    return encode_opaque(b"".join((0xF000 + n).to_bytes(2, "big") + b"\x00" for n in range(count)))


def code_points(count: int) -> bytes:
    return encode_opaque(b"\xf0\x00" * count)


@pytest.mark.parametrize(
    ("structure", "most", "encoded"),
    [
        (LeafNode, MAX_MEMBER_EXTENSIONS, lambda n: LEAF_HEAD + extensions(n) + b"\x00"),
        (
            KeyPackage,
            MAX_MEMBER_EXTENSIONS,
            lambda n: bytes(5) + EMPTY_LEAF + extensions(n) + b"\x00",
        ),
        (GroupContext, MAX_EXTENSIONS, lambda n: CONTEXT_HEAD + extensions(n)),
        (GroupContextExtensions, MAX_EXTENSIONS, extensions),
        (ReInit, MAX_EXTENSIONS, lambda n: bytes(5) + extensions(n)),
        (
            GroupInfo,
            MAX_EXTENSIONS,
            lambda n: CONTEXT_HEAD + b"\x00" + extensions(n) + bytes(6),
        ),
        (Capabilities, MAX_CODE_POINTS, lambda n: code_points(n) + bytes(4)),
        (Capabilities, MAX_CODE_POINTS, lambda n: bytes(1) + code_points(n) + bytes(3)),
        (Capabilities, MAX_CODE_POINTS, lambda n: bytes(4) + code_points(n)),
        (RequiredCapabilities, MAX_CODE_POINTS, lambda n: bytes(1) + code_points(n) + bytes(1)),
        (ExternalSenders, MAX_EXTERNAL_SENDERS, lambda n: encode_opaque(b"\0\0\1\0" * n)),
        (Credential, MAX_CERTIFICATES, lambda n: b"\0\2" + encode_opaque(bytes(n))),
        (Commit, MAX_PROPOSALS, lambda n: encode_opaque(b"\2\0" * n) + b"\0"),
        (GroupSecrets, MAX_PROPOSALS, lambda n: b"\0\0" + encode_opaque(b"\1\0\0" * n)),
        (UpdatePath, MAX_PATH_NODES, lambda n: EMPTY_LEAF + encode_opaque(b"\0\0" * n)),
        (UpdatePathNode, MAX_RESOLUTION, lambda n: b"\0" + encode_opaque(b"\0\0" * n)),
        (Welcome, MAX_LEAVES, lambda n: b"\0\1" + encode_opaque(b"\0\0\0" * n) + b"\0"),
        (ParentNode, MAX_LEAVES, lambda n: b"\0\0" + encode_opaque(b"\0\0\0\1" * n)),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_one_item_more_than_the_limit_is_refused(
    structure: type[Struct], most: int, encoded: Callable[[int], bytes]
) -> None:
    longest = encoded(most)
    assert structure.decode(longest).encode() == longest
    with pytest.raises(DecodeError, match=str(most)):
        structure.decode(encoded(most + 1))


def test_a_tree_of_more_leaves_than_the_limit_is_refused() -> None:
    leaf, blank = b"\x01\x01" + EMPTY_LEAF, b"\x00"
    most = encode_opaque(blank * (2 * MAX_LEAVES - 2) + leaf)
    assert RatchetTree.decode(suite_of(CLASSICAL), most).leaf_count == MAX_LEAVES
    with pytest.raises(DecodeError, match=str(MAX_LEAVES)):
        RatchetTree.decode(suite_of(CLASSICAL), encode_opaque(blank * (2 * MAX_LEAVES) + leaf))


def test_a_path_can_be_as_long_as_in_the_largest_tree() -> None:
    assert 1 << MAX_PATH_NODES == MAX_LEAVES


def test_more_is_not_encoded_either() -> None:
    extension = Extension(extension_type=0xF000, data=b"")
    with pytest.raises(EncodeError):
        GroupContextExtensions(extensions=(extension,) * (MAX_EXTENSIONS + 1)).encode()
    leaf = LeafNode.decode(EMPTY_LEAF)
    changed = LeafNode(
        encryption_key=b"",
        signature_key=b"",
        credential=leaf.credential,
        capabilities=leaf.capabilities,
        source=leaf.source,
        extensions=(extension,) * (MAX_EXTENSIONS + 1),
    )
    with pytest.raises(EncodeError):
        changed.encode()

"""Structures whose form depends on a field: unknown values are refused, known ones re-encode."""

from __future__ import annotations

import pytest

from cloister.codec import DecodeError, Reader, Struct
from cloister.mls.credential import Credential
from cloister.mls.errors import RuleViolation
from cloister.mls.framing import AuthenticatedContent, FramedContent, Sender
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Proposal, ProposalOrRef
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.rules import Rule
from unit.mls.members import package

LEAF = package("leaf").parsed().leaf_node.encode()
MEMBER = "01 00000007"
CONTENT = f"01aa 0000000000000001 {MEMBER} 00"


@pytest.mark.parametrize(
    ("structure", "encoded"),
    [
        (Sender, MEMBER),
        (Sender, "02 00000001"),
        (Sender, "03"),
        (Sender, "04"),
        (FramedContent, f"{CONTENT} 01 02 6869"),
        (FramedContent, f"{CONTENT} 02 0003 00000001"),
        (FramedContent, f"{CONTENT} 03 00 00"),
        (AuthenticatedContent, f"0002 {CONTENT} 01 02 6869 01ff"),
        (AuthenticatedContent, f"0001 {CONTENT} 03 00 00 01ff 01ee"),
        (Proposal, "0003 00000001"),
        (Proposal, "0007 00"),
        (ProposalOrRef, "01 0003 00000001"),
        (ProposalOrRef, "02 03 aabbcc"),
        (PreSharedKeyId, "01 02 aabb 01 cc"),
        (PreSharedKeyId, "02 03 01 aa 0000000000000005 01 cc"),
        (Credential, "0001 03 616263"),
        (Credential, "0002 05 02 aabb 01 cc"),
        (Credential, "0a0a 02 ffff"),
    ],
)
def test_known_forms_re_encode(structure: type[Struct], encoded: str) -> None:
    data = bytes.fromhex(encoded)
    assert structure.decode(data).encode() == data
    for length in range(len(data)):
        with pytest.raises(DecodeError):
            structure.decode(data[:length])


@pytest.mark.parametrize(
    ("structure", "encoded"),
    [
        (Sender, "00"),
        (Sender, "05 00000001"),
        (FramedContent, f"{CONTENT} 00"),
        (FramedContent, f"{CONTENT} 04 00"),
        (AuthenticatedContent, f"0003 {CONTENT} 01 02 6869 01ff"),
        (AuthenticatedContent, f"0000 {CONTENT} 01 02 6869 01ff"),
        (Proposal, "0000"),
        (Proposal, "0008 00"),
        (Proposal, "0a0a"),
        (ProposalOrRef, "00"),
        (ProposalOrRef, "03 00"),
        (PreSharedKeyId, "00 00 00"),
        (PreSharedKeyId, "03 00 00"),
        (PreSharedKeyId, "03 01 01 aa 0000000000000005 01 cc"),
        (PreSharedKeyId, "02 00 01 aa 0000000000000005 01 cc"),
        (PreSharedKeyId, "02 04 01 aa 0000000000000005 01 cc"),
        (Credential, "0002 03 02 aabb cc"),
        (MLSMessage, "0000 0005"),
        (MLSMessage, "0002 0005"),
        (MLSMessage, "0001 0000"),
        (MLSMessage, "0001 0006"),
    ],
)
def test_unknown_forms_are_refused(structure: type[Struct], encoded: str) -> None:
    with pytest.raises(DecodeError):
        structure.decode(bytes.fromhex(encoded))


def _source_position() -> int:
    reader = Reader(LEAF)
    reader.opaque()
    reader.opaque()
    Credential.read(reader)
    for _ in range(5):
        reader.opaque()
    return reader.position


@pytest.mark.parametrize("source", [0, 4, 255])
def test_unknown_leaf_node_source_is_refused(source: int) -> None:
    position = _source_position()
    assert LEAF[position] == 1
    with pytest.raises(DecodeError):
        LeafNode.decode(LEAF[:position] + bytes([source]) + LEAF[position + 1 :])


def test_leaf_with_an_extension_twice_is_refused() -> None:
    position = _source_position() + 1 + 16
    assert LEAF[position] == 0
    twice = bytes.fromhex("06 f30000 f30000")
    with pytest.raises(RuleViolation) as caught:
        LeafNode.decode(LEAF[:position] + twice + LEAF[position + 1 :])
    assert caught.value.rule is Rule.DUPLICATE_EXTENSION


def test_every_truncation_of_a_leaf_is_refused() -> None:
    for length in range(0, len(LEAF), 3):
        with pytest.raises(DecodeError):
            LeafNode.decode(LEAF[:length])

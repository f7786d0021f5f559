"""Bytes that are not the one encoding of their value, within messages that are otherwise authentic.

Signatures, tags and encryption are made over the bytes as they are sent, so that a decoder that is
generous would take the message in.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.codec import encode_opaque
from cloister.crypto.secret import Secret
from cloister.mls import Extension, Group, KeyPackage, KeyPackageSecrets, Malformed, labels
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType
from cloister.testing.forge import send
from cloister.testing.forge_commit import Forgery, Proposed, forge_commit
from cloister.testing.forge_framing import Sealing, content_of, encrypt, publish, recoded
from cloister.values import replace
from unit.mls.members import CHECKPOINT, CLASSICAL, group_of, package
from unit.mls.rules.verdict import accepts, refuses, swapped

ALICE, BOB, CAROL = group_of(3, CLASSICAL)
NONCE = bytes(range(32))
PSK = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=NONCE)
KEYS = {b"id": Secret(b"key")}
WITH_PSK = Forgery(with_path=False, psks={PSK: KEYS[b"id"]})
NEWCOMER = package("newcomer", CLASSICAL)
TEXT = content_of(ALICE, b"hello")

Change = Callable[[bytes], bytes]


def only_the_lie_is_malformed(lie: bytes, honest: bytes, victim: Group = BOB) -> None:
    accepts(victim, honest, psks=KEYS)
    refuses(victim, lie, Malformed, psks=KEYS)


def in_a_commit(
    recode: Change,
    *proposals: Proposed,
    victim: Group = BOB,
    how: Forgery = WITH_PSK,
) -> None:
    lie = forge_commit(ALICE, proposals, replace(how, recode=recode))
    only_the_lie_is_malformed(lie, forge_commit(ALICE, proposals, how), victim)


def in_a_text(change: Change) -> None:
    lie = encrypt(ALICE, TEXT, sealing=Sealing(change_plaintext=change))
    only_the_lie_is_malformed(lie, encrypt(ALICE, TEXT))


def in_a_header(change: Change) -> None:
    """The header of a PrivateMessage is authenticated by its values, not by its bytes."""
    honest = encrypt(ALICE, TEXT)
    only_the_lie_is_malformed(change(honest), honest)


def package_with_leaf(secrets: KeyPackageSecrets, change: Change) -> KeyPackage:
    """A KeyPackage whose leaf is signed over these changed bytes, and itself over the leaf."""
    honest = secrets.parsed()
    suite = ALICE.suite
    key = suite.signature_key(secrets.signature_key)
    old = honest.leaf_node
    content = change(old.encode()[: -len(encode_opaque(old.signature))])
    signature = suite.sign_with_label(key, labels.LEAF_NODE_TBS, content)
    leaf = recoded(replace(old, signature=signature), content + encode_opaque(signature))
    unsigned = replace(honest, leaf_node=leaf, signature=b"")
    return replace(
        unsigned,
        signature=suite.sign_with_label(key, labels.KEY_PACKAGE_TBS, unsigned.to_be_signed()),
    )


# -- presence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("presence", ["02", "80", "ff"])
def test_presence_of_an_absent_path_is_zero_MLS_001(presence: str) -> None:
    """A reader that takes everything but 1 for absence would follow this commit."""
    in_a_commit(lambda commit: commit[:-1] + bytes.fromhex(presence), PreSharedKey(psk=PSK))


@pytest.mark.parametrize("presence", ["02", "ff"])
def test_presence_of_a_path_is_one_MLS_001(presence: str) -> None:
    in_a_commit(
        lambda commit: commit[:1] + bytes.fromhex(presence) + commit[2:],
        how=Forgery(with_path=True),
    )


# -- lengths ---------------------------------------------------------------------------------------

# The forms of a length below 64 that are longer than it needs, and those that begin with the bits
# 11: the last is that of QUIC, which MLS has not; the others are what masking the bits would read.
LONGER = ["4000", "80000000"]
PREFIXED = ["c0", "c000", "c0000000", "c000000000000000"]


def long_form(form: str, length: int) -> str:
    """A length in this form, in hexadecimal."""
    return f"{int(form, 16) + length:0{len(form)}x}"


def lengths_in_other_forms(form: str) -> None:
    """Every kind of place in which a length can stand in a message of a member."""

    def as_long(length: int) -> str:
        return long_form(form, length)

    psk = PreSharedKey(psk=PSK)
    prefix = "01 0004 01"
    in_a_commit(lambda commit: bytes.fromhex(as_long(commit[0])) + commit[1:], psk)
    in_a_commit(
        lambda commit: bytes.fromhex(as_long(commit[0])) + commit[1:],
        psk,
        how=replace(WITH_PSK, public=True),
    )
    stretched = len(as_long(0)) // 2 - 1
    in_a_commit(
        lambda commit: (
            bytes([commit[0] + stretched])
            + swapped(f"{prefix} 02 6964", f"{prefix} {as_long(2)} 6964")(commit[1:])
        ),
        psk,
    )
    proposal = Proposal(body=psk)
    honest = send(ALICE, proposal)
    lie = send(
        ALICE, recoded(proposal, swapped("01 02 6964", f"01 {as_long(2)} 6964")(proposal.encode()))
    )
    only_the_lie_is_malformed(lie, honest)
    in_a_text(swapped("05 68656c6c6f", f"{as_long(5)} 68656c6c6f"))
    group_id = b"the group".hex()
    in_a_header(swapped(f"09 {group_id}", f"{as_long(9)} {group_id}"))
    honest = publish(ALICE, content_of(ALICE, proposal))
    only_the_lie_is_malformed(honest[:-33] + bytes.fromhex(as_long(32)) + honest[-32:], honest)
    honest = forge_commit(ALICE, [psk], replace(WITH_PSK, public=True))
    # The confirmation tag, between the signature and the membership tag.
    lie = honest[:-66] + bytes.fromhex(as_long(32)) + honest[-65:]
    only_the_lie_is_malformed(lie, honest)


@pytest.mark.parametrize("form", LONGER)
def test_length_in_a_longer_form_than_it_needs_MLS_002(form: str) -> None:
    lengths_in_other_forms(form)


def test_length_of_two_bytes_in_four_MLS_002() -> None:
    add = Add(key_package=NEWCOMER.parsed())

    def lengthened(commit: bytes) -> bytes:
        assert commit[0] & 0xC0 == 0x40
        return bytes([0x80, 0, commit[0] & 0x3F]) + commit[1:]

    in_a_commit(lengthened, add, how=Forgery())
    in_a_text(swapped("6c6f 4040", "6c6f 80000040"))


@pytest.mark.parametrize("form", LONGER)
def test_length_in_a_longer_form_in_a_leaf_that_is_signed_over_it_MLS_002(form: str) -> None:
    key = NEWCOMER.parsed().leaf_node.encryption_key.hex()
    changed = package_with_leaf(NEWCOMER, swapped(f"20 {key}", f"{long_form(form, 32)} {key}"))
    honest = package_with_leaf(NEWCOMER, lambda content: content)
    assert honest == NEWCOMER.parsed()
    only_the_lie_is_malformed(
        forge_commit(ALICE, [Add(key_package=changed)]),
        forge_commit(ALICE, [Add(key_package=honest)]),
    )


@pytest.mark.parametrize("form", PREFIXED)
def test_length_that_begins_with_the_bits_11_MLS_003(form: str) -> None:
    lengths_in_other_forms(form)


# -- vectors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("excess", [1, 64, 0x3FFFFFFF])
def test_vector_longer_than_the_message_MLS_004(excess: int) -> None:
    honest = encrypt(ALICE, TEXT)
    # "05 hello", the signature and the tag of the AEAD are what is left.
    rest = 6 + 66 + 16
    length = excess + rest if excess < 0x3FFFFFFF else excess
    longer = f"{0x4000 + length:04x}" if length < 0x4000 else f"{0x80000000 + length:08x}"
    lie = honest[: -rest - 2] + bytes.fromhex(longer) + honest[-rest:]
    assert honest[-rest - 2 : -rest] == (0x4000 + rest).to_bytes(2, "big")
    only_the_lie_is_malformed(lie, honest)


def test_vector_that_runs_out_of_the_vector_around_it_MLS_004() -> None:
    """The data of an extension and the next proposal share their bytes.

    A reader that does not mind reads each twice and finds the very commit that was confirmed.
    """
    extensions = GroupContextExtensions(
        extensions=(Extension(extension_type=CHECKPOINT, data=bytes.fromhex("aa 01 0004")),)
    )
    kind = f"{CHECKPOINT:04x}"
    recode = swapped(f"01 0007 07 {kind} 04 aa 010004 01 0004", f"01 0007 04 {kind} 04 aa 01 0004")

    def overlapping(commit: bytes) -> bytes:
        return bytes([commit[0] - 3]) + recode(commit[1:])

    in_a_commit(
        overlapping, extensions, PreSharedKey(psk=PSK), how=replace(WITH_PSK, with_path=True)
    )


def test_vector_of_items_that_runs_out_of_the_vector_around_it_MLS_004() -> None:
    """The extensions of a ReInit end after the proposals, with the presence of the path."""
    reinit = ReInit(
        group_id=b"next",
        version=1,
        cipher_suite=CLASSICAL,
        extensions=(Extension(extension_type=CHECKPOINT, data=b"\x00"),),
    )

    def overlapping(commit: bytes) -> bytes:
        assert commit.endswith(bytes.fromhex(f"04 {CHECKPOINT:04x} 01 00 00"))
        return bytes([commit[0] - 1]) + commit[1:-1]

    in_a_commit(overlapping, reinit, how=Forgery(with_path=False))


def test_item_that_runs_out_of_its_vector_MLS_004() -> None:
    """The last byte of a leaf index is the presence of the path."""
    in_a_commit(
        swapped("07 01 0003 00000001 01", "06 01 0003 000000 01"),
        Remove(removed=1),
        victim=CAROL,
        how=Forgery(),
    )


def test_message_that_ends_early_MLS_004() -> None:
    for honest in (
        encrypt(ALICE, TEXT),
        publish(ALICE, content_of(ALICE, Proposal(body=Remove(removed=2)))),
        forge_commit(ALICE, [], Forgery(public=True)),
    ):
        accepts(BOB, honest)
        for length in range(len(honest)):
            refuses(BOB, honest[:length], Malformed)


# -- what follows a structure ----------------------------------------------------------------------


@pytest.mark.parametrize("more", [b"\x00", b"\xff", bytes(64)])
def test_bytes_after_a_message_MLS_005(more: bytes) -> None:
    for honest in (
        encrypt(ALICE, TEXT),
        publish(ALICE, content_of(ALICE, Proposal(body=Remove(removed=2)))),
        forge_commit(ALICE),
        forge_commit(ALICE, [], Forgery(public=True)),
    ):
        only_the_lie_is_malformed(honest + more, honest)


@pytest.mark.parametrize("more", [b"\x00", bytes(16)])
def test_bytes_after_the_sender_data_MLS_005(more: bytes) -> None:
    lie = encrypt(ALICE, TEXT, sealing=Sealing(change_sender_data=lambda data: data + more))
    only_the_lie_is_malformed(lie, encrypt(ALICE, TEXT))

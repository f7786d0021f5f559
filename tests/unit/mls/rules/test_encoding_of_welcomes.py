"""Bytes that are not the one encoding of their value, in Welcomes, GroupInfos and trees.

All is signed by the adder, derived and encrypted over the bytes as they are sent.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.codec import Reader, encode_opaque
from cloister.mls import Extension, ExtensionType, Malformed, MLSError, join_externally
from cloister.mls.group_context import GroupContext
from cloister.mls.joining import decrypt_welcome
from cloister.mls.message import MLSMessage
from cloister.mls.rules import Rule
from cloister.mls.welcome import GroupInfo
from cloister.testing.forge_framing import recoded
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, add, group_of, package, welcome_of
from unit.mls.rules.verdict import joins, refuses_to_join, swapped, with_changed_byte

BASE = group_of(3, CLASSICAL)
SECRETS = package("joiner", CLASSICAL)
STAGED = add(BASE[0], SECRETS, tree_in_welcome=False)
GROUP = STAGED.next
TREE = STAGED.ratchet_tree
NODES = Reader(TREE).opaque()
OPENED = decrypt_welcome(welcome_of(STAGED), SECRETS, {}, {}, None)
HONEST = WelcomeForgery()

Change = Callable[[bytes], bytes]


def forged(how: WelcomeForgery = HONEST) -> bytes:
    return as_message(forge_welcome(OPENED, GROUP, SECRETS, how))


def only_the_lie_is_malformed(
    how: WelcomeForgery, honest: WelcomeForgery = HONEST, *, tree: bytes = TREE
) -> None:
    """The KeyPackage that the lie did not join with still joins by the honest Welcome."""
    refuses_to_join(SECRETS, forged(how), Malformed, tree=tree)
    joined = joins(SECRETS, forged(honest), tree=TREE)
    assert joined.epoch_authenticator == GROUP.epoch_authenticator


def carrying(tree: bytes) -> WelcomeForgery:
    """A Welcome with this tree inside."""
    return WelcomeForgery(
        extensions=[Extension(extension_type=ExtensionType.RATCHET_TREE, data=tree)]
    )


# -- presence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("presence", [2, 0xFF])
def test_presence_of_a_path_secret_is_zero_or_one_MLS_001(presence: int) -> None:
    # A reader that takes everything but 1 for absence would miss a path secret.
    absent = WelcomeForgery(change_secrets=lambda secrets: replace(secrets, path_secret=None))
    refuses_to_join(SECRETS, forged(absent), Rule.WELCOME_PATH, tree=TREE)

    def recode(secrets: bytes) -> bytes:
        assert secrets[33] in {0, 1}
        return secrets[:33] + bytes([presence]) + secrets[34:]

    for honest in (absent, HONEST):
        only_the_lie_is_malformed(replace(honest, recode_secrets=recode))


@pytest.mark.parametrize("presence", [2, 0xFF])
def test_presence_of_a_node_is_zero_or_one_MLS_001(presence: int) -> None:
    assert NODES[:2] == b"\x01\x01"
    lie = encode_opaque(bytes([presence]) + NODES[1:])
    only_the_lie_is_malformed(carrying(lie), carrying(TREE))
    only_the_lie_is_malformed(HONEST, tree=lie)


# -- lengths ---------------------------------------------------------------------------------------


def lengths_in_other_forms(longer: Callable[[int], str]) -> None:
    """Every structure of a Welcome with a length in another form, ``longer`` of what it is."""

    def context(honest: GroupContext) -> GroupContext:
        group_id = b"the group".hex()
        change = swapped(f"09 {group_id}", f"{longer(9)} {group_id}")
        return recoded(honest, change(honest.encode()))

    def info(encoding: bytes) -> bytes:
        # The signer and the confirmation tag before it are at the end of what is signed.
        return encoding[:-37] + bytes.fromhex(longer(32)) + encoding[-36:]

    def signature(honest: GroupInfo) -> GroupInfo:
        encoding = honest.encode()
        return recoded(honest, encoding[:-66] + bytes.fromhex(longer(64)) + encoding[-64:])

    def secrets(encoding: bytes) -> bytes:
        assert encoding[0] == 32
        return bytes.fromhex(longer(32)) + encoding[1:]

    only_the_lie_is_malformed(WelcomeForgery(change_context=context))
    only_the_lie_is_malformed(WelcomeForgery(recode_info=info))
    only_the_lie_is_malformed(WelcomeForgery(change_info=signature))
    only_the_lie_is_malformed(WelcomeForgery(recode_secrets=secrets))
    lie = bytes.fromhex(longer(len(NODES))) + NODES
    only_the_lie_is_malformed(carrying(lie), carrying(TREE))
    only_the_lie_is_malformed(HONEST, tree=lie)
    # The reference stands where nothing is signed or encrypted.
    honest = forged()
    reference = SECRETS.reference.hex()
    lie = swapped(f"20 {reference}", f"{longer(32)} {reference}")(honest)
    refuses_to_join(SECRETS, lie, Malformed, tree=TREE)
    assert joins(SECRETS, honest, tree=TREE).epoch == GROUP.epoch


def test_length_in_four_bytes_where_fewer_do_MLS_002() -> None:
    lengths_in_other_forms(lambda length: f"{0x80000000 + length:08x}")


@pytest.mark.parametrize("form", ["c0000000", "c000000000000000"])
def test_length_that_begins_with_the_bits_11_in_a_welcome_MLS_003(form: str) -> None:
    lengths_in_other_forms(lambda length: f"{int(form, 16) + length:0{len(form)}x}")


# -- ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["01", "4040", "bfffffff"])
def test_vector_longer_than_the_group_secrets_MLS_004(length: str) -> None:
    def recode(secrets: bytes) -> bytes:
        assert secrets.endswith(b"\x00")
        return secrets[:-1] + bytes.fromhex(length)

    only_the_lie_is_malformed(WelcomeForgery(recode_secrets=recode))


def test_vector_longer_than_the_tree_MLS_004() -> None:
    lie = (0x4000 + len(NODES) + 1).to_bytes(2, "big") + NODES
    only_the_lie_is_malformed(carrying(lie), carrying(TREE))


@pytest.mark.parametrize("more", [b"\x00", bytes(64)])
def test_bytes_after_what_a_welcome_is_made_of_MLS_005(more: bytes) -> None:
    only_the_lie_is_malformed(WelcomeForgery(recode_secrets=lambda secrets: secrets + more))
    only_the_lie_is_malformed(
        WelcomeForgery(change_info=lambda info: recoded(info, info.encode() + more))
    )
    only_the_lie_is_malformed(carrying(TREE + more), carrying(TREE))
    only_the_lie_is_malformed(HONEST, tree=TREE + more)
    refuses_to_join(SECRETS, forged() + more, Malformed, tree=TREE)
    assert joins(SECRETS, forged(), tree=TREE).epoch == GROUP.epoch


# -- anything else -------------------------------------------------------------------------------


def test_what_is_no_welcome_or_ends_early_is_malformed() -> None:
    honest = forged()
    others = [STAGED.message, GROUP.group_info(), MLSMessage(body=SECRETS.parsed()).encode()]
    for lie in (*others, *(honest[:length] for length in range(0, len(honest), 5))):
        refuses_to_join(SECRETS, lie, Malformed, tree=TREE)
    assert joins(SECRETS, honest, tree=TREE).epoch == GROUP.epoch


def test_welcome_with_any_byte_changed_is_refused() -> None:
    honest = forged()
    for position in range(0, len(honest), 11):
        with pytest.raises(MLSError):
            joins(SECRETS, with_changed_byte(honest, position), tree=TREE)
    for position in range(0, len(TREE), 11):
        with pytest.raises(MLSError):
            joins(SECRETS, honest, tree=with_changed_byte(TREE, position))


# -- an external join ------------------------------------------------------------------------------


def only_the_lie_is_no_group_info(change: Change) -> None:
    newcomer = package("from outside", CLASSICAL)
    honest = GROUP.group_info()
    for lie in (change(honest), STAGED.message):
        with pytest.raises(Malformed):
            join_externally(lie, newcomer, entropy=ENTROPY)
    made = join_externally(honest, newcomer, entropy=ENTROPY)
    assert made.next.epoch == GROUP.epoch + 1


def test_length_in_a_group_info_for_an_external_commit_MLS_002() -> None:
    only_the_lie_is_no_group_info(
        lambda honest: honest[:-66] + bytes.fromhex("80000040") + honest[-64:]
    )


def test_bytes_after_a_group_info_for_an_external_commit_MLS_005() -> None:
    only_the_lie_is_no_group_info(lambda honest: honest + b"\x00")

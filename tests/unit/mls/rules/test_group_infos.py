"""GroupInfos that lie, to who is welcomed and to who joins by himself (RFC 9420 12.4.3, 12.4.3.1).

Both check a group alike, so each lie is told to both.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

import pytest

from cloister.crypto.scheme import SignatureKey
from cloister.mls import CipherSuite, Extension, ExtensionType, join_externally, open_welcome
from cloister.mls.group_context import GroupContext
from cloister.mls.joining import decrypt_welcome
from cloister.mls.limits import LIFETIME_SLACK_S
from cloister.mls.message import MLSMessage
from cloister.mls.rules import Rule
from cloister.mls.welcome import GroupInfo, GroupSecrets, sign_group_info
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    LIFETIME,
    NOW,
    group_of,
    package,
    settle,
    welcome_of,
)
from unit.mls.rules.verdicts import breaks

JOINER = package("joiner", CLASSICAL)
# Leaf 2 is blank after this, and leaf 5 and above beyond the tree.
_SIX = group_of(6, CLASSICAL)
BASE = settle([*_SIX[:2], *_SIX[3:]], 0, _SIX[0].commit(removes=[2], now=NOW, entropy=ENTROPY))
STAGED = BASE[0].commit(
    adds=[JOINER.key_package], removes=[1, 4], tree_in_welcome=False, now=NOW, entropy=ENTROPY
)
ADDER, TREE = STAGED.next, STAGED.ratchet_tree
OTHER = BASE[2]  # at leaf 3
OPENED = decrypt_welcome(welcome_of(STAGED), JOINER, {}, {}, None)
EXTERNAL_PUB = MLSMessage.decode(ADDER.group_info(with_tree=False)).body
assert isinstance(EXTERNAL_PUB, GroupInfo)

UNKNOWN = Extension(extension_type=0x2A2A, data=b"added later")


@dataclass(frozen=True, kw_only=True)
class Lie:
    """What is wrong with a GroupInfo, or with what comes beside it."""

    signer: int = 0
    key: SignatureKey = ADDER.state.signature_key
    change_context: Callable[[GroupContext], GroupContext] = lambda context: context
    change_info: Callable[[GroupInfo], GroupInfo] = lambda info: info
    extensions: tuple[Extension, ...] = ()
    tree: bytes | None = TREE
    participating: Container[bytes] = frozenset()


HONEST = Lie()


def welcomed(lie: Lie) -> int:
    """Told in a Welcome; the epoch that is joined."""
    how = WelcomeForgery(
        signer_index=lie.signer,
        key=lie.key,
        change_context=lie.change_context,
        change_info=lie.change_info,
        extensions=lie.extensions,
    )
    opened = open_welcome(as_message(forge_welcome(OPENED, ADDER, JOINER, how)), JOINER)
    return opened.join(lie.tree, now=NOW, participating=lie.participating).epoch


def joined(lie: Lie) -> int:
    """Told to who joins by himself; the epoch he joins in."""
    assert isinstance(EXTERNAL_PUB, GroupInfo)
    info = sign_group_info(
        ADDER.suite,
        lie.key,
        group_context=lie.change_context(ADDER.group_context),
        extensions=(*EXTERNAL_PUB.extensions, *lie.extensions),
        confirmation_tag=ADDER.state.confirmation_tag,
        signer=lie.signer,
    )
    made = join_externally(
        MLSMessage(body=lie.change_info(info)).encode(),
        package("newcomer", CLASSICAL),
        ratchet_tree=lie.tree,
        participating=lie.participating,
        entropy=ENTROPY,
    )
    return made.next.epoch - 1


both_ways = pytest.mark.parametrize("hear", [welcomed, joined])
Hearer = Callable[[Lie], int]


def refused(rule: Rule, hear: Hearer, lie: Lie) -> None:
    breaks(rule, lambda: hear(lie))
    # The KeyPackage still joins by the honest Welcome.
    assert open_welcome(welcome_of(STAGED), JOINER).join(TREE, now=NOW).epoch == ADDER.epoch


@both_ways
def test_the_forge_makes_good_group_infos_when_nothing_is_wrong(hear: Hearer) -> None:
    assert hear(HONEST) == ADDER.epoch


# -- its signer -----------------------------------------------------------------------------------


@both_ways
@pytest.mark.parametrize(
    "index", [2, 4, 8, 2**32 - 1], ids=["blank", "removed", "beyond the tree", "last"]
)
def test_attack_group_info_of_nobody_MLS_165(hear: Hearer, index: int) -> None:
    assert ADDER.state.tree.leaf(index) is None
    refused(Rule.GROUP_INFO_SIGNER, hear, Lie(signer=index))


@pytest.mark.parametrize("with_path_secret", [True, False])
def test_attack_group_info_in_the_joiners_own_name_MLS_165(with_path_secret: bool) -> None:
    """By who has got hold of the joiner's signature key but of no member's."""

    def change(secrets: GroupSecrets) -> GroupSecrets:
        return secrets if with_path_secret else replace(secrets, path_secret=None)

    own = next(one.leaf_index for one in ADDER.members() if one.leaf == JOINER.parsed().leaf_node)
    how = WelcomeForgery(
        signer_index=own,
        key=ADDER.suite.signature_key(JOINER.signature_key),
        change_secrets=change,
    )
    lie = as_message(forge_welcome(OPENED, ADDER, JOINER, how))
    breaks(Rule.GROUP_INFO_SIGNER, lambda: open_welcome(lie, JOINER).join(TREE, now=NOW))
    how = replace(how, signer_index=ADDER.own_leaf, key=None)
    honest = as_message(forge_welcome(OPENED, ADDER, JOINER, how))
    if with_path_secret:
        assert open_welcome(honest, JOINER).join(TREE, now=NOW).epoch == ADDER.epoch
    else:
        breaks(Rule.WELCOME_PATH, lambda: open_welcome(honest, JOINER).join(TREE, now=NOW))


@both_ways
def test_attack_group_info_in_the_name_of_another_member_MLS_166(hear: Hearer) -> None:
    refused(Rule.GROUP_INFO_SIGNATURE, hear, Lie(signer=OTHER.own_leaf))
    refused(Rule.GROUP_INFO_SIGNATURE, hear, Lie(key=OTHER.state.signature_key))


def test_group_info_of_any_member_serves_who_joins_by_himself() -> None:
    assert joined(Lie(signer=OTHER.own_leaf, key=OTHER.state.signature_key)) == ADDER.epoch


def other_epoch(info: GroupInfo) -> GroupInfo:
    return replace(info, group_context=replace(info.group_context, epoch=9))


@both_ways
@pytest.mark.parametrize(
    "change",
    [
        lambda info: replace(info, signature=b""),
        lambda info: replace(info, signature=bytes(64)),
        lambda info: replace(info, extensions=(*info.extensions, UNKNOWN)),
        lambda info: replace(info, confirmation_tag=bytes(32)),
        other_epoch,
    ],
    ids=["no signature", "zeros", "extensions", "confirmation_tag", "context"],
)
def test_attack_group_info_changed_after_it_was_signed_MLS_166(
    hear: Hearer, change: Callable[[GroupInfo], GroupInfo]
) -> None:
    refused(Rule.GROUP_INFO_SIGNATURE, hear, Lie(change_info=change))


# -- its group ------------------------------------------------------------------------------------


@both_ways
def test_attack_second_group_of_one_id_MLS_167(hear: Hearer) -> None:
    """The client would take messages of one for the other."""
    refused(Rule.GROUP_ID_UNIQUE, hear, Lie(participating={b"other", ADDER.group_id}))
    assert hear(Lie(participating={b"other"})) == ADDER.epoch


@both_ways
@pytest.mark.parametrize(
    "code",
    [CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519, 0xF002, 0x0A0A],
    ids=["of the same form", "the product's", "unknown"],
)
def test_attack_group_of_another_suite_MLS_168(hear: Hearer, code: int) -> None:
    lie = Lie(change_context=lambda context: replace(context, cipher_suite=code))
    refused(Rule.GROUP_INFO_SUITE, hear, lie)


@both_ways
@pytest.mark.parametrize("version", [0, 2, 0x0A0A])
def test_attack_group_of_another_version_MLS_169(hear: Hearer, version: int) -> None:
    lie = Lie(change_context=lambda context: replace(context, version=version))
    refused(Rule.GROUP_INFO_VERSION, hear, lie)


@both_ways
def test_attack_group_without_a_tree_MLS_174(hear: Hearer) -> None:
    refused(Rule.MISSING_TREE, hear, replace(HONEST, tree=None))
    inside = Extension(extension_type=ExtensionType.RATCHET_TREE, data=TREE)
    assert hear(Lie(tree=None, extensions=(inside,))) == ADDER.epoch


@both_ways
def test_attack_tree_of_another_epoch_MLS_093(hear: Hearer) -> None:
    refused(Rule.TREE_HASH, hear, Lie(tree=BASE[0].ratchet_tree()))
    # The tree inside goes before the one beside it.
    inside = Extension(extension_type=ExtensionType.RATCHET_TREE, data=BASE[0].ratchet_tree())
    refused(Rule.TREE_HASH, hear, Lie(extensions=(inside,)))


@both_ways
def test_attack_tree_too_large_MLS_092(hear: Hearer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hear(HONEST) == ADDER.epoch
    monkeypatch.setattr("cloister.mls.leaf_check.MAX_LEAVES", 2)
    breaks(Rule.TREE_SIZE, lambda: hear(HONEST))


# -- its extensions and those of the group --------------------------------------------------------


@both_ways
def test_attack_group_info_with_an_extension_twice_MLS_010(hear: Hearer) -> None:
    refused(Rule.DUPLICATE_EXTENSION, hear, Lie(extensions=(UNKNOWN, UNKNOWN)))
    assert hear(Lie(extensions=(UNKNOWN,))) == ADDER.epoch


def with_extensions(*extensions: Extension) -> Lie:
    return Lie(change_context=lambda context: replace(context, extensions=extensions))


@both_ways
def test_attack_group_with_an_extension_twice_MLS_010(hear: Hearer) -> None:
    checkpoint = Extension(extension_type=CHECKPOINT, data=b"")
    refused(Rule.DUPLICATE_EXTENSION, hear, with_extensions(checkpoint, checkpoint))
    assert hear(with_extensions(checkpoint)) == ADDER.epoch


@both_ways
@pytest.mark.parametrize(
    "kind", [ExtensionType.REQUIRED_CAPABILITIES, ExtensionType.EXTERNAL_SENDERS]
)
def test_attack_group_with_an_extension_that_does_not_decode_MLS_011(
    hear: Hearer, kind: ExtensionType
) -> None:
    empty = b"\x00\x00\x00" if kind is ExtensionType.REQUIRED_CAPABILITIES else b"\x00"
    lie = with_extensions(Extension(extension_type=kind, data=empty + b"\x00"))
    refused(Rule.EXTENSION_DATA, hear, lie)
    assert hear(with_extensions(Extension(extension_type=kind, data=empty))) == ADDER.epoch


@both_ways
def test_attack_group_that_uses_what_the_joiner_does_not_know_MLS_074(hear: Hearer) -> None:
    """Section 13.4: who joins must support every extension of the group context."""
    refused(Rule.CONTEXT_EXTENSIONS, hear, with_extensions(UNKNOWN))


# -- the joiner's own KeyPackage ------------------------------------------------------------------


def test_welcome_that_comes_after_the_key_package_has_run_out_MLS_065() -> None:
    opened = open_welcome(welcome_of(STAGED), JOINER)
    latest = LIFETIME.not_after + LIFETIME_SLACK_S
    breaks(Rule.LIFETIME, lambda: opened.join(TREE, now=latest + 1))
    assert opened.join(TREE, now=latest).epoch == ADDER.epoch

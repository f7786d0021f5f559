"""Welcomes that are wrong in themselves: entries, secrets, keys and paths (RFC 9420 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Group,
    KeyPackageSecrets,
    Malformed,
    MLSError,
    Unsupported,
    open_welcome,
)
from cloister.mls.group_context import GroupContext
from cloister.mls.joining import DecryptedWelcome, decrypt_welcome
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.ratchet_tree import Node, RatchetTree
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.mls.update_path import HpkeCiphertext
from cloister.mls.welcome import GroupSecrets, PathSecret, Welcome
from cloister.testing.forge_welcome import HONEST, WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NO_PSKS, NOW, add, group_of, package, welcome_of
from unit.mls.rules.verdicts import breaks

JOINER = package("joiner", CLASSICAL)
BASE = group_of(3, CLASSICAL)
STAGED = add(BASE[0], JOINER, tree_in_welcome=False)
ADDER, TREE = STAGED.next, STAGED.ratchet_tree
# In a wider tree, into the adder's half of it: the two share a node below the root.
_FIVE = group_of(5, CLASSICAL)
_GAP = _FIVE[0].commit(removes=[2], now=NOW, entropy=ENTROPY).next
FURTHER = add(_GAP, JOINER, tree_in_welcome=False)
OPENED: DecryptedWelcome = decrypt_welcome(welcome_of(STAGED), JOINER, {}, {}, None)


def joins(
    welcome: Welcome,
    secrets: KeyPackageSecrets = JOINER,
    *,
    tree: bytes = TREE,
    psks: Mapping[bytes, Secret] = NO_PSKS,
) -> Group:
    return open_welcome(as_message(welcome), secrets, psks).join(tree, now=NOW)


def forged(how: WelcomeForgery = HONEST) -> Welcome:
    return forge_welcome(OPENED, ADDER, JOINER, how)


def refused(rule: Rule, act: Callable[[], object]) -> MLSError:
    """And the KeyPackage still joins by the honest Welcome."""
    error = breaks(rule, act)
    assert open_welcome(welcome_of(STAGED), JOINER).join(TREE, now=NOW).epoch == ADDER.epoch
    return error


def test_the_forge_makes_a_good_welcome_when_nothing_is_wrong() -> None:
    assert joins(forged()).epoch_authenticator == ADDER.epoch_authenticator


def test_bytes_that_are_no_welcome_are_malformed() -> None:
    good = welcome_of(STAGED)
    for bad in (b"", good[:-1], good + b"\x00", STAGED.message):
        with pytest.raises(Malformed):
            open_welcome(bad, JOINER)


# -- who and how it is for ------------------------------------------------------------------------


def test_attack_welcome_for_somebody_else_MLS_160() -> None:
    good = forged()
    refused(Rule.WELCOME_ENTRY, lambda: joins(replace(good, secrets=())))
    (entry,) = good.secrets
    other = replace(entry, new_member=package("other", CLASSICAL).reference)
    refused(Rule.WELCOME_ENTRY, lambda: joins(replace(good, secrets=(other,))))
    assert joins(replace(good, secrets=(other, entry))).epoch == ADDER.epoch


def test_attack_welcome_under_another_suite_MLS_161() -> None:
    """All of the same size and form, so that only the name of the suite is wrong."""
    for code in (CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519, 0xF002, 0x0A0A):
        other = replace(forged(), cipher_suite=code)
        refused(Rule.WELCOME_SUITE, lambda other=other: joins(other))  # type: ignore[misc]


# -- what it opens with ---------------------------------------------------------------------------


def test_attack_secrets_from_another_welcome_MLS_162() -> None:
    """They are bound to the GroupInfo they came with: nobody can put another beside them."""
    good = forged()
    elsewhere = add(group_of(2, CLASSICAL)[0], JOINER, tree_in_welcome=False)
    opened = decrypt_welcome(welcome_of(elsewhere), JOINER, {}, {}, None)
    other = forge_welcome(opened, elsewhere.next, JOINER)
    mixed = replace(good, encrypted_group_info=other.encrypted_group_info)
    refused(Rule.GROUP_SECRETS, lambda: joins(mixed))
    assert joins(other, tree=elsewhere.ratchet_tree).epoch == elsewhere.next.epoch


@pytest.mark.parametrize(
    "change",
    [
        lambda sealed: replace(sealed, kem_output=sealed.kem_output[:-1]),
        lambda sealed: replace(sealed, kem_output=bytes(32)),
        lambda sealed: replace(sealed, ciphertext=sealed.ciphertext[:-1]),
        lambda sealed: replace(sealed, ciphertext=b""),
    ],
    ids=["short kem_output", "low order", "short ciphertext", "nothing"],
)
def test_attack_secrets_that_do_not_open_MLS_162(
    change: Callable[[HpkeCiphertext], HpkeCiphertext],
) -> None:
    good = forged()
    (entry,) = good.secrets
    broken = replace(entry, encrypted_group_secrets=change(entry.encrypted_group_secrets))
    refused(Rule.GROUP_SECRETS, lambda: joins(replace(good, secrets=(broken,))))


def test_secrets_open_with_the_key_of_their_key_package_only_MLS_162() -> None:
    wrong = replace(JOINER, init_key=JOINER.encryption_key)
    refused(Rule.GROUP_SECRETS, lambda: joins(forged(), wrong))


def test_attack_joiner_secret_of_another_group_MLS_164() -> None:
    def change(secrets: GroupSecrets) -> GroupSecrets:
        return replace(secrets, joiner_secret=Secret(bytes(32)))

    refused(
        Rule.GROUP_INFO_CIPHERTEXT, lambda: joins(forged(WelcomeForgery(change_secrets=change)))
    )


def test_attack_keys_concealed_from_the_joiner_or_told_him_alone_MLS_164() -> None:
    """He would be in an epoch of his own."""
    key = Secret(b"key")
    name = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(32))
    other = replace(name, psk_nonce=bytes(31) + b"\x01")
    psks = {b"id": key}

    def told(*names: PreSharedKeyId) -> Callable[[GroupSecrets], GroupSecrets]:
        return lambda secrets: replace(secrets, psks=names)

    mixed = [(name, key), (other, key)]
    assert joins(forged(WelcomeForgery(psks=mixed)), psks=psks).epoch == ADDER.epoch
    for names in ((), (name,), (other, name)):
        how = WelcomeForgery(psks=mixed, change_secrets=told(*names))
        refused(
            Rule.GROUP_INFO_CIPHERTEXT,
            lambda how=how: joins(forged(how), psks=psks),  # type: ignore[misc]
        )
    how = WelcomeForgery(change_secrets=told(name))
    refused(Rule.GROUP_INFO_CIPHERTEXT, lambda: joins(forged(how), psks=psks))


# -- the pre-shared keys it names -----------------------------------------------------------------


def founding(usage: ResumptionPskUsage, nonce: bytes = bytes(32)) -> PreSharedKeyId:
    return PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=usage,
        psk_group_id=b"parent",
        psk_epoch=3,
        psk_nonce=nonce,
    )


REINIT, BRANCH = ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH


@pytest.mark.parametrize(
    ("first", "second"),
    [(REINIT, REINIT), (BRANCH, BRANCH), (REINIT, BRANCH), (BRANCH, REINIT)],
)
def test_attack_welcome_continues_two_groups_MLS_163(
    first: ResumptionPskUsage, second: ResumptionPskUsage
) -> None:
    """Judged before anything else of them: which of two would the new group be measured by?"""
    names = [founding(first), founding(second, bytes(31) + b"\x01")]
    psks = [(name, Secret(b"key")) for name in names]
    refused(Rule.ONE_FOUNDING_PSK, lambda: joins(forged(WelcomeForgery(psks=psks))))
    for one in psks:
        # One alone is a claim, which only the old group can settle.
        with pytest.raises(Unsupported):
            joins(forged(WelcomeForgery(psks=[one])))


def test_attack_welcome_names_a_key_with_a_long_nonce_MLS_110() -> None:
    name = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(33))
    how = WelcomeForgery(psks=[(name, Secret(b"key"))])
    refused(Rule.PSK_NONCE, lambda: joins(forged(how), psks={b"id": Secret(b"key")}))


def test_attack_welcome_names_a_key_twice_MLS_112() -> None:
    name = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(32))
    how = WelcomeForgery(psks=[(name, Secret(b"key"))] * 2)
    refused(Rule.DUPLICATE_PSK, lambda: joins(forged(how), psks={b"id": Secret(b"key")}))


def test_attack_welcome_names_a_key_that_is_not_known_MLS_113() -> None:
    name = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(32))
    how = WelcomeForgery(psks=[(name, Secret(b"key"))])
    refused(Rule.PSK_KNOWN, lambda: joins(forged(how)))
    assert joins(forged(how), psks={b"id": Secret(b"key")}).epoch == ADDER.epoch


# -- our place ------------------------------------------------------------------------------------


def test_attack_tree_with_somebody_else_in_our_place_MLS_170() -> None:
    other = add(BASE[0], package("other", CLASSICAL)).next.state.tree
    refused(
        Rule.JOINER_LEAF, lambda: joins(forged(WelcomeForgery(tree=other)), tree=other.encode())
    )


def test_attack_tree_with_another_leaf_of_ours_MLS_170() -> None:
    """From another KeyPackage of this client: the same signature key, but not the same leaf."""
    again = package("joiner", CLASSICAL, signature_seed=JOINER.signature_key)
    other = add(BASE[0], again).next.state.tree
    refused(
        Rule.JOINER_LEAF, lambda: joins(forged(WelcomeForgery(tree=other)), tree=other.encode())
    )


def test_private_key_that_is_not_our_leafs_MLS_171() -> None:
    wrong = replace(JOINER, encryption_key=JOINER.init_key)
    refused(Rule.JOINER_KEY, lambda: joins(forged(), wrong))


@pytest.mark.parametrize("tag", [b"", bytes(32), bytes(31), bytes(33)])
def test_attack_group_info_of_another_epoch_MLS_172(tag: bytes) -> None:
    refused(Rule.GROUP_INFO_TAG, lambda: joins(forged(WelcomeForgery(confirmation_tag=tag))))


@pytest.mark.parametrize(
    "change",
    [
        lambda context: replace(context, confirmed_transcript_hash=bytes(32)),
        lambda context: replace(context, epoch=7),
    ],
    ids=["transcript", "epoch"],
)
def test_attack_tag_of_the_real_epoch_over_another_context_MLS_172(
    change: Callable[[GroupContext], GroupContext],
) -> None:
    """What the joiner hears of the group must be what its members agreed on."""
    how = WelcomeForgery(change_context=change, confirmation_tag=ADDER.state.confirmation_tag)
    refused(Rule.GROUP_INFO_TAG, lambda: joins(forged(how)))


# -- the path secret ------------------------------------------------------------------------------


def without_root(group: Group) -> RatchetTree:
    nodes: list[Node | None] = list(group.state.tree.nodes)
    root = len(nodes) // 2
    assert nodes[root] is not None
    nodes[root] = None
    return RatchetTree(group.suite, nodes)


def test_attack_path_secret_for_a_blank_node_above_MLS_173() -> None:
    tree = without_root(FURTHER.next)
    opened = decrypt_welcome(welcome_of(FURTHER), JOINER, {}, {}, None)
    # The node that signer and joiner share is there, and another one above it is not.
    assert opened.group_secrets.path_secret is not None
    assert tree.leaf_count == 8
    lie = forge_welcome(opened, FURTHER.next, JOINER, WelcomeForgery(tree=tree))
    refused(Rule.WELCOME_PATH, lambda: joins(lie, tree=tree.encode()))
    honest = forge_welcome(opened, FURTHER.next, JOINER)
    assert joins(honest, tree=FURTHER.ratchet_tree).epoch == FURTHER.next.epoch


def test_attack_path_secret_for_a_blank_node_in_common_MLS_173() -> None:
    tree = without_root(ADDER)
    refused(Rule.WELCOME_PATH, lambda: joins(forged(WelcomeForgery(tree=tree)), tree=tree.encode()))


@pytest.mark.parametrize(("length", "rule"), [(32, Rule.PATH_KEYS), (31, Rule.PATH_SECRET_LENGTH)])
def test_attack_path_secret_of_other_keys_MLS_105_MLS_107(length: int, rule: Rule) -> None:
    def change(secrets: GroupSecrets) -> GroupSecrets:
        return replace(secrets, path_secret=PathSecret(path_secret=Secret(bytes(length))))

    refused(rule, lambda: joins(forged(WelcomeForgery(change_secrets=change))))

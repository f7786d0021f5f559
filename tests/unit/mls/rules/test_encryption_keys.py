"""HPKE public keys that nobody can encrypt to, or whose secret everybody knows.

A member who has such a key in the tree would stop or expose every later commit. All hashes and
signatures over the key are right.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls import (
    CipherSuite,
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    RuleViolation,
    join_externally,
    tree_math,
)
from cloister.mls.extension import ExternalPub
from cloister.mls.joining import decrypt_welcome
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Add, Proposal, Update
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.rules import Rule
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import draw_path_secrets
from cloister.mls.welcome import GroupInfo, sign_group_info
from cloister.testing.forge import change_leaf, resigned_package, send, update_leaf
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_welcome import (
    WelcomeForgery,
    as_message,
    forge_welcome,
    with_path_secret,
)
from cloister.values import replace
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    PRODUCT,
    add,
    group_of,
    package,
    welcome_of,
)
from unit.mls.rules.verdict import accepts, joins, refuses, refuses_to_join

P256 = CipherSuite.P256_AES128GCM_SHA256_P256
X448 = CipherSuite.X448_AES256GCM_SHA512_ED448
P25519 = 2**255 - 19


class Members(NamedTuple):
    """Three members of a group in one suite, and a newcomer."""

    alice: Group
    bob: Group
    carol: Group
    newcomer: KeyPackageSecrets


def members_of(suite: CipherSuite) -> Members:
    alice, bob, carol = group_of(3, suite)
    return Members(alice, bob, carol, package("newcomer", suite))


GROUPS = {suite: members_of(suite) for suite in (CLASSICAL, PRODUCT, P256, X448)}


def little(u: int, length: int = 32) -> bytes:
    return u.to_bytes(length, "little")


# A good ML-KEM half, which the lie about the other half leaves as it is.
ML_KEM = GROUPS[PRODUCT].newcomer.parsed().init_key[:1184]
X25519 = GROUPS[CLASSICAL].newcomer.parsed().init_key
POINT = GROUPS[P256].newcomer.parsed().init_key

BAD_KEYS = [
    pytest.param(CLASSICAL, b"", id="X25519 empty"),
    pytest.param(CLASSICAL, X25519[:-1], id="X25519 short"),
    pytest.param(CLASSICAL, X25519 + b"\x00", id="X25519 long"),
    pytest.param(CLASSICAL, little(0), id="X25519 zero"),
    pytest.param(CLASSICAL, little(1), id="X25519 one"),
    pytest.param(CLASSICAL, little(P25519 - 1), id="X25519 minus one"),
    pytest.param(CLASSICAL, little(P25519 + 1), id="X25519 one otherwise"),
    pytest.param(CLASSICAL, little(2**255), id="X25519 zero with the ignored bit"),
    pytest.param(PRODUCT, b"", id="X-Wing empty"),
    pytest.param(PRODUCT, ML_KEM, id="X-Wing without X25519"),
    pytest.param(PRODUCT, ML_KEM + X25519 + b"\x00", id="X-Wing long"),
    pytest.param(PRODUCT, ML_KEM + little(0), id="X-Wing with zero"),
    pytest.param(PRODUCT, ML_KEM + little(P25519 - 1), id="X-Wing with minus one"),
    pytest.param(PRODUCT, b"\xff" * 1184 + X25519, id="X-Wing with coefficients beyond q"),
    pytest.param(PRODUCT, X25519, id="X-Wing of the classical half alone"),
    pytest.param(P256, POINT[:-1] + bytes([POINT[-1] ^ 1]), id="P-256 not on the curve"),
    pytest.param(P256, bytes([2 + (POINT[-1] & 1)]) + POINT[1:33], id="P-256 compressed"),
    pytest.param(P256, b"\x00", id="P-256 infinity"),
    pytest.param(X448, bytes(56), id="X448 zero"),
    pytest.param(X448, little(2**448 - 2**224 - 2, 56), id="X448 minus one"),
]
# One for each kind of suite where the place is what is tried.
POISON = [
    pytest.param(CLASSICAL, little(0), id="X25519"),
    pytest.param(PRODUCT, ML_KEM + little(0), id="X-Wing"),
]
at_each_place = pytest.mark.parametrize(("suite", "key"), POISON)


# -- KeyPackages and leaves ------------------------------------------------------------------------


@pytest.mark.parametrize(("suite", "key"), BAD_KEYS)
def test_leaf_that_nobody_can_encrypt_to_MLS_050(suite: CipherSuite, key: bytes) -> None:
    alice, bob, _, newcomer = GROUPS[suite]
    lie = resigned_package(newcomer, leaf=lambda leaf: change_leaf(leaf, encryption_key=key))
    accepts(bob, send(alice, Proposal(body=Add(key_package=newcomer.parsed()))))
    refuses(bob, send(alice, Proposal(body=Add(key_package=lie))), Rule.ENCRYPTION_KEY)


@pytest.mark.parametrize(("suite", "key"), BAD_KEYS)
def test_key_package_that_nobody_can_encrypt_to_MLS_050(suite: CipherSuite, key: bytes) -> None:
    alice, bob, _, newcomer = GROUPS[suite]
    lie = resigned_package(newcomer, change=lambda one: replace(one, init_key=key))
    accepts(bob, send(alice, Proposal(body=Add(key_package=newcomer.parsed()))))
    refuses(bob, send(alice, Proposal(body=Add(key_package=lie))), Rule.ENCRYPTION_KEY)


@at_each_place
def test_added_key_that_was_not_proposed_before_MLS_050(suite: CipherSuite, key: bytes) -> None:
    alice, bob, _, newcomer = GROUPS[suite]
    leaf = resigned_package(newcomer, leaf=lambda leaf: change_leaf(leaf, encryption_key=key))
    init = resigned_package(newcomer, change=lambda one: replace(one, init_key=key))
    accepts(bob, forge_commit(alice, [Add(key_package=newcomer.parsed())]))
    for lie in (leaf, init):
        refuses(bob, forge_commit(alice, [Add(key_package=lie)]), Rule.ENCRYPTION_KEY)


@at_each_place
def test_update_to_a_poisoned_key_MLS_050(suite: CipherSuite, key: bytes) -> None:
    alice, bob, _, _ = GROUPS[suite]
    accepts(bob, send(alice, Proposal(body=Update(leaf_node=update_leaf(alice)))))
    lie = Update(leaf_node=update_leaf(alice, encryption_key=key))
    refuses(bob, send(alice, Proposal(body=lie)), Rule.ENCRYPTION_KEY)


@at_each_place
def test_committer_with_a_poisoned_leaf_MLS_050(suite: CipherSuite, key: bytes) -> None:
    alice, bob, _, newcomer = GROUPS[suite]
    lie = Forgery(change_leaf=lambda leaf: change_leaf(leaf, encryption_key=key))
    accepts(bob, forge_commit(alice))
    refuses(bob, forge_commit(alice, [], lie), Rule.ENCRYPTION_KEY)
    accepts(bob, forge_external_commit(alice, newcomer))
    refuses(bob, forge_external_commit(alice, newcomer, how=lie), Rule.ENCRYPTION_KEY)


@at_each_place
@pytest.mark.parametrize("place", [0, 1])
def test_path_with_a_poisoned_node_MLS_050(suite: CipherSuite, key: bytes, place: int) -> None:
    """Carol is not below the first node, so that nothing but the key itself tells her."""
    alice, bob, carol, _ = GROUPS[suite]
    lie = Forgery(change_keys=lambda keys: [*keys[:place], key, *keys[place + 1 :]])
    for victim in (bob, carol):
        accepts(victim, forge_commit(alice))
        refuses(victim, forge_commit(alice, [], lie), Rule.ENCRYPTION_KEY)


# -- trees and GroupInfos --------------------------------------------------------------------------


def refuses_tree(
    members: Members, lie: RatchetTree, honest: RatchetTree, path_secret: Secret | None = None
) -> None:
    """A Welcome around each tree, with the secret of the path that the adder made, if any."""
    staged = add(members.alice, members.newcomer, tree_in_welcome=False)
    opened = decrypt_welcome(welcome_of(staged), members.newcomer, {}, {}, None)

    def welcome(tree: RatchetTree) -> bytes:
        how = WelcomeForgery(tree=tree, change_secrets=with_path_secret(path_secret))
        return as_message(forge_welcome(opened, staged.next, members.newcomer, how))

    joined = joins(members.newcomer, welcome(honest), tree=honest.encode())
    assert joined.epoch == staged.next.epoch
    refuses_to_join(members.newcomer, welcome(lie), Rule.ENCRYPTION_KEY, tree=lie.encode())


@at_each_place
def test_tree_with_a_poisoned_leaf_MLS_050(suite: CipherSuite, key: bytes) -> None:
    members = GROUPS[suite]
    third = package("third", suite)

    def planted(key: bytes | None) -> RatchetTree:
        leaf = third.parsed().leaf_node
        if key is not None:
            leaf = resigned_package(
                third, leaf=lambda leaf: change_leaf(leaf, encryption_key=key)
            ).leaf_node
        draft = members.alice.state.tree.edit()
        draft.add_leaf(members.newcomer.parsed().leaf_node)
        draft.add_leaf(leaf)
        return draft.done()

    refuses_tree(members, planted(key), planted(None))


@at_each_place
@pytest.mark.parametrize("place", [0, -1], ids=["lowest", "root"])
def test_tree_with_a_poisoned_parent_MLS_050(suite: CipherSuite, key: bytes, place: int) -> None:
    """Signed for by the adder, whose leaf carries the hash of it."""
    members = GROUPS[suite]
    alice = members.alice

    draft = alice.state.tree.edit()
    newcomer = draft.add_leaf(members.newcomer.parsed().leaf_node)
    tree = draft.done()
    drawn = draw_path_secrets(tree, LeafIndex(0), ENTROPY)
    above = tree_math.common_ancestor(0, tree_math.node_of(newcomer))
    secret = dict(zip([node for node, _ in drawn.path], drawn.secrets, strict=True))[above]

    def committed(first: bytes | None) -> RatchetTree:
        keys = [key.public for key in drawn.keys]
        keys[place] = first or keys[place]
        parents, parent_hash = make_path_hashes(tree, drawn.path, keys)
        leaf = change_leaf(alice.state.own_leaf_node, parent_hash=parent_hash)
        leaf = leaf.signed(alice.suite, alice.state.signature_key, alice.group_id, 0)
        draft = tree.edit()
        draft.set_path(0, leaf, parents)
        return draft.done()

    refuses_tree(members, committed(key), committed(None), secret)


@pytest.mark.parametrize(("suite", "key"), BAD_KEYS)
def test_external_pub_that_nobody_can_encrypt_to_MLS_050(suite: CipherSuite, key: bytes) -> None:
    alice, _, _, newcomer = GROUPS[suite]
    honest = MLSMessage.decode(alice.group_info()).body
    assert isinstance(honest, GroupInfo)

    def info(public: bytes) -> bytes:
        extension = Extension(
            extension_type=ExtensionType.EXTERNAL_PUB,
            data=ExternalPub(external_pub=public).encode(),
        )
        others = [
            one for one in honest.extensions if one.extension_type != extension.extension_type
        ]
        made = sign_group_info(
            alice.suite,
            alice.state.signature_key,
            group_context=honest.group_context,
            extensions=(*others, extension),
            confirmation_tag=honest.confirmation_tag,
            signer=honest.signer,
        )
        return MLSMessage(body=made).encode()

    good = alice.suite.generate_key_pair(ENTROPY).public
    assert join_externally(info(good), newcomer, entropy=ENTROPY).next.epoch == alice.epoch + 1
    with pytest.raises(RuleViolation) as caught:
        join_externally(info(key), newcomer, entropy=ENTROPY)
    assert caught.value.rule is Rule.ENCRYPTION_KEY

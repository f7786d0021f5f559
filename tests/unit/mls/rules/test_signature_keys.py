"""Signature keys under which a signature says nothing, or that are none at all.

Under the weak key of these tests one signature fits every message: whoever has it in the tree can
be spoken for by anybody. Every signature under it is therefore right.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Extension,
    ExtensionType,
    KeyPackage,
    KeyPackageSecrets,
    basic_credential,
    labels,
)
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import Sender
from cloister.mls.joining import decrypt_welcome
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Add, Proposal, Remove, Update
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource, SenderType
from cloister.mls.rules import Rule
from cloister.mls.suite import suite_of
from cloister.testing.forge import change_leaf, send
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_framing import Signing, content_of, publish
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    NOW,
    PRODUCT,
    add,
    group_of,
    package,
    take_commit,
    welcome_of,
)
from unit.mls.rules.verdict import accepts, joins, refuses, refuses_to_join

P256 = CipherSuite.P256_AES128GCM_SHA256_P256
ED448 = CipherSuite.X448_AES256GCM_SHA512_ED448
P25519 = 2**255 - 19


class WeakKey:
    """The neutral element: with it for key and for R, and S = 0, the equation always holds."""

    def __init__(self, public: bytes = b"\x01" + bytes(31)) -> None:
        self.seed = Secret(b"")
        self.public = public

    def sign_raw(self, message: bytes) -> bytes:
        """The one signature, whatever the message."""
        return b"\x01" + bytes(63)


WEAK = WeakKey()
GROUPS = {suite: group_of(3, suite) for suite in (CLASSICAL, PRODUCT, P256, ED448)}
ALICE, BOB, _ = GROUPS[CLASSICAL]
NEWCOMER = package("newcomer", CLASSICAL)
STRONG = ALICE.suite.signature_key(Secret(ENTROPY.random(32)))
REMOVE = Proposal(body=Remove(removed=2))


def package_under(key: SignatureKey, secrets: KeyPackageSecrets = NEWCOMER) -> KeyPackage:
    """The KeyPackage with this signature key, signed by it throughout."""
    honest = secrets.parsed()
    suite = suite_of(honest.cipher_suite)
    leaf = change_leaf(honest.leaf_node, signature_key=key.public).signed(suite, key, b"", 0)
    unsigned = replace(honest, leaf_node=leaf, signature=b"")
    signature = suite.sign_with_label(key, labels.KEY_PACKAGE_TBS, unsigned.to_be_signed())
    return replace(unsigned, signature=signature)


BAD_KEYS = [
    pytest.param(CLASSICAL, b"", id="Ed25519 empty"),
    pytest.param(CLASSICAL, STRONG.public[:-1], id="Ed25519 short"),
    pytest.param(CLASSICAL, STRONG.public + b"\x00", id="Ed25519 long"),
    pytest.param(CLASSICAL, WEAK.public, id="Ed25519 of order 1"),
    pytest.param(CLASSICAL, (P25519 - 1).to_bytes(32, "little"), id="Ed25519 of order 2"),
    pytest.param(CLASSICAL, bytes(32), id="Ed25519 of order 4"),
    pytest.param(CLASSICAL, bytes(31) + b"\x80", id="Ed25519 of order 4, x negative"),
    pytest.param(CLASSICAL, (P25519 + 1).to_bytes(32, "little"), id="Ed25519 not canonical"),
    pytest.param(PRODUCT, WEAK.public, id="the product's suite"),
    pytest.param(P256, WEAK.public, id="P-256 of another scheme"),
    pytest.param(P256, b"\x04" + bytes(64), id="P-256 not on the curve"),
    pytest.param(ED448, b"\x01" + bytes(56), id="Ed448 of order 1"),
    pytest.param(ED448, bytes(57), id="Ed448 of order 4"),
]


@pytest.mark.parametrize(("suite", "public"), BAD_KEYS)
def test_added_member_under_a_bad_key_MLS_051(suite: CipherSuite, public: bytes) -> None:
    alice, bob, _ = GROUPS[suite]
    newcomer = package("newcomer", suite)
    key = alice.suite.signature_key(newcomer.signature_key)
    honest, lie = package_under(key, newcomer), package_under(WeakKey(public), newcomer)
    accepts(bob, send(alice, Proposal(body=Add(key_package=honest))))
    refuses(bob, send(alice, Proposal(body=Add(key_package=lie))), Rule.SIGNATURE_KEY)
    refuses(bob, forge_commit(alice, [Add(key_package=lie)]), Rule.SIGNATURE_KEY)


# -- where else a key comes into a group -----------------------------------------------------------


def updating(key: SignatureKey) -> bytes:
    leaf = change_leaf(
        ALICE.state.own_leaf_node,
        encryption_key=ALICE.suite.generate_key_pair(ENTROPY).public,
        signature_key=key.public,
        source=LeafNodeSource.UPDATE,
        lifetime=None,
        parent_hash=b"",
    ).signed(ALICE.suite, key, ALICE.group_id, ALICE.own_leaf)
    return send(ALICE, Proposal(body=Update(leaf_node=leaf)))


def with_leaf_under(key: SignatureKey) -> Forgery:
    return Forgery(
        change_leaf=lambda leaf: change_leaf(leaf, signature_key=key.public), leaf_key=key
    )


def committing(key: SignatureKey) -> bytes:
    return forge_commit(ALICE, [], with_leaf_under(key))


def joining_externally(key: SignatureKey) -> bytes:
    how = replace(with_leaf_under(key), signing=Signing(key=key))
    return forge_external_commit(ALICE, NEWCOMER, how=how)


def asking_to_be_added(key: SignatureKey) -> bytes:
    sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    content = content_of(ALICE, Proposal(body=Add(key_package=package_under(key))), sender=sender)
    return publish(ALICE, content, signing=Signing(key=key))


@pytest.mark.parametrize("message", [updating, committing, joining_externally, asking_to_be_added])
def test_key_under_which_everything_is_signed_MLS_051(
    message: Callable[[SignatureKey], bytes],
) -> None:
    accepts(BOB, message(STRONG))
    refuses(BOB, message(WEAK), Rule.SIGNATURE_KEY)


def test_external_sender_under_a_weak_key_MLS_051() -> None:
    """Nobody looks at the keys of external senders before one of them is used."""
    listed = ExternalSenders(
        senders=tuple(
            ExternalSender(signature_key=key.public, credential=basic_credential(b"outside"))
            for key in (STRONG, WEAK)
        )
    )
    extension = Extension(extension_type=ExtensionType.EXTERNAL_SENDERS, data=listed.encode())
    staged = ALICE.commit(extensions=[extension], now=NOW, entropy=ENTROPY)
    bob = take_commit(BOB, staged.message)

    def from_outside(index: int, key: SignatureKey) -> bytes:
        sender = Sender(sender_type=SenderType.EXTERNAL, index=index)
        content = content_of(staged.next, REMOVE, sender=sender)
        return publish(staged.next, content, signing=Signing(key=key))

    accepts(bob, from_outside(0, STRONG))
    refuses(bob, from_outside(1, WEAK), Rule.SIGNATURE_KEY)


# -- what a joiner is told -------------------------------------------------------------------------

STAGED = add(ALICE, NEWCOMER, tree_in_welcome=False)
OPENED = decrypt_welcome(welcome_of(STAGED), NEWCOMER, {}, {}, None)
THIRD = package("third", CLASSICAL)


def planted(leaf: LeafNode) -> tuple[RatchetTree, int]:
    draft = ALICE.state.tree.edit()
    draft.add_leaf(NEWCOMER.parsed().leaf_node)
    index = draft.add_leaf(leaf)
    return draft.done(), index


@pytest.mark.parametrize("signs", [False, True], ids=["a member", "the signer"])
def test_tree_with_a_leaf_under_a_weak_key_MLS_051(signs: bool) -> None:
    for key in (STRONG, WEAK):
        tree, index = planted(package_under(key, THIRD).leaf_node)
        signer = replace(STAGED.next, state=replace(STAGED.next.state, signature_key=key))
        how = WelcomeForgery(
            tree=tree,
            signer=signer if signs else None,
            signer_index=index if signs else None,
            # As after a commit without a path, so there is no secret of one.
            change_secrets=lambda secrets: replace(secrets, path_secret=None),
        )
        message = as_message(forge_welcome(OPENED, STAGED.next, NEWCOMER, how))
        if key is STRONG:
            joined = joins(NEWCOMER, message, tree=tree.encode())
            assert joined.epoch == STAGED.next.epoch
        else:
            refuses_to_join(NEWCOMER, message, Rule.SIGNATURE_KEY, tree=tree.encode())

"""Welcomes and trees a dishonest adder can make: signed and encrypted correctly, and wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cloister.codec import encode_opaque
from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    Malformed,
    MLSError,
    NotForUs,
    RuleViolation,
    Undecryptable,
    Unsupported,
    labels,
    open_welcome,
)
from cloister.mls.joining import decrypt_welcome
from cloister.mls.key_schedule import epoch_secrets, welcome_key_and_nonce, welcome_secret
from cloister.mls.limits import LIFETIME_SLACK_S
from cloister.mls.message import MLSMessage
from cloister.mls.psk import PreSharedKeyId, psk_secret
from cloister.mls.ratchet_tree import Node, ParentNode, RatchetTree, TreeDraft
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import HpkeCiphertext
from cloister.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    PathSecret,
    Welcome,
    sign_group_info,
)
from cloister.testing.forge import change_leaf, resigned_package
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    ENTROPY,
    LIFETIME,
    NOW,
    PRODUCT,
    add,
    group_of,
    package,
    settle,
    update,
    welcome_of,
)

SECRETS = package("joiner")
BASE = group_of(4)
# Everybody commits once, so that there are parent nodes to lie about.
for committer in range(4):
    BASE = settle(BASE, committer, update(BASE[committer]))
STAGED = add(BASE[0], SECRETS, tree_in_welcome=False)
GROUP = STAGED.next
TREE = STAGED.ratchet_tree


class Remade:
    """A Welcome made again from what its receiver can see, with changes, signed by the adder."""

    def __init__(
        self,
        *,
        tree: RatchetTree | None = None,
        context_extensions: Sequence[Extension] = (),
        change_info: Callable[[GroupInfo], GroupInfo] = lambda info: info,
        change_secrets: Callable[[GroupSecrets], GroupSecrets] = lambda secrets: secrets,
        extensions: Sequence[Extension] = (),
        signer: Group | None = None,
        signer_index: int | None = None,
        psks: Sequence[tuple[PreSharedKeyId, Secret]] = (),
        confirmation_tag: bytes | None = None,
    ) -> None:
        opened = decrypt_welcome(welcome_of(STAGED), SECRETS, {}, {}, None)
        suite = opened.suite
        context = opened.group_info.group_context
        if tree is not None:
            context = replace(context, tree_hash=tree.tree_hash())
        context = replace(context, extensions=tuple(context_extensions))
        joiner = opened.group_secrets.joiner_secret
        mixed = psk_secret(suite, psks)
        epoch, _ = epoch_secrets(suite, joiner, mixed, context.encode())
        tag = suite.mac(epoch.confirmation, context.confirmed_transcript_hash)
        by = signer or GROUP
        info = change_info(
            sign_group_info(
                suite,
                by.state.signature_key,
                group_context=context,
                extensions=extensions,
                confirmation_tag=tag if confirmation_tag is None else confirmation_tag,
                signer=by.own_leaf if signer_index is None else signer_index,
            )
        )
        key, nonce = welcome_key_and_nonce(suite, welcome_secret(suite, joiner, mixed))
        sealed_info = suite.aead.seal(key, nonce, info.encode(), b"")
        secrets = change_secrets(
            replace(opened.group_secrets, psks=tuple(name for name, _ in psks))
        )
        package_ = SECRETS.parsed()
        kem_output, ciphertext = suite.encrypt_with_label(
            package_.init_key, labels.WELCOME, sealed_info, secrets.encode()
        )
        entry = EncryptedGroupSecrets(
            new_member=package_.reference(suite),
            encrypted_group_secrets=HpkeCiphertext(kem_output=kem_output, ciphertext=ciphertext),
        )
        self.welcome = Welcome(
            cipher_suite=suite.code, secrets=(entry,), encrypted_group_info=sealed_info
        )
        self.message = MLSMessage(body=self.welcome).encode()

    def join(self, tree: bytes = TREE) -> Group:
        return open_welcome(self.message, SECRETS).join(tree, now=NOW)


def refuses(rule: Rule, remade: Remade, tree: bytes = TREE) -> None:
    with pytest.raises(RuleViolation) as caught:
        remade.join(tree)
    assert caught.value.rule is rule


def with_nodes(change: Callable[[list[Node | None]], None]) -> RatchetTree:
    nodes = list(GROUP.state.tree.nodes)
    change(nodes)
    return RatchetTree(GROUP.suite, nodes)


def refuses_tree(rule: Rule, change: Callable[[list[Node | None]], None]) -> None:
    """The tree is wrong, and the adder signs its hash."""
    tree = with_nodes(change)
    refuses(rule, Remade(tree=tree), tree.encode())


def test_the_remade_welcome_is_good_when_nothing_is_wrong() -> None:
    assert Remade().join().epoch_authenticator == GROUP.epoch_authenticator
    assert len(GROUP.state.tree.nodes) == 15
    assert sum(isinstance(node, ParentNode) for node in GROUP.state.tree.nodes) == 4


def test_bytes_that_are_no_welcome_are_malformed() -> None:
    good = welcome_of(STAGED)
    for bad in (b"", good[:-1], good + b"\x00", STAGED.message):
        with pytest.raises(Malformed):
            open_welcome(bad, SECRETS)


def test_changed_bytes_of_a_welcome_are_refused() -> None:
    good = welcome_of(STAGED)
    for position in range(4, len(good), 11):
        broken = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        with pytest.raises(MLSError):
            open_welcome(broken, SECRETS).join(TREE, now=NOW)


def test_welcome_of_another_suite_is_refused() -> None:
    classical = CipherSuite.X25519_AES128GCM_SHA256_ED25519
    other = replace(Remade().welcome, cipher_suite=classical)
    with pytest.raises(RuleViolation) as caught:
        open_welcome(MLSMessage(body=other).encode(), SECRETS)
    assert caught.value.rule is Rule.WELCOME_SUITE


def test_group_context_of_another_suite_or_version_is_refused() -> None:
    for rule, cipher_suite, version in (
        (Rule.GROUP_INFO_SUITE, 1, 1),
        (Rule.GROUP_INFO_VERSION, PRODUCT, 2),
    ):

        def change(info: GroupInfo, suite: int = cipher_suite, mls: int = version) -> GroupInfo:
            context = replace(info.group_context, cipher_suite=suite, version=mls)
            return replace(info, group_context=context)

        with pytest.raises(RuleViolation) as caught:
            open_welcome(Remade(change_info=change).message, SECRETS)
        assert caught.value.rule is rule


def test_welcome_without_our_key_package_is_told_apart() -> None:
    empty = replace(Remade().welcome, secrets=())
    with pytest.raises(NotForUs):
        open_welcome(MLSMessage(body=empty).encode(), SECRETS)


def test_path_secret_and_joiner_secret_must_fit() -> None:
    wrong = PathSecret(path_secret=Secret(bytes(48)))
    refuses(Rule.PATH_KEYS, Remade(change_secrets=lambda s: replace(s, path_secret=wrong)))
    short = PathSecret(path_secret=Secret(bytes(5)))
    refuses(Rule.PATH_SECRET_LENGTH, Remade(change_secrets=lambda s: replace(s, path_secret=short)))
    other = Secret(bytes(48))
    with pytest.raises(Undecryptable):
        Remade(change_secrets=lambda s: replace(s, joiner_secret=other)).join()


@pytest.mark.parametrize("tag", [b"", bytes(48)])
def test_wrong_confirmation_tag_is_refused(tag: bytes) -> None:
    refuses(Rule.GROUP_INFO_TAG, Remade(confirmation_tag=tag))


def test_group_info_counts_only_when_its_signer_signed_it() -> None:
    # Another member's key does not do, even though it is in the tree.
    refuses(Rule.GROUP_INFO_SIGNATURE, Remade(signer=BASE[2], signer_index=0))
    refuses(
        Rule.GROUP_INFO_SIGNATURE, Remade(change_info=lambda info: replace(info, signature=b""))
    )
    for index in (5, 99, 2**32 - 1):
        refuses(Rule.GROUP_INFO_SIGNER, Remade(signer_index=index))


def test_tree_must_have_the_hash_of_the_context() -> None:
    refuses(Rule.TREE_HASH, Remade(), BASE[0].ratchet_tree())


def test_tree_in_the_welcome_takes_precedence() -> None:
    inside = Extension(extension_type=ExtensionType.RATCHET_TREE, data=TREE)
    assert Remade(extensions=[inside]).join(BASE[0].ratchet_tree()).epoch == GROUP.epoch


def test_duplicate_extension_in_a_group_info_is_refused() -> None:
    twice = Extension(extension_type=0xF555, data=b"")
    refuses(Rule.DUPLICATE_EXTENSION, Remade(extensions=[twice, twice]))


def committed_over(
    change: Callable[[TreeDraft], object], first_key: bytes | None = None
) -> RatchetTree:
    """A changed tree that the adder has then committed over, so that parent hashes fit."""
    draft = GROUP.state.tree.edit()
    change(draft)
    tree = draft.done()
    path = tree.filtered_direct_path(0)
    keys = [GROUP.suite.private_key(Secret(ENTROPY.random(32))).public for _ in path]
    keys[0] = first_key or keys[0]
    parents, parent_hash = make_path_hashes(tree, path, keys)
    leaf = replace(GROUP.state.own_leaf_node, parent_hash=parent_hash, signature=b"").signed(
        GROUP.suite, GROUP.state.signature_key, GROUP.group_id, 0
    )
    draft = tree.edit()
    draft.set_path(0, leaf, parents)
    return draft.done()


def test_joiner_must_be_in_the_tree() -> None:
    tree = add(BASE[0], package("somebody else")).next.state.tree
    refuses(Rule.JOINER_LEAF, Remade(tree=tree), tree.encode())


def test_leaf_with_a_wrong_signature_is_refused() -> None:
    forged = replace(package("forged").parsed().leaf_node, signature=bytes(64))
    tree = committed_over(lambda draft: draft.add_leaf(forged))
    refuses(Rule.LEAF_SIGNATURE, Remade(tree=tree), tree.encode())
    honest = package("honest").parsed().leaf_node
    # With an honest leaf the same tree passes until the path secret does not fit its new keys.
    tree = committed_over(lambda draft: draft.add_leaf(honest))
    refuses(Rule.PATH_KEYS, Remade(tree=tree), tree.encode())


def test_leaf_moved_to_another_place_is_refused() -> None:
    """A leaf from a commit is signed for its index: two members cannot be exchanged."""

    def change(nodes: list[Node | None]) -> None:
        nodes[2], nodes[4] = nodes[4], nodes[2]

    tree = with_nodes(change)
    with pytest.raises(RuleViolation) as caught:
        Remade(tree=tree).join(tree.encode())
    assert caught.value.rule in {Rule.LEAF_SIGNATURE, Rule.PARENT_HASH}


def test_two_members_with_one_key_are_refused() -> None:
    member = package("double")
    leaf = member.parsed().leaf_node
    same = package("double too", signature_seed=member.signature_key).parsed().leaf_node

    def same_signature_key(nodes: list[Node | None]) -> None:
        nodes[10], nodes[12] = leaf, same

    def same_encryption_key(nodes: list[Node | None]) -> None:
        root = nodes[3]
        assert isinstance(root, ParentNode)
        nodes[11] = replace(root, parent_hash=b"", unmerged_leaves=())
        nodes[12] = leaf

    refuses_tree(Rule.UNIQUE_SIGNATURE_KEY, same_signature_key)
    refuses_tree(Rule.UNIQUE_PARENT_KEY, same_encryption_key)


def test_parent_node_nobody_signed_for_is_refused() -> None:
    """The adder plants a key of its own above members who never gave it."""
    planted = GROUP.suite.private_key(Secret(ENTROPY.random(32))).public

    def change(nodes: list[Node | None]) -> None:
        assert nodes[9] is None
        nodes[9] = ParentNode(encryption_key=planted, parent_hash=b"", unmerged_leaves=())
        nodes[10] = package("under it").parsed().leaf_node

    refuses_tree(Rule.PARENT_HASH, change)


def test_parent_key_exchanged_is_refused() -> None:
    planted = GROUP.suite.private_key(Secret(ENTROPY.random(32))).public

    def change(nodes: list[Node | None]) -> None:
        node = nodes[5]
        assert isinstance(node, ParentNode)
        nodes[5] = replace(node, encryption_key=planted)

    refuses_tree(Rule.PARENT_HASH, change)


@pytest.mark.parametrize(
    ("leaves", "rule"),
    [
        ((1, 0), Rule.UNMERGED_SORTED),
        ((0, 0), Rule.UNMERGED_SORTED),
        ((2,), Rule.UNMERGED_DESCENDANT),
        ((5,), Rule.UNMERGED_DESCENDANT),
        ((9,), Rule.UNMERGED_DESCENDANT),
    ],
)
def test_unmerged_leaves_must_be_sorted_and_below(leaves: tuple[int, ...], rule: Rule) -> None:
    def change(nodes: list[Node | None]) -> None:
        node = nodes[1]
        assert isinstance(node, ParentNode)
        nodes[1] = replace(node, unmerged_leaves=leaves)

    refuses_tree(rule, change)


def test_unmerged_leaf_must_be_unmerged_in_between() -> None:
    def change(nodes: list[Node | None]) -> None:
        node = nodes[3]
        assert isinstance(node, ParentNode)
        nodes[3] = replace(node, unmerged_leaves=(1,))

    refuses_tree(Rule.UNMERGED_BETWEEN, change)


def test_low_order_parent_key_is_refused() -> None:
    """Signed for by a real member, so that only the key itself is wrong."""
    poisoned = GROUP.suite.private_key(Secret(bytes(32))).public[:1184] + bytes(32)
    tree = committed_over(lambda draft: None, first_key=poisoned)
    refuses(Rule.ENCRYPTION_KEY, Remade(tree=tree), tree.encode())


def test_low_order_leaf_key_is_refused() -> None:
    secrets = package("poisoned")
    poisoned = secrets.parsed().leaf_node.encryption_key[:1184] + bytes(32)
    leaf = resigned_package(
        secrets, leaf=lambda leaf: change_leaf(leaf, encryption_key=poisoned)
    ).leaf_node
    tree = committed_over(lambda draft: draft.add_leaf(leaf))
    refuses(Rule.ENCRYPTION_KEY, Remade(tree=tree), tree.encode())


def test_members_must_support_what_the_group_uses() -> None:
    """The joiner finds a member the others should not have added."""
    poor = package("poor", supported=())
    tree = committed_over(lambda draft: draft.add_leaf(poor.parsed().leaf_node))
    checkpoint = Extension(extension_type=CHECKPOINT, data=b"")
    remade = Remade(tree=tree, context_extensions=[checkpoint])
    refuses(Rule.CONTEXT_EXTENSIONS, remade, tree.encode())
    blind = resigned_package(
        poor,
        leaf=lambda leaf: change_leaf(
            leaf, capabilities=replace(leaf.capabilities, credentials=(0x0F0F,))
        ),
    ).leaf_node
    tree = committed_over(lambda draft: draft.add_leaf(blind))
    refuses(Rule.CREDENTIAL_TYPES, Remade(tree=tree), tree.encode())


def test_group_context_extensions_must_be_well_formed() -> None:
    kind = ExtensionType.REQUIRED_CAPABILITIES
    broken = Extension(extension_type=kind, data=b"\x00\x00\x00\x00")
    with pytest.raises(Malformed):
        open_welcome(Remade(context_extensions=[broken]).message, SECRETS)
    twice = [Extension(extension_type=CHECKPOINT, data=b"")] * 2
    with pytest.raises(RuleViolation) as caught:
        open_welcome(Remade(context_extensions=twice).message, SECRETS)
    assert caught.value.rule is Rule.DUPLICATE_EXTENSION


def test_path_secret_for_a_blank_node_is_refused() -> None:
    def change(nodes: list[Node | None]) -> None:
        nodes[7] = None

    refuses_tree(Rule.WELCOME_PATH, change)


def test_tree_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloister.mls.leaf_check.MAX_LEAVES", 4)
    refuses(Rule.TREE_SIZE, Remade())


def test_tree_of_wrong_shape_is_refused() -> None:
    tree = GROUP.state.tree
    leaf, parent = tree.nodes[0], tree.nodes[1]
    assert leaf is not None
    assert parent is not None
    as_leaf, as_parent, blank = b"\x01\x01" + leaf.encode(), b"\x01\x02" + parent.encode(), b"\x00"
    for nodes, rule in (
        (b"", Rule.TREE_END),
        (blank, Rule.TREE_END),
        (as_leaf + blank, Rule.TREE_END),
        (as_leaf + as_parent, Rule.TREE_END),
        (as_parent, Rule.TREE_NODE_TYPE),
        (as_leaf + as_leaf, Rule.TREE_NODE_TYPE),
    ):
        with pytest.raises(RuleViolation) as caught:
            RatchetTree.decode(GROUP.suite, encode_opaque(nodes))
        assert caught.value.rule is rule


def test_key_package_used_after_its_lifetime_does_not_join() -> None:
    opened = open_welcome(welcome_of(STAGED), SECRETS)
    with pytest.raises(RuleViolation) as caught:
        opened.join(TREE, now=LIFETIME.not_after + LIFETIME_SLACK_S + 1)
    assert caught.value.rule is Rule.LIFETIME


def test_private_key_of_the_leaf_must_fit() -> None:
    wrong = KeyPackageSecrets(
        key_package=SECRETS.key_package,
        init_key=SECRETS.init_key,
        encryption_key=Secret(bytes(32)),
        signature_key=SECRETS.signature_key,
    )
    with pytest.raises(RuleViolation) as caught:
        open_welcome(welcome_of(STAGED), wrong).join(TREE, now=NOW)
    assert caught.value.rule is Rule.JOINER_KEY


def test_psks_of_a_welcome_are_checked() -> None:
    external = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(48))
    founding = PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=ResumptionPskUsage.BRANCH,
        psk_group_id=b"parent",
        psk_epoch=3,
        psk_nonce=bytes(48),
    )
    other = replace(founding, psk_epoch=4)
    key = Secret(b"key")

    def refused(rule: Rule, *names: PreSharedKeyId) -> None:
        remade = Remade(psks=[(name, key) for name in names])
        with pytest.raises(RuleViolation) as caught:
            open_welcome(remade.message, SECRETS, {b"id": key})
        assert caught.value.rule is rule

    refused(Rule.PSK_NONCE, replace(external, psk_nonce=b""))
    refused(Rule.DUPLICATE_PSK, external, external)
    refused(Rule.ONE_FOUNDING_PSK, founding, other)
    with pytest.raises(Unsupported):
        open_welcome(Remade(psks=[(founding, key)]).message, SECRETS)


def test_suite_of_the_product_is_the_one_in_use() -> None:
    assert GROUP.suite.code == PRODUCT

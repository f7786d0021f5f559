"""Joining a group from a Welcome (RFC 9420 section 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloister.crypto.errors import BadMac
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import key_schedule, labels, tree_math
from cloister.mls.epoch import EpochState
from cloister.mls.errors import Malformed, NotForUs, RuleViolation, Unsupported
from cloister.mls.extension import Extension, check_distinct, find
from cloister.mls.key_package import KeyPackage, KeyPackageSecrets
from cloister.mls.key_schedule import EpochSecrets
from cloister.mls.leaf_check import (
    Moment,
    check_all_support,
    check_credential_types,
    check_leaf_keys,
    check_lifetime,
    check_unique_keys,
)
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import MAX_LEAVES
from cloister.mls.message import MLSMessage
from cloister.mls.proposal_list import check_extensions_well_formed
from cloister.mls.psk import PreSharedKeyId, find_psk, psk_secret
from cloister.mls.ratchet_tree import ParentNode, RatchetTree
from cloister.mls.registry import (
    ExtensionType,
    ProtocolVersion,
    ResumptionPskUsage,
)
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import Suite, suite_of
from cloister.mls.tree_hash import check_parent_hashes, check_unmerged_leaves
from cloister.mls.update_path import derive_upwards
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome


@dataclass(frozen=True, slots=True, kw_only=True)
class DecryptedWelcome:
    """A Welcome that opened. Its GroupInfo is not authenticated before the tree is there."""

    suite: Suite
    package: KeyPackage
    key_package_secrets: KeyPackageSecrets
    group_info: GroupInfo
    group_secrets: GroupSecrets
    secrets: EpochSecrets
    encryption_secret: Secret


def decrypt_welcome(
    message: bytes,
    secrets: KeyPackageSecrets,
    external_psks: Mapping[bytes, Secret],
    resumption_psks: Mapping[tuple[bytes, int], Secret],
) -> DecryptedWelcome:
    """Open a Welcome for this KeyPackage.

    Raises NotForUs, UnknownPsk, Unsupported, RuleViolation, DecodeError, DecryptError.
    """
    welcome = MLSMessage.decode(message).body
    if not isinstance(welcome, Welcome):
        raise Malformed("not a Welcome")
    package = secrets.parsed()
    suite = suite_of(package.cipher_suite)
    if welcome.cipher_suite != suite.code:
        raise RuleViolation(Rule.CIPHER_SUITE)
    reference = package.reference(suite)
    sealed = next(
        (one.encrypted_group_secrets for one in welcome.secrets if one.new_member == reference),
        None,
    )
    if sealed is None:
        raise NotForUs("the Welcome holds no secrets for this KeyPackage")
    opened = suite.decrypt_with_label(
        suite.private_key(secrets.init_key),
        labels.WELCOME,
        welcome.encrypted_group_info,
        (sealed.kem_output, sealed.ciphertext),
    )
    group_secrets = GroupSecrets.decode(opened.expose())
    check_welcome_psks(suite, group_secrets.psks)
    mixed = psk_secret(
        suite,
        [(name, find_psk(name, external_psks, resumption_psks)) for name in group_secrets.psks],
    )
    joiner = group_secrets.joiner_secret
    key, nonce = key_schedule.welcome_key_and_nonce(
        suite, key_schedule.welcome_secret(suite, joiner, mixed)
    )
    plaintext = suite.aead.open(key, nonce, welcome.encrypted_group_info, b"")
    group_info = GroupInfo.decode(plaintext)
    context = group_info.group_context
    if context.version != ProtocolVersion.MLS10:
        raise RuleViolation(Rule.VERSION)
    if context.cipher_suite != suite.code:
        raise RuleViolation(Rule.CIPHER_SUITE)
    check_distinct(group_info.extensions)
    check_extensions_well_formed(context.extensions)
    epoch, encryption_secret = key_schedule.epoch_secrets(suite, joiner, mixed, context.encode())
    return DecryptedWelcome(
        suite=suite,
        package=package,
        key_package_secrets=secrets,
        group_info=group_info,
        group_secrets=group_secrets,
        secrets=epoch,
        encryption_secret=encryption_secret,
    )


def check_welcome_psks(suite: Suite, names: Sequence[PreSharedKeyId]) -> None:
    """Nonces of Nh bytes, no key twice, no reinitialised or branched group (11.2, 11.3)."""
    if any(len(name.psk_nonce) != suite.nh for name in names):
        raise RuleViolation(Rule.PSK_FORM)
    if len(set(names)) != len(names):
        raise RuleViolation(Rule.DUPLICATE_PSK)
    founding = [
        name
        for name in names
        if name.usage in {ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH}
    ]
    if len(founding) > 1:
        raise RuleViolation(Rule.RESUMPTION_IN_WELCOME)
    if founding:
        raise Unsupported("reinitialised and branched groups are not supported")


def join(
    opened: DecryptedWelcome, ratchet_tree: bytes | None, now: int | None
) -> tuple[EpochState, SecretTree]:
    """Check the whole tree and take our place in it.

    Raises RuleViolation, DecodeError, BadPublicKey, BadSignature.
    """
    tree = check_group(opened, ratchet_tree, now)
    return take_place(opened, tree)


def check_group(
    opened: DecryptedWelcome, ratchet_tree: bytes | None, now: int | None
) -> RatchetTree:
    """Everything that is verified about the group before anything is computed for it."""
    suite = opened.suite
    group_info = opened.group_info
    context = group_info.group_context
    data = find(group_info.extensions, ExtensionType.RATCHET_TREE)
    if data is None:
        data = ratchet_tree
    if data is None:
        raise RuleViolation(Rule.MISSING_TREE)
    tree = RatchetTree.decode(suite, data)
    if tree.tree_hash() != context.tree_hash:
        raise RuleViolation(Rule.TREE_HASH)
    signer = tree.leaf(group_info.signer)
    if signer is None:
        raise RuleViolation(Rule.GROUP_INFO_SIGNER)
    group_info.verify(suite, signer.signature_key)
    moment = Moment.of_receipt(now)
    lifetime = opened.package.leaf_node.lifetime
    if moment is not None and lifetime is not None:
        check_lifetime(lifetime, moment)
    check_tree(tree, context.group_id, context.extensions)
    return tree


def take_place(opened: DecryptedWelcome, tree: RatchetTree) -> tuple[EpochState, SecretTree]:
    """Our state in a group that has been checked; the confirmation tag is checked here."""
    suite = opened.suite
    group_info = opened.group_info
    context = group_info.group_context
    own_leaf = find_own_leaf(tree, opened.package.leaf_node)
    confirmed = context.confirmed_transcript_hash
    try:
        suite.check_mac(opened.secrets.confirmation, confirmed, group_info.confirmation_tag)
    except BadMac:
        raise RuleViolation(Rule.CONFIRMATION_TAG) from None
    state = EpochState(
        suite=suite,
        context=context,
        tree=tree,
        own_leaf=own_leaf,
        signature_key=suite.signature_key(opened.key_package_secrets.signature_key),
        private_keys=_private_keys(opened, tree, own_leaf),
        secrets=opened.secrets,
        interim_transcript_hash=key_schedule.interim_transcript_hash(
            suite, confirmed, group_info.confirmation_tag
        ),
        confirmation_tag=group_info.confirmation_tag,
    )
    return state, SecretTree.new(suite, tree.leaf_count, opened.encryption_secret)


def find_own_leaf(tree: RatchetTree, own: LeafNode) -> LeafIndex:
    """The index of the leaf that is byte for byte our KeyPackage's."""
    encoded = own.encode()
    for index, leaf in tree.leaves():
        if leaf.encode() == encoded:
            return index
    raise RuleViolation(Rule.JOINER_LEAF)


def check_tree(tree: RatchetTree, group_id: bytes, extensions: Sequence[Extension]) -> None:
    """Every check a joiner makes on a tree (12.4.3.1): keys, signatures, hashes, capabilities.

    Lifetimes of other members' leaves are not checked: they may have run out since the members
    joined (7.3).
    """
    suite = tree.suite
    if tree.leaf_count > MAX_LEAVES:
        raise RuleViolation(Rule.TREE_SHAPE)
    leaves = tree.leaves()
    check_unique_keys(tree)
    check_unmerged_leaves(tree)
    check_parent_hashes(tree)
    check_all_support((leaf for _, leaf in leaves), extensions)
    check_credential_types(leaf for _, leaf in leaves)
    for node in tree.nodes[1::2]:
        if isinstance(node, ParentNode):
            suite.kem.parse_public(node.encryption_key)
    for index, leaf in leaves:
        check_leaf_keys(suite, leaf)
        leaf.verify(suite, group_id, index)


def _private_keys(
    opened: DecryptedWelcome, tree: RatchetTree, own_leaf: LeafIndex
) -> dict[NodeIndex, HpkePrivateKey]:
    """Our leaf's key, and from the Welcome's path secret those above the committer and us."""
    suite = opened.suite
    own_node = tree_math.node_of(own_leaf)
    leaf_key = suite.private_key(opened.key_package_secrets.encryption_key)
    if leaf_key.public != opened.package.leaf_node.encryption_key:
        raise RuleViolation(Rule.JOINER_LEAF)
    keys = {own_node: leaf_key}
    secret = opened.group_secrets.path_secret
    if secret is None:
        return keys
    signer = LeafIndex(opened.group_info.signer)
    if signer == own_leaf:
        raise RuleViolation(Rule.GROUP_INFO_SIGNER)
    ancestor = tree_math.common_ancestor(own_node, tree_math.node_of(signer))
    above: list[tuple[NodeIndex, bytes]] = []
    for node, _ in tree.filtered_direct_path(signer):
        if tree_math.is_below(ancestor, node):
            parent = tree.parent(node)
            if parent is None:
                raise RuleViolation(Rule.PATH_KEYS)
            above.append((node, parent.encryption_key))
    derived, _ = derive_upwards(suite, secret.path_secret, above)
    return keys | derived

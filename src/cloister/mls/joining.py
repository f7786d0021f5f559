"""Joining a group from a Welcome (RFC 9420 section 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import msgspec

from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import key_schedule, labels, tree_math
from cloister.mls.epoch import EpochState
from cloister.mls.errors import Malformed, NotForUs, RuleViolation, Unsupported
from cloister.mls.group_check import check_context, check_group_info
from cloister.mls.key_package import KeyPackage, KeyPackageSecrets
from cloister.mls.key_schedule import EpochSecrets
from cloister.mls.leaf_check import Moment, check_lifetime
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.psk import (
    PreSharedKeyId,
    check_distinct_psks,
    check_psk_nonce,
    find_psk,
    psk_secret,
)
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.successor_check import Identity, check_successor, founding_psk
from cloister.mls.suite import Suite, suite_of
from cloister.mls.update_path import derive_upwards
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome


class DecryptedWelcome(msgspec.Struct, frozen=True, kw_only=True):
    """A Welcome that opened. Its GroupInfo is not authenticated before the tree is there."""

    suite: Suite
    package: KeyPackage
    key_package_secrets: KeyPackageSecrets
    group_info: GroupInfo
    group_secrets: GroupSecrets
    secrets: EpochSecrets
    encryption_secret: Secret
    continued: Continued | None


Continued = tuple[EpochState, ResumptionPskUsage]
"""The group that a new one continues, and whether by reinit or branch."""


def decrypt_welcome(
    message: bytes,
    secrets: KeyPackageSecrets,
    external_psks: Mapping[bytes, Secret],
    resumption_psks: Mapping[tuple[bytes, int], Secret],
    predecessor: EpochState | None,
) -> DecryptedWelcome:
    """Open a Welcome for this KeyPackage.

    ``predecessor`` is the group that the new one may claim to continue; its keys are known with
    it. Raises NotForUs, UnknownPsk, Unsupported, RuleViolation, DecodeError, DecryptError.
    """
    welcome = MLSMessage.decode(message).body
    if not isinstance(welcome, Welcome):
        raise Malformed("not a Welcome")
    package = secrets.parsed()
    suite = suite_of(package.cipher_suite)
    if welcome.cipher_suite != suite.code:
        raise RuleViolation(Rule.WELCOME_SUITE)
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
    for name in group_secrets.psks:
        check_psk_nonce(suite, name)
    check_distinct_psks(group_secrets.psks)
    continued = _continued(group_secrets.psks, predecessor)
    known = dict(resumption_psks)
    if continued is not None:
        old, _ = continued
        known[old.context.group_id, old.context.epoch] = old.secrets.resumption
    mixed = psk_secret(
        suite, [(name, find_psk(name, external_psks, known)) for name in group_secrets.psks]
    )
    joiner = group_secrets.joiner_secret
    key, nonce = key_schedule.welcome_key_and_nonce(
        suite, key_schedule.welcome_secret(suite, joiner, mixed)
    )
    plaintext = suite.aead.open(key, nonce, welcome.encrypted_group_info, b"")
    group_info = GroupInfo.decode(plaintext)
    check_context(suite, group_info)
    epoch, encryption_secret = key_schedule.epoch_secrets(
        suite, joiner, mixed, group_info.group_context.encode()
    )
    return DecryptedWelcome(
        suite=suite,
        package=package,
        key_package_secrets=secrets,
        group_info=group_info,
        group_secrets=group_secrets,
        secrets=epoch,
        encryption_secret=encryption_secret,
        continued=continued,
    )


def _continued(names: Sequence[PreSharedKeyId], predecessor: EpochState | None) -> Continued | None:
    """What the Welcome claims to continue; None where it claims nothing and need not.

    Only the named epoch of the old group will do: others have other members. Who waits for a
    successor gets one: the key is all that shows that a member of the old group made the new one.
    Raises RuleViolation, Unsupported.
    """
    founding = founding_psk(names)
    if founding is None or founding.usage is None:
        if predecessor is not None:
            raise RuleViolation(Rule.FOUNDING_PSK)
        return None
    place = (founding.psk_group_id, founding.psk_epoch)
    if predecessor is None or place != (predecessor.context.group_id, predecessor.context.epoch):
        raise Unsupported("the group continues another, which is not at hand")
    return predecessor, founding.usage


def join(
    opened: DecryptedWelcome,
    ratchet_tree: bytes | None,
    now: int | None,
    participating: Container[bytes],
    identity: Identity,
) -> tuple[EpochState, SecretTree]:
    """Check the whole group and take our place in it. Raises RuleViolation, DecodeError."""
    tree = check_group_info(opened.suite, opened.group_info, ratchet_tree, participating)
    moment = Moment.of_receipt(now)
    lifetime = opened.package.leaf_node.lifetime
    if moment is not None and lifetime is not None:
        check_lifetime(lifetime, moment)
    if opened.continued is not None:
        old, usage = opened.continued
        check_successor(old, usage, opened.group_info.group_context, tree, identity)
    return take_place(opened, tree)


def take_place(opened: DecryptedWelcome, tree: RatchetTree) -> tuple[EpochState, SecretTree]:
    """Our state in a group that has been checked; the confirmation tag is checked here."""
    suite = opened.suite
    group_info = opened.group_info
    context = group_info.group_context
    own_leaf = find_own_leaf(tree, opened.package.leaf_node)
    if group_info.signer == own_leaf:
        # Nobody adds himself with a Welcome, whose signer is the member who committed.
        raise RuleViolation(Rule.GROUP_INFO_SIGNER)
    confirmed = context.confirmed_transcript_hash
    suite.check_mac(
        opened.secrets.confirmation, confirmed, group_info.confirmation_tag, Rule.GROUP_INFO_TAG
    )
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


def _private_keys(
    opened: DecryptedWelcome, tree: RatchetTree, own_leaf: LeafIndex
) -> dict[NodeIndex, HpkePrivateKey]:
    """Our leaf's key, and from the Welcome's path secret those above the committer and us.

    Raises RuleViolation.
    """
    suite = opened.suite
    own_node = tree_math.node_of(own_leaf)
    leaf_key = suite.private_key(opened.key_package_secrets.encryption_key)
    if leaf_key.public != opened.package.leaf_node.encryption_key:
        raise RuleViolation(Rule.JOINER_KEY)
    keys = {own_node: leaf_key} | _keys_of_path(opened, tree, own_node)
    for node in tree_math.direct_path(own_node, tree.leaf_count):
        parent = tree.parent(node)
        # Whose key we neither have nor are known to lack would be taken for the way to us.
        if parent is not None and node not in keys and own_leaf not in parent.unmerged_leaves:
            raise RuleViolation(Rule.WELCOME_PATH)
    return keys


def _keys_of_path(
    opened: DecryptedWelcome, tree: RatchetTree, own_node: NodeIndex
) -> dict[NodeIndex, HpkePrivateKey]:
    """The keys of the nodes above signer and joiner, from the Welcome's path secret if it has one.

    Raises RuleViolation.
    """
    secret = opened.group_secrets.path_secret
    if secret is None:
        return {}
    signer = LeafIndex(opened.group_info.signer)
    ancestor = tree_math.common_ancestor(own_node, tree_math.node_of(signer))
    above: list[tuple[NodeIndex, bytes]] = []
    for node, _ in tree.filtered_direct_path(signer):
        if tree_math.is_below(ancestor, node):
            parent = tree.parent(node)
            if parent is None:
                raise RuleViolation(Rule.WELCOME_PATH)
            above.append((node, parent.encryption_key))
    derived, _ = derive_upwards(opened.suite, secret.path_secret, above)
    return derived

"""A new group with one member, in epoch 0 (RFC 9420 section 11)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import key_schedule
from cloister.mls.credential import Credential
from cloister.mls.epoch import EpochState
from cloister.mls.extension import Extension
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import make_key_package_leaf
from cloister.mls.leaf_check import check_all_support
from cloister.mls.leaf_node import Lifetime
from cloister.mls.proposal_list import check_group_extensions
from cloister.mls.psk import psk_secret
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ProtocolVersion
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import suite_of

# A lifetime that says nothing, for the creator's own leaf, which nobody adds from a KeyPackage.
UNLIMITED: Final = Lifetime(not_before=0, not_after=2**64 - 1)


def create_group(
    suite_code: int,
    group_id: bytes,
    *,
    signature_seed: Secret,
    credential: Credential,
    lifetime: Lifetime,
    leaf_extensions: Sequence[Extension],
    supported_extensions: Sequence[int],
    group_extensions: Sequence[Extension],
    entropy: Entropy,
) -> tuple[EpochState, SecretTree]:
    """The creator's state; see Group.create. Raises Unsupported, RuleViolation, DecodeError."""
    suite = suite_of(suite_code)
    check_group_extensions(group_extensions)
    key = suite.signature_key(signature_seed)
    encryption_key = suite.generate_key_pair(entropy)
    leaf = make_key_package_leaf(
        suite,
        key=key,
        encryption_key=encryption_key.public,
        credential=credential,
        lifetime=lifetime,
        leaf_extensions=leaf_extensions,
        supported_extensions=supported_extensions,
    )
    check_all_support([leaf], group_extensions)
    tree = RatchetTree.of_one(suite, leaf)
    context = GroupContext(
        version=ProtocolVersion.MLS10,
        cipher_suite=suite.code,
        group_id=group_id,
        epoch=0,
        tree_hash=tree.tree_hash(),
        confirmed_transcript_hash=b"",
        extensions=tuple(group_extensions),
    )
    joiner = Secret(entropy.random(suite.nh))
    secrets, encryption_secret = key_schedule.epoch_secrets(
        suite, joiner, psk_secret(suite, ()), context.encode()
    )
    tag = suite.mac(secrets.confirmation, b"")
    state = EpochState(
        suite=suite,
        context=context,
        tree=tree,
        own_leaf=LeafIndex(0),
        signature_key=key,
        private_keys={NodeIndex(0): encryption_key},
        secrets=secrets,
        interim_transcript_hash=key_schedule.interim_transcript_hash(suite, b"", tag),
        confirmation_tag=tag,
    )
    return state, SecretTree.new(suite, 1, encryption_secret)

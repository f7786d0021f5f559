"""The proposals of a commit applied: what committer and receivers compute alike (RFC 9420 12.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls.epoch import EpochState
from cloister.mls.extension import Extension, find
from cloister.mls.leaf_check import (
    check_all_support,
    check_credential_types,
    check_size,
    check_unique_keys,
)
from cloister.mls.proposal_list import ProposalList
from cloister.mls.psk import PreSharedKeyId, find_psk
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ExtensionType, PskType, ResumptionPskUsage


class Applied(msgspec.Struct, frozen=True):
    """The tree after the proposals and before the path."""

    tree: RatchetTree
    added: tuple[LeafIndex, ...]
    extensions: tuple[Extension, ...]

    @property
    def new_leaves(self) -> frozenset[LeafIndex]:
        """The leaves that are not among the receivers of the path."""
        return frozenset(self.added)


def apply_proposals(
    tree: RatchetTree, old_extensions: tuple[Extension, ...], proposals: ProposalList
) -> Applied:
    """Apply a checked list in the order of 12.3 and check the members that result.

    Raises RuleViolation, DecodeError.
    """
    extensions = old_extensions if proposals.extensions is None else proposals.extensions
    added: list[LeafIndex] = []
    if proposals.updates or proposals.removes or proposals.adds:
        draft = tree.edit()
        for index, leaf in proposals.updates:
            draft.update_leaf(index, leaf)
        if proposals.removes:
            draft.remove_leaves(proposals.removes)
        added = [draft.add_leaf(package.leaf_node) for package in proposals.adds]
        tree = draft.done()
    check_size(tree)
    _check_members(proposals, tree, old_extensions, extensions)
    return Applied(tree, tuple(added), extensions)


def _check_members(
    proposals: ProposalList,
    tree: RatchetTree,
    old_extensions: Sequence[Extension],
    extensions: Sequence[Extension],
) -> None:
    newcomers = [leaf for _, leaf in proposals.updates]
    newcomers += [package.leaf_node for package in proposals.adds]
    if newcomers:
        check_unique_keys(tree)
        check_all_support(newcomers, extensions)
        check_credential_types(leaf for _, leaf in tree.leaves())
    if _demands(extensions) != _demands(old_extensions):
        check_all_support((leaf for _, leaf in tree.leaves()), extensions)


def _demands(extensions: Sequence[Extension]) -> tuple[list[int], bytes | None]:
    """What of the group's extensions asks something of its members."""
    types = sorted(one.extension_type for one in extensions)
    return types, find(extensions, ExtensionType.REQUIRED_CAPABILITIES)


def gather_psks(
    state: EpochState, names: Sequence[PreSharedKeyId], external: Mapping[bytes, Secret]
) -> list[tuple[PreSharedKeyId, Secret]]:
    """The keys of these names. Raises UnknownPsk."""
    if not names:
        return []
    group_id = state.context.group_id
    resumption = {(group_id, epoch): psk for epoch, psk in state.resumption}
    resumption[group_id, state.context.epoch] = state.secrets.resumption
    return [(name, find_psk(name, external, resumption)) for name in names]


def name_psks(
    state: EpochState,
    external: Mapping[bytes, Secret],
    resumption_epochs: Sequence[int],
    nonces: Sequence[bytes],
) -> list[tuple[PreSharedKeyId, Secret]]:
    """Keys to propose, external ones first, each under a fresh nonce of Nh bytes (8.4).

    Raises UnknownPsk for an epoch whose key is not kept.
    """
    names = [
        PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=psk_id, psk_nonce=nonce)
        for psk_id, nonce in zip(external, nonces, strict=False)
    ]
    names += [
        PreSharedKeyId(
            psk_type=PskType.RESUMPTION,
            usage=ResumptionPskUsage.APPLICATION,
            psk_group_id=state.context.group_id,
            psk_epoch=epoch,
            psk_nonce=nonce,
        )
        for epoch, nonce in zip(resumption_epochs, nonces[len(external) :], strict=True)
    ]
    return gather_psks(state, names, external)

"""That a group one is welcomed to continues another as it claims (RFC 9420 sections 11.2, 11.3).

A Welcome that names a resumption key with usage reinit or branch claims it. Only who has the old
group at hand can judge that, so opening such a Welcome takes the old group as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

from cloister.mls.errors import RuleViolation
from cloister.mls.group_context import GroupContext
from cloister.mls.leaf_node import LeafNode
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ResumptionPskUsage
from cloister.mls.rules import Rule

if TYPE_CHECKING:
    from cloister.mls.epoch import EpochState

Identity = Callable[[LeafNode], Hashable]
"""What tells one client from another, for the application: equal for leaves of one client."""

FOUNDING_USAGES = frozenset({ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH})


def credential_of(leaf: LeafNode) -> Hashable:
    """The identity of a leaf where the application has no other: its credential."""
    return leaf.credential


def founding_psk(names: Sequence[PreSharedKeyId]) -> PreSharedKeyId | None:
    """The key with usage reinit or branch among those a Welcome names. Raises RuleViolation."""
    founding = [name for name in names if name.usage in FOUNDING_USAGES]
    if len(founding) > 1:
        raise RuleViolation(Rule.ONE_FOUNDING_PSK)
    return founding[0] if founding else None


def check_successor(
    old: EpochState,
    usage: ResumptionPskUsage,
    context: GroupContext,
    tree: RatchetTree,
    identity: Identity,
) -> None:
    """Judge the new group by the old one and the usage of the key between them (12.4.3.1).

    Raises RuleViolation.
    """
    if context.epoch != 1:
        raise RuleViolation(Rule.FOUNDING_EPOCH)
    before = {identity(leaf) for _, leaf in old.tree.leaves()}
    after = {identity(leaf) for _, leaf in tree.leaves()}
    if usage is ResumptionPskUsage.REINIT:
        reinit = old.reinit
        if reinit is None:
            raise RuleViolation(Rule.REINIT_COMMITTED)
        if (context.group_id, context.version, context.cipher_suite, context.extensions) != (
            reinit.group_id,
            reinit.version,
            reinit.cipher_suite,
            reinit.extensions,
        ):
            raise RuleViolation(Rule.REINIT_PARAMETERS)
        if not before <= after:
            raise RuleViolation(Rule.REINIT_MEMBERS)
    else:
        if old.reinit is not None:
            raise RuleViolation(Rule.REINIT_AWAITED)
        if (context.version, context.cipher_suite) != (
            old.context.version,
            old.context.cipher_suite,
        ):
            raise RuleViolation(Rule.BRANCH_SUITE)
        if context.group_id == old.context.group_id:
            # The old group goes on; that we are in it nobody has to tell us.
            raise RuleViolation(Rule.GROUP_ID_UNIQUE)
        if not after <= before:
            raise RuleViolation(Rule.BRANCH_MEMBERS)

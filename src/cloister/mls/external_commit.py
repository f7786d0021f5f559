"""External commits: what a member checks, and what both sides derive (RFC 9420 8.3, 12.4.3.2).

Off in the product (:mod:`cloister.mls.operations`).
"""

from __future__ import annotations

from collections.abc import Sequence

from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls import labels
from cloister.mls.errors import RuleViolation
from cloister.mls.extension import ExternalPub, find
from cloister.mls.group_context import GroupContext
from cloister.mls.leaf_check import check_size
from cloister.mls.proposal import ExternalInit, PreSharedKey, ProposalOrRef, Remove
from cloister.mls.proposal_list import ProposalList
from cloister.mls.psk import PreSharedKeyId, check_distinct_psks, check_proposed_psk
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ExtensionType
from cloister.mls.rules import Rule
from cloister.mls.stage import Applied, apply_proposals
from cloister.mls.suite import Suite
from cloister.mls.update_path import UpdatePath
from cloister.mls.welcome import GroupInfo


def collect_external(
    suite: Suite, tree: RatchetTree, entries: Sequence[ProposalOrRef]
) -> tuple[ProposalList, ExternalInit]:
    """Check the proposals of an external commit (12.2); its ExternalInit stands apart.

    Raises RuleViolation.
    """
    removes: list[LeafIndex] = []
    psks: list[PreSharedKeyId] = []
    external_init: ExternalInit | None = None
    for entry in entries:
        if entry.proposal is None:
            raise RuleViolation(Rule.EXTERNAL_REFERENCE)
        body = entry.proposal.body
        match body:
            case ExternalInit():
                if external_init is not None:
                    raise RuleViolation(Rule.ONE_EXTERNAL_INIT)
                external_init = body
            case Remove():
                if removes:
                    raise RuleViolation(Rule.ONE_EXTERNAL_REMOVE)
                if tree.leaf(body.removed) is None:
                    raise RuleViolation(Rule.REMOVED_LEAF)
                removes.append(LeafIndex(body.removed))
            case PreSharedKey():
                check_proposed_psk(suite, body.psk, None)
                psks.append(body.psk)
            case _:
                raise RuleViolation(Rule.EXTERNAL_PROPOSALS)
    if external_init is None:
        raise RuleViolation(Rule.ONE_EXTERNAL_INIT)
    check_distinct_psks(psks)
    return ProposalList(removes=tuple(removes), psks=tuple(psks)), external_init


def check_resync(tree: RatchetTree, proposals: ProposalList, path: UpdatePath) -> None:
    """Who replaces a former self renews the key, as an Update would (12.2). Raises RuleViolation.

    Whether the two are one client is for the application, which sees both leaves.
    """
    for index in proposals.removes:
        former = tree.leaf(index)
        if former is not None and former.encryption_key == path.leaf_node.encryption_key:
            raise RuleViolation(Rule.RESYNC_KEY)


def apply_external(
    tree: RatchetTree, context: GroupContext, proposals: ProposalList
) -> tuple[Applied, LeafIndex]:
    """The tree after the proposals with a blank leaf for the newcomer, and its index (12.4.2)."""
    applied = apply_proposals(tree, context.extensions, proposals)
    draft = applied.tree.edit()
    place = draft.reserve_leaf()
    wider = draft.done()
    check_size(wider)
    return Applied(wider, (), applied.extensions), place


def init_secret_of(suite: Suite, external_secret: Secret, external_init: ExternalInit) -> Secret:
    """init_secret as members derive it from kem_output (8.3). Raises DecryptError."""
    return suite.hpke.export_from(
        suite.derive_key_pair(external_secret),
        external_init.kem_output,
        b"",
        labels.EXTERNAL_INIT_SECRET,
        suite.nh,
    )


def make_external_init(suite: Suite, external_pub: bytes) -> tuple[ExternalInit, Secret]:
    """A fresh ExternalInit for this external_pub, and the init_secret it gives (8.3)."""
    kem_output, init_secret = suite.hpke.export_to(
        external_pub, b"", labels.EXTERNAL_INIT_SECRET, suite.nh
    )
    return ExternalInit(kem_output=kem_output), init_secret


def external_public_key_of(suite: Suite, group_info: GroupInfo) -> bytes:
    """The external_pub of a GroupInfo, checked. Raises RuleViolation, DecodeError."""
    data = find(group_info.extensions, ExtensionType.EXTERNAL_PUB)
    if data is None:
        raise RuleViolation(Rule.EXTERNAL_PUB)
    public = ExternalPub.decode(data).external_pub
    suite.check_public_key(public)
    return public

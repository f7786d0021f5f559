"""Groups that continue others: reinitialised and branched (RFC 9420 sections 11.2, 11.3)."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.mls.committing import CommitPlan
from cloister.mls.credential import Credential
from cloister.mls.errors import FOREIGN, Misuse
from cloister.mls.extension import Extension
from cloister.mls.group import NO_PSKS, Group, StagedCommit
from cloister.mls.protecting import Envelope
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.successor_check import Identity, check_successor, credential_of


def reinitialise(
    old: Group,
    key_packages: Sequence[bytes],
    *,
    signature_seed: Secret,
    credential: Credential,
    supported_extensions: Sequence[int] = (),
    identity: Identity = credential_of,
    tree_in_welcome: bool = True,
    now: int,
    entropy: Entropy,
) -> StagedCommit:
    """The new group in place of one that a ReInit ended (11.2).

    Args:
        old: the group after the commit with the ReInit.
        key_packages: one for each other member, in the suite that the ReInit names.
        signature_seed: our seed for MLS in the new group, in its suite.

    Returns the first commit of the new group; its Welcome goes to all others.
    Raises Misuse when the group was not ended, MLSError.
    """
    reinit = old.reinit
    if reinit is None:
        raise Misuse("no ReInit has ended this group")
    new = Group.create(
        reinit.cipher_suite,
        reinit.group_id,
        signature_seed=signature_seed,
        credential=credential,
        supported_extensions=supported_extensions,
        group_extensions=reinit.extensions,
        entropy=entropy,
    )
    return _found(
        old, new, key_packages, ResumptionPskUsage.REINIT, identity, tree_in_welcome, now, entropy
    )


def branch(
    old: Group,
    group_id: bytes,
    key_packages: Sequence[bytes],
    *,
    supported_extensions: Sequence[int] = (),
    group_extensions: Sequence[Extension] = (),
    identity: Identity = credential_of,
    tree_in_welcome: bool = True,
    now: int,
    entropy: Entropy,
) -> StagedCommit:
    """A subgroup of some members of ``old``, ours included, in its cipher suite (11.3).

    Returns the first commit of the new group; its Welcome goes to the others. Raises MLSError.
    """
    own = old.state.own_leaf_node
    new = Group.create(
        old.suite.code,
        group_id,
        signature_seed=old.state.signature_key.seed,
        credential=own.credential,
        supported_extensions=(*own.capabilities.extensions, *supported_extensions),
        group_extensions=group_extensions,
        entropy=entropy,
    )
    return _found(
        old, new, key_packages, ResumptionPskUsage.BRANCH, identity, tree_in_welcome, now, entropy
    )


def _found(
    old: Group,
    new: Group,
    key_packages: Sequence[bytes],
    usage: ResumptionPskUsage,
    identity: Identity,
    tree_in_welcome: bool,
    now: int,
    entropy: Entropy,
) -> StagedCommit:
    name = PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=usage,
        psk_group_id=old.group_id,
        psk_epoch=old.epoch,
        psk_nonce=entropy.random(new.suite.nh),
    )
    plan = CommitPlan(
        adds=key_packages,
        psks=[(name, old.state.secrets.resumption)],
        known_psks=NO_PSKS,
        founding=usage,
        envelope=Envelope(),
        tree_in_welcome=tree_in_welcome,
        now=now,
    )
    with FOREIGN:
        staged = new.commit_plan(plan, entropy)
        after = staged.next.state
        # What a member who is welcomed will demand.
        check_successor(old.state, usage, after.context, after.tree, identity)
    return staged

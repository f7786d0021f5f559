"""Making a commit (RFC 9420 section 12.4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cloister.crypto.entropy import Entropy
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import tree_math
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.errors import Misuse
from cloister.mls.extension import Extension
from cloister.mls.framing import AuthenticatedContent, ContentAuth, Sender, sign
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_check import Moment
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import make_member_content, seal_private_message
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ProposalOrRef,
    Remove,
)
from cloister.mls.proposal_list import ProposalList, SentProposal, collect
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import (
    ExtensionType,
    LeafNodeSource,
    PskType,
    SenderType,
    WireFormat,
)
from cloister.mls.secret_tree import SecretTree
from cloister.mls.stage import (
    Applied,
    Derived,
    apply_proposals,
    derive_epoch,
    gather_psks,
    kept_keys,
    provisional_context,
)
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import PathSecrets, UpdatePath, draw_path_secrets, encrypt_path
from cloister.mls.welcome import make_welcome, sign_group_info


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitPlan:
    """What a commit is to do; see Group.commit for the meaning of each field."""

    adds: Sequence[bytes] = ()
    removes: Sequence[int] = ()
    extensions: Sequence[Extension] | None = None
    external_psks: Mapping[bytes, Secret]
    authenticated_data: bytes = b""
    group_info_extensions: Sequence[Extension] = ()
    tree_in_welcome: bool = True
    pad_to: Sequence[int] = ()
    now: int


@dataclass(frozen=True, slots=True)
class MadeCommit:
    """The messages of a commit, our old state after sending it, and the new epoch."""

    message: bytes
    welcome: bytes | None
    sent: SecretTree
    next: EpochState
    next_secret_tree: SecretTree


def plan_proposals(state: EpochState, plan: CommitPlan, entropy: Entropy) -> list[Proposal]:
    """The plan as proposals. Raises DecodeError for a KeyPackage that is none."""
    bodies: list[ProposalBody] = []
    if plan.extensions is not None:
        bodies.append(GroupContextExtensions(extensions=tuple(plan.extensions)))
    bodies += [Remove(removed=index) for index in plan.removes]
    bodies += [Add(key_package=KeyPackage.decode(package)) for package in plan.adds]
    bodies += [
        PreSharedKey(
            psk=PreSharedKeyId(
                psk_type=PskType.EXTERNAL,
                psk_id=psk_id,
                psk_nonce=entropy.random(state.suite.nh),
            )
        )
        for psk_id in plan.external_psks
    ]
    return [Proposal(body=body) for body in bodies]


def make_commit(
    state: EpochState, secret_tree: SecretTree, plan: CommitPlan, entropy: Entropy
) -> MadeCommit:
    """Make a commit with a path, whatever it contains.

    A path is always there: each commit of Cloister renews the committer's keys. The new epoch
    is computed with the functions a receiver uses, after the checks a receiver makes.
    Raises MLSError when the plan breaks a rule (for instance with a foreign KeyPackage).
    """
    suite = state.suite
    sender = Sender(sender_type=SenderType.MEMBER, index=state.own_leaf)
    made = plan_proposals(state, plan, entropy)
    proposals = collect(
        suite,
        state.tree,
        state.context,
        state.own_leaf,
        [SentProposal(one, sender) for one in made],
        Moment(plan.now),
    )
    applied = apply_proposals(state, proposals)
    drawn = draw_path_secrets(applied.tree, state.own_leaf, entropy)
    tree, leaf = _own_path(state, applied, drawn)
    context = provisional_context(state, tree.tree_hash(), applied.extensions)
    nodes = encrypt_path(applied.tree, drawn, context.encode(), applied.new_leaves)
    commit = Commit(
        proposals=tuple(ProposalOrRef(proposal=one) for one in made),
        path=UpdatePath(leaf_node=leaf, nodes=nodes),
    )
    content = make_member_content(
        state.context.group_id,
        state.context.epoch,
        state.own_leaf,
        plan.authenticated_data,
        commit,
    )
    signature = sign(
        suite,
        state.signature_key,
        WireFormat.PRIVATE_MESSAGE,
        content,
        state.context.encode(),
    )
    authenticated = AuthenticatedContent(
        wire_format=WireFormat.PRIVATE_MESSAGE,
        content=content,
        auth=ContentAuth(signature=signature),
    )
    fresh: dict[NodeIndex, HpkePrivateKey] = {
        node: key for (node, _), key in zip(drawn.path, drawn.keys, strict=True)
    }
    fresh[tree_math.node_of(state.own_leaf)] = drawn.leaf_key
    derived = derive_epoch(
        state,
        context=context,
        tree=tree,
        private_keys=kept_keys(tree, state.own_leaf, {}, fresh),
        commit_secret=drawn.commit_secret,
        psks=gather_psks(state, proposals.psks, plan.external_psks),
        commit_input=authenticated.confirmed_transcript_input(),
    )
    complete = replace(
        authenticated,
        auth=ContentAuth(signature=signature, confirmation_tag=derived.state.confirmation_tag),
    )
    key, sent = secret_tree.take_next(state.own_leaf, is_application=False)
    message = seal_private_message(
        suite,
        complete,
        sender_data_secret=state.secrets.sender_data,
        key=key,
        pad_to=plan.pad_to,
        entropy=entropy,
    )
    welcome = _welcome(derived, proposals, applied, drawn, plan) if proposals.adds else None
    return MadeCommit(message, welcome, sent, derived.state, derived.secret_tree)


def _own_path(
    state: EpochState, applied: Applied, drawn: PathSecrets
) -> tuple[RatchetTree, LeafNode]:
    """Our new leaf, signed over its parent hash, and the tree with it and the new parents."""
    parents, leaf_parent_hash = make_path_hashes(
        applied.tree, drawn.path, [key.public for key in drawn.keys]
    )
    old = state.own_leaf_node
    leaf = LeafNode(
        encryption_key=drawn.leaf_key.public,
        signature_key=old.signature_key,
        credential=old.credential,
        capabilities=old.capabilities,
        source=LeafNodeSource.COMMIT,
        parent_hash=leaf_parent_hash,
        extensions=old.extensions,
    ).signed(state.suite, state.signature_key, state.context.group_id, state.own_leaf)
    draft = applied.tree.edit()
    draft.set_path(state.own_leaf, leaf, parents)
    return draft.done(), leaf


def _welcome(
    derived: Derived,
    proposals: ProposalList,
    applied: Applied,
    drawn: PathSecrets,
    plan: CommitPlan,
) -> bytes:
    state = derived.state
    extensions = list(plan.group_info_extensions)
    if plan.tree_in_welcome:
        extensions.append(
            Extension(extension_type=ExtensionType.RATCHET_TREE, data=state.tree.encode())
        )
    group_info = sign_group_info(
        state.suite,
        state.signature_key,
        group_context=state.context,
        extensions=extensions,
        confirmation_tag=state.confirmation_tag,
        signer=state.own_leaf,
    )
    joiners = [
        (package, _path_secret_for(leaf, state.own_leaf, drawn))
        for package, leaf in zip(proposals.adds, applied.added, strict=True)
    ]
    welcome = make_welcome(
        state.suite,
        group_info=group_info,
        welcome_secret=derived.welcome_secret,
        joiner_secret=derived.joiner_secret,
        joiners=joiners,
        psks=proposals.psks,
    )
    return MLSMessage(body=welcome).encode()


def _path_secret_for(joiner: LeafIndex, committer: LeafIndex, drawn: PathSecrets) -> Secret:
    """The path secret of the lowest node above both; it is in the filtered path, for the joiner
    is below its copath child."""
    ancestor = tree_math.common_ancestor(tree_math.node_of(joiner), tree_math.node_of(committer))
    for (node, _), path_secret in zip(drawn.path, drawn.secrets, strict=True):
        if node == ancestor:
            return path_secret
    raise Misuse("the path does not reach a joiner")

"""Commits of a dishonest member or newcomer: any proposals, any path, and all of it authentic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cloister.crypto.entropy import Entropy
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls import Extension, Group, KeyPackage, KeyPackageSecrets, key_schedule
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.external_commit import make_external_init
from cloister.mls.framing import AuthenticatedContent, ContentAuth, Sender
from cloister.mls.group_context import GroupContext
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.next_epoch import Before, derive_epoch, provisional_context
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ProposalOrRef,
    Remove,
    Update,
)
from cloister.mls.proposal_list import SentProposal
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.public_message import PublicMessage
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource, SenderType, WireFormat
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import UpdatePath, draw_path_secrets, encrypt_path
from cloister.testing.forge import ENTROPY
from cloister.testing.forge_framing import Signing, content_of, encrypt, publish, recoded
from cloister.values import replace


@dataclass(frozen=True)
class Forgery:
    """How a forged commit differs from an honest one.

    ``change_keys`` and ``change_leaf`` lie before hashes and signatures are made over them,
    ``leaf_key`` signs the leaf, ``change_path`` lies afterwards; ``recode`` changes the encoding of
    the Commit before it is signed, ``signing`` how it is; ``change_tag`` changes the confirmation
    tag.
    """

    # Draws the path: its secrets, and the key of the leaf.
    entropy: Entropy = ENTROPY
    # Lies when the leaf has been signed; tree hash and path have it as it is then.
    change_signed_leaf: Callable[[LeafNode], LeafNode] = lambda leaf: leaf
    # From the encoded provisional group context to what the path secrets are encrypted under.
    change_context: Callable[[bytes], bytes] = lambda context: context
    # Encrypts path secrets also to the leaves that the same commit adds.
    to_new_leaves: bool = False
    with_path: bool = True
    change_keys: Callable[[list[bytes]], list[bytes]] = lambda keys: keys
    change_leaf: Callable[[LeafNode], LeafNode] = lambda leaf: leaf
    leaf_key: SignatureKey | None = None
    change_path: Callable[[UpdatePath], UpdatePath] = lambda path: path
    recode: Callable[[bytes], bytes] = lambda encoding: encoding
    signing: Signing = field(default_factory=Signing)
    change_tag: Callable[[bytes], bytes] = lambda tag: tag
    psks: Mapping[PreSharedKeyId, Secret] = field(default_factory=dict)
    public: bool = False


HONEST = Forgery()

Proposed = ProposalBody | Proposal | bytes
"""What a commit lists: a proposal, one with an encoding of its own, or a reference."""


def forge_commit(group: Group, proposals: Sequence[Proposed] = (), how: Forgery = HONEST) -> bytes:
    """A commit of these proposals (bytes are references), none of which is checked."""
    state = group.state
    entries, sent = _entries(group, proposals)
    tree, added, extensions = _apply(state, sent)
    made = _Path.empty(state, tree)
    if how.with_path:
        made = _Path.forged(
            tree,
            state.context,
            extensions,
            state.own_leaf,
            added,
            lambda leaf: leaf.signed(
                state.suite,
                how.leaf_key or state.signature_key,
                group.group_id,
                group.own_leaf,
            ),
            state.own_leaf_node,
            how,
        )
    context = provisional_context(state.context, made.tree.tree_hash(), extensions)
    content = content_of(group, _body(entries, made, how))
    wire_format = WireFormat.PUBLIC_MESSAGE if how.public else WireFormat.PRIVATE_MESSAGE
    signature = how.signing.sign(state, wire_format, content, state.signature_key)
    derived = derive_epoch(
        Before.of(state),
        context=context,
        tree=made.tree,
        own_leaf=state.own_leaf,
        signature_key=state.signature_key,
        private_keys={},
        commit_secret=made.commit_secret,
        psks=_psks(sent, how),
        commit_input=AuthenticatedContent(
            wire_format=wire_format, content=content, auth=ContentAuth(signature=signature)
        ).confirmed_transcript_input(),
    )
    made_once = Signing(change=lambda _: signature)
    protect = publish if how.public else encrypt
    return protect(
        group,
        content,
        signing=made_once,
        confirmation_tag=how.change_tag(derived.state.confirmation_tag),
    )


def forge_external_commit(
    group: Group,
    secrets: KeyPackageSecrets,
    proposals: Callable[[ProposalBody], Sequence[Proposed]] = lambda init: [init],
    how: Forgery = HONEST,
) -> bytes:
    """An external commit of a newcomer with this KeyPackage's keys.

    Args:
        group: any member's view, for what a GroupInfo would tell.
        proposals: from an honest ExternalInit to the list that is sent (bytes are references).
    """
    state, suite = group.state, group.suite
    external_pub = key_schedule.external_public_key(suite, state.secrets)
    init, init_secret = make_external_init(suite, external_pub)
    entries, sent = _entries(group, proposals(init))
    tree, _, extensions = _apply(state, sent)
    draft = tree.edit()
    place = draft.reserve_leaf()
    tree = draft.done()
    key = suite.signature_key(secrets.signature_key)
    made = _Path.empty(state, tree)
    if how.with_path:
        made = _Path.forged(
            tree,
            state.context,
            extensions,
            place,
            frozenset(),
            lambda leaf: leaf.signed(suite, how.leaf_key or key, group.group_id, place),
            secrets.parsed().leaf_node,
            how,
        )
    content = content_of(
        group,
        _body(entries, made, how),
        sender=Sender(sender_type=SenderType.NEW_MEMBER_COMMIT),
    )
    signature = how.signing.sign(state, WireFormat.PUBLIC_MESSAGE, content, key)
    derived = derive_epoch(
        replace(Before.of(state), init_secret=init_secret),
        context=provisional_context(state.context, made.tree.tree_hash(), extensions),
        tree=made.tree,
        own_leaf=place,
        signature_key=key,
        private_keys={},
        commit_secret=made.commit_secret,
        psks=_psks(sent, how),
        commit_input=AuthenticatedContent(
            wire_format=WireFormat.PUBLIC_MESSAGE,
            content=content,
            auth=ContentAuth(signature=signature),
        ).confirmed_transcript_input(),
    )
    auth = ContentAuth(
        signature=signature, confirmation_tag=how.change_tag(derived.state.confirmation_tag)
    )
    return MLSMessage(body=PublicMessage(content=content, auth=auth)).encode()


def _body(entries: tuple[ProposalOrRef, ...], made: _Path, how: Forgery) -> Commit:
    commit = Commit(proposals=entries, path=made.path)
    return recoded(commit, how.recode(commit.encode()))


@dataclass(frozen=True)
class _Path:
    """An UpdatePath, or none, with the tree after it and the commit secret."""

    tree: RatchetTree
    path: UpdatePath | None
    commit_secret: Secret

    @classmethod
    def empty(cls, state: EpochState, tree: RatchetTree) -> _Path:
        return cls(tree, None, Secret(bytes(state.suite.nh)))

    @classmethod
    def forged(
        cls,
        tree: RatchetTree,
        before: GroupContext,
        extensions: tuple[Extension, ...],
        committer: LeafIndex,
        added: frozenset[LeafIndex],
        signed: Callable[[LeafNode], LeafNode],
        model: LeafNode,
        how: Forgery,
    ) -> _Path:
        drawn = draw_path_secrets(tree, committer, how.entropy)
        public_keys = how.change_keys([key.public for key in drawn.keys])
        parents, leaf_parent_hash = make_path_hashes(tree, drawn.path, public_keys)
        leaf = replace(
            model,
            encryption_key=drawn.leaf_key.public,
            source=LeafNodeSource.COMMIT,
            lifetime=None,
            parent_hash=leaf_parent_hash,
            signature=b"",
        )
        leaf = how.change_signed_leaf(signed(how.change_leaf(leaf)))
        draft = tree.edit()
        draft.set_path(committer, leaf, parents)
        after = draft.done()
        context = provisional_context(before, after.tree_hash(), extensions).encode()
        left_out: frozenset[LeafIndex] = frozenset() if how.to_new_leaves else added
        encrypted = encrypt_path(tree, drawn, how.change_context(context), left_out)
        nodes = tuple(
            replace(node, encryption_key=key)
            for node, key in zip(encrypted, public_keys, strict=True)
        )
        path = how.change_path(UpdatePath(leaf_node=leaf, nodes=nodes))
        return cls(after, path, drawn.commit_secret)


def _entries(
    group: Group, proposals: Sequence[Proposed]
) -> tuple[tuple[ProposalOrRef, ...], list[SentProposal]]:
    own = Sender(sender_type=SenderType.MEMBER, index=group.own_leaf)
    entries: list[ProposalOrRef] = []
    sent: list[SentProposal] = []
    for one in proposals:
        if isinstance(one, bytes):
            entries.append(ProposalOrRef(reference=one))
            if one in group.proposals:
                sent.append(group.proposals[one])
        else:
            proposal = one if isinstance(one, Proposal) else Proposal(body=one)
            entries.append(ProposalOrRef(proposal=proposal))
            sent.append(SentProposal(proposal, own))
    return tuple(entries), sent


def _psks(sent: Sequence[SentProposal], how: Forgery) -> list[tuple[PreSharedKeyId, Secret]]:
    names = [one.proposal.body.psk for one in sent if isinstance(one.proposal.body, PreSharedKey)]
    return [(name, how.psks.get(name, Secret(b"no such key"))) for name in names]


def _apply(
    state: EpochState, sent: Sequence[SentProposal]
) -> tuple[RatchetTree, frozenset[LeafIndex], tuple[Extension, ...]]:
    """Apply what can be applied, in the order of 12.3, and check nothing."""
    extensions = state.context.extensions
    draft = state.tree.edit()
    removes: list[int] = []
    packages: list[KeyPackage] = []
    for one in sent:
        match one.proposal.body:
            case GroupContextExtensions(extensions=new):
                extensions = new
            case Update(leaf_node=leaf):
                draft.update_leaf(one.sender.index, leaf)
            case Remove(removed=index) if state.tree.leaf(index) is not None:
                removes.append(index)
            case Add(key_package=added):
                packages.append(added)
            case _:
                pass
    if removes:
        draft.remove_leaves(removes)
    leaves = frozenset(draft.add_leaf(package.leaf_node) for package in packages)
    return draft.done(), leaves, extensions

"""What a dishonest member can make: structures with one thing wrong, signed and authenticated
with legitimate keys, so that only the rule under test can refuse them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import LeafIndex
from cloister.mls import Extension, Group, KeyPackage, KeyPackageSecrets, labels, tree_math
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    ContentBody,
    FramedContent,
    Sender,
    sign,
)
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import seal_private_message
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    Proposal,
    ProposalBody,
    ProposalOrRef,
    Remove,
    Update,
)
from cloister.mls.proposal_list import SentProposal
from cloister.mls.public_message import PublicMessage
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import LeafNodeSource, SenderType, WireFormat
from cloister.mls.stage import derive_epoch, kept_keys, provisional_context
from cloister.mls.suite import suite_of
from cloister.mls.tree_hash import make_path_hashes
from cloister.mls.update_path import UpdatePath, draw_path_secrets, encrypt_path
from unit.mls.members import ENTROPY


def send(
    group: Group,
    body: ContentBody,
    *,
    public: bool = False,
    tag: bytes | None = None,
    sender: Sender | None = None,
    key: Ed25519Key | None = None,
    epoch: int | None = None,
    group_id: bytes | None = None,
) -> bytes:
    """Any content from this member, signed and protected, whatever it says."""
    content = FramedContent(
        group_id=group.group_id if group_id is None else group_id,
        epoch=group.epoch if epoch is None else epoch,
        sender=sender or Sender(sender_type=SenderType.MEMBER, index=group.own_leaf),
        authenticated_data=b"",
        body=body,
    )
    return protect(group, content, public=public, tag=tag, key=key)


def protect(
    group: Group,
    content: FramedContent,
    *,
    public: bool = False,
    tag: bytes | None = None,
    key: Ed25519Key | None = None,
) -> bytes:
    state = group.state
    wire_format = WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
    context = state.context.encode()
    signature = sign(state.suite, key or state.signature_key, wire_format, content, context)
    auth = ContentAuth(signature=signature, confirmation_tag=tag)
    if public:
        message = PublicMessage(content=content, auth=auth)
        if content.sender.sender_type is SenderType.MEMBER:
            message = message.tagged(state.suite, state.secrets.membership, context)
        return MLSMessage(body=message).encode()
    message_key, _ = group.secret_tree.take_next(
        group.own_leaf, is_application=isinstance(content.body, bytes)
    )
    return seal_private_message(
        state.suite,
        AuthenticatedContent(wire_format=wire_format, content=content, auth=auth),
        sender_data_secret=state.secrets.sender_data,
        key=message_key,
        pad_to=(),
        entropy=ENTROPY,
    )


@dataclass(frozen=True)
class Forgery:
    """How a forged commit differs from an honest one."""

    with_path: bool = True
    change_keys: Callable[[list[bytes]], list[bytes]] = lambda keys: keys
    change_leaf: Callable[[LeafNode], LeafNode] = lambda leaf: leaf
    change_path: Callable[[UpdatePath], UpdatePath] = lambda path: path
    change_tag: Callable[[bytes], bytes] = lambda tag: tag
    public: bool = False


def forge_commit(
    group: Group,
    proposals: Sequence[ProposalBody | bytes] = (),
    forgery: Forgery | None = None,
) -> bytes:
    """A commit of these proposals (bytes are references), none of which is checked."""
    how = forgery or Forgery()
    state = group.state
    entries = [
        ProposalOrRef(reference=one)
        if isinstance(one, bytes)
        else ProposalOrRef(proposal=Proposal(body=one))
        for one in proposals
    ]
    sent = [
        group.pending.by_reference[one]
        if isinstance(one, bytes)
        else SentProposal(Proposal(body=one), Sender(sender_type=SenderType.MEMBER, index=0))
        for one in proposals
    ]
    tree, added, extensions = _apply(state, sent)
    path: UpdatePath | None = None
    commit_secret = Secret(bytes(state.suite.nh))
    keys = dict(state.private_keys)
    if how.with_path:
        drawn = draw_path_secrets(tree, state.own_leaf, ENTROPY)
        public_keys = how.change_keys([key.public for key in drawn.keys])
        parents, leaf_parent_hash = make_path_hashes(tree, drawn.path, public_keys)
        old = state.own_leaf_node
        leaf = replace(
            old,
            encryption_key=drawn.leaf_key.public,
            source=LeafNodeSource.COMMIT,
            lifetime=None,
            parent_hash=leaf_parent_hash,
            signature=b"",
        )
        leaf = how.change_leaf(leaf).signed(
            state.suite, state.signature_key, group.group_id, group.own_leaf
        )
        draft = tree.edit()
        draft.set_path(state.own_leaf, leaf, parents)
        after = draft.done()
        context = provisional_context(state, after.tree_hash(), extensions)
        nodes = tuple(
            replace(node, encryption_key=key)
            for node, key in zip(
                encrypt_path(tree, drawn, context.encode(), added), public_keys, strict=True
            )
        )
        path = how.change_path(UpdatePath(leaf_node=leaf, nodes=nodes))
        commit_secret = drawn.commit_secret
        keys = {node: key for (node, _), key in zip(drawn.path, drawn.keys, strict=True)}
        keys[tree_math.node_of(state.own_leaf)] = drawn.leaf_key
        tree = after
    context = provisional_context(state, tree.tree_hash(), extensions)
    commit = Commit(proposals=tuple(entries), path=path)
    content = FramedContent(
        group_id=group.group_id,
        epoch=group.epoch,
        sender=Sender(sender_type=SenderType.MEMBER, index=group.own_leaf),
        authenticated_data=b"",
        body=commit,
    )
    wire_format = WireFormat.PUBLIC_MESSAGE if how.public else WireFormat.PRIVATE_MESSAGE
    encoded = state.context.encode()
    signature = sign(state.suite, state.signature_key, wire_format, content, encoded)
    derived = derive_epoch(
        state,
        context=context,
        tree=tree,
        private_keys=kept_keys(tree, state.own_leaf, {}, keys),
        commit_secret=commit_secret,
        psks=(),
        commit_input=AuthenticatedContent(
            wire_format=wire_format, content=content, auth=ContentAuth(signature=signature)
        ).confirmed_transcript_input(),
    )
    return protect(
        group, content, public=how.public, tag=how.change_tag(derived.state.confirmation_tag)
    )


def _apply(
    state: EpochState, sent: Sequence[SentProposal]
) -> tuple[RatchetTree, frozenset[LeafIndex], tuple[Extension, ...]]:
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


def change_leaf(leaf: LeafNode, **changes: object) -> LeafNode:
    """A leaf with other fields and no signature."""
    return replace(leaf, **changes, signature=b"")  # type: ignore[arg-type]


def resigned_package(
    secrets: KeyPackageSecrets,
    *,
    leaf: Callable[[LeafNode], LeafNode] = lambda leaf: leaf,
    change: Callable[[KeyPackage], KeyPackage] = lambda package: package,
) -> KeyPackage:
    """A KeyPackage changed and signed again, leaf and whole, with its own key."""
    honest = secrets.parsed()
    key = Ed25519Key(secrets.signature_key)
    suite = suite_of(honest.cipher_suite)
    signed_leaf = leaf(honest.leaf_node).signed(suite, key, b"", 0)
    unsigned = change(replace(honest, leaf_node=signed_leaf, signature=b""))
    signature = suite.sign_with_label(key, labels.KEY_PACKAGE_TBS, unsigned.to_be_signed())
    return replace(unsigned, signature=signature)

"""Adding oneself to a group with an external commit (RFC 9420 section 12.4.3.2).

The product's members refuse these commits (:mod:`cloister.mls.operations`); for others' groups.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from cloister.crypto.entropy import Entropy
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import key_schedule
from cloister.mls.commit import Commit
from cloister.mls.epoch import EpochState
from cloister.mls.errors import FOREIGN, Malformed
from cloister.mls.external_commit import (
    apply_external,
    check_resync,
    collect_external,
    external_public_key_of,
    make_external_init,
)
from cloister.mls.framing import AuthenticatedContent, ContentAuth, FramedContent, Sender, sign
from cloister.mls.group import NO_PSKS, Group
from cloister.mls.group_check import check_context, check_group_info
from cloister.mls.key_package import KeyPackageSecrets
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.next_epoch import Before, derive_epoch, kept_keys, provisional_context
from cloister.mls.own_path import draw_path, own_keys
from cloister.mls.path_check import merge_path
from cloister.mls.proposal import PreSharedKey, Proposal, ProposalBody, ProposalOrRef, Remove
from cloister.mls.protecting import with_confirmation_tag
from cloister.mls.psk import PreSharedKeyId, find_psk
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import PskType, SenderType, WireFormat
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import suite_of
from cloister.mls.update_path import UpdatePath, encrypt_path
from cloister.mls.welcome import GroupInfo


class ExternalJoin(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An external commit that has not been accepted yet.

    Attributes:
        message: the commit, an MLSMessage with a PublicMessage.
        next: the group with us in it, once the commit is accepted.
    """

    message: bytes
    next: Group


def join_externally(
    group_info: bytes,
    secrets: KeyPackageSecrets,
    *,
    ratchet_tree: bytes | None = None,
    external_psks: Mapping[bytes, Secret] = NO_PSKS,
    replaces: int | None = None,
    authenticated_data: bytes = b"",
    participating: Container[bytes] = frozenset(),
    entropy: Entropy,
) -> ExternalJoin:
    """Check a group as one does who was sent a Welcome, and make the commit that adds us.

    Args:
        group_info: an MLSMessage with a GroupInfo that carries external_pub.
        secrets: a KeyPackage of ours in the group's suite, as the model of our leaf: credential,
            capabilities, extensions and signature key. Its encryption keys are not used.
        ratchet_tree: the public tree, needed when the GroupInfo does not carry it.
        external_psks: pre-shared keys to mix in, by psk_id.
        replaces: the leaf of our former self, to be removed with the same commit (a resync).
        participating: the ids of the groups this client is in.

    Raises MLSError.
    """
    with FOREIGN:
        package = secrets.parsed()
        suite = suite_of(package.cipher_suite)
        plan = ExternalPlan(
            group_info=group_info,
            ratchet_tree=ratchet_tree,
            model=package.leaf_node,
            key=suite.signature_key(secrets.signature_key),
            suite_code=suite.code,
            external_psks=external_psks,
            replaces=replaces,
            authenticated_data=authenticated_data,
            participating=participating,
        )
        made = make_external_commit(plan, entropy)
        return ExternalJoin(
            message=made.message, next=Group(state=made.state, secret_tree=made.secret_tree)
        )


class ExternalPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How to join; see join_externally."""

    group_info: bytes
    ratchet_tree: bytes | None
    model: LeafNode
    key: SignatureKey
    suite_code: int
    external_psks: Mapping[bytes, Secret]
    replaces: int | None
    authenticated_data: bytes
    participating: Container[bytes]


class MadeExternalCommit(msgspec.Struct, frozen=True):
    """The commit, an MLSMessage with a PublicMessage, and our state once it is accepted."""

    message: bytes
    state: EpochState
    secret_tree: SecretTree


def make_external_commit(plan: ExternalPlan, entropy: Entropy) -> MadeExternalCommit:
    """Check the group as a joiner by Welcome does, and make the commit that adds us.

    Raises MLSError, DecodeError.
    """
    group_info = MLSMessage.decode(plan.group_info).body
    if not isinstance(group_info, GroupInfo):
        raise Malformed("not a GroupInfo")
    context = group_info.group_context
    suite = suite_of(plan.suite_code)
    check_context(suite, group_info)
    old_tree = check_group_info(suite, group_info, plan.ratchet_tree, plan.participating)
    external_init, init_secret = make_external_init(
        suite, external_public_key_of(suite, group_info)
    )
    names = [
        PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=psk_id, psk_nonce=entropy.random(suite.nh))
        for psk_id in plan.external_psks
    ]
    bodies: list[ProposalBody] = [external_init]
    if plan.replaces is not None:
        bodies.append(Remove(removed=plan.replaces))
    bodies += [PreSharedKey(psk=name) for name in names]
    entries = tuple(ProposalOrRef(proposal=Proposal(body=body)) for body in bodies)
    proposals, _ = collect_external(suite, old_tree, entries)
    applied, place = apply_external(old_tree, context, proposals)
    drawn, leaf, tree = draw_path(
        applied.tree, context.group_id, place, plan.model, plan.key, entropy
    )
    provisional = provisional_context(context, tree.tree_hash(), context.extensions)
    nodes = encrypt_path(applied.tree, drawn, provisional.encode(), frozenset())
    path = UpdatePath(leaf_node=leaf, nodes=nodes)
    # What members will demand of it: that they support us, we them, and our key is new to them.
    check_resync(old_tree, proposals, path)
    merge_path(applied, context.group_id, place, path, drawn.path)
    content = FramedContent(
        group_id=context.group_id,
        epoch=context.epoch,
        sender=Sender(sender_type=SenderType.NEW_MEMBER_COMMIT),
        authenticated_data=plan.authenticated_data,
        body=Commit(proposals=entries, path=path),
    )
    signature = sign(suite, plan.key, WireFormat.PUBLIC_MESSAGE, content, context.encode())
    signed = AuthenticatedContent(
        wire_format=WireFormat.PUBLIC_MESSAGE,
        content=content,
        auth=ContentAuth(signature=signature),
    )
    derived = derive_epoch(
        Before(
            init_secret=init_secret,
            interim_transcript_hash=key_schedule.interim_transcript_hash(
                suite, context.confirmed_transcript_hash, group_info.confirmation_tag
            ),
        ),
        context=provisional,
        tree=tree,
        own_leaf=place,
        signature_key=plan.key,
        private_keys=kept_keys(tree, place, {}, own_keys(drawn, place)),
        commit_secret=drawn.commit_secret,
        psks=[(name, find_psk(name, plan.external_psks, {})) for name in names],
        commit_input=signed.confirmed_transcript_input(),
    )
    complete = with_confirmation_tag(signed, derived.state.confirmation_tag)
    message = MLSMessage(body=PublicMessage(content=content, auth=complete.auth)).encode()
    return MadeExternalCommit(message, derived.state, derived.secret_tree)

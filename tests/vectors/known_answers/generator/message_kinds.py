"""message-protection, transcript-hashes, welcome, messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloister.mls import Add, GroupContextExtensions, ReInit, Remove
from cloister.mls.commit import Commit
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    ContentBody,
    FramedContent,
    Sender,
    encode_body,
    sign,
)
from cloister.mls.group_context import GroupContext
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import seal_private_message
from cloister.mls.proposal import ExternalInit, Proposal, ProposalOrRef
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import (
    CipherSuite,
    ProtocolVersion,
    PskType,
    ResumptionPskUsage,
    SenderType,
    WireFormat,
)
from cloister.mls.secret_tree import SecretTree
from cloister.mls.welcome import GroupSecrets, PathSecret
from vectors.known_answers.generator.draw import Draw, text
from vectors.known_answers.generator.story import Story

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloister.mls.suite import Suite

SENDER = 1
# Sizes that messages are padded to, so that the padding is tried too.
SIZES = (600, 1200, 2400, 4800, 9600)
LARGE = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519


class Channel:
    """One epoch in which member 1 of 2 sends, made of secrets that were drawn."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.draw = Draw(f"message-protection {suite.code}")
        self.group_id, self.epoch = self.draw.random(16), self.draw.number(40)
        self.tree_hash, self.confirmed = self.draw.random(suite.nh), self.draw.random(suite.nh)
        self.seed = suite.generate_signature_seed(self.draw)
        self.key = suite.signature_key(self.seed)
        self.encryption_secret, self.sender_data_secret, self.membership_key = (
            self.draw.secret(suite.nh) for _ in range(3)
        )
        self.secret_tree = SecretTree.new(suite, 2, self.encryption_secret)
        self.context = GroupContext(
            version=ProtocolVersion.MLS10,
            cipher_suite=suite.code,
            group_id=self.group_id,
            epoch=self.epoch,
            tree_hash=self.tree_hash,
            confirmed_transcript_hash=self.confirmed,
            extensions=(),
        ).encode()

    def _signed(self, body: ContentBody, wire_format: WireFormat) -> AuthenticatedContent:
        content = FramedContent(
            group_id=self.group_id,
            epoch=self.epoch,
            sender=Sender(sender_type=SenderType.MEMBER, index=SENDER),
            authenticated_data=b"authenticated data",
            body=body,
        )
        signature = sign(self.suite, self.key, wire_format, content, self.context)
        tag = self.draw.random(self.suite.nh) if isinstance(body, Commit) else None
        auth = ContentAuth(signature=signature, confirmation_tag=tag)
        return AuthenticatedContent(wire_format=wire_format, content=content, auth=auth)

    def public(self, body: ContentBody) -> bytes:
        """The body in a PublicMessage."""
        signed = self._signed(body, WireFormat.PUBLIC_MESSAGE)
        message = PublicMessage(content=signed.content, auth=signed.auth)
        tagged = message.tagged(self.suite, self.membership_key, self.context)
        return MLSMessage(body=tagged).encode()

    def private(self, body: ContentBody) -> bytes:
        """The body in a PrivateMessage; application data comes with a generation left out."""
        is_application = isinstance(body, bytes)
        if is_application:
            _, self.secret_tree = self.secret_tree.take_next(SENDER, is_application=True)
        key, self.secret_tree = self.secret_tree.take_next(SENDER, is_application=is_application)
        return seal_private_message(
            self.suite,
            self._signed(body, WireFormat.PRIVATE_MESSAGE),
            sender_data_secret=self.sender_data_secret,
            key=key,
            pad_to=SIZES,
            entropy=self.draw,
        )


def message_protection(suite: Suite) -> Iterator[dict[str, Any]]:
    """A proposal, a commit and application data from the same member."""
    channel = Channel(suite)
    proposal = Proposal(body=Remove(removed=0))
    commit = Commit(
        proposals=(
            ProposalOrRef(reference=channel.draw.random(suite.nh)),
            ProposalOrRef(proposal=Proposal(body=GroupContextExtensions(extensions=()))),
        ),
        path=None,
    )
    application = channel.draw.random(50)
    yield {
        "cipher_suite": suite.code,
        "group_id": text(channel.group_id),
        "epoch": channel.epoch,
        "tree_hash": text(channel.tree_hash),
        "confirmed_transcript_hash": text(channel.confirmed),
        "signature_priv": text(channel.seed),
        "signature_pub": text(channel.key.public),
        "encryption_secret": text(channel.encryption_secret),
        "sender_data_secret": text(channel.sender_data_secret),
        "membership_key": text(channel.membership_key),
        "proposal": text(encode_body(proposal)),
        "proposal_pub": text(channel.public(proposal)),
        "proposal_priv": text(channel.private(proposal)),
        "commit": text(encode_body(commit)),
        "commit_pub": text(channel.public(commit)),
        "commit_priv": text(channel.private(commit)),
        "application": text(application),
        "application_priv": text(channel.private(application)),
    }


def transcript_hashes(suite: Suite) -> Iterator[dict[str, Any]]:
    """A commit that happened, with the hashes before and after it."""
    story = Story(suite, "transcript-hashes")
    story.commit(0, adds=[story.newcomer()])
    before = story.members[0].state.interim_transcript_hash
    message = story.commit_without_path(1, psks=1, public=True).message
    after = story.members[0].state
    body = MLSMessage.decode(message).body
    assert isinstance(body, PublicMessage)
    yield {
        "cipher_suite": suite.code,
        "confirmation_key": text(after.secrets.confirmation),
        "authenticated_content": text(body.authenticated().encode()),
        "interim_transcript_hash_before": text(before),
        "confirmed_transcript_hash_after": text(after.context.confirmed_transcript_hash),
        "interim_transcript_hash_after": text(after.interim_transcript_hash),
    }


def welcome(suite: Suite) -> Iterator[dict[str, Any]]:
    """A Welcome for two, as one of them opens it."""
    story = Story(suite, "welcome")
    joiner, other = story.newcomer(), story.newcomer()
    adds = [other, joiner] if suite.code != LARGE else [joiner]
    committed = story.commit(0, adds=adds, extensions=[story.notice()], tree_in_welcome=False)
    assert committed.welcome is not None
    yield {
        "cipher_suite": suite.code,
        "init_priv": text(joiner.init_key),
        "signer_pub": text(story.members[0].state.signature_key.public),
        "key_package": text(MLSMessage(body=joiner.parsed()).encode()),
        "welcome": text(committed.welcome),
    }


def messages(suite: Suite) -> Iterator[dict[str, Any]]:
    """Each structure once, most of them out of a group's life."""
    story = Story(suite, "messages", outsider=True)
    draw = story.draw
    joiner = story.newcomer()
    welcome = story.commit(0, adds=[joiner], tree_in_welcome=False).welcome
    assert welcome is not None
    tree = story.members[1].ratchet_tree()
    group_info = story.members[0].group_info(with_tree=False, extensions=[story.notice()])
    update = story.propose(1, None, public=True)
    [sent] = story.members[0].proposals.values()
    private = story.propose(1, story.psk_proposal())
    application = _application_in_public(story)
    committed = story.commit(0, extensions=[story.notice()], public=True).message
    message = MLSMessage.decode(committed).body
    assert isinstance(message, PublicMessage)
    yield {
        "mls_welcome": text(welcome),
        "mls_group_info": text(group_info),
        "mls_key_package": text(MLSMessage(body=joiner.parsed()).encode()),
        "ratchet_tree": text(tree),
        "group_secrets": text(_group_secrets(story).encode()),
        "add_proposal": text(Add(key_package=story.newcomer().parsed()).encode()),
        "update_proposal": text(sent.proposal.body.encode()),
        "remove_proposal": text(Remove(removed=draw.number(32)).encode()),
        "pre_shared_key_proposal": text(story.psk_proposal().encode()),
        "re_init_proposal": text(_reinit(story).encode()),
        "external_init_proposal": text(ExternalInit(kem_output=draw.random(65)).encode()),
        "group_context_extensions_proposal": text(
            GroupContextExtensions(extensions=(story.notice(), story.external_senders())).encode()
        ),
        "commit": text(encode_body(message.content.body)),
        "public_message_application": text(application),
        "public_message_proposal": text(update),
        "public_message_commit": text(committed),
        "private_message": text(private),
    }


def _application_in_public(story: Story) -> bytes:
    """What nobody may send, but everybody can read."""
    group = story.members[0]
    content = FramedContent(
        group_id=group.group_id,
        epoch=group.epoch,
        sender=Sender(sender_type=SenderType.MEMBER, index=0),
        authenticated_data=b"",
        body=b"readable",
    )
    context = group.group_context.encode()
    key = group.state.signature_key
    signature = sign(story.suite, key, WireFormat.PUBLIC_MESSAGE, content, context)
    message = PublicMessage(content=content, auth=ContentAuth(signature=signature))
    tagged = message.tagged(story.suite, group.state.secrets.membership, context)
    return MLSMessage(body=tagged).encode()


def _group_secrets(story: Story) -> GroupSecrets:
    group, nh = story.members[0], story.suite.nh
    resumption = PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=ResumptionPskUsage.APPLICATION,
        psk_group_id=group.group_id,
        psk_epoch=group.epoch,
        psk_nonce=story.draw.random(nh),
    )
    return GroupSecrets(
        joiner_secret=story.draw.secret(nh),
        path_secret=PathSecret(path_secret=story.draw.secret(nh)),
        psks=(resumption, story.psk_proposal().psk),
    )


def _reinit(story: Story) -> ReInit:
    return ReInit(
        group_id=story.draw.random(12),
        version=ProtocolVersion.MLS10,
        cipher_suite=story.suite.code,
        extensions=(story.notice(),),
    )

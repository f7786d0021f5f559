"""A member that only listens: it opens what others send and follows their commits (12.4.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vectors.known_answers.verifier.codec import Reader, decode
from vectors.known_answers.verifier.commit import Commit, UpdatePath
from vectors.known_answers.verifier.failure import Failure, equal, require
from vectors.known_answers.verifier.framing import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    AuthenticatedContent,
    FramedContent,
    MLSMessage,
    content_type_of,
)
from vectors.known_answers.verifier.leaf import (
    COMMIT,
    EXTERNAL_SENDERS,
    Credential,
    find_extension,
)
from vectors.known_answers.verifier.proposal_list import (
    Effect,
    Sent,
    apply_list,
    check_external_list,
    check_list,
    is_path_required,
)
from vectors.known_answers.verifier.proposals import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
)
from vectors.known_answers.verifier.protection import Protection
from vectors.known_answers.verifier.schedule import (
    confirmed_transcript_hash,
    interim_transcript_hash,
    next_epoch,
    psk_secret,
)
from vectors.known_answers.verifier.secret_tree import SecretTree
from vectors.known_answers.verifier.tree_check import check_keys, check_members
from vectors.known_answers.verifier.treekem import merge_path, open_path
from vectors.known_answers.verifier.welcome import GroupContext

if TYPE_CHECKING:
    from vectors.known_answers.verifier.joining import State
    from vectors.known_answers.verifier.tree import Tree

EXTERNAL_BODIES = (Add, Remove, PreSharedKey, ReInit, GroupContextExtensions)


def _read_external_sender(reader: Reader) -> bytes:
    signature_key = reader.opaque()
    Credential.read(reader)
    return signature_key


class PassiveMember:
    """A member's state, and the proposals of the current epoch by reference."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._proposals: dict[bytes, Sent] = {}
        # Sender, content type and generation of every PrivateMessage of the epoch.
        self._used: set[tuple[int, int, int]] = set()
        self._ended = False

    @property
    def epoch_authenticator(self) -> bytes:
        return self.state.epoch.epoch_authenticator

    def _signer(self, content: FramedContent) -> bytes:
        """The signature key that a sender has to sign with (section 6.1)."""
        sender, body = content.sender, content.body
        if sender.sender_type == MEMBER:
            return self.state.tree.leaf(sender.index).signature_key
        if sender.sender_type == NEW_MEMBER_COMMIT:
            if isinstance(body, Commit) and body.path is not None:
                return body.path.leaf_node.signature_key
            raise Failure("a new member sent no commit with a path")
        require(isinstance(body, Proposal), "somebody outside sent something else than a proposal")
        assert isinstance(body, Proposal)
        if sender.sender_type == NEW_MEMBER_PROPOSAL:
            if isinstance(body.body, Add):
                return body.body.key_package.leaf_node.signature_key
            raise Failure("a new member proposed something else than its Add")
        assert sender.sender_type == EXTERNAL
        allowed = isinstance(body.body, EXTERNAL_BODIES)
        require(allowed, "an external sender proposed what it may not")
        data = find_extension(self.state.context.extensions, EXTERNAL_SENDERS)
        keys = decode(lambda reader: reader.items(_read_external_sender), data or b"\x00")
        require(sender.index < len(keys), "an external sender is not listed")
        return keys[sender.index]

    def open(self, data: bytes) -> AuthenticatedContent:
        """Unprotect a message of the current epoch."""
        require(not self._ended, "a message was sent after the group's end")
        state = self.state
        message = decode(MLSMessage.read, data)
        equal(message.encode(), data, "the encoding of a message")
        protection = Protection(
            suite=state.suite,
            context=state.context.encode(),
            membership_key=state.epoch.membership_key,
            sender_data_secret=state.epoch.sender_data_secret,
            secret_tree=SecretTree(state.suite, state.tree.size, state.epoch.encryption_secret),
        )
        content, sender_data = protection.unprotect(message, self._signer)
        framed = content.content
        equal(framed.group_id, state.context.group_id, "the group_id of a message")
        equal(framed.epoch, state.context.epoch, "the epoch of a message")
        if sender_data is not None:
            kind = content_type_of(framed.body)
            used = (sender_data.leaf_index, kind, sender_data.generation)
            require(used not in self._used, "a key was used for two messages")
            self._used.add(used)
        return content

    def take_proposal(self, data: bytes) -> None:
        """Open a proposal and keep it for a commit that refers to it."""
        content = self.open(data)
        body, sender = content.content.body, content.content.sender
        require(isinstance(body, Proposal), "the message holds no proposal")
        assert isinstance(body, Proposal)
        reference = self.state.suite.ref_hash("MLS 1.0 Proposal Reference", content.encode())
        member = sender.index if sender.sender_type == MEMBER else None
        self._proposals[reference] = Sent(body, member)

    def take_commit(self, data: bytes) -> None:
        """Open a commit and enter the epoch that it begins."""
        state = self.state
        content = self.open(data)
        commit, sender = content.content.body, content.content.sender
        require(isinstance(commit, Commit), "the message holds no commit")
        assert isinstance(commit, Commit)
        is_external = sender.sender_type == NEW_MEMBER_COMMIT
        proposals = self._resolve(commit, None if is_external else sender.index)
        tree = state.tree.copy()
        if is_external:
            by_value = all(one.proposal is not None for one in commit.proposals)
            require(by_value, "an external commit refers to a proposal")
            check_external_list(tree, proposals)
        else:
            check_list(tree, state.context.group_id, proposals, sender.index)
        needs_path = is_path_required(proposals)
        require(commit.path is not None or not needs_path, "a commit lacks the path it needs")
        effect = apply_list(tree, state.context.extensions, proposals)
        require(tree.find_leaf(state.own_leaf) is not None, "the listening member is removed")
        committer = tree.free_leaf() if is_external else sender.index
        provisional = replace(
            state.context, epoch=state.context.epoch + 1, extensions=effect.extensions
        )
        commit_secret = bytes(state.suite.nh)
        if commit.path is not None:
            provisional, commit_secret = self._take_path(
                tree, commit.path, committer, provisional, effect
            )
        else:
            provisional = replace(provisional, tree_hash=tree.root_hash())
        check_keys(tree)
        check_members(tree, effect.extensions)
        self._enter(content, tree, provisional, commit_secret, effect)

    def _resolve(self, commit: Commit, committer: int | None) -> list[Sent]:
        """The commit's proposals, those by reference looked up."""
        found = []
        for one in commit.proposals:
            if one.proposal is not None:
                found.append(Sent(one.proposal, committer))
            elif one.reference in self._proposals:
                found.append(self._proposals[one.reference])
            else:
                raise Failure("a commit refers to a proposal that was not sent")
        return found

    def _take_path(
        self,
        tree: Tree,
        path: UpdatePath,
        committer: int,
        provisional: GroupContext,
        effect: Effect,
    ) -> tuple[GroupContext, bytes]:
        """Merge the path into the tree and decrypt it: the provisional context, the secret."""
        state = self.state
        require(path.leaf_node.source == COMMIT, "a path's leaf has another source")
        path.leaf_node.verify(state.suite, state.context.group_id, committer)
        before = tree.find_leaf(committer)
        old_key = None if before is None else before.encryption_key
        keys = [path.leaf_node.encryption_key, *(node.encryption_key for node in path.nodes)]
        require(old_key not in keys, "a path keeps the committer's encryption_key")
        present = {node.encryption_key for node in tree.nodes if node is not None}
        require(not present & set(keys), "a key of a path is in the tree already")
        merge_path(tree, committer, path)
        provisional = replace(provisional, tree_hash=tree.root_hash())
        _, commit_secret = open_path(
            tree,
            committer,
            path,
            state.own_leaf,
            state.ring,
            provisional.encode(),
            frozenset(effect.new_leaves),
        )
        return provisional, commit_secret

    def _enter(
        self,
        content: AuthenticatedContent,
        tree: Tree,
        provisional: GroupContext,
        commit_secret: bytes,
        effect: Effect,
    ) -> None:
        state, suite = self.state, self.state.suite
        confirmed = confirmed_transcript_hash(suite, state.interim_transcript_hash, content)
        context = replace(provisional, confirmed_transcript_hash=confirmed)
        init_secret = state.epoch.init_secret
        if effect.external_init is not None:
            init_secret = self._external_init_secret(effect.external_init)
        mixed = psk_secret(suite, state.psks.find(effect.psks))
        epoch = next_epoch(suite, init_secret, commit_secret, mixed, context.encode())
        tag = content.auth.confirmation_tag
        assert tag is not None
        epoch.check_confirmation_tag(confirmed, tag)
        state.psks.resumption[context.group_id, context.epoch] = epoch.resumption_psk
        self.state = replace(
            state,
            tree=tree,
            context=context,
            epoch=epoch,
            interim_transcript_hash=interim_transcript_hash(suite, confirmed, tag),
        )
        self._proposals, self._used = {}, set()
        self._ended = effect.reinit is not None

    def _external_init_secret(self, kem_output: bytes) -> bytes:
        """The init_secret that an external joiner sends (section 8.3)."""
        suite = self.state.suite
        private = suite.kem.derive_private(self.state.epoch.external_secret)
        hpke = suite.hpke
        context = hpke.setup_receiver(kem_output, private, b"")
        return hpke.export(context, b"MLS 1.0 external init secret", suite.nh)

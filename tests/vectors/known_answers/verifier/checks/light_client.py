"""passive-client-scenarios and message-syntax of draft-ietf-mls-partial.

A light client is handed slices of the tree instead of the tree. Of the files that are published
only these two have a suite with MLKEM768X25519, so they prove the verifier's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.codec import Encodable, Reader, decode
from vectors.known_answers.verifier.commit import Commit, UpdatePath
from vectors.known_answers.verifier.failure import Failure, equal, require
from vectors.known_answers.verifier.framing import (
    AuthenticatedContent,
    MLSMessage,
    PrivateMessage,
    PublicMessage,
)
from vectors.known_answers.verifier.joining import Psks, open_welcome
from vectors.known_answers.verifier.leaf import KeyPackage
from vectors.known_answers.verifier.proposals import GroupContextExtensions
from vectors.known_answers.verifier.protection import Protection
from vectors.known_answers.verifier.schedule import (
    confirmed_transcript_hash,
    interim_transcript_hash,
    next_epoch,
)
from vectors.known_answers.verifier.secret_tree import SecretTree
from vectors.known_answers.verifier.slices import (
    AnnotatedCommit,
    AnnotatedWelcome,
    CopathHash,
    MembershipProof,
    SenderAuthenticatedMessage,
)
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.treekem import KeyRing, next_path_secret, node_key
from vectors.known_answers.verifier.welcome import GroupContext, GroupInfo, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable

# MLKEM768P256 and MLKEM1024P384, as MLSpp numbers them: the verifier has neither.
SUITES_LEFT_OUT = {9, 10}


class LightClient:
    """A member that knows its own leaf, the nodes above it, and no others."""

    def __init__(self, case: dict[str, Any]) -> None:
        suite = self.suite = suite_of(case["cipher_suite"])
        package = decode(MLSMessage.read, bytes.fromhex(case["key_package"])).body
        annotated = decode(AnnotatedWelcome.read, bytes.fromhex(case["annotated_welcome"]))
        if not isinstance(package, KeyPackage):
            raise Failure("key_package is a message of another kind")
        package.verify(suite)
        init_private = bytes.fromhex(case["init_priv"])
        equal(suite.kem.public_of(init_private), package.init_key, "init_priv")
        external = {
            bytes.fromhex(one["psk_id"]): bytes.fromhex(one["psk"]) for one in case["external_psks"]
        }
        opened = open_welcome(suite, annotated.welcome, package, init_private, Psks(external, {}))
        info, sender, own = opened.info, annotated.sender, annotated.joiner
        equal(sender.leaf_index, info.signer, "the signer of the GroupInfo")
        info.verify(suite, sender.leaf.signature_key)
        self.context = info.group_context
        for proof in (sender, own):
            equal(proof.root_hash(suite), self.context.tree_hash, "the tree hash of a slice")
        equal(own.leaf, package.leaf_node, "the joiner's leaf")
        self.own_leaf = own.leaf_index
        private = bytes.fromhex(case["encryption_priv"])
        equal(suite.kem.public_of(private), own.leaf.encryption_key, "encryption_priv")
        self.ring: KeyRing = {own.leaf.encryption_key: private}
        if opened.secrets.path_secret is not None:
            ancestor = tree_math.common_ancestor(self.own_leaf, info.signer, own.n_leaves)
            self._take_path_secret(own, ancestor, opened.secrets.path_secret.path_secret)
        self.epoch = opened.enter_epoch(suite)
        self.interim = interim_transcript_hash(
            suite, self.context.confirmed_transcript_hash, info.confirmation_tag
        )

    def _take_path_secret(self, own: MembershipProof, ancestor: int, path_secret: bytes) -> bytes:
        """Derive the keys from a node up; the commit_secret is what is left."""
        for index, node in own.parents():
            if tree_math.height(index) < tree_math.height(ancestor):
                continue
            private, public = node_key(self.suite, path_secret)
            equal(public, node.encryption_key, f"the key of node {index}")
            self.ring[public] = private
            path_secret = next_path_secret(self.suite, path_secret)
        return path_secret

    def open(self, message: MLSMessage, sender: MembershipProof | None) -> AuthenticatedContent:
        """Unprotect a message whose sender's slice is beside it."""
        if sender is None:
            raise Failure("a message comes without its sender's slice")
        equal(sender.root_hash(self.suite), self.context.tree_hash, "the tree hash of a slice")
        epoch = self.epoch
        protection = Protection(
            self.suite,
            self.context.encode(),
            epoch.membership_key,
            epoch.sender_data_secret,
            SecretTree(self.suite, sender.n_leaves, epoch.encryption_secret),
        )
        content, _ = protection.unprotect(message, lambda _: sender.leaf.signature_key)
        equal(content.content.sender.index, sender.leaf_index, "the sender")
        equal(content.content.epoch, self.context.epoch, "the epoch of a message")
        return content

    def take_commit(self, data: bytes) -> None:
        """Enter the epoch that a commit begins."""
        suite = self.suite
        annotated = decode(AnnotatedCommit.read, data)
        content = self.open(annotated.commit, annotated.sender)
        commit = content.content.body
        if not isinstance(commit, Commit):
            raise Failure("the message holds no commit")
        for proof in (annotated.sender_after, annotated.receiver_after):
            equal(proof.root_hash(suite), annotated.tree_hash_after, "the tree hash of a slice")
        extensions = self.context.extensions
        for one in commit.proposals:
            if one.proposal is None:
                raise Failure("the scenario refers to proposals")
            if isinstance(one.proposal.body, GroupContextExtensions):
                extensions = one.proposal.body.extensions
        provisional = replace(
            self.context,
            epoch=self.context.epoch + 1,
            tree_hash=annotated.tree_hash_after,
            extensions=extensions,
        )
        commit_secret = bytes(suite.nh)
        if commit.path is not None:
            commit_secret = self._take_path(commit.path, annotated, provisional)
        confirmed = confirmed_transcript_hash(suite, self.interim, content)
        self.context = replace(provisional, confirmed_transcript_hash=confirmed)
        no_psk = bytes(suite.nh)
        init_secret = self.epoch.init_secret
        self.epoch = next_epoch(suite, init_secret, commit_secret, no_psk, self.context.encode())
        tag = content.auth.confirmation_tag or b""
        self.epoch.check_confirmation_tag(confirmed, tag)
        self.interim = interim_transcript_hash(suite, confirmed, tag)

    def _take_path(
        self, path: UpdatePath, annotated: AnnotatedCommit, provisional: GroupContext
    ) -> bytes:
        sender, own = annotated.sender_after, annotated.receiver_after
        path.leaf_node.verify(self.suite, provisional.group_id, sender.leaf_index)
        equal(sender.leaf, path.leaf_node, "the sender's leaf")
        ancestor = tree_math.common_ancestor(self.own_leaf, sender.leaf_index, own.n_leaves)
        place = [index for index, _ in sender.parents()].index(ancestor)
        if annotated.resolution_index is None:
            raise Failure("a path comes without a resolution_index")
        sealed = path.nodes[place].encrypted_path_secret[annotated.resolution_index.value]
        for private in self._candidates(ancestor, own):
            try:
                opened = self.suite.decrypt_with_label(
                    private,
                    "UpdatePathNode",
                    provisional.encode(),
                    sealed.kem_output,
                    sealed.ciphertext,
                )
            except Failure:
                continue
            return self._take_path_secret(own, ancestor, opened)
        raise Failure("no key of the light client opens its path secret")

    def _candidates(self, ancestor: int, own: MembershipProof) -> list[bytes]:
        """The own keys below a node; which of them a ciphertext is for, a slice does not say."""
        below = [node for index, node in own.parents() if index != ancestor]
        keys = [own.leaf.encryption_key, *(node.encryption_key for node in below)]
        return [self.ring[key] for key in keys if key in self.ring]


def check_scenario(case: dict[str, Any]) -> None:
    client = LightClient(case)
    stated = bytes.fromhex(case["initial_epoch_authenticator"])
    equal(client.epoch.epoch_authenticator, stated, "initial_epoch_authenticator")
    for epoch in case["epochs"]:
        require(not epoch["proposals"], "the scenario refers to proposals")
        client.take_commit(bytes.fromhex(epoch["annotated_commit"]))
        stated = bytes.fromhex(epoch["epoch_authenticator"])
        equal(client.epoch.epoch_authenticator, stated, "epoch_authenticator")
        for data in epoch["application_messages"]:
            reader = Reader(bytes.fromhex(data))
            message, sender = MLSMessage.read(reader), MembershipProof.read(reader)
            require(reader.is_empty, "bytes follow an application message")
            opened = client.open(message, sender).content.body
            require(isinstance(opened, bytes), "the message holds no application data")


def _authenticated(
    read: Callable[[Reader], Encodable],
) -> Callable[[Reader], SenderAuthenticatedMessage[Encodable]]:
    return lambda reader: SenderAuthenticatedMessage(read(reader), MembershipProof.read(reader))


STRUCTURES: dict[str, Callable[[Reader], Encodable]] = {
    "copath_hash": CopathHash.read,
    "membership_proof": MembershipProof.read,
    "sender_authenticated_group_info": _authenticated(GroupInfo.read),
    "sender_authenticated_welcome": _authenticated(Welcome.read),
    "sender_authenticated_public_message": _authenticated(PublicMessage.read),
    "sender_authenticated_private_message": _authenticated(PrivateMessage.read),
    "annotated_welcome": AnnotatedWelcome.read,
    "annotated_commit": AnnotatedCommit.read,
}


def check_syntax(case: dict[str, Any]) -> None:
    equal({*case}, {*STRUCTURES, "cipher_suite"}, "the fields of the case")
    for name, read in STRUCTURES.items():
        data = bytes.fromhex(case[name])
        equal(decode(read, data).encode(), data, name)

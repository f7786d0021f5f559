"""passive-client-scenarios of draft-ietf-mls-partial: a light client that is given tree slices.

The only published scenarios with MLKEM768X25519_AES256GCM_SHA384_Ed25519 (as suite 8). The light
client below is a test's own; every cryptographic step in it is the engine's.
"""

from __future__ import annotations

from typing import Any

import pytest

from cloister.codec import Reader
from cloister.crypto.errors import DecryptError
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.secret import Secret
from cloister.ids import NodeIndex
from cloister.mls import key_schedule, labels, tree_math
from cloister.mls.commit import Commit
from cloister.mls.framing import AuthenticatedContent
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage, open_content, open_sender_data
from cloister.mls.proposal import GroupContextExtensions
from cloister.mls.psk import psk_secret
from cloister.mls.public_message import PublicMessage
from cloister.mls.ratchet_tree import Node, ParentNode, leaf_hash_input, parent_hash_input
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import Suite, suite_of
from cloister.mls.update_path import derive_upwards
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome
from cloister.values import replace
from vectors.mls.material import Case, each, unhex

pytestmark = pytest.mark.vectors


def _read_node(reader: Reader) -> Node | None:
    if reader.uint8() == 0:
        return None
    return LeafNode.read(reader) if reader.uint8() == 1 else ParentNode.read(reader)


class Proof:
    """MembershipProof: a leaf, the nodes above it, and the hashes beside them."""

    def __init__(self, reader: Reader) -> None:
        self.leaf_index = reader.uint32()
        self.leaf_count = reader.uint32()
        inner = reader.vector()
        self.nodes: list[Node | None] = []
        while not inner.at_end:
            self.nodes.append(_read_node(inner))
        inner = reader.vector()
        self.copath: list[bytes] = []
        while not inner.at_end:
            self.copath.append(inner.opaque())

    @property
    def leaf(self) -> LeafNode:
        leaf = self.nodes[0]
        assert isinstance(leaf, LeafNode)
        return leaf

    def path(self) -> list[NodeIndex]:
        return tree_math.direct_path(2 * self.leaf_index, self.leaf_count)

    def parents(self) -> list[tuple[NodeIndex, bytes]]:
        return [
            (index, node.encryption_key)
            for index, node in zip(self.path(), self.nodes[1:], strict=True)
            if node is not None
        ]

    def root_hash(self, suite: Suite) -> bytes:
        value = suite.hash(leaf_hash_input(self.leaf_index, self.leaf))
        child = tree_math.node_of(self.leaf_index)
        for index, node, beside in zip(self.path(), self.nodes[1:], self.copath, strict=True):
            assert not isinstance(node, LeafNode)
            pair = (value, beside) if child < index else (beside, value)
            value = suite.hash(parent_hash_input(node, *pair))
            child = index
        return value


class LightClient:
    """Joins and follows with nothing but the slices it is handed."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.suite = suite_of(case["cipher_suite"])
        assert not case["external_psks"]
        self.no_psk = psk_secret(self.suite, ())
        package = MLSMessage.decode(unhex(case["key_package"])).body
        assert isinstance(package, KeyPackage)
        package.check(self.suite)
        package.leaf_node.verify(self.suite, b"", 0)
        self.keys: dict[NodeIndex, HpkePrivateKey] = {}
        reader = Reader(unhex(case["annotated_welcome"]))
        welcome, signer, own = Welcome.read(reader), Proof(reader), Proof(reader)
        reader.finish()
        self.join(welcome, package, signer, own, case)

    def join(
        self, welcome: Welcome, package: KeyPackage, signer: Proof, own: Proof, case: dict[str, Any]
    ) -> None:
        suite = self.suite
        reference = package.reference(suite)
        [sealed] = [
            one.encrypted_group_secrets for one in welcome.secrets if one.new_member == reference
        ]
        init_key = suite.private_key(Secret(unhex(case["init_priv"])))
        assert init_key.public == package.init_key
        opened = suite.decrypt_with_label(
            init_key,
            labels.WELCOME,
            welcome.encrypted_group_info,
            (sealed.kem_output, sealed.ciphertext),
        )
        secrets = GroupSecrets.decode(opened.expose())
        joiner = secrets.joiner_secret
        key, nonce = key_schedule.welcome_key_and_nonce(
            suite, key_schedule.welcome_secret(suite, joiner, self.no_psk)
        )
        info = GroupInfo.decode(suite.aead.open(key, nonce, welcome.encrypted_group_info, b""))
        assert info.signer == signer.leaf_index
        info.verify(suite, signer.leaf.signature_key)
        self.context = info.group_context
        assert signer.root_hash(suite) == own.root_hash(suite) == self.context.tree_hash
        assert own.leaf == package.leaf_node
        self.own = own.leaf_index
        own_node = tree_math.node_of(self.own)
        self.keys[own_node] = suite.private_key(Secret(unhex(case["encryption_priv"])))
        assert self.keys[own_node].public == own.leaf.encryption_key
        if secrets.path_secret is not None:
            ancestor = tree_math.common_ancestor(own_node, 2 * signer.leaf_index)
            above = [one for one in own.parents() if tree_math.is_below(ancestor, one[0])]
            derived, _ = derive_upwards(suite, secrets.path_secret.path_secret, above)
            self.keys |= derived
        self.enter(joiner, info.confirmation_tag)

    def enter(self, joiner: Secret, tag: bytes) -> None:
        encoded = self.context.encode()
        self.secrets, encryption = key_schedule.epoch_secrets(
            self.suite, joiner, self.no_psk, encoded
        )
        confirmed = self.context.confirmed_transcript_hash
        self.suite.check_mac(self.secrets.confirmation, confirmed, tag, Rule.GROUP_INFO_TAG)
        self.interim = key_schedule.interim_transcript_hash(self.suite, confirmed, tag)
        self.encryption_secret = encryption

    def open(self, message: MLSMessage, sender: Proof) -> AuthenticatedContent:
        assert sender.root_hash(self.suite) == self.context.tree_hash
        encoded = self.context.encode()
        body = message.body
        if isinstance(body, PublicMessage):
            body.check(self.suite, self.secrets.membership, encoded)
            content = body.authenticated()
        else:
            assert isinstance(body, PrivateMessage)
            data = open_sender_data(self.suite, self.secrets.sender_data, body)
            tree = SecretTree.new(self.suite, sender.leaf_count, self.encryption_secret)
            key, _ = tree.take(
                data.leaf_index, data.generation, is_application=body.content_type == 1, now=0
            )
            content = open_content(self.suite, body, data, key)
        assert content.content.sender.index == sender.leaf_index
        assert content.content.epoch == self.context.epoch
        content.verify(self.suite, sender.leaf.signature_key, encoded)
        return content

    def commit(self, data: bytes) -> None:
        reader = Reader(data)
        message = MLSMessage.read(reader)
        assert reader.uint8() == 1
        sender = Proof(reader)
        tree_hash_after = reader.opaque()
        resolution_index = reader.uint32() if reader.uint8() else None
        sender_after, own_after = Proof(reader), Proof(reader)
        reader.finish()
        content = self.open(message, sender)
        commit = content.content.body
        assert isinstance(commit, Commit)
        assert sender_after.root_hash(self.suite) == tree_hash_after
        assert own_after.root_hash(self.suite) == tree_hash_after
        extensions = self.context.extensions
        for entry in commit.proposals:
            assert entry.proposal is not None
            if isinstance(entry.proposal.body, GroupContextExtensions):
                extensions = entry.proposal.body.extensions
        provisional = replace(
            self.context,
            epoch=self.context.epoch + 1,
            tree_hash=tree_hash_after,
            extensions=extensions,
        )
        commit_secret = Secret(bytes(self.suite.nh))
        if commit.path is not None:
            assert resolution_index is not None
            commit.path.leaf_node.verify(self.suite, self.context.group_id, sender.leaf_index)
            commit_secret = self.take_path(commit, sender_after, resolution_index, provisional)
        confirmed = key_schedule.confirmed_transcript_hash(
            self.suite, self.interim, content.confirmed_transcript_input()
        )
        self.context = replace(provisional, confirmed_transcript_hash=confirmed)
        joiner = key_schedule.joiner_secret(
            self.suite, self.secrets.init, commit_secret, self.context.encode()
        )
        assert content.auth.confirmation_tag is not None
        self.enter(joiner, content.auth.confirmation_tag)

    def take_path(
        self, commit: Commit, sender: Proof, resolution_index: int, context: GroupContext
    ) -> Secret:
        assert commit.path is not None
        own_node = tree_math.node_of(self.own)
        ancestor = tree_math.common_ancestor(own_node, 2 * sender.leaf_index)
        parents = sender.parents()
        position = [index for index, _ in parents].index(ancestor)
        sealed = commit.path.nodes[position].encrypted_path_secret[resolution_index]
        for node, key in self.keys.items():
            if node == own_node or tree_math.is_below(node, ancestor):
                try:
                    path_secret = self.suite.decrypt_with_label(
                        key,
                        labels.UPDATE_PATH_NODE,
                        context.encode(),
                        (sealed.kem_output, sealed.ciphertext),
                    )
                except DecryptError:
                    continue
                derived, commit_secret = derive_upwards(self.suite, path_secret, parents[position:])
                self.keys |= derived
                return commit_secret
        pytest.fail("no key opens the path secret")

    def application(self, data: bytes) -> None:
        reader = Reader(data)
        message, sender = MLSMessage.read(reader), Proof(reader)
        reader.finish()
        assert isinstance(self.open(message, sender).content.body, bytes)


@each("mls-pq/passive-client-scenarios.json")
def test_light_client_follows(case: Case) -> None:
    client = LightClient(case)
    authenticator = client.secrets.authenticator
    assert authenticator == Secret(unhex(case["initial_epoch_authenticator"]))
    for epoch in case["epochs"]:
        assert not epoch["proposals"]
        client.commit(unhex(epoch["annotated_commit"]))
        authenticator = client.secrets.authenticator
        assert authenticator == Secret(unhex(epoch["epoch_authenticator"]))
        for message in epoch["application_messages"]:
            client.application(unhex(message))

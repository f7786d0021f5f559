"""From a Welcome to the state of a member (RFC 9420, section 12.4.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.failure import Failure, equal, require
from vectors.known_answers.verifier.leaf import RATCHET_TREE, KeyPackage, find_extension
from vectors.known_answers.verifier.proposals import (
    EXTERNAL,
    USAGE_APPLICATION,
    PreSharedKeyID,
)
from vectors.known_answers.verifier.schedule import (
    Epoch,
    interim_transcript_hash,
    joined_epoch,
    psk_secret,
    welcome_key_and_nonce,
)
from vectors.known_answers.verifier.tree import Tree
from vectors.known_answers.verifier.tree_check import check_tree
from vectors.known_answers.verifier.treekem import KeyRing, take_path_secret
from vectors.known_answers.verifier.welcome import (
    GroupContext,
    GroupInfo,
    GroupSecrets,
    Welcome,
)

if TYPE_CHECKING:
    from vectors.known_answers.verifier.suites import Suite


@dataclass(frozen=True)
class Psks:
    """The PSKs that a client holds: external ones by id, resumption ones by group and epoch."""

    external: dict[bytes, bytes]
    resumption: dict[tuple[bytes, int], bytes]

    def find(self, identifiers: list[PreSharedKeyID]) -> list[tuple[PreSharedKeyID, bytes]]:
        """The value of each identifier, in order."""
        return [(one, self._value(one)) for one in identifiers]

    def _value(self, identifier: PreSharedKeyID) -> bytes:
        if identifier.psk_type == EXTERNAL:
            value = self.external.get(identifier.psk_id)
        else:
            value = self.resumption.get((identifier.psk_group_id, identifier.psk_epoch))
        if value is None:
            raise Failure("a PSK is not known")
        return value


@dataclass(frozen=True)
class OpenedWelcome:
    """What a Welcome holds for one joiner."""

    secrets: GroupSecrets
    psk_secret: bytes
    info: GroupInfo

    def enter_epoch(self, suite: Suite) -> Epoch:
        """The epoch's secrets; the confirmation tag of the GroupInfo must be theirs."""
        context = self.info.group_context
        epoch = joined_epoch(suite, self.secrets.joiner_secret, self.psk_secret, context.encode())
        epoch.check_confirmation_tag(context.confirmed_transcript_hash, self.info.confirmation_tag)
        return epoch


def open_welcome(
    suite: Suite, welcome: Welcome, package: KeyPackage, init_private: bytes, psks: Psks
) -> OpenedWelcome:
    """Find the joiner's entry and decrypt both parts; nothing is verified yet."""
    equal(suite.code, welcome.cipher_suite, "the suite of the Welcome")
    reference = package.reference(suite)
    entries = [one for one in welcome.secrets if one.new_member == reference]
    require(len(entries) == 1, "the Welcome has not one entry for the key package")
    sealed = entries[0].encrypted_group_secrets
    opened = suite.decrypt_with_label(
        init_private,
        "Welcome",
        welcome.encrypted_group_info,
        sealed.kem_output,
        sealed.ciphertext,
    )
    secrets = decode(GroupSecrets.read, opened)
    for psk in secrets.psks:
        plain = psk.psk_type == EXTERNAL or psk.usage == USAGE_APPLICATION
        require(plain or len(secrets.psks) == 1, "a PSK of another group is not the only one")
        require(len(psk.psk_nonce) == suite.nh, "a psk_nonce has not Nh bytes")
    mixed = psk_secret(suite, psks.find(list(secrets.psks)))
    key, nonce = welcome_key_and_nonce(suite, secrets.joiner_secret, mixed)
    info = suite.aead.open(key, nonce, b"", welcome.encrypted_group_info)
    return OpenedWelcome(secrets, mixed, decode(GroupInfo.read, info))


@dataclass
class State:
    """A member's view of the group in one epoch."""

    suite: Suite
    tree: Tree
    context: GroupContext
    epoch: Epoch
    interim_transcript_hash: bytes
    own_leaf: int
    ring: KeyRing
    psks: Psks


def join(
    suite: Suite,
    package: KeyPackage,
    private: dict[str, bytes],
    welcome: Welcome,
    tree_data: bytes | None,
    psks: Psks,
) -> State:
    """Join; ``private`` has the keys ``init``, ``encryption`` and ``signature``."""
    leaf = package.leaf_node
    package.verify(suite)
    equal(suite.kem.public_of(private["init"]), package.init_key, "init_key")
    equal(suite.kem.public_of(private["encryption"]), leaf.encryption_key, "encryption_key")
    equal(suite.signature.public_of(private["signature"]), leaf.signature_key, "signature_key")
    opened = open_welcome(suite, welcome, package, private["init"], psks)
    info = opened.info
    context = info.group_context
    equal(context.cipher_suite, suite.code, "the suite in the GroupInfo")
    data = find_extension(info.extensions, RATCHET_TREE) if tree_data is None else tree_data
    if data is None:
        raise Failure("the tree is neither in the Welcome nor beside it")
    tree = Tree.decode(suite, data)
    equal(tree.encode(), data, "the encoding of the tree")
    info.verify(suite, tree.leaf(info.signer).signature_key)
    equal(tree.root_hash(), context.tree_hash, "the tree hash")
    check_tree(tree, context.group_id, context.extensions)
    places = [index for index, member in tree.members() if member == leaf]
    require(len(places) == 1, "the joiner's leaf is not in the tree once")
    own_leaf = places[0]
    ring = {leaf.encryption_key: private["encryption"]}
    if opened.secrets.path_secret is not None:
        ancestor = tree_math.common_ancestor(own_leaf, info.signer, tree.size)
        path_secret = opened.secrets.path_secret.path_secret
        take_path_secret(tree, ring, ancestor, info.signer, path_secret)
    epoch = opened.enter_epoch(suite)
    psks.resumption[context.group_id, context.epoch] = epoch.resumption_psk
    interim = interim_transcript_hash(
        suite, context.confirmed_transcript_hash, info.confirmation_tag
    )
    return State(suite, tree, context, epoch, interim, own_leaf, ring, psks)

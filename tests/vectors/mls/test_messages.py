"""messages, message-protection, welcome."""

from __future__ import annotations

from typing import Any

import pytest

from cloister.codec import DecodeError, Struct
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.commit import Commit
from cloister.mls.errors import RuleViolation
from cloister.mls.framing import (
    AuthenticatedContent,
    ContentAuth,
    ContentBody,
    encode_body,
    member_content,
    sign,
)
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import KeyPackage
from cloister.mls.key_schedule import epoch_secrets, welcome_key_and_nonce, welcome_secret
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import (
    PrivateMessage,
    open_content,
    open_sender_data,
    seal_private_message,
)
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import psk_secret
from cloister.mls.public_message import PublicMessage
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import ProtocolVersion, WireFormat
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import Suite, suite_of
from cloister.mls.welcome import GroupInfo, GroupSecrets, Welcome
from vectors.mls.material import Case, each, unhex

pytestmark = pytest.mark.vectors

STRUCTURES: dict[str, type[Struct]] = {
    "mls_welcome": MLSMessage,
    "mls_group_info": MLSMessage,
    "mls_key_package": MLSMessage,
    "group_secrets": GroupSecrets,
    "add_proposal": Add,
    "update_proposal": Update,
    "remove_proposal": Remove,
    "pre_shared_key_proposal": PreSharedKey,
    "re_init_proposal": ReInit,
    "external_init_proposal": ExternalInit,
    "group_context_extensions_proposal": GroupContextExtensions,
    "commit": Commit,
    "public_message_application": MLSMessage,
    "public_message_proposal": MLSMessage,
    "public_message_commit": MLSMessage,
    "private_message": MLSMessage,
}


@each("mls/messages.json")
def test_messages(case: Case) -> None:
    assert set(case) == {*STRUCTURES, "ratchet_tree"}
    for name, structure in STRUCTURES.items():
        data = unhex(case[name])
        assert structure.decode(data).encode() == data, name
        with pytest.raises(DecodeError):
            structure.decode(data + b"\x00")
        with pytest.raises(DecodeError):
            structure.decode(data[:-1])
    data = unhex(case["ratchet_tree"])
    assert RatchetTree.decode(suite_of(1), data).encode() == data


def _raw_body(name: str, data: bytes) -> ContentBody:
    if name == "proposal":
        return Proposal.decode(data)
    return Commit.decode(data) if name == "commit" else data


class Protection:
    """The fixed state of a message-protection case; member 1 of 2 sends."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.suite: Suite = suite_of(case["cipher_suite"])
        self.group_id = unhex(case["group_id"])
        self.epoch: int = case["epoch"]
        self.context = GroupContext(
            version=ProtocolVersion.MLS10,
            cipher_suite=self.suite.code,
            group_id=self.group_id,
            epoch=self.epoch,
            tree_hash=unhex(case["tree_hash"]),
            confirmed_transcript_hash=unhex(case["confirmed_transcript_hash"]),
            extensions=(),
        ).encode()
        self.key = self.suite.signature_key(
            self.suite.signature_seed(unhex(case["signature_priv"]))
        )
        self.public = unhex(case["signature_pub"])
        self.membership_key = Secret(unhex(case["membership_key"]))
        self.sender_data_secret = Secret(unhex(case["sender_data_secret"]))
        self.tree = SecretTree.new(self.suite, 2, Secret(unhex(case["encryption_secret"])))

    def unprotect_public(self, data: bytes) -> bytes:
        message = MLSMessage.decode(data).body
        assert isinstance(message, PublicMessage)
        message.check(self.suite, self.membership_key, self.context)
        message.authenticated().verify(self.suite, self.public, self.context)
        return encode_body(message.content.body)

    def unprotect_private(self, data: bytes) -> bytes:
        message = MLSMessage.decode(data).body
        assert isinstance(message, PrivateMessage)
        sender = open_sender_data(self.suite, self.sender_data_secret, message)
        assert sender.leaf_index == 1
        key, _ = self.tree.take(
            1, sender.generation, is_application=message.content_type == 1, now=0
        )
        content = open_content(self.suite, message, sender, key)
        content.verify(self.suite, self.public, self.context)
        return encode_body(content.content.body)

    def authenticated(self, wire_format: WireFormat, body: ContentBody) -> AuthenticatedContent:
        content = member_content(self.group_id, self.epoch, 1, b"", body)
        signature = sign(self.suite, self.key, wire_format, content, self.context)
        tag = b"tag" if isinstance(body, Commit) else None
        return AuthenticatedContent(
            wire_format=wire_format,
            content=content,
            auth=ContentAuth(signature=signature, confirmation_tag=tag),
        )

    def protect_public(self, body: ContentBody) -> bytes:
        made = self.authenticated(WireFormat.PUBLIC_MESSAGE, body)
        message = PublicMessage(content=made.content, auth=made.auth)
        tagged = message.tagged(self.suite, self.membership_key, self.context)
        return MLSMessage(body=tagged).encode()

    def protect_private(self, body: ContentBody) -> bytes:
        key, _ = self.tree.take_next(1, is_application=isinstance(body, bytes))
        return seal_private_message(
            self.suite,
            self.authenticated(WireFormat.PRIVATE_MESSAGE, body),
            sender_data_secret=self.sender_data_secret,
            key=key,
            pad_to=(),
            entropy=SystemEntropy(),
        )


@each("mls/message-protection.json")
def test_message_protection(case: Case) -> None:
    protection = Protection(case)
    for name in ("proposal", "commit", "application"):
        body = _raw_body(name, unhex(case[name]))
        encoded = encode_body(body)
        assert protection.unprotect_private(unhex(case[f"{name}_priv"])) == encoded
        assert protection.unprotect_private(protection.protect_private(body)) == encoded
        if name == "application":
            with pytest.raises(RuleViolation) as caught:
                protection.unprotect_public(protection.protect_public(body))
            assert caught.value.rule is Rule.APPLICATION_IN_PUBLIC
        else:
            assert protection.unprotect_public(unhex(case[f"{name}_pub"])) == encoded
            assert protection.unprotect_public(protection.protect_public(body)) == encoded


@each("mls/welcome.json")
def test_welcome(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    welcome = MLSMessage.decode(unhex(case["welcome"])).body
    package = MLSMessage.decode(unhex(case["key_package"])).body
    assert isinstance(welcome, Welcome)
    assert isinstance(package, KeyPackage)
    reference = package.reference(suite)
    [sealed] = [one for one in welcome.secrets if one.new_member == reference]
    opened = suite.decrypt_with_label(
        suite.private_key(Secret(unhex(case["init_priv"]))),
        labels.WELCOME,
        welcome.encrypted_group_info,
        (sealed.encrypted_group_secrets.kem_output, sealed.encrypted_group_secrets.ciphertext),
    )
    secrets = GroupSecrets.decode(opened.expose())
    assert not secrets.psks
    mixed = psk_secret(suite, ())
    key, nonce = welcome_key_and_nonce(suite, welcome_secret(suite, secrets.joiner_secret, mixed))
    plaintext = suite.aead.open(key, nonce, welcome.encrypted_group_info, b"")
    info = GroupInfo.decode(plaintext)
    info.verify(suite, unhex(case["signer_pub"]))
    context = info.group_context
    epoch, _ = epoch_secrets(suite, secrets.joiner_secret, mixed, context.encode())
    suite.check_mac(
        epoch.confirmation,
        context.confirmed_transcript_hash,
        info.confirmation_tag,
        Rule.CONFIRMATION_TAG,
    )

"""key-schedule, psk_secret, transcript-hashes, secret-tree."""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import key_schedule
from cloister.mls.errors import ConsumedGeneration
from cloister.mls.framing import AuthenticatedContent
from cloister.mls.group_context import GroupContext
from cloister.mls.private_message import sender_data_key
from cloister.mls.psk import PreSharedKeyId, psk_secret
from cloister.mls.registry import ProtocolVersion, PskType
from cloister.mls.rules import Rule
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import suite_of
from vectors.mls.material import Case, each, unhex

pytestmark = pytest.mark.vectors


@each("mls/key-schedule.json")
def test_key_schedule(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    init_secret = Secret(unhex(case["initial_init_secret"]))
    for number, epoch in enumerate(case["epochs"]):
        context = GroupContext(
            version=ProtocolVersion.MLS10,
            cipher_suite=suite.code,
            group_id=unhex(case["group_id"]),
            epoch=number,
            tree_hash=unhex(epoch["tree_hash"]),
            confirmed_transcript_hash=unhex(epoch["confirmed_transcript_hash"]),
            extensions=(),
        ).encode()
        assert context == unhex(epoch["group_context"])
        mixed = Secret(unhex(epoch["psk_secret"]))
        joiner = key_schedule.joiner_secret(
            suite, init_secret, Secret(unhex(epoch["commit_secret"])), context
        )
        assert joiner == Secret(unhex(epoch["joiner_secret"]))
        welcome = key_schedule.welcome_secret(suite, joiner, mixed)
        assert welcome == Secret(unhex(epoch["welcome_secret"]))
        secrets, encryption = key_schedule.epoch_secrets(suite, joiner, mixed, context)
        for name, value in {
            "init_secret": secrets.init,
            "sender_data_secret": secrets.sender_data,
            "encryption_secret": encryption,
            "exporter_secret": secrets.exporter,
            "epoch_authenticator": secrets.authenticator,
            "external_secret": secrets.external,
            "confirmation_key": secrets.confirmation,
            "membership_key": secrets.membership,
            "resumption_psk": secrets.resumption,
        }.items():
            assert value == Secret(unhex(epoch[name])), name
        external = key_schedule.external_public_key(suite, secrets)
        assert external == unhex(epoch["external_pub"])
        exporter = epoch["exporter"]
        assert key_schedule.export(
            suite,
            secrets.exporter,
            exporter["label"].encode(),
            unhex(exporter["context"]),
            exporter["length"],
        ) == Secret(unhex(exporter["secret"]))
        init_secret = secrets.init


@each("mls/psk_secret.json")
def test_psk_secret(case: Case) -> None:
    psks = [
        (
            PreSharedKeyId(
                psk_type=PskType.EXTERNAL,
                psk_id=unhex(psk["psk_id"]),
                psk_nonce=unhex(psk["psk_nonce"]),
            ),
            Secret(unhex(psk["psk"])),
        )
        for psk in case["psks"]
    ]
    suite = suite_of(case["cipher_suite"])
    assert psk_secret(suite, psks) == Secret(unhex(case["psk_secret"]))


@each("mls/transcript-hashes.json")
def test_transcript_hashes(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    content = AuthenticatedContent.decode(unhex(case["authenticated_content"]))
    assert content.encode() == unhex(case["authenticated_content"])
    tag = content.auth.confirmation_tag
    assert tag is not None
    confirmed = key_schedule.confirmed_transcript_hash(
        suite,
        unhex(case["interim_transcript_hash_before"]),
        content.confirmed_transcript_input(),
    )
    assert confirmed == unhex(case["confirmed_transcript_hash_after"])
    interim = key_schedule.interim_transcript_hash(suite, confirmed, tag)
    assert interim == unhex(case["interim_transcript_hash_after"])
    suite.check_mac(Secret(unhex(case["confirmation_key"])), confirmed, tag, Rule.CONFIRMATION_TAG)


@each("mls/secret-tree.json")
def test_secret_tree(case: Case) -> None:
    suite = suite_of(case["cipher_suite"])
    data = case["sender_data"]
    key, nonce = sender_data_key(
        suite, Secret(unhex(data["sender_data_secret"])), unhex(data["ciphertext"])
    )
    assert (key.expose(), nonce) == (unhex(data["key"]), unhex(data["nonce"]))
    tree = SecretTree.new(suite, len(case["leaves"]), Secret(unhex(case["encryption_secret"])))
    for leaf, generations in enumerate(case["leaves"]):
        for entry in generations:
            for kind in ("application", "handshake"):
                taken, tree = tree.take(
                    leaf, entry["generation"], is_application=kind == "application", now=0
                )
                assert taken.key == Secret(unhex(entry[f"{kind}_key"]))
                assert taken.nonce == Secret(unhex(entry[f"{kind}_nonce"]))
                with pytest.raises(ConsumedGeneration):
                    tree.take(
                        leaf, entry["generation"], is_application=kind == "application", now=0
                    )
    # 9.2: with every leaf opened nothing is left from which a used key could be derived again.
    assert not tree.nodes

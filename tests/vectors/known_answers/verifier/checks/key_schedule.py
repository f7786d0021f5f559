"""key-schedule: the secrets of one epoch after the other."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.failure import equal
from vectors.known_answers.verifier.schedule import next_epoch
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.welcome import GroupContext

SECRETS = (
    "joiner_secret",
    "welcome_secret",
    "init_secret",
    "sender_data_secret",
    "encryption_secret",
    "exporter_secret",
    "epoch_authenticator",
    "external_secret",
    "confirmation_key",
    "membership_key",
    "resumption_psk",
)


def check(case: dict[str, Any]) -> None:
    suite = suite_of(case["cipher_suite"])
    init_secret = bytes.fromhex(case["initial_init_secret"])
    for number, stated in enumerate(case["epochs"]):
        context = GroupContext(
            suite.code,
            bytes.fromhex(case["group_id"]),
            number,
            bytes.fromhex(stated["tree_hash"]),
            bytes.fromhex(stated["confirmed_transcript_hash"]),
            (),
        ).encode()
        equal(context, bytes.fromhex(stated["group_context"]), "group_context")
        commit_secret = bytes.fromhex(stated["commit_secret"])
        psk_secret = bytes.fromhex(stated["psk_secret"])
        epoch = next_epoch(suite, init_secret, commit_secret, psk_secret, context)
        for name in SECRETS:
            equal(getattr(epoch, name), bytes.fromhex(stated[name]), f"{name} of epoch {number}")
        external = suite.kem.public_of(suite.kem.derive_private(epoch.external_secret))
        equal(external, bytes.fromhex(stated["external_pub"]), "external_pub")
        one = stated["exporter"]
        exported = epoch.export(one["label"], bytes.fromhex(one["context"]), one["length"])
        equal(exported, bytes.fromhex(one["secret"]), "exporter.secret")
        init_secret = epoch.init_secret

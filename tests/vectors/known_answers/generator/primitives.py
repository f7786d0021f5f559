"""crypto-basics, secret-tree, key-schedule, psk_secret: functions of secrets that were drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloister.mls import key_schedule
from cloister.mls.group_context import GroupContext
from cloister.mls.private_message import sender_data_key
from cloister.mls.psk import PreSharedKeyId, psk_secret
from cloister.mls.registry import ProtocolVersion, PskType
from cloister.mls.secret_tree import SecretTree
from vectors.known_answers.generator.draw import Draw, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cloister.crypto.secret import Secret
    from cloister.mls.suite import Suite

EPOCHS = 3
GENERATIONS = (0, 1, 6)
SIZES = (1, 4)


def crypto_basics(suite: Suite) -> Iterator[dict[str, Any]]:
    """One value of each labelled function."""
    draw = Draw(f"crypto-basics {suite.code}")
    yield {
        "cipher_suite": suite.code,
        "ref_hash": _ref_hash(suite, draw),
        "expand_with_label": _expand_with_label(suite, draw),
        "derive_secret": _derive_secret(suite, draw),
        "derive_tree_secret": _derive_tree_secret(suite, draw),
        "sign_with_label": _sign_with_label(suite, draw),
        "encrypt_with_label": _encrypt_with_label(suite, draw),
    }


def _ref_hash(suite: Suite, draw: Draw) -> dict[str, Any]:
    value = draw.random(50)
    out = suite.ref_hash(b"RefHash of a value", value)
    return {"label": "RefHash of a value", "value": text(value), "out": text(out)}


def _expand_with_label(suite: Suite, draw: Draw) -> dict[str, Any]:
    # Longer than one block of any of the hashes, so that Expand goes round more than once.
    secret, context, length = draw.secret(suite.nh), draw.random(70), 150
    out = suite.expand_with_label(secret, b"ExpandWithLabel", context, length)
    return {
        "secret": text(secret),
        "label": "ExpandWithLabel",
        "context": text(context),
        "length": length,
        "out": text(out),
    }


def _derive_secret(suite: Suite, draw: Draw) -> dict[str, Any]:
    secret = draw.secret(suite.nh)
    out = suite.derive_secret(secret, b"DeriveSecret")
    return {"secret": text(secret), "label": "DeriveSecret", "out": text(out)}


def _derive_tree_secret(suite: Suite, draw: Draw) -> dict[str, Any]:
    secret, generation = draw.secret(suite.nh), draw.number(32)
    out = suite.derive_tree_secret(secret, b"DeriveTreeSecret", generation, suite.nk)
    return {
        "secret": text(secret),
        "label": "DeriveTreeSecret",
        "generation": generation,
        "length": suite.nk,
        "out": text(out),
    }


def _sign_with_label(suite: Suite, draw: Draw) -> dict[str, Any]:
    seed, content = suite.generate_signature_seed(draw), draw.random(90)
    key = suite.signature_key(seed)
    return {
        "priv": text(seed),
        "pub": text(key.public),
        "content": text(content),
        "label": "SignWithLabel",
        "signature": text(suite.sign_with_label(key, b"SignWithLabel", content)),
    }


def _encrypt_with_label(suite: Suite, draw: Draw) -> dict[str, Any]:
    key, context, plaintext = suite.generate_key_pair(draw), draw.random(64), draw.random(40)
    label = b"EncryptWithLabel"
    kem_output, ciphertext = suite.encrypt_with_label(key.public, label, context, plaintext)
    return {
        "priv": text(key.seed),
        "pub": text(key.public),
        "label": label.decode(),
        "context": text(context),
        "plaintext": text(plaintext),
        "kem_output": text(kem_output),
        "ciphertext": text(ciphertext),
    }


def secret_tree(suite: Suite) -> Iterator[dict[str, Any]]:
    """Some generations of both ratchets of every leaf."""
    for size in SIZES:
        draw = Draw(f"secret-tree {suite.code} {size}")
        # The sample for sender data is cut off at Nh bytes, or shorter than that.
        secret, ciphertext = draw.secret(suite.nh), draw.random(20 if size == 1 else 77)
        key, nonce = sender_data_key(suite, secret, ciphertext)
        encryption_secret = draw.secret(suite.nh)
        tree = SecretTree.new(suite, size, encryption_secret)
        leaves = []
        for leaf in range(size):
            generations = []
            for generation in GENERATIONS:
                entry: dict[str, Any] = {"generation": generation}
                for kind in ("handshake", "application"):
                    taken, tree = tree.take(
                        leaf, generation, is_application=kind == "application", now=0
                    )
                    entry[f"{kind}_key"] = text(taken.key)
                    entry[f"{kind}_nonce"] = text(taken.nonce)
                generations.append(entry)
            leaves.append(generations)
        yield {
            "cipher_suite": suite.code,
            "encryption_secret": text(encryption_secret),
            "sender_data": {
                "sender_data_secret": text(secret),
                "ciphertext": text(ciphertext),
                "key": text(key),
                "nonce": text(nonce),
            },
            "leaves": leaves,
        }


def key_schedule_epochs(suite: Suite) -> Iterator[dict[str, Any]]:
    """A few epochs, of which one has no PSK and one a commit without a path."""
    draw = Draw(f"key-schedule {suite.code}")
    group_id, init_secret = draw.random(20), draw.secret(suite.nh)
    following = init_secret
    epochs = []
    for number in range(EPOCHS):
        entry, following = _epoch(suite, draw, number, group_id, following)
        epochs.append(entry)
    yield {
        "cipher_suite": suite.code,
        "group_id": text(group_id),
        "initial_init_secret": text(init_secret),
        "epochs": epochs,
    }


def _epoch(
    suite: Suite, draw: Draw, number: int, group_id: bytes, init_secret: Secret
) -> tuple[dict[str, Any], Secret]:
    zeros = type(init_secret)(bytes(suite.nh))
    mixed = zeros if number == 1 else draw.secret(suite.nh)
    commit_secret = zeros if number == 2 else draw.secret(suite.nh)
    tree_hash, confirmed = draw.random(suite.nh), draw.random(suite.nh)
    context = GroupContext(
        version=ProtocolVersion.MLS10,
        cipher_suite=suite.code,
        group_id=group_id,
        epoch=number,
        tree_hash=tree_hash,
        confirmed_transcript_hash=confirmed,
        extensions=(),
    ).encode()
    joiner = key_schedule.joiner_secret(suite, init_secret, commit_secret, context)
    secrets, encryption = key_schedule.epoch_secrets(suite, joiner, mixed, context)
    label, exporter_context, length = f"exporter of epoch {number}", draw.random(30), 20 + number
    exported = key_schedule.export(
        suite, secrets.exporter, label.encode(), exporter_context, length
    )
    return {
        "tree_hash": text(tree_hash),
        "commit_secret": text(commit_secret),
        "psk_secret": text(mixed),
        "confirmed_transcript_hash": text(confirmed),
        "group_context": text(context),
        "joiner_secret": text(joiner),
        "welcome_secret": text(key_schedule.welcome_secret(suite, joiner, mixed)),
        "init_secret": text(secrets.init),
        "sender_data_secret": text(secrets.sender_data),
        "encryption_secret": text(encryption),
        "exporter_secret": text(secrets.exporter),
        "epoch_authenticator": text(secrets.authenticator),
        "external_secret": text(secrets.external),
        "confirmation_key": text(secrets.confirmation),
        "membership_key": text(secrets.membership),
        "resumption_psk": text(secrets.resumption),
        "external_pub": text(key_schedule.external_public_key(suite, secrets)),
        "exporter": {
            "label": label,
            "context": text(exporter_context),
            "length": length,
            "secret": text(exported),
        },
    }, secrets.init


def psk_secrets(suite: Suite) -> Iterator[dict[str, Any]]:
    """From no PSK to four of different lengths."""
    for count in range(5):
        draw = Draw(f"psk_secret {suite.code} {count}")
        psks = [
            (draw.random(8 + number), draw.secret(16 * number + 1), draw.random(suite.nh))
            for number in range(count)
        ]
        named = [
            (PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=psk_id, psk_nonce=nonce), psk)
            for psk_id, psk, nonce in psks
        ]
        yield {
            "cipher_suite": suite.code,
            "psks": [
                {"psk_id": text(psk_id), "psk": text(psk), "psk_nonce": text(nonce)}
                for psk_id, psk, nonce in psks
            ],
            "psk_secret": text(psk_secret(suite, named)),
        }

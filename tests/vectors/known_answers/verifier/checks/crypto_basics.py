"""crypto-basics: the labelled functions of a suite."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.failure import equal
from vectors.known_answers.verifier.suites import Suite, suite_of


def check(case: dict[str, Any]) -> None:
    suite = suite_of(case["cipher_suite"])
    one = case["ref_hash"]
    out = suite.ref_hash(one["label"], bytes.fromhex(one["value"]))
    equal(out, bytes.fromhex(one["out"]), "ref_hash")
    one = case["expand_with_label"]
    secret, context = bytes.fromhex(one["secret"]), bytes.fromhex(one["context"])
    out = suite.expand_with_label(secret, one["label"], context, one["length"])
    equal(out, bytes.fromhex(one["out"]), "expand_with_label")
    one = case["derive_secret"]
    out = suite.derive_secret(bytes.fromhex(one["secret"]), one["label"])
    equal(out, bytes.fromhex(one["out"]), "derive_secret")
    one = case["derive_tree_secret"]
    secret = bytes.fromhex(one["secret"])
    out = suite.derive_tree_secret(secret, one["label"], one["generation"], one["length"])
    equal(out, bytes.fromhex(one["out"]), "derive_tree_secret")
    _check_signature(suite, case["sign_with_label"])
    _check_encryption(suite, case["encrypt_with_label"])


def _check_signature(suite: Suite, case: dict[str, Any]) -> None:
    private, public = bytes.fromhex(case["priv"]), bytes.fromhex(case["pub"])
    label, content = case["label"], bytes.fromhex(case["content"])
    equal(suite.signature.public_of(private), public, "sign_with_label.pub")
    for signature in (
        bytes.fromhex(case["signature"]),
        suite.sign_with_label(private, label, content),
    ):
        suite.verify_with_label(public, label, content, signature)


def _check_encryption(suite: Suite, case: dict[str, Any]) -> None:
    private, public = bytes.fromhex(case["priv"]), bytes.fromhex(case["pub"])
    label, context = case["label"], bytes.fromhex(case["context"])
    plaintext = bytes.fromhex(case["plaintext"])
    equal(suite.kem.public_of(private), public, "encrypt_with_label.pub")
    for sealed in (
        (bytes.fromhex(case["kem_output"]), bytes.fromhex(case["ciphertext"])),
        suite.encrypt_with_label(public, label, context, plaintext),
    ):
        opened = suite.decrypt_with_label(private, label, context, *sealed)
        equal(opened, plaintext, "encrypt_with_label.plaintext")

"""secret-tree: the keys of sender data and of both ratchets of every leaf."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.failure import equal
from vectors.known_answers.verifier.secret_tree import SecretTree, sender_data_key_and_nonce
from vectors.known_answers.verifier.suites import suite_of


def check(case: dict[str, Any]) -> None:
    suite = suite_of(case["cipher_suite"])
    data = case["sender_data"]
    secret, ciphertext = data["sender_data_secret"], data["ciphertext"]
    key, nonce = sender_data_key_and_nonce(suite, bytes.fromhex(secret), bytes.fromhex(ciphertext))
    equal(key, bytes.fromhex(data["key"]), "sender_data.key")
    equal(nonce, bytes.fromhex(data["nonce"]), "sender_data.nonce")
    tree = SecretTree(suite, len(case["leaves"]), bytes.fromhex(case["encryption_secret"]))
    for leaf, generations in enumerate(case["leaves"]):
        for one in generations:
            for ratchet in ("handshake", "application"):
                key, nonce = tree.key_and_nonce(leaf, ratchet, one["generation"])
                equal(key, bytes.fromhex(one[f"{ratchet}_key"]), f"{ratchet}_key of {leaf}")
                equal(nonce, bytes.fromhex(one[f"{ratchet}_nonce"]), f"{ratchet}_nonce of {leaf}")

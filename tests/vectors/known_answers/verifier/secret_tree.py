"""Message keys from the encryption_secret (RFC 9420, section 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vectors.known_answers.verifier import tree_math
from vectors.known_answers.verifier.failure import require

if TYPE_CHECKING:
    from vectors.known_answers.verifier.suites import Suite

HANDSHAKE, APPLICATION = "handshake", "application"


class SecretTree:
    """The secret tree of an epoch; every key is derived from the root each time."""

    def __init__(self, suite: Suite, leaves: int, encryption_secret: bytes) -> None:
        self._suite = suite
        self._leaves = leaves
        self._encryption_secret = encryption_secret

    def _leaf_secret(self, leaf: int) -> bytes:
        require(leaf < self._leaves, "a sender is beyond the tree")
        node, secret = tree_math.root(self._leaves), self._encryption_secret
        while node != 2 * leaf:
            side = b"left" if 2 * leaf < node else b"right"
            secret = self._suite.expand_with_label(secret, "tree", side, self._suite.nh)
            node = tree_math.left(node) if 2 * leaf < node else tree_math.right(node)
        return secret

    def key_and_nonce(self, leaf: int, ratchet: str, generation: int) -> tuple[bytes, bytes]:
        """Key and nonce of one generation of one of a member's two ratchets."""
        suite = self._suite
        require(generation < 1 << 16, "a generation is out of all proportion")
        secret = suite.expand_with_label(self._leaf_secret(leaf), ratchet, b"", suite.nh)
        for earlier in range(generation):
            secret = suite.derive_tree_secret(secret, "secret", earlier, suite.nh)
        return (
            suite.derive_tree_secret(secret, "key", generation, suite.aead.nk),
            suite.derive_tree_secret(secret, "nonce", generation, suite.aead.nn),
        )


def sender_data_key_and_nonce(
    suite: Suite, sender_data_secret: bytes, ciphertext: bytes
) -> tuple[bytes, bytes]:
    """What sender data is encrypted with, next to a content's ciphertext (section 6.3.2)."""
    sample = ciphertext[: suite.nh]
    return (
        suite.expand_with_label(sender_data_secret, "key", sample, suite.aead.nk),
        suite.expand_with_label(sender_data_secret, "nonce", sample, suite.aead.nn),
    )

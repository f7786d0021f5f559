"""The key schedule, PSKs, transcript hashes, the exporter (RFC 9420, section 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vectors.known_answers.verifier.codec import opaque, uint16
from vectors.known_answers.verifier.failure import equal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vectors.known_answers.verifier.framing import AuthenticatedContent
    from vectors.known_answers.verifier.proposals import PreSharedKeyID
    from vectors.known_answers.verifier.suites import Suite


@dataclass(frozen=True)
class Epoch:
    """The secrets of an epoch, each of Nh bytes."""

    suite: Suite
    joiner_secret: bytes
    welcome_secret: bytes
    epoch_secret: bytes

    def _derived(self, label: str) -> bytes:
        return self.suite.derive_secret(self.epoch_secret, label)

    @property
    def init_secret(self) -> bytes:
        return self._derived("init")

    @property
    def sender_data_secret(self) -> bytes:
        return self._derived("sender data")

    @property
    def encryption_secret(self) -> bytes:
        return self._derived("encryption")

    @property
    def exporter_secret(self) -> bytes:
        return self._derived("exporter")

    @property
    def external_secret(self) -> bytes:
        return self._derived("external")

    @property
    def confirmation_key(self) -> bytes:
        return self._derived("confirm")

    @property
    def membership_key(self) -> bytes:
        return self._derived("membership")

    @property
    def resumption_psk(self) -> bytes:
        return self._derived("resumption")

    @property
    def epoch_authenticator(self) -> bytes:
        return self._derived("authentication")

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter (section 8.5)."""
        secret = self.suite.derive_secret(self.exporter_secret, label)
        hashed = self.suite.hash(context)
        return self.suite.expand_with_label(secret, "exported", hashed, length)

    def check_confirmation_tag(self, confirmed_transcript_hash: bytes, stated: bytes) -> None:
        tag = self.suite.mac(self.confirmation_key, confirmed_transcript_hash)
        equal(tag, stated, "the confirmation tag")


def next_epoch(
    suite: Suite, init_secret: bytes, commit_secret: bytes, psk_secret: bytes, context: bytes
) -> Epoch:
    """The epoch after a commit; ``context`` is the encoded GroupContext of that epoch."""
    extracted = suite.kdf.extract(init_secret, commit_secret)
    joiner = suite.expand_with_label(extracted, "joiner", context, suite.nh)
    return joined_epoch(suite, joiner, psk_secret, context)


def joined_epoch(suite: Suite, joiner_secret: bytes, psk_secret: bytes, context: bytes) -> Epoch:
    """The epoch that a joiner_secret opens."""
    member_secret = suite.kdf.extract(joiner_secret, psk_secret)
    return Epoch(
        suite=suite,
        joiner_secret=joiner_secret,
        welcome_secret=suite.derive_secret(member_secret, "welcome"),
        epoch_secret=suite.expand_with_label(member_secret, "epoch", context, suite.nh),
    )


def welcome_key_and_nonce(
    suite: Suite, joiner_secret: bytes, psk_secret: bytes
) -> tuple[bytes, bytes]:
    """What the GroupInfo in a Welcome is encrypted with (section 12.4.3.1)."""
    # The welcome_secret does not depend on the GroupContext, which is not known yet.
    secret = joined_epoch(suite, joiner_secret, psk_secret, b"").welcome_secret
    return (
        suite.expand_with_label(secret, "key", b"", suite.aead.nk),
        suite.expand_with_label(secret, "nonce", b"", suite.aead.nn),
    )


def psk_secret(suite: Suite, psks: Sequence[tuple[PreSharedKeyID, bytes]]) -> bytes:
    """All PSKs of a commit in one secret (section 8.4); zeros if there is none."""
    secret = bytes(suite.nh)
    for index, (identifier, psk) in enumerate(psks):
        extracted = suite.kdf.extract(bytes(suite.nh), psk)
        label = identifier.encode() + uint16(index) + uint16(len(psks))
        psk_input = suite.expand_with_label(extracted, "derived psk", label, suite.nh)
        secret = suite.kdf.extract(psk_input, secret)
    return secret


def confirmed_transcript_hash(
    suite: Suite, interim_before: bytes, commit: AuthenticatedContent
) -> bytes:
    """The transcript up to a commit's signature (section 8.2)."""
    return suite.hash(interim_before + commit.confirmed_transcript_input())


def interim_transcript_hash(suite: Suite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """The transcript up to the same commit's confirmation tag."""
    return suite.hash(confirmed + opaque(confirmation_tag))

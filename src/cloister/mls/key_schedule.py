"""The key schedule and the transcript hashes (RFC 9420 sections 8, 8.1, 8.2)."""

from __future__ import annotations

from cloister.codec import Struct, encode_opaque, layout
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.secret_field import secret
from cloister.mls.suite import Suite


@layout
class EpochSecrets(Struct):
    """The secrets of one epoch but encryption_secret, which the secret tree consumes. Nh each."""

    sender_data: Secret = secret()
    exporter: Secret = secret()
    external: Secret = secret()
    confirmation: Secret = secret()
    membership: Secret = secret()
    resumption: Secret = secret()
    authenticator: Secret = secret()
    init: Secret = secret()


def joiner_secret(
    suite: Suite, init_secret: Secret, commit_secret: Secret, group_context: bytes
) -> Secret:
    """joiner_secret of the epoch that ``group_context`` describes."""
    extracted = suite.extract(init_secret, commit_secret)
    return suite.expand_with_label(extracted, labels.JOINER, group_context, suite.nh)


def welcome_secret(suite: Suite, joiner: Secret, psk_secret: Secret) -> Secret:
    """welcome_secret: the key of the GroupInfo in a Welcome comes from it."""
    return suite.derive_secret(suite.extract(joiner, psk_secret), labels.WELCOME_SECRET)


def welcome_key_and_nonce(suite: Suite, welcome: Secret) -> tuple[Secret, bytes]:
    """The AEAD key and nonce of encrypted_group_info (12.4.3.1).

    The nonce is fixed by the secret: this key encrypts one GroupInfo, once.
    """
    key = suite.expand_with_label(welcome, labels.KEY, b"", suite.nk)
    nonce = suite.expand_with_label(welcome, labels.NONCE, b"", suite.nn)
    return key, nonce.expose()


def epoch_secrets(
    suite: Suite, joiner: Secret, psk_secret: Secret, group_context: bytes
) -> tuple[EpochSecrets, Secret]:
    """The secrets of an epoch, and its encryption_secret apart."""
    member = suite.extract(joiner, psk_secret)
    return secrets_of_epoch(
        suite, suite.expand_with_label(member, labels.EPOCH, group_context, suite.nh)
    )


def secrets_of_epoch(suite: Suite, epoch: Secret) -> tuple[EpochSecrets, Secret]:
    """All that derives from epoch_secret."""
    secrets = EpochSecrets(
        sender_data=suite.derive_secret(epoch, labels.SENDER_DATA),
        exporter=suite.derive_secret(epoch, labels.EXPORTER),
        external=suite.derive_secret(epoch, labels.EXTERNAL),
        confirmation=suite.derive_secret(epoch, labels.CONFIRM),
        membership=suite.derive_secret(epoch, labels.MEMBERSHIP),
        resumption=suite.derive_secret(epoch, labels.RESUMPTION),
        authenticator=suite.derive_secret(epoch, labels.AUTHENTICATION),
        init=suite.derive_secret(epoch, labels.INIT),
    )
    return secrets, suite.derive_secret(epoch, labels.ENCRYPTION)


def external_public_key(suite: Suite, secrets: EpochSecrets) -> bytes:
    """external_pub of the epoch (8.3)."""
    return suite.derive_key_pair(secrets.external).public


def export(suite: Suite, exporter: Secret, label: bytes, context: bytes, length: int) -> Secret:
    """MLS-Exporter (8.5). The context is hashed."""
    derived = suite.derive_secret(exporter, label)
    return suite.expand_with_label(derived, labels.EXPORTED, suite.hash(context), length)


def confirmed_transcript_hash(suite: Suite, interim_before: bytes, commit_input: bytes) -> bytes:
    """The confirmed transcript hash after a commit (8.2).

    ``commit_input`` is ConfirmedTranscriptHashInput: wire format, content, signature.
    """
    return suite.hash(interim_before + commit_input)


def interim_transcript_hash(suite: Suite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """The interim transcript hash after a commit (8.2)."""
    return suite.hash(confirmed + encode_opaque(confirmation_tag))

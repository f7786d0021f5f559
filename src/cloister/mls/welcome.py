"""Welcome, GroupSecrets and GroupInfo (RFC 9420 sections 12.4.3 and 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.codec import (
    CachedStruct,
    Struct,
    encode_opaque,
    layout,
    nested,
    opaque,
    optional,
    uint16,
    uint32,
    vector,
)
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.extension import Extension
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import KeyPackage
from cloister.mls.key_schedule import welcome_key_and_nonce
from cloister.mls.limits import MAX_EXTENSIONS, MAX_LEAVES, MAX_PROPOSALS
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.rules import Rule
from cloister.mls.secret_field import secret
from cloister.mls.suite import Suite
from cloister.mls.update_path import HpkeCiphertext


@layout
class GroupInfo(CachedStruct):
    """struct { group_context; extensions<V>; confirmation_tag<V>; signer; signature<V>; }"""

    group_context: GroupContext = nested(GroupContext)
    extensions: tuple[Extension, ...] = vector(Extension, max_items=MAX_EXTENSIONS)
    confirmation_tag: bytes = opaque()
    signer: int = uint32()
    signature: bytes = opaque()

    def to_be_signed(self) -> bytes:
        """GroupInfoTBS: everything before the signature, as received."""
        return self.encode()[: -len(encode_opaque(self.signature))]

    def verify(self, suite: Suite, public: bytes) -> None:
        """Verify the signer's signature. Raises RuleViolation."""
        suite.verify_with_label(
            public,
            labels.GROUP_INFO_TBS,
            self.to_be_signed(),
            self.signature,
            Rule.GROUP_INFO_SIGNATURE,
        )


def sign_group_info(
    suite: Suite,
    key: SignatureKey,
    *,
    group_context: GroupContext,
    extensions: Sequence[Extension],
    confirmation_tag: bytes,
    signer: int,
) -> GroupInfo:
    """A signed GroupInfo."""

    def with_signature(signature: bytes) -> GroupInfo:
        return GroupInfo(
            group_context=group_context,
            extensions=tuple(extensions),
            confirmation_tag=confirmation_tag,
            signer=signer,
            signature=signature,
        )

    unsigned = with_signature(b"")
    return with_signature(
        suite.sign_with_label(key, labels.GROUP_INFO_TBS, unsigned.to_be_signed())
    )


@layout
class PathSecret(Struct):
    """struct { opaque path_secret<V>; } PathSecret"""

    path_secret: Secret = secret()


@layout
class GroupSecrets(Struct):
    """struct { joiner_secret<V>; optional<PathSecret> path_secret; psks<V>; } GroupSecrets"""

    joiner_secret: Secret = secret()
    path_secret: PathSecret | None = optional(PathSecret)
    psks: tuple[PreSharedKeyId, ...] = vector(PreSharedKeyId, max_items=MAX_PROPOSALS)


@layout
class EncryptedGroupSecrets(Struct):
    """struct { KeyPackageRef new_member; HPKECiphertext encrypted_group_secrets; }"""

    new_member: bytes = opaque()
    encrypted_group_secrets: HpkeCiphertext = nested(HpkeCiphertext)


@layout
class Welcome(Struct):
    """struct { cipher_suite; secrets<V>; encrypted_group_info<V>; } Welcome"""

    cipher_suite: int = uint16()
    secrets: tuple[EncryptedGroupSecrets, ...] = vector(EncryptedGroupSecrets, max_items=MAX_LEAVES)
    encrypted_group_info: bytes = opaque()


def make_welcome(
    suite: Suite,
    *,
    group_info: GroupInfo,
    welcome_secret: Secret,
    joiner_secret: Secret,
    joiners: Sequence[tuple[KeyPackage, Secret | None]],
    psks: Sequence[PreSharedKeyId],
) -> Welcome:
    """Encrypt one GroupInfo to all, and to each joiner his GroupSecrets with his path secret."""
    key, nonce = welcome_key_and_nonce(suite, welcome_secret)
    encrypted_group_info = suite.aead.seal(key, nonce, group_info.encode(), b"")
    entries = []
    for package, path_secret in joiners:
        secrets = GroupSecrets(
            joiner_secret=joiner_secret,
            path_secret=None if path_secret is None else PathSecret(path_secret=path_secret),
            psks=tuple(psks),
        )
        kem_output, ciphertext = suite.encrypt_with_label(
            package.init_key, labels.WELCOME, encrypted_group_info, secrets.encode()
        )
        entries.append(
            EncryptedGroupSecrets(
                new_member=package.reference(suite),
                encrypted_group_secrets=HpkeCiphertext(
                    kem_output=kem_output, ciphertext=ciphertext
                ),
            )
        )
    return Welcome(
        cipher_suite=suite.code,
        secrets=tuple(entries),
        encrypted_group_info=encrypted_group_info,
    )

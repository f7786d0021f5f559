"""KeyPackages: what a device publishes so that others can add it (RFC 9420 section 10)."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.codec import (
    CachedStruct,
    Struct,
    encode_opaque,
    layout,
    nested,
    opaque,
    uint16,
    vector,
)
from cloister.crypto.entropy import Entropy
from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import labels
from cloister.mls.credential import Credential
from cloister.mls.errors import RuleViolation
from cloister.mls.extension import Extension, check_distinct
from cloister.mls.leaf_node import LeafNode, Lifetime, make_capabilities
from cloister.mls.limits import MAX_MEMBER_EXTENSIONS
from cloister.mls.registry import LeafNodeSource, ProtocolVersion
from cloister.mls.rules import Rule
from cloister.mls.secret_field import secret
from cloister.mls.suite import Suite, suite_of


@layout
class KeyPackage(CachedStruct):
    """struct { version; cipher_suite; init_key; leaf_node; extensions<V>; signature<V>; }"""

    version: int = uint16()
    cipher_suite: int = uint16()
    init_key: bytes = opaque()
    leaf_node: LeafNode = nested(LeafNode)
    extensions: tuple[Extension, ...] = vector(Extension, max_items=MAX_MEMBER_EXTENSIONS)
    signature: bytes = opaque()

    def reference(self, suite: Suite) -> bytes:
        """KeyPackageRef (5.2), Nh bytes."""
        return suite.ref_hash(labels.KEY_PACKAGE_REFERENCE, self.encode())

    def to_be_signed(self) -> bytes:
        """KeyPackageTBS: everything before the signature, as received."""
        return self.encode()[: -len(encode_opaque(self.signature))]

    def check(self, suite: Suite) -> None:
        """Section 10.1 but for the leaf, which check_add judges. Raises RuleViolation."""
        if self.version != ProtocolVersion.MLS10:
            raise RuleViolation(Rule.VERSION)
        if self.cipher_suite != suite.code:
            raise RuleViolation(Rule.CIPHER_SUITE)
        if self.init_key == self.leaf_node.encryption_key:
            raise RuleViolation(Rule.INIT_KEY)
        check_distinct(self.extensions)
        suite.check_public_key(self.init_key)
        suite.verify_with_label(
            self.leaf_node.signature_key,
            labels.KEY_PACKAGE_TBS,
            self.to_be_signed(),
            self.signature,
            Rule.KEY_PACKAGE_SIGNATURE,
        )


@layout
class KeyPackageSecrets(Struct):
    """A KeyPackage with the private keys behind it. Secret, all of it but ``key_package``.

    ``init_key`` is deleted, with this value, as soon as its one Welcome has been joined.
    """

    key_package: bytes = opaque()
    init_key: Secret = secret()
    encryption_key: Secret = secret()
    signature_key: Secret = secret()

    def parsed(self) -> KeyPackage:
        """The KeyPackage. Raises DecodeError."""
        return KeyPackage.decode(self.key_package)

    @property
    def reference(self) -> bytes:
        """The KeyPackageRef by which a Welcome names it."""
        package = self.parsed()
        return package.reference(suite_of(package.cipher_suite))


def make_key_package(
    suite: int,
    *,
    signature_seed: Secret,
    credential: Credential,
    lifetime: Lifetime,
    leaf_extensions: Sequence[Extension] = (),
    extensions: Sequence[Extension] = (),
    supported_extensions: Sequence[int] = (),
    entropy: Entropy,
) -> KeyPackageSecrets:
    """Make a KeyPackage with fresh init and encryption keys.

    Args:
        suite: the cipher suite's code point.
        signature_seed: the device's signature key in stored form; an Ed25519 seed has 32 bytes.
        supported_extensions: extension types beyond the RFC's own; those of ``leaf_extensions``
            and ``extensions`` are added.
    """
    chosen = suite_of(suite)
    key = chosen.signature_key(signature_seed)
    init_key = chosen.generate_key_pair(entropy)
    encryption_key = chosen.generate_key_pair(entropy)
    leaf = make_key_package_leaf(
        chosen,
        key=key,
        encryption_key=encryption_key.public,
        credential=credential,
        lifetime=lifetime,
        leaf_extensions=leaf_extensions,
        supported_extensions=(*supported_extensions, *(one.extension_type for one in extensions)),
    )
    unsigned = KeyPackage(
        version=ProtocolVersion.MLS10,
        cipher_suite=chosen.code,
        init_key=init_key.public,
        leaf_node=leaf,
        extensions=tuple(extensions),
        signature=b"",
    )
    package = KeyPackage(
        version=unsigned.version,
        cipher_suite=unsigned.cipher_suite,
        init_key=unsigned.init_key,
        leaf_node=leaf,
        extensions=unsigned.extensions,
        signature=chosen.sign_with_label(key, labels.KEY_PACKAGE_TBS, unsigned.to_be_signed()),
    )
    return KeyPackageSecrets(
        key_package=package.encode(),
        init_key=init_key.seed,
        encryption_key=encryption_key.seed,
        signature_key=signature_seed,
    )


def make_key_package_leaf(
    suite: Suite,
    *,
    key: SignatureKey,
    encryption_key: bytes,
    credential: Credential,
    lifetime: Lifetime,
    leaf_extensions: Sequence[Extension],
    supported_extensions: Sequence[int],
) -> LeafNode:
    """A signed leaf with leaf_node_source key_package: a KeyPackage's, or a group creator's."""
    types = set(supported_extensions) | {one.extension_type for one in leaf_extensions}
    leaf = LeafNode(
        encryption_key=encryption_key,
        signature_key=key.public,
        credential=credential,
        capabilities=make_capabilities(suite, sorted(types)),
        source=LeafNodeSource.KEY_PACKAGE,
        lifetime=lifetime,
        extensions=tuple(leaf_extensions),
    )
    return leaf.signed(suite, key, b"", 0)

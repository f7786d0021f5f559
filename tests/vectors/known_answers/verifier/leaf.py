"""LeafNode, KeyPackage and what they are made of (RFC 9420, sections 5.3, 7.2 and 10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vectors.known_answers.verifier.codec import (
    Reader,
    items,
    opaque,
    uint8,
    uint16,
    uint16s,
    uint32,
    uint64,
)
from vectors.known_answers.verifier.failure import Failure, require

if TYPE_CHECKING:
    from vectors.known_answers.verifier.suites import Suite

MLS10 = 1
BASIC, X509 = 1, 2
KEY_PACKAGE, UPDATE, COMMIT = 1, 2, 3
APPLICATION_ID, RATCHET_TREE, REQUIRED_CAPABILITIES, EXTERNAL_PUB, EXTERNAL_SENDERS = range(1, 6)


@dataclass(frozen=True)
class Extension:
    extension_type: int
    extension_data: bytes

    @classmethod
    def read(cls, reader: Reader) -> Extension:
        return cls(reader.uint16(), reader.opaque())

    def encode(self) -> bytes:
        return uint16(self.extension_type) + opaque(self.extension_data)


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """``Extension extensions<V>``; a type may appear once (section 13.4)."""
    extensions = reader.items(Extension.read)
    types = [extension.extension_type for extension in extensions]
    require(len(types) == len(set(types)), "an extension type appears twice in a list")
    return extensions


def find_extension(extensions: tuple[Extension, ...], extension_type: int) -> bytes | None:
    """The data of the extension of a type."""
    for extension in extensions:
        if extension.extension_type == extension_type:
            return extension.extension_data
    return None


@dataclass(frozen=True)
class Certificate:
    cert_data: bytes

    @classmethod
    def read(cls, reader: Reader) -> Certificate:
        return cls(reader.opaque())

    def encode(self) -> bytes:
        return opaque(self.cert_data)


@dataclass(frozen=True)
class Credential:
    credential_type: int
    identity: bytes = b""
    certificates: tuple[Certificate, ...] = ()

    @classmethod
    def read(cls, reader: Reader) -> Credential:
        credential_type = reader.uint16()
        if credential_type == BASIC:
            return cls(BASIC, identity=reader.opaque())
        if credential_type == X509:
            return cls(X509, certificates=reader.items(Certificate.read))
        raise Failure(f"credential type {credential_type} has no known form")

    def encode(self) -> bytes:
        body = opaque(self.identity) if self.credential_type == BASIC else items(self.certificates)
        return uint16(self.credential_type) + body


@dataclass(frozen=True)
class Capabilities:
    versions: tuple[int, ...]
    cipher_suites: tuple[int, ...]
    extensions: tuple[int, ...]
    proposals: tuple[int, ...]
    credentials: tuple[int, ...]

    @classmethod
    def read(cls, reader: Reader) -> Capabilities:
        return cls(*(reader.items(Reader.uint16) for _ in range(5)))

    def encode(self) -> bytes:
        return b"".join(
            map(
                uint16s,
                (
                    self.versions,
                    self.cipher_suites,
                    self.extensions,
                    self.proposals,
                    self.credentials,
                ),
            )
        )


@dataclass(frozen=True)
class LeafNode:
    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: int
    # not_before and not_after, if the source is key_package.
    lifetime: tuple[int, int] | None
    # If the source is commit.
    parent_hash: bytes | None
    extensions: tuple[Extension, ...]
    signature: bytes

    @classmethod
    def read(cls, reader: Reader) -> LeafNode:
        encryption_key, signature_key = reader.opaque(), reader.opaque()
        credential, capabilities = Credential.read(reader), Capabilities.read(reader)
        source = reader.uint8()
        require(source in {KEY_PACKAGE, UPDATE, COMMIT}, "a leaf_node_source is unknown")
        lifetime = (reader.uint64(), reader.uint64()) if source == KEY_PACKAGE else None
        parent_hash = reader.opaque() if source == COMMIT else None
        return cls(
            encryption_key,
            signature_key,
            credential,
            capabilities,
            source,
            lifetime,
            parent_hash,
            read_extensions(reader),
            reader.opaque(),
        )

    def _unsigned(self) -> bytes:
        data = opaque(self.encryption_key) + opaque(self.signature_key)
        data += self.credential.encode() + self.capabilities.encode() + uint8(self.source)
        if self.lifetime is not None:
            data += uint64(self.lifetime[0]) + uint64(self.lifetime[1])
        if self.parent_hash is not None:
            data += opaque(self.parent_hash)
        return data + items(self.extensions)

    def encode(self) -> bytes:
        return self._unsigned() + opaque(self.signature)

    def signed_part(self, group_id: bytes, leaf_index: int) -> bytes:
        """LeafNodeTBS; group and index count only for a leaf made inside a group."""
        if self.source == KEY_PACKAGE:
            return self._unsigned()
        return self._unsigned() + opaque(group_id) + uint32(leaf_index)

    def verify(self, suite: Suite, group_id: bytes, leaf_index: int) -> None:
        """Stop unless the leaf is signed with its own signature key."""
        signed = self.signed_part(group_id, leaf_index)
        suite.verify_with_label(self.signature_key, "LeafNodeTBS", signed, self.signature)


@dataclass(frozen=True)
class KeyPackage:
    version: int
    cipher_suite: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: tuple[Extension, ...]
    signature: bytes

    @classmethod
    def read(cls, reader: Reader) -> KeyPackage:
        return cls(
            reader.uint16(),
            reader.uint16(),
            reader.opaque(),
            LeafNode.read(reader),
            read_extensions(reader),
            reader.opaque(),
        )

    def _unsigned(self) -> bytes:
        head = uint16(self.version) + uint16(self.cipher_suite) + opaque(self.init_key)
        return head + self.leaf_node.encode() + items(self.extensions)

    def encode(self) -> bytes:
        return self._unsigned() + opaque(self.signature)

    def reference(self, suite: Suite) -> bytes:
        """KeyPackageRef (section 5.2)."""
        return suite.ref_hash("MLS 1.0 KeyPackage Reference", self.encode())

    def verify(self, suite: Suite) -> None:
        """Stop unless the key package is valid (section 10.1), its leaf's contents apart."""
        require(self.version == MLS10, "a key package is of another version")
        require(self.cipher_suite == suite.code, "a key package is of another suite")
        require(self.leaf_node.source == KEY_PACKAGE, "a key package's leaf has another source")
        require(self.init_key != self.leaf_node.encryption_key, "init_key is the encryption_key")
        suite.check_key_length(self.init_key)
        self.leaf_node.verify(suite, b"", 0)
        suite.verify_with_label(
            self.leaf_node.signature_key, "KeyPackageTBS", self._unsigned(), self.signature
        )

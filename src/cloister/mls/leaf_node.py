"""Leaf nodes: a member's keys, credential and capabilities (RFC 9420 section 7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cloister.codec import (
    CachedStruct,
    Reader,
    Struct,
    Writer,
    code_points,
    kind_of,
    layout,
    uint64,
    vector,
)
from cloister.crypto.scheme import SignatureKey
from cloister.mls import labels
from cloister.mls.credential import Credential
from cloister.mls.extension import Extension, check_distinct
from cloister.mls.limits import MAX_CODE_POINTS, MAX_MEMBER_EXTENSIONS
from cloister.mls.registry import (
    DEFAULT_EXTENSION_TYPES,
    CredentialType,
    LeafNodeSource,
    ProtocolVersion,
)
from cloister.mls.rules import Rule
from cloister.mls.suite import Suite

_SOURCES: Final = {int(source): source for source in LeafNodeSource}


@layout
class Capabilities(Struct):
    """What a member's software supports; the RFC's own types need not be listed."""

    versions: Sequence[int] = code_points(MAX_CODE_POINTS)
    cipher_suites: Sequence[int] = code_points(MAX_CODE_POINTS)
    extensions: Sequence[int] = code_points(MAX_CODE_POINTS)
    proposals: Sequence[int] = code_points(MAX_CODE_POINTS)
    credentials: Sequence[int] = code_points(MAX_CODE_POINTS)

    def include(self, extensions: Sequence[Extension]) -> bool:
        """Whether the types of these extensions are the RFC's own or are listed here."""
        # Both lists are foreign and may be long: searched one in the other they are a weapon.
        listed = frozenset(self.extensions)
        return all(
            one.extension_type in DEFAULT_EXTENSION_TYPES or one.extension_type in listed
            for one in extensions
        )


@layout
class Lifetime(Struct):
    """Seconds since the epoch between which a KeyPackage may be used."""

    not_before: int = uint64()
    not_after: int = uint64()

    def includes(self, now: int) -> bool:
        """Whether ``now`` lies within."""
        return self.not_before <= now <= self.not_after


def make_capabilities(suite: Suite, supported_extensions: Sequence[int]) -> Capabilities:
    """What Cloister supports: one version, one suite, basic credentials, these extensions."""
    return Capabilities(
        versions=(ProtocolVersion.MLS10,),
        cipher_suites=(suite.code,),
        extensions=tuple(
            sorted(one for one in supported_extensions if one not in DEFAULT_EXTENSION_TYPES)
        ),
        proposals=(),
        credentials=(CredentialType.BASIC,),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafNode(CachedStruct):
    """A leaf of the ratchet tree.

    The codec is written by hand because lifetime and parent_hash exist only for their own
    leaf_node_source.
    """

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafNodeSource
    lifetime: Lifetime | None = None
    parent_hash: bytes = b""
    extensions: tuple[Extension, ...] = ()
    signature: bytes = b""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a leaf node and keep the bytes it was read from."""
        start = reader.position
        encryption_key = reader.opaque()
        signature_key = reader.opaque()
        credential = Credential.read(reader)
        capabilities = Capabilities.read(reader)
        code = reader.uint8()
        source = _SOURCES.get(code)
        if source is None:
            raise reader.fail(f"{code} is not a leaf_node_source")
        lifetime: Lifetime | None = None
        parent_hash = b""
        if source is LeafNodeSource.KEY_PACKAGE:
            lifetime = Lifetime.read(reader)
        elif source is LeafNodeSource.COMMIT:
            parent_hash = reader.opaque()
        extensions = read_extensions(reader)
        leaf = cls(
            encryption_key=encryption_key,
            signature_key=signature_key,
            credential=credential,
            capabilities=capabilities,
            source=source,
            lifetime=lifetime,
            parent_hash=parent_hash,
            extensions=extensions,
            signature=reader.opaque(),
        )
        object.__setattr__(leaf, "_encoded", reader.data[start : reader.position])
        return leaf

    def write(self, writer: Writer) -> None:
        """Write the leaf node."""
        writer.raw(self.encode())

    def encode(self) -> bytes:
        """The encoding, built at most once."""
        try:
            return self._encoded
        except AttributeError:
            writer = Writer()
            self._write_content(writer)
            writer.opaque(self.signature)
            encoded = writer.getvalue()
            object.__setattr__(self, "_encoded", encoded)
            return encoded

    def _write_content(self, writer: Writer) -> None:
        writer.opaque(self.encryption_key)
        writer.opaque(self.signature_key)
        self.credential.write(writer)
        self.capabilities.write(writer)
        writer.uint8(self.source)
        if self.lifetime is not None:
            self.lifetime.write(writer)
        elif self.source == LeafNodeSource.COMMIT:
            writer.opaque(self.parent_hash)
        write_extensions(writer, self.extensions)

    def _to_be_signed(self, group_id: bytes, leaf_index: int) -> bytes:
        """LeafNodeTBS: the received content, then for update and commit where it stands."""
        signature = Writer()
        signature.opaque(self.signature)
        content = self.encode()[: -len(signature.getvalue())]
        if self.source == LeafNodeSource.KEY_PACKAGE:
            return content
        place = Writer()
        place.opaque(group_id)
        place.uint32(leaf_index)
        return content + place.getvalue()

    def signed(self, suite: Suite, key: SignatureKey, group_id: bytes, leaf_index: int) -> LeafNode:
        """This leaf with its signature for its place (ignored for a KeyPackage's leaf)."""
        signature = suite.sign_with_label(
            key, labels.LEAF_NODE_TBS, self._to_be_signed(group_id, leaf_index)
        )
        return LeafNode(
            encryption_key=self.encryption_key,
            signature_key=self.signature_key,
            credential=self.credential,
            capabilities=self.capabilities,
            source=self.source,
            lifetime=self.lifetime,
            parent_hash=self.parent_hash,
            extensions=self.extensions,
            signature=signature,
        )

    def verify(self, suite: Suite, group_id: bytes, leaf_index: int) -> None:
        """Verify the signature for this place. Raises RuleViolation."""
        suite.verify_with_label(
            self.signature_key,
            labels.LEAF_NODE_TBS,
            self._to_be_signed(group_id, leaf_index),
            self.signature,
            Rule.LEAF_SIGNATURE,
        )


_EXTENSIONS: Final = kind_of(vector(Extension, max_items=MAX_MEMBER_EXTENSIONS))


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """Read ``Extension extensions<V>``, refusing a type that occurs twice."""
    extensions = _EXTENSIONS.read(reader)
    check_distinct(extensions)
    return extensions


def write_extensions(writer: Writer, extensions: Sequence[Extension]) -> None:
    """Write ``Extension extensions<V>``."""
    _EXTENSIONS.write(writer, tuple(extensions))

"""Proposals (RFC 9420 section 12.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cloister.codec import (
    CachedStruct,
    Reader,
    Struct,
    Writer,
    layout,
    nested,
    opaque,
    uint16,
    uint32,
    vector,
)
from cloister.mls import labels
from cloister.mls.extension import Extension
from cloister.mls.key_package import KeyPackage
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import MAX_EXTENSIONS
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import ProposalOrRefType, ProposalType
from cloister.mls.suite import Suite


@layout
class Add(Struct):
    """Add a client by its KeyPackage (12.1.1)."""

    key_package: KeyPackage = nested(KeyPackage)


@layout
class Update(Struct):
    """Replace the sender's leaf (12.1.2)."""

    leaf_node: LeafNode = nested(LeafNode)


@layout
class Remove(Struct):
    """Remove the member at a leaf (12.1.3)."""

    removed: int = uint32()


@layout
class PreSharedKey(Struct):
    """Mix a pre-shared key into the key schedule (12.1.4)."""

    psk: PreSharedKeyId = nested(PreSharedKeyId)


@layout
class ReInit(Struct):
    """Close the group in favour of another (12.1.5)."""

    group_id: bytes = opaque()
    version: int = uint16()
    cipher_suite: int = uint16()
    extensions: tuple[Extension, ...] = vector(Extension, max_items=MAX_EXTENSIONS)


@layout
class ExternalInit(Struct):
    """The key encapsulation of an external commit (12.1.6)."""

    kem_output: bytes = opaque()


@layout
class GroupContextExtensions(Struct):
    """Replace the extensions of the group context (12.1.7)."""

    extensions: tuple[Extension, ...] = vector(Extension, max_items=MAX_EXTENSIONS)


ProposalBody = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions

_BODIES: dict[int, type[ProposalBody]] = {
    ProposalType.ADD: Add,
    ProposalType.UPDATE: Update,
    ProposalType.REMOVE: Remove,
    ProposalType.PSK: PreSharedKey,
    ProposalType.REINIT: ReInit,
    ProposalType.EXTERNAL_INIT: ExternalInit,
    ProposalType.GROUP_CONTEXT_EXTENSIONS: GroupContextExtensions,
}
_TYPES: dict[type[ProposalBody], ProposalType] = {
    body: ProposalType(code) for code, body in _BODIES.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(CachedStruct):
    """A proposal of one of the RFC's types; the class of ``body`` is its type.

    A proposal of an unknown type cannot even be skipped, because its length is not on the wire.
    """

    body: ProposalBody

    @property
    def proposal_type(self) -> ProposalType:
        """The code point."""
        return _TYPES[type(self.body)]

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read type and body, keeping the bytes."""
        start = reader.position
        code = reader.uint16()
        body = _BODIES.get(code)
        if body is None:
            raise reader.fail(f"proposal type {code} is unknown")
        proposal = cls(body=body.read(reader))
        object.__setattr__(proposal, "_encoded", reader.data[start : reader.position])
        return proposal

    def write(self, writer: Writer) -> None:
        """Write type and body."""
        writer.raw(self.encode())

    def encode(self) -> bytes:
        """The encoding, built at most once."""
        try:
            return self._encoded
        except AttributeError:
            encoded = self.proposal_type.to_bytes(2, "big") + self.body.encode()
            object.__setattr__(self, "_encoded", encoded)
            return encoded


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalOrRef(Struct):
    """A proposal in a commit, by value or by the hash of the message that carried it (12.4)."""

    proposal: Proposal | None = None
    reference: bytes = b""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a ProposalOrRef."""
        kind = reader.uint8()
        if kind == ProposalOrRefType.PROPOSAL:
            return cls(proposal=Proposal.read(reader))
        if kind == ProposalOrRefType.REFERENCE:
            return cls(reference=reader.opaque())
        raise reader.fail(f"{kind} is not a ProposalOrRefType")

    def write(self, writer: Writer) -> None:
        """Write a ProposalOrRef."""
        if self.proposal is not None:
            writer.uint8(ProposalOrRefType.PROPOSAL)
            self.proposal.write(writer)
        else:
            writer.uint8(ProposalOrRefType.REFERENCE)
            writer.opaque(self.reference)


def proposal_reference(suite: Suite, authenticated_content: bytes) -> bytes:
    """ProposalRef: the RefHash of the AuthenticatedContent that carried the proposal (5.2)."""
    return suite.ref_hash(labels.PROPOSAL_REFERENCE, authenticated_content)

"""UpdatePath and Commit (RFC 9420, sections 7.6 and 12.4)."""

from __future__ import annotations

from dataclasses import dataclass

from vectors.known_answers.verifier.codec import Reader, items, opaque, optional, uint8
from vectors.known_answers.verifier.failure import require
from vectors.known_answers.verifier.leaf import LeafNode
from vectors.known_answers.verifier.proposals import Proposal


@dataclass(frozen=True)
class HPKECiphertext:
    kem_output: bytes
    ciphertext: bytes

    @classmethod
    def read(cls, reader: Reader) -> HPKECiphertext:
        return cls(reader.opaque(), reader.opaque())

    def encode(self) -> bytes:
        return opaque(self.kem_output) + opaque(self.ciphertext)


@dataclass(frozen=True)
class UpdatePathNode:
    encryption_key: bytes
    encrypted_path_secret: tuple[HPKECiphertext, ...]

    @classmethod
    def read(cls, reader: Reader) -> UpdatePathNode:
        return cls(reader.opaque(), reader.items(HPKECiphertext.read))

    def encode(self) -> bytes:
        return opaque(self.encryption_key) + items(self.encrypted_path_secret)


@dataclass(frozen=True)
class UpdatePath:
    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    @classmethod
    def read(cls, reader: Reader) -> UpdatePath:
        return cls(LeafNode.read(reader), reader.items(UpdatePathNode.read))

    def encode(self) -> bytes:
        return self.leaf_node.encode() + items(self.nodes)


@dataclass(frozen=True)
class ProposalOrRef:
    """A proposal by value, or the reference of one that was sent before."""

    proposal: Proposal | None
    reference: bytes = b""

    @classmethod
    def read(cls, reader: Reader) -> ProposalOrRef:
        kind = reader.uint8()
        if kind == 1:
            return cls(Proposal.read(reader))
        require(kind == 2, "a ProposalOrRefType is unknown")
        return cls(None, reader.opaque())

    def encode(self) -> bytes:
        if self.proposal is not None:
            return uint8(1) + self.proposal.encode()
        return uint8(2) + opaque(self.reference)


@dataclass(frozen=True)
class Commit:
    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None

    @classmethod
    def read(cls, reader: Reader) -> Commit:
        return cls(reader.items(ProposalOrRef.read), reader.optional(UpdatePath.read))

    def encode(self) -> bytes:
        return items(self.proposals) + optional(self.path)

"""Proposals and the identifiers of pre-shared keys (RFC 9420, sections 8.4 and 12.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from vectors.known_answers.verifier.codec import (
    Reader,
    items,
    opaque,
    uint8,
    uint16,
    uint32,
    uint64,
)
from vectors.known_answers.verifier.failure import Failure, require
from vectors.known_answers.verifier.leaf import Extension, KeyPackage, LeafNode, read_extensions

EXTERNAL, RESUMPTION = 1, 2
USAGE_APPLICATION, USAGE_REINIT, USAGE_BRANCH = 1, 2, 3


@dataclass(frozen=True)
class PreSharedKeyID:
    psk_type: int
    psk_nonce: bytes
    # If the type is external.
    psk_id: bytes = b""
    # If it is resumption.
    usage: int = 0
    psk_group_id: bytes = b""
    psk_epoch: int = 0

    @classmethod
    def read(cls, reader: Reader) -> PreSharedKeyID:
        psk_type = reader.uint8()
        if psk_type == EXTERNAL:
            psk_id = reader.opaque()
            return cls(EXTERNAL, reader.opaque(), psk_id=psk_id)
        require(psk_type == RESUMPTION, "a psktype is unknown")
        usage, group_id, epoch = reader.uint8(), reader.opaque(), reader.uint64()
        require(usage in {1, 2, 3}, "the usage of a resumption PSK is unknown")
        return cls(RESUMPTION, reader.opaque(), usage=usage, psk_group_id=group_id, psk_epoch=epoch)

    def encode(self) -> bytes:
        if self.psk_type == EXTERNAL:
            body = opaque(self.psk_id)
        else:
            body = uint8(self.usage) + opaque(self.psk_group_id) + uint64(self.psk_epoch)
        return uint8(self.psk_type) + body + opaque(self.psk_nonce)


@dataclass(frozen=True)
class Add:
    CODE: ClassVar[int] = 1
    key_package: KeyPackage

    @classmethod
    def read(cls, reader: Reader) -> Add:
        return cls(KeyPackage.read(reader))

    def encode(self) -> bytes:
        return self.key_package.encode()


@dataclass(frozen=True)
class Update:
    CODE: ClassVar[int] = 2
    leaf_node: LeafNode

    @classmethod
    def read(cls, reader: Reader) -> Update:
        return cls(LeafNode.read(reader))

    def encode(self) -> bytes:
        return self.leaf_node.encode()


@dataclass(frozen=True)
class Remove:
    CODE: ClassVar[int] = 3
    removed: int

    @classmethod
    def read(cls, reader: Reader) -> Remove:
        return cls(reader.uint32())

    def encode(self) -> bytes:
        return uint32(self.removed)


@dataclass(frozen=True)
class PreSharedKey:
    CODE: ClassVar[int] = 4
    psk: PreSharedKeyID

    @classmethod
    def read(cls, reader: Reader) -> PreSharedKey:
        return cls(PreSharedKeyID.read(reader))

    def encode(self) -> bytes:
        return self.psk.encode()


@dataclass(frozen=True)
class ReInit:
    CODE: ClassVar[int] = 5
    group_id: bytes
    version: int
    cipher_suite: int
    extensions: tuple[Extension, ...]

    @classmethod
    def read(cls, reader: Reader) -> ReInit:
        return cls(reader.opaque(), reader.uint16(), reader.uint16(), read_extensions(reader))

    def encode(self) -> bytes:
        head = opaque(self.group_id) + uint16(self.version) + uint16(self.cipher_suite)
        return head + items(self.extensions)


@dataclass(frozen=True)
class ExternalInit:
    CODE: ClassVar[int] = 6
    kem_output: bytes

    @classmethod
    def read(cls, reader: Reader) -> ExternalInit:
        return cls(reader.opaque())

    def encode(self) -> bytes:
        return opaque(self.kem_output)


@dataclass(frozen=True)
class GroupContextExtensions:
    CODE: ClassVar[int] = 7
    extensions: tuple[Extension, ...]

    @classmethod
    def read(cls, reader: Reader) -> GroupContextExtensions:
        return cls(read_extensions(reader))

    def encode(self) -> bytes:
        return items(self.extensions)


Body = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions

BODIES: dict[int, type[Body]] = {
    body.CODE: body
    for body in (Add, Update, Remove, PreSharedKey, ReInit, ExternalInit, GroupContextExtensions)
}


@dataclass(frozen=True)
class Proposal:
    body: Body

    @classmethod
    def read(cls, reader: Reader) -> Proposal:
        code = reader.uint16()
        if code not in BODIES:
            raise Failure(f"proposal type {code} has no known form")
        return cls(BODIES[code].read(reader))

    def encode(self) -> bytes:
        return uint16(self.body.CODE) + self.body.encode()

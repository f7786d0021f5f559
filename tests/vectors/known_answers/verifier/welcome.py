"""GroupContext, GroupInfo, GroupSecrets, Welcome (RFC 9420, sections 8.1 and 12.4.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vectors.known_answers.verifier.codec import (
    Reader,
    items,
    opaque,
    optional,
    uint16,
    uint32,
    uint64,
)
from vectors.known_answers.verifier.commit import HPKECiphertext
from vectors.known_answers.verifier.failure import require
from vectors.known_answers.verifier.leaf import MLS10, Extension, read_extensions
from vectors.known_answers.verifier.proposals import PreSharedKeyID

if TYPE_CHECKING:
    from vectors.known_answers.verifier.suites import Suite


@dataclass(frozen=True)
class GroupContext:
    cipher_suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: tuple[Extension, ...]

    @classmethod
    def read(cls, reader: Reader) -> GroupContext:
        require(reader.uint16() == MLS10, "a group is of another version")
        return cls(
            reader.uint16(),
            reader.opaque(),
            reader.uint64(),
            reader.opaque(),
            reader.opaque(),
            read_extensions(reader),
        )

    def encode(self) -> bytes:
        head = uint16(MLS10) + uint16(self.cipher_suite) + opaque(self.group_id)
        head += uint64(self.epoch) + opaque(self.tree_hash)
        return head + opaque(self.confirmed_transcript_hash) + items(self.extensions)


@dataclass(frozen=True)
class GroupInfo:
    group_context: GroupContext
    extensions: tuple[Extension, ...]
    confirmation_tag: bytes
    signer: int
    signature: bytes

    @classmethod
    def read(cls, reader: Reader) -> GroupInfo:
        return cls(
            GroupContext.read(reader),
            read_extensions(reader),
            reader.opaque(),
            reader.uint32(),
            reader.opaque(),
        )

    def _unsigned(self) -> bytes:
        head = self.group_context.encode() + items(self.extensions)
        return head + opaque(self.confirmation_tag) + uint32(self.signer)

    def encode(self) -> bytes:
        return self._unsigned() + opaque(self.signature)

    def verify(self, suite: Suite, public: bytes) -> None:
        """Stop unless the GroupInfo is signed with the key."""
        suite.verify_with_label(public, "GroupInfoTBS", self._unsigned(), self.signature)


@dataclass(frozen=True)
class PathSecret:
    path_secret: bytes

    @classmethod
    def read(cls, reader: Reader) -> PathSecret:
        return cls(reader.opaque())

    def encode(self) -> bytes:
        return opaque(self.path_secret)


@dataclass(frozen=True)
class GroupSecrets:
    joiner_secret: bytes
    path_secret: PathSecret | None
    psks: tuple[PreSharedKeyID, ...]

    @classmethod
    def read(cls, reader: Reader) -> GroupSecrets:
        joiner_secret, path_secret = reader.opaque(), reader.optional(PathSecret.read)
        return cls(joiner_secret, path_secret, reader.items(PreSharedKeyID.read))

    def encode(self) -> bytes:
        return opaque(self.joiner_secret) + optional(self.path_secret) + items(self.psks)


@dataclass(frozen=True)
class EncryptedGroupSecrets:
    new_member: bytes
    encrypted_group_secrets: HPKECiphertext

    @classmethod
    def read(cls, reader: Reader) -> EncryptedGroupSecrets:
        return cls(reader.opaque(), HPKECiphertext.read(reader))

    def encode(self) -> bytes:
        return opaque(self.new_member) + self.encrypted_group_secrets.encode()


@dataclass(frozen=True)
class Welcome:
    cipher_suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    @classmethod
    def read(cls, reader: Reader) -> Welcome:
        secrets = (reader.uint16(), reader.items(EncryptedGroupSecrets.read))
        return cls(*secrets, reader.opaque())

    def encode(self) -> bytes:
        head = uint16(self.cipher_suite) + items(self.secrets)
        return head + opaque(self.encrypted_group_info)

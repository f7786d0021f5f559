"""Credentials (RFC 9420 section 5.3).

What a credential says about a person is for the application to judge; the engine carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from cloister.codec import OPAQUE, Reader, Struct, Writer, kind_of, vector
from cloister.mls.limits import MAX_CERTIFICATES
from cloister.mls.registry import CredentialType

_CERTIFICATES: Final = kind_of(vector(OPAQUE, max_items=MAX_CERTIFICATES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential(Struct):
    """A credential of any type.

    Both types of the RFC are one variable-length vector behind the type, so ``data`` is the
    content of that vector: the identity of a basic credential, the encoded certificates of an
    X.509 one.
    """

    credential_type: int
    data: bytes

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read a credential; the certificates of an X.509 one must be well-formed vectors."""
        credential_type = reader.uint16()
        start = reader.position
        data = reader.opaque()
        if credential_type == CredentialType.X509:
            reader.position = start
            _CERTIFICATES.read(reader)
        return cls(credential_type=credential_type, data=data)

    def write(self, writer: Writer) -> None:
        """Write type and content."""
        writer.uint16(self.credential_type)
        writer.opaque(self.data)


def basic_credential(identity: bytes) -> Credential:
    """A basic credential: an application-defined identity."""
    return Credential(credential_type=CredentialType.BASIC, data=identity)

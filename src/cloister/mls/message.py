"""MLSMessage: the outermost structure, by wire format (RFC 9420 section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cloister.codec import Reader, Struct, Writer
from cloister.mls.key_package import KeyPackage
from cloister.mls.private_message import PrivateMessage
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import ProtocolVersion, WireFormat
from cloister.mls.welcome import GroupInfo, Welcome

MessageBody = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_BODIES: dict[int, type[MessageBody]] = {
    WireFormat.PUBLIC_MESSAGE: PublicMessage,
    WireFormat.PRIVATE_MESSAGE: PrivateMessage,
    WireFormat.WELCOME: Welcome,
    WireFormat.GROUP_INFO: GroupInfo,
    WireFormat.KEY_PACKAGE: KeyPackage,
}
_FORMATS: dict[type[MessageBody], WireFormat] = {
    body: WireFormat(code) for code, body in _BODIES.items()
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MLSMessage(Struct):
    """struct { version; wire_format; body; } MLSMessage; the class of ``body`` is its format."""

    body: MessageBody

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read an MLSMessage of version mls10."""
        if reader.uint16() != ProtocolVersion.MLS10:
            raise reader.fail("not MLS 1.0")
        code = reader.uint16()
        body = _BODIES.get(code)
        if body is None:
            raise reader.fail(f"wire format {code} is unknown")
        return cls(body=body.read(reader))

    def write(self, writer: Writer) -> None:
        """Write version, format and body."""
        writer.uint16(ProtocolVersion.MLS10)
        writer.uint16(_FORMATS[type(self.body)])
        self.body.write(writer)

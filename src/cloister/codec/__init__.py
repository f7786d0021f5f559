"""The presentation language of RFC 9420 section 2.1: every signed or hashed byte of Cloister.

Canonical by construction: lengths are minimal, booleans are 0 or 1, nothing may follow. A value
has one encoding and an encoding has one value.
"""

from cloister.codec.code_points import CodePoints, code_points
from cloister.codec.errors import DecodeError, EncodeError
from cloister.codec.fields import (
    OPAQUE,
    TEXT,
    UINT16,
    UINT32,
    UINT64,
    FieldKind,
    enum8,
    enum16,
    fixed,
    flag,
    kind_of,
    nested,
    opaque,
    optional,
    text,
    uint8,
    uint16,
    uint32,
    uint64,
    vector,
)
from cloister.codec.layout import CachedStruct, Struct, layout
from cloister.codec.reader import Reader
from cloister.codec.writer import MAX_VARINT, Writer, encode_opaque, encode_varint

__all__ = [
    "MAX_VARINT",
    "OPAQUE",
    "TEXT",
    "UINT16",
    "UINT32",
    "UINT64",
    "CachedStruct",
    "CodePoints",
    "DecodeError",
    "EncodeError",
    "FieldKind",
    "Reader",
    "Struct",
    "Writer",
    "code_points",
    "encode_opaque",
    "encode_varint",
    "enum8",
    "enum16",
    "fixed",
    "flag",
    "kind_of",
    "layout",
    "nested",
    "opaque",
    "optional",
    "text",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "vector",
]

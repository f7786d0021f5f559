"""What the stream of an archive says: blocks of rows, each block with its section and columns.

    uint32 length || Block, again and again; a length of 0 ends it, and zeros fill the last part.

A block names its columns, so a reader passes over those, and whole sections, that it does not know,
and finds what a later program has added beside what it knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from typing import Final

import msgspec

from cloister.codec import DecodeError, EncodeError, Reader, Writer
from cloister.device.archive.errors import ArchiveDamaged

MAX_BLOCK_BYTES: Final = 256 * 1024
"""Held in memory at once, several times over as rows; one text with its row is a fifth of it."""
FULL_BYTES: Final = 128 * 1024
"""From here on a writer begins another block."""
MAX_COLUMNS: Final = 64
MAX_ROWS: Final = 4096
_LENGTH_BYTES: Final = 4
_NAME: Final = re.compile(rb"[a-z][a-z_]{0,31}")

Value = int | bytes | str


class ColumnKind(IntEnum):
    """What the values of a column are."""

    INTEGER = 1
    """Eight bytes, two's complement."""
    BYTES = 2
    TEXT = 3


class Column(msgspec.Struct, frozen=True):
    """A column by name and kind."""

    name: str
    kind: ColumnKind


class Block(msgspec.Struct, frozen=True):
    """Rows of one section.  A value stands under the column at its place."""

    section: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]

    def encode(self) -> bytes:
        """struct { opaque section<V>; Column columns<V>; uint32 rows; values } Block, with
        struct { opaque name<V>; uint8 kind; } Column."""
        writer = Writer()
        writer.opaque(_encoded_name(self.section))
        columns = Writer()
        for column in self.columns:
            columns.opaque(_encoded_name(column.name))
            columns.uint8(column.kind)
        writer.opaque(columns.getvalue())
        writer.uint32(len(self.rows))
        for row in self.rows:
            for column, value in zip(self.columns, row, strict=True):
                _write_value(writer, column.kind, value)
        return writer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Block:
        """Read a block.  Raises ``DecodeError`` for anything but the one encoding of one."""
        reader = Reader(data)
        section = _name(reader)
        columns: list[Column] = []
        inner = reader.vector()
        while not inner.at_end:
            if len(columns) == MAX_COLUMNS:
                raise inner.fail("too many columns")
            name, kind = _name(inner), inner.uint8()
            if kind not in _KINDS:
                raise inner.fail("a column of an unknown kind")
            columns.append(Column(name, ColumnKind(kind)))
        if not columns or len({column.name for column in columns}) != len(columns):
            raise reader.fail("no column, or one twice")
        count = reader.uint32()
        if not 0 < count <= MAX_ROWS:
            raise reader.fail("no rows, or too many")
        kinds = [column.kind for column in columns]
        rows = [tuple([_read_value(reader, kind) for kind in kinds]) for _ in range(count)]
        reader.finish()
        return cls(section, tuple(columns), tuple(rows))


_KINDS: Final = frozenset(ColumnKind)


def _encoded_name(name: str) -> bytes:
    encoded = name.encode("ascii", "replace")
    if not _NAME.fullmatch(encoded):
        raise EncodeError(f"{name!r} cannot be the name of a section or column")
    return encoded


def _name(reader: Reader) -> str:
    encoded = reader.opaque()
    if not _NAME.fullmatch(encoded):
        raise reader.fail("not the name of a section or column")
    return encoded.decode("ascii")


def _write_value(writer: Writer, kind: ColumnKind, value: Value) -> None:
    match kind, value:
        case ColumnKind.INTEGER, int():
            try:
                writer.raw(int(value).to_bytes(8, "big", signed=True))
            except OverflowError:
                raise EncodeError("an integer does not fit") from None
        case ColumnKind.BYTES, bytes():
            writer.opaque(value)
        case ColumnKind.TEXT, str():
            try:
                writer.opaque(value.encode("utf-8"))
            except UnicodeEncodeError:
                raise EncodeError("text has a lone surrogate") from None
        case _:
            raise EncodeError("a value is of another kind than its column")


def _read_value(reader: Reader, kind: ColumnKind) -> Value:
    if kind is ColumnKind.INTEGER:
        return int.from_bytes(reader.raw(8), "big", signed=True)
    value = reader.opaque()
    if kind is ColumnKind.BYTES:
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise reader.fail("text is not UTF-8") from None


def framed(section: str, columns: Sequence[Column], rows: Iterable[Sequence[Value]]) -> bytes:
    """Return rows as blocks of a moderate size, each with its length."""
    parts: list[bytes] = []
    waiting: list[tuple[Value, ...]] = []
    size = 0

    def flush() -> None:
        nonlocal size
        if waiting:
            parts.append(_frame(Block(section, tuple(columns), tuple(waiting))))
        waiting.clear()
        size = 0

    for row in rows:
        length = sum(map(_bytes_of, row))
        if waiting and (size + length > FULL_BYTES or len(waiting) == MAX_ROWS):
            flush()
        waiting.append(tuple(row))
        size += length
    flush()
    return b"".join(parts)


def _bytes_of(value: Value) -> int:
    """About as many bytes as a value takes."""
    if isinstance(value, int):
        return 8
    return 4 + len(value if isinstance(value, bytes) else value.encode("utf-8", "replace"))


def _frame(block: Block) -> bytes:
    data = block.encode()
    if len(data) > MAX_BLOCK_BYTES:
        raise EncodeError("a row is too long for a backup")
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


def blocks_in(parts: Iterable[bytes]) -> Iterator[Block]:
    """Yield the blocks of a stream that comes in parts; all of it is read.

    Raises ``ArchiveDamaged``, and what ``parts`` raises.
    """
    held = bytearray()
    is_over = False
    for part in parts:
        if is_over:
            raise ArchiveDamaged("something stands behind its last row")
        held += part
        while (length := _length(held)) is not None and not is_over:
            is_over = length == 0
            if is_over or len(held) < _LENGTH_BYTES + length:
                break
            data = bytes(held[_LENGTH_BYTES : _LENGTH_BYTES + length])
            del held[: _LENGTH_BYTES + length]
            try:
                block = Block.decode(data)
            except DecodeError as error:
                raise ArchiveDamaged(f"a block does not have its form: {error.reason}") from None
            yield block
        if is_over and any(held):
            raise ArchiveDamaged("something stands behind its last row")
    # A stream may end within the four zeros: they are filling then, and say the same.
    if not is_over and any(held):
        raise ArchiveDamaged("its last block is not whole")


def _length(held: bytearray) -> int | None:
    """Return how long the next block is, if that much has come."""
    if len(held) < _LENGTH_BYTES:
        return None
    length = int.from_bytes(held[:_LENGTH_BYTES], "big")
    if length > MAX_BLOCK_BYTES:
        raise ArchiveDamaged("a block is longer than any program writes")
    return length

"""The kinds of field a layout is made of.

A field kind knows how to read and write one value. The functions below are field specifiers:
they return the kind, but are typed as the value the field will hold, so that

    request: bytes = fixed(32)

is at once the layout for :func:`cloister.codec.layout.layout` and an honest annotation for the
type checker (PEP 681).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final, Generic, TypeVar, cast, overload

from cloister.codec.errors import EncodeError
from cloister.codec.reader import Reader
from cloister.codec.writer import MAX_VARINT, Writer

if TYPE_CHECKING:
    from cloister.codec.layout import Struct

V = TypeVar("V")
S = TypeVar("S", bound="Struct")
E = TypeVar("E", bound=IntEnum)


class FieldKind(Generic[V]):
    """How one value is read and written.

    Values that all have ``width`` bytes are read many at a time by ``read_row``, which gets the
    reader and how many; it need not look for the end.
    """

    __slots__ = ("read", "read_row", "width", "write")

    def __init__(
        self,
        read: Callable[[Reader], V],
        write: Callable[[Writer, V], None],
        *,
        width: int = 0,
        read_row: Callable[[Reader, int], tuple[V, ...]] | None = None,
    ) -> None:
        self.read = read
        self.write = write
        self.width = width
        self.read_row = read_row if width else None


def kind_of(specifier: V) -> FieldKind[V]:
    """The field kind that a specifier is, for codecs written by hand."""
    return cast("FieldKind[V]", specifier)


def _kind_of(item: object) -> FieldKind[object]:
    """The field kind behind a specifier or a structure class."""
    if isinstance(item, FieldKind):
        return item
    if isinstance(item, type) and hasattr(item, "read") and hasattr(item, "write"):
        return _nested(cast("type[Struct]", item))
    raise EncodeError(f"{item!r} is neither a field specifier nor a structure")


def _nested(structure: type[Struct]) -> FieldKind[object]:
    def write(writer: Writer, value: object) -> None:
        if not isinstance(value, structure):
            raise EncodeError(f"expected {structure.__name__}, got {type(value).__name__}")
        value.write(writer)

    return FieldKind(structure.read, write)


# Lists of integers are short. Their forms are made once, as making one costs as much as using it.
_FORMS: Final = {
    letter: tuple(struct.Struct(f">{count}{letter}") for count in range(64)) for letter in "BHIQ"
}


def _integer(
    read: Callable[[Reader], int], write: Callable[[Writer, int], None], letter: str
) -> int:
    """An unsigned integer for which the module struct has this letter."""
    forms = _FORMS[letter]
    width = forms[1].size

    def read_row(reader: Reader, count: int) -> tuple[int, ...]:
        form = forms[count] if count < len(forms) else struct.Struct(f">{count}{letter}")
        start = reader.position
        reader.position = start + count * width
        return form.unpack_from(reader.data, start)

    return cast(int, FieldKind(read, write, width=width, read_row=read_row))


def uint8() -> int:
    """An unsigned integer of one byte."""
    return _integer(Reader.uint8, Writer.uint8, "B")


def uint16() -> int:
    """An unsigned integer of two bytes."""
    return _integer(Reader.uint16, Writer.uint16, "H")


def uint32() -> int:
    """An unsigned integer of four bytes."""
    return _integer(Reader.uint32, Writer.uint32, "I")


def uint64() -> int:
    """An unsigned integer of eight bytes."""
    return _integer(Reader.uint64, Writer.uint64, "Q")


def flag() -> bool:
    """A boolean: one byte, 0 or 1 and nothing else."""

    def read(reader: Reader) -> bool:
        value = reader.uint8()
        if value > 1:
            raise reader.fail("a flag is 0 or 1")
        return value == 1

    def write(writer: Writer, value: bool) -> None:
        writer.uint8(1 if value else 0)

    return cast(bool, FieldKind(read, write))


def fixed(length: int) -> bytes:
    """Exactly ``length`` bytes, without a length in front."""

    def read(reader: Reader) -> bytes:
        return reader.raw(length)

    def read_row(reader: Reader, count: int) -> tuple[bytes, ...]:
        data = reader.data
        start = reader.position
        reader.position = stop = start + count * length
        return tuple([data[at : at + length] for at in range(start, stop, length)])

    def write(writer: Writer, value: bytes) -> None:
        if len(value) != length:
            raise EncodeError(f"expected {length} bytes, got {len(value)}")
        writer.raw(value)

    return cast(bytes, FieldKind(read, write, width=length, read_row=read_row))


def opaque(max_bytes: int = MAX_VARINT, min_bytes: int = 0) -> bytes:
    """``opaque value<V>`` of ``min_bytes`` to ``max_bytes`` bytes."""
    if max_bytes == MAX_VARINT and min_bytes == 0:
        return cast(bytes, FieldKind(Reader.opaque, Writer.opaque))

    def read(reader: Reader) -> bytes:
        value = reader.opaque()
        if not min_bytes <= len(value) <= max_bytes:
            raise reader.fail(f"length {len(value)} is not in {min_bytes}..{max_bytes}")
        return value

    def write(writer: Writer, value: bytes) -> None:
        if not min_bytes <= len(value) <= max_bytes:
            raise EncodeError(f"length {len(value)} is not in {min_bytes}..{max_bytes}")
        writer.opaque(value)

    return cast(bytes, FieldKind(read, write))


def text(max_bytes: int = MAX_VARINT) -> str:
    """UTF-8 text of at most ``max_bytes`` bytes behind its length; ill-formed UTF-8 is refused."""

    def read(reader: Reader) -> str:
        value = reader.opaque()
        if len(value) > max_bytes:
            raise reader.fail(f"text is longer than {max_bytes} bytes")
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            raise reader.fail("text is not UTF-8") from None

    def write(writer: Writer, value: str) -> None:
        try:
            encoded = value.encode("utf-8")
        except UnicodeEncodeError:
            raise EncodeError("text has a lone surrogate") from None
        if len(encoded) > max_bytes:
            raise EncodeError(f"text is longer than {max_bytes} bytes")
        writer.opaque(encoded)

    return cast(str, FieldKind(read, write))


def nested(structure: type[S]) -> S:
    """Another structure, in place."""
    return cast(S, _nested(structure))


def _enum(
    enumeration: type[E],
    read_code: Callable[[Reader], int],
    write_code: Callable[[Writer, int], None],
) -> E:
    def read(reader: Reader) -> E:
        code = read_code(reader)
        try:
            return enumeration(code)
        except ValueError:
            raise reader.fail(f"{code} is not a {enumeration.__name__}") from None

    def write(writer: Writer, value: E) -> None:
        if not isinstance(value, enumeration):
            raise EncodeError(f"{value!r} is not a {enumeration.__name__}")
        write_code(writer, int(value))

    return cast(E, FieldKind(read, write))


def enum8(enumeration: type[E]) -> E:
    """A closed enumeration in one byte; an unknown code point is refused."""
    return _enum(enumeration, Reader.uint8, Writer.uint8)


def enum16(enumeration: type[E]) -> E:
    """A closed enumeration in two bytes; an unknown code point is refused."""
    return _enum(enumeration, Reader.uint16, Writer.uint16)


@overload
def vector(item: type[S], max_items: int = ..., min_items: int = ...) -> tuple[S, ...]: ...
@overload
def vector(item: V, max_items: int = ..., min_items: int = ...) -> tuple[V, ...]: ...
def vector(item: object, max_items: int = MAX_VARINT, min_items: int = 0) -> object:
    """``T items<V>``: the length in bytes, then the items, ``min_items`` to ``max_items`` of them.

    ``item`` is a field specifier such as ``fixed(32)`` or a structure class. An item costs
    about a microsecond and a hundred bytes of memory even where it has but two bytes on the wire:
    whoever decodes large values from others gives ``max_items``.
    """
    kind = _kind_of(item)
    write_item = kind.write
    read = (
        _reader_of_items(kind.read, max_items, min_items)
        if kind.read_row is None
        else _reader_of_row(kind.read_row, kind.width, max_items, min_items)
    )

    def write(writer: Writer, value: tuple[object, ...]) -> None:
        if not min_items <= len(value) <= max_items:
            raise EncodeError(f"{len(value)} items, expected {min_items}..{max_items}")
        inner = Writer()
        for one in value:
            write_item(inner, one)
        writer.opaque(inner.getvalue())

    return FieldKind(read, write)


def _reader_of_items(
    read_item: Callable[[Reader], object], max_items: int, min_items: int
) -> Callable[[Reader], tuple[object, ...]]:
    """The reader of a vector whose items have their own lengths, each its own."""

    def read(reader: Reader) -> tuple[object, ...]:
        length = reader.length()
        if length == 0 and min_items == 0:
            return ()
        outer = reader.end
        position = reader.position
        # Items see nothing behind the vector.
        reader.end = end = position + length
        items: list[object] = []
        while position < end:
            if len(items) == max_items:
                raise reader.fail(f"more than {max_items} items")
            items.append(read_item(reader))
            if reader.position == position:
                # Its number would be ambiguous and this loop endless.
                raise reader.fail("item of no bytes")
            position = reader.position
        if len(items) < min_items:
            raise reader.fail(f"fewer than {min_items} items")
        reader.end = outer
        return tuple(items)

    return read


def _reader_of_row(
    read_row: Callable[[Reader, int], tuple[object, ...]],
    width: int,
    max_items: int,
    min_items: int,
) -> Callable[[Reader], tuple[object, ...]]:
    """The reader of a vector whose items all have ``width`` bytes: counted before they are made."""

    def read(reader: Reader) -> tuple[object, ...]:
        length = reader.length()
        if length == 0 and min_items == 0:
            return ()
        count, rest = divmod(length, width)
        if rest:
            raise reader.fail(f"{length} bytes are no number of items of {width}")
        if not min_items <= count <= max_items:
            raise reader.fail(f"{count} items, expected {min_items}..{max_items}")
        return read_row(reader, count)

    return read


@overload
def optional(item: type[S]) -> S | None: ...
@overload
def optional(item: V) -> V | None: ...
def optional(item: object) -> object:
    """``optional<T>``: one byte, 0 or 1, then the value when it is 1 (section 2.1.1)."""
    kind = _kind_of(item)
    read_item, write_item = kind.read, kind.write

    def read(reader: Reader) -> object:
        present = reader.uint8()
        if present == 0:
            return None
        if present == 1:
            return read_item(reader)
        raise reader.fail("presence is 0 or 1")

    def write(writer: Writer, value: object) -> None:
        if value is None:
            writer.uint8(0)
        else:
            writer.uint8(1)
            write_item(writer, value)

    return FieldKind(read, write)


TEXT: Final[str] = text()
UINT16: Final[int] = uint16()
UINT32: Final[int] = uint32()
UINT64: Final[int] = uint64()
OPAQUE: Final[bytes] = opaque()

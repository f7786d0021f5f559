"""Structures whose field order is their wire order.

    @layout
    class Vouch(Struct):
        request: bytes = fixed(32)
        names: tuple[str, ...] = vector(TEXT, max_items=8)

makes a frozen, slotted, keyword-only dataclass. Its reader and writer are put together once,
when the class is made. Whatever decodes, encodes to the same bytes again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Self, TypeVar, cast, dataclass_transform, overload

from cloister.codec.code_points import code_points
from cloister.codec.errors import DecodeError, EncodeError
from cloister.codec.fields import (
    FieldKind,
    enum8,
    enum16,
    fixed,
    flag,
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
from cloister.codec.reader import Reader
from cloister.codec.writer import Writer


class Struct:
    """A value with exactly one encoding.

    Subclasses made by :func:`layout` need not write anything. A class whose form depends on a
    field of its own (a ``select`` of the presentation language) overrides ``read`` and ``write``.
    """

    __slots__ = ()

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Read one value where the reader stands. Raises DecodeError."""
        raise NotImplementedError(cls.__name__)

    def write(self, writer: Writer) -> None:
        """Append the encoding to ``writer``. Raises EncodeError when a value does not fit."""
        raise NotImplementedError(type(self).__name__)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode a value that fills ``data`` exactly. Raises DecodeError and nothing else."""
        reader = Reader(data)
        value = cls.read(reader)
        reader.finish()
        return value

    def encode(self) -> bytes:
        """The one encoding of this value."""
        writer = Writer()
        self.write(writer)
        return writer.getvalue()


class CachedStruct(Struct):
    """A structure that remembers its encoding.

    A decoded value keeps the bytes it was read from, so that signatures and hashes cover what
    was received. Not for structures that hold secrets.
    """

    __slots__ = ("_encoded",)

    _encoded: bytes

    def encode(self) -> bytes:
        """The one encoding of this value, built at most once."""
        try:
            return self._encoded
        except AttributeError:
            encoded = super().encode()
            object.__setattr__(self, "_encoded", encoded)
            return encoded


C = TypeVar("C", bound=Struct)
_Steps = tuple[tuple[str, FieldKind[object]], ...]


@overload
def layout(cls: type[C]) -> type[C]: ...
@overload
def layout(*, order: bool = ...) -> Callable[[type[C]], type[C]]: ...
@dataclass_transform(
    kw_only_default=True,
    frozen_default=True,
    field_specifiers=(
        uint8,
        uint16,
        uint32,
        uint64,
        flag,
        fixed,
        opaque,
        text,
        nested,
        enum8,
        enum16,
        vector,
        optional,
        code_points,
    ),
)
def layout(
    cls: type[C] | None = None, *, order: bool = False
) -> type[C] | Callable[[type[C]], type[C]]:
    """Make a structure of a class whose attributes are field specifiers in wire order."""
    if cls is None:
        return lambda decorated: _make(decorated, order)
    return _make(cls, order)


def _make(cls: type[C], order: bool) -> type[C]:
    steps: list[tuple[str, FieldKind[object]]] = []
    for name in cls.__annotations__:
        kind = cls.__dict__.get(name)
        if not isinstance(kind, FieldKind):
            raise EncodeError(f"{cls.__name__}.{name} has no field specifier")
        steps.append((name, kind))
        delattr(cls, name)
    own_read = "read" in cls.__dict__
    own_write = "write" in cls.__dict__
    made = cast(
        "type[C]", dataclasses.dataclass(frozen=True, slots=True, kw_only=True, order=order)(cls)
    )
    if not own_read:
        made.read = classmethod(_reader_of(made, tuple(steps)))  # type: ignore[method-assign,assignment]
    if not own_write:
        made.write = _writer_of(made, tuple(steps))  # type: ignore[method-assign,assignment]
    return made


def _reader_of(made: type[C], steps: _Steps) -> Callable[[type[C], Reader], C]:
    """Build the reader: straight into the slots, as a frozen ``__init__`` doubles the cost."""
    plan = tuple((getattr(made, name).__set__, kind.read) for name, kind in steps)
    cached = issubclass(made, CachedStruct)
    store_encoded = CachedStruct.__dict__["_encoded"].__set__
    checked = hasattr(made, "__post_init__")
    if len(plan) == 2 and not (cached or checked):
        # Extensions and ciphertexts, of which large messages are full: without a loop they are
        # read in two thirds of the time.
        (store_first, read_first), (store_second, read_second) = plan

        def read_pair(cls: type[C], reader: Reader) -> C:
            value = object.__new__(cls)
            store_first(value, read_first(reader))
            store_second(value, read_second(reader))
            return value

        return read_pair

    def read(cls: type[C], reader: Reader) -> C:
        start = reader.position
        value = object.__new__(cls)
        for store, read_field in plan:
            store(value, read_field(reader))
        if cached:
            store_encoded(value, reader.data[start : reader.position])
        if checked:
            try:
                value.__post_init__()  # type: ignore[attr-defined]
            except ValueError as error:
                raise DecodeError(str(error), start) from None
        return value

    return read


def _writer_of(made: type[C], steps: _Steps) -> Callable[[C, Writer], None]:
    plan = tuple((getattr(made, name).__get__, kind.write) for name, kind in steps)

    def write_fields(self: C, writer: Writer) -> None:
        for fetch, write_field in plan:
            write_field(writer, fetch(self))

    if not issubclass(made, CachedStruct):
        return write_fields

    def write_cached(self: C, writer: Writer) -> None:
        encoded = getattr(self, "_encoded", None)
        if encoded is None:
            write_fields(self, writer)
        else:
            writer.raw(encoded)

    return write_cached

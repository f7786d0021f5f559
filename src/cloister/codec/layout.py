"""Structures whose field order is their wire order.

    @layout
    class Vouch(Struct):
        request: bytes = fixed(32)
        names: tuple[str, ...] = vector(TEXT, max_items=8)

makes a frozen class with slots whose fields are given by name. Its reader and writer are put
together once, when the class is made. Whatever decodes, encodes to the same bytes again.

What a dataclass would compile for each class, all classes share here: a program loads some two
hundred of them before it does anything (decision 49).
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import ClassVar, Final, Self, TypeVar, cast, dataclass_transform

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

    field_names: ClassVar[tuple[str, ...]] = ()
    """In the order of the wire."""
    _values: ClassVar[Callable[[object], object]]
    """The value of its only field, or of all as a tuple."""

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

    def as_dict(self) -> dict[str, object]:
        """Return field name -> value."""
        return {name: getattr(self, name) for name in self.field_names}

    def __replace__(self, **changes: object) -> Self:
        """Return the same with some fields changed. Raises ``TypeError`` for an unknown one."""
        return type(self)(**{**self.as_dict(), **changes})

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        values = type(self)._values
        return values(self) == values(other)

    def __hash__(self) -> int:
        return hash(type(self)._values(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.as_dict().items())
        return f"{type(self).__qualname__}({shown})"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} is not changed, but made anew")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a {type(self).__name__} is not changed, but made anew")


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
def layout(cls: type[C]) -> type[C]:
    """Make a structure of a class whose attributes are field specifiers in wire order."""
    steps: list[tuple[str, FieldKind[object]]] = []
    for name in cls.__annotations__:
        kind = cls.__dict__.get(name)
        if not isinstance(kind, FieldKind):
            raise EncodeError(f"{cls.__name__}.{name} has no field specifier")
        steps.append((name, kind))
    names = tuple(name for name, _ in steps)
    left_out = {*names, "__dict__", "__weakref__"}
    body = {name: value for name, value in cls.__dict__.items() if name not in left_out}
    # Slots are made with the class, so it is made once more.
    made = cast(
        "type[C]",
        type(cls.__name__, cls.__bases__, {**body, "__slots__": names, "field_names": names}),
    )
    made._values = staticmethod(attrgetter(*names) if names else tuple)
    made.__init__ = _init_of(made, names)  # type: ignore[method-assign,assignment]
    if "read" not in body:
        made.read = classmethod(_reader_of(made, tuple(steps)))  # type: ignore[method-assign,assignment]
    if "write" not in body:
        made.write = _writer_of(made, tuple(steps))  # type: ignore[method-assign,assignment]
    return made


def _init_of(made: type[C], names: tuple[str, ...]) -> object:
    """Build the constructor: every field by its name, in any order."""
    wanted: Final = frozenset(names)
    plan = tuple((getattr(made, name).__set__, name) for name in names)
    checked = hasattr(made, "__post_init__")

    def init(self: C, **values: object) -> None:
        if values.keys() != wanted:
            differing = ", ".join(sorted(values.keys() ^ wanted))
            raise TypeError(f"{made.__name__} has other fields: {differing}")
        for store, name in plan:
            store(self, values[name])
        if checked:
            self.__post_init__()  # type: ignore[attr-defined]

    return init


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

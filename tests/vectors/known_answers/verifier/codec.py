"""The presentation language of RFC 9420, section 2.1: integers, vectors, optional values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from vectors.known_answers.verifier.failure import Failure, require

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")


class Encodable(Protocol):
    """A structure with one encoding."""

    def encode(self) -> bytes: ...


class Reader:
    """Reads structures from the front of a byte string."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes."""
        end = self._position + length
        require(end <= len(self._data), "the data ends inside a structure")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def rest(self) -> bytes:
        """All bytes that are left."""
        return self.take(len(self._data) - self._position)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left."""
        return self._position == len(self._data)

    def uint8(self) -> int:
        return int.from_bytes(self.take(1))

    def uint16(self) -> int:
        return int.from_bytes(self.take(2))

    def uint32(self) -> int:
        return int.from_bytes(self.take(4))

    def uint64(self) -> int:
        return int.from_bytes(self.take(8))

    def varint(self) -> int:
        """The header of a vector, in the fewest bytes that hold it (section 2.1.2)."""
        first = self.uint8()
        prefix = first >> 6
        require(prefix != 3, "a vector's header begins with the bits 11")
        length = 1 << prefix
        value = int.from_bytes(bytes([first & 0x3F]) + self.take(length - 1))
        if prefix > 0:
            require(value >= 1 << (8 * length // 2 - 2), "a vector's header is longer than needed")
        return value

    def opaque(self) -> bytes:
        """``opaque x<V>``."""
        return self.take(self.varint())

    def items(self, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """``T x<V>``, one element after the other until the vector ends."""
        inner = Reader(self.opaque())
        found = []
        while not inner.is_empty:
            found.append(read(inner))
        return tuple(found)

    def optional(self, read: Callable[[Reader], T]) -> T | None:
        """``optional<T>``."""
        present = self.uint8()
        if present == 0:
            return None
        require(present == 1, "the presence octet is neither 0 nor 1")
        return read(self)


def decode(read: Callable[[Reader], T], data: bytes) -> T:
    """The structure that takes up the whole of the data."""
    reader = Reader(data)
    value = read(reader)
    require(reader.is_empty, "bytes follow the structure")
    return value


def uint8(value: int) -> bytes:
    return value.to_bytes(1)


def uint16(value: int) -> bytes:
    return value.to_bytes(2)


def uint32(value: int) -> bytes:
    return value.to_bytes(4)


def uint64(value: int) -> bytes:
    return value.to_bytes(8)


def varint(value: int) -> bytes:
    """The header of a vector of ``value`` bytes."""
    for prefix, limit in enumerate((1 << 6, 1 << 14, 1 << 30)):
        if value < limit:
            length = 1 << prefix
            return (value | prefix << (8 * length - 2)).to_bytes(length)
    raise Failure("a vector is longer than 2^30 - 1 bytes")


def opaque(data: bytes) -> bytes:
    """``opaque x<V>``."""
    return varint(len(data)) + data


def items(elements: Iterable[Encodable]) -> bytes:
    """``T x<V>``."""
    return opaque(b"".join(element.encode() for element in elements))


def uint16s(values: Iterable[int]) -> bytes:
    """``uint16 x<V>``."""
    return opaque(b"".join(map(uint16, values)))


def uint32s(values: Iterable[int]) -> bytes:
    """``uint32 x<V>``."""
    return opaque(b"".join(map(uint32, values)))


def optional(value: Encodable | None) -> bytes:
    """``optional<T>``."""
    return uint8(0) if value is None else uint8(1) + value.encode()

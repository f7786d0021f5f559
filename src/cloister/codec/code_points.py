"""Lists of code points that stay as they came until somebody looks.

A tree carries five such lists a leaf, of which most are never looked at. Made into integers, a
list of 64 bytes takes two microseconds and a kilobyte; left alone it takes a tenth of either.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self, cast, overload

from cloister.codec.errors import EncodeError
from cloister.codec.fields import FieldKind

if TYPE_CHECKING:
    from cloister.codec.reader import Reader
    from cloister.codec.writer import Writer

WIDTH = 2


class CodePoints(Sequence[int]):
    """``uint16 items<V>``: equal to, and hashed as, the tuple of its integers."""

    __slots__ = ("packed",)

    packed: bytes
    """The items as on the wire, without the length."""

    @classmethod
    def of(cls, items: Sequence[int]) -> Self:
        """Pack integers. Raises EncodeError for one that has no two bytes."""
        value = cls()
        try:
            value.packed = struct.pack(f">{len(items)}H", *items)
        except struct.error:
            raise EncodeError(f"{tuple(items)} are not all integers of two bytes") from None
        return value

    @property
    def items(self) -> tuple[int, ...]:
        """The integers."""
        items: tuple[int, ...] = struct.unpack(f">{len(self.packed) // WIDTH}H", self.packed)
        return items

    def __len__(self) -> int:
        return len(self.packed) // WIDTH

    def __iter__(self) -> Iterator[int]:
        return iter(self.items)

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice[int | None, int | None, int | None]) -> tuple[int, ...]: ...
    def __getitem__(
        self, index: int | slice[int | None, int | None, int | None]
    ) -> int | tuple[int, ...]:
        return self.items[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CodePoints):
            return self.packed == other.packed
        return self.items == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.items)

    def __repr__(self) -> str:
        return repr(self.items)


def code_points(max_items: int) -> Sequence[int]:
    """``uint16 items<V>`` of at most ``max_items``; read without being looked into."""
    max_bytes = max_items * WIDTH

    def read(reader: Reader) -> Sequence[int]:
        packed = reader.opaque()
        length = len(packed)
        if length > max_bytes or length % WIDTH:
            reason = (
                f"{length} bytes are no number of items of {WIDTH}"
                if length % WIDTH
                else f"{length // WIDTH} items, expected 0..{max_items}"
            )
            raise reader.fail(reason)
        if not packed:
            return ()
        value = object.__new__(CodePoints)
        value.packed = packed
        return value

    def write(writer: Writer, value: Sequence[int]) -> None:
        if len(value) > max_items:
            raise EncodeError(f"{len(value)} items, expected 0..{max_items}")
        packed = value if isinstance(value, CodePoints) else CodePoints.of(value)
        writer.opaque(packed.packed)

    return cast("Sequence[int]", FieldKind(read, write))

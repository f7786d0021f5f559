from __future__ import annotations

from enum import IntEnum

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.codec import (
    TEXT,
    CachedStruct,
    DecodeError,
    EncodeError,
    Struct,
    enum16,
    fixed,
    flag,
    layout,
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
from cloister.values import replace


class Colour(IntEnum):
    RED = 1
    BLUE = 0x1234


@layout
class Point(Struct):
    x: int = uint16()
    y: int = uint16()


@layout
class Everything(Struct):
    a: int = uint8()
    b: int = uint32()
    c: int = uint64()
    d: bool = flag()
    e: bytes = opaque(max_bytes=4, min_bytes=1)
    f: bytes = fixed(3)
    g: str = text(8)
    h: Point = nested(Point)
    i: tuple[str, ...] = vector(TEXT, max_items=2)
    j: tuple[Point, ...] = vector(Point)
    k: Point | None = optional(Point)
    m: bytes | None = optional(fixed(2))
    n: Colour = enum16(Colour)


@layout
class Remembered(CachedStruct):
    point: Point = nested(Point)


EXAMPLE = Everything(
    a=1,
    b=2,
    c=3,
    d=True,
    e=b"ee",
    f=b"fff",
    g="gé",
    h=Point(x=1, y=2),
    i=("", "i"),
    j=(Point(x=3, y=4), Point(x=5, y=6)),
    k=None,
    m=b"mm",
    n=Colour.BLUE,
)
ENCODED = bytes.fromhex(
    "01 00000002 0000000000000003 01 02 6565 666666 03 67c3a9 0001 0002"
    "03 00 01 69 08 00030004 00050006 00 01 6d6d 1234"
)


def test_field_order_is_wire_order() -> None:
    assert EXAMPLE.encode() == ENCODED
    assert Everything.decode(ENCODED) == EXAMPLE


def test_every_truncation_and_every_extension_is_refused() -> None:
    for length in range(len(ENCODED)):
        with pytest.raises(DecodeError):
            Everything.decode(ENCODED[:length])
    with pytest.raises(DecodeError):
        Everything.decode(ENCODED + b"\x00")


@given(st.integers(0, len(ENCODED) - 1), st.integers(0, 255))
@settings(max_examples=200, deadline=None)
def test_whatever_decodes_encodes_to_the_same_bytes(position: int, value: int) -> None:
    mutated = ENCODED[:position] + bytes([value]) + ENCODED[position + 1 :]
    try:
        decoded = Everything.decode(mutated)
    except DecodeError:
        return
    assert decoded.encode() == mutated


@pytest.mark.parametrize(
    "change",
    [
        {"a": 256},
        {"b": -1},
        {"e": b""},
        {"e": b"12345"},
        {"f": b"ff"},
        {"g": "123456789"},
        {"g": "\ud800"},
        {"i": ("a", "b", "c")},
        {"h": Remembered(point=Point(x=0, y=0))},
        {"n": 7},
    ],
)
def test_values_outside_the_layout_are_refused_on_encoding(change: dict[str, object]) -> None:
    broken = replace(EXAMPLE, **change)  # type: ignore[arg-type]
    with pytest.raises(EncodeError):
        broken.encode()


def test_structures_are_frozen_values() -> None:
    with pytest.raises(AttributeError):
        EXAMPLE.a = 2  # type: ignore[misc]
    assert hash(EXAMPLE) == hash(Everything.decode(ENCODED))


def test_cached_structure_keeps_the_bytes_it_was_read_from() -> None:
    data = bytes.fromhex("00010002")
    value = Remembered.decode(data)
    assert value.encode() == data
    changed = replace(value, point=Point(x=9, y=9))
    assert changed.encode() == bytes.fromhex("00090009")
    assert value.encode() == data


def test_annotation_without_specifier_is_refused() -> None:
    with pytest.raises(EncodeError):

        @layout
        class Broken(Struct):
            x: int = uint8()
            y: int = 3


def test_items_without_bytes_are_refused() -> None:
    @layout
    class Nothing(Struct):
        pass

    @layout
    class Many(Struct):
        items: tuple[Nothing, ...] = vector(Nothing)

    with pytest.raises(DecodeError):
        Many.decode(b"\x01\x00")


@layout
class Rows(Struct):
    bytes_: tuple[int, ...] = vector(uint8())
    shorts: tuple[int, ...] = vector(uint16(), max_items=20)
    words: tuple[int, ...] = vector(uint32(), min_items=1)
    longs: tuple[int, ...] = vector(uint64())
    ids: tuple[bytes, ...] = vector(fixed(3))
    behind: int = uint8()


@pytest.mark.parametrize("count", [1, 2, 15, 16, 20])
def test_items_of_one_width_are_read_in_a_row(count: int) -> None:
    rows = Rows(
        bytes_=tuple(range(count)),
        shorts=tuple(range(0xFFFF, 0xFFFF - count, -1)),
        words=tuple(range(0xFFFFFFFF, 0xFFFFFFFF - count, -1)),
        longs=tuple(range(2**64 - 1, 2**64 - 1 - count, -1)),
        ids=tuple(bytes([n, 0, n]) for n in range(count)),
        behind=7,
    )
    assert Rows.decode(rows.encode()) == rows


@pytest.mark.parametrize(
    "encoded",
    [
        "00 03 000100 04 00000001 00 00 07",  # one and a half numbers
        "00 00 04 00000001 00 04 61626364 07",  # one and a third ids
        "00 00 00 00 00 07",  # too few
        "00 2a" + 21 * "0001" + "04 00000001 00 00 07",  # too many
        "00 00 04 00000001 08 0000000000000001",  # the length leads behind the end
    ],
)
def test_a_row_that_does_not_come_out_even_is_refused(encoded: str) -> None:
    with pytest.raises(DecodeError):
        Rows.decode(bytes.fromhex(encoded))


def test_an_item_sees_nothing_behind_its_vector() -> None:
    @layout
    class Word(Struct):
        letters: bytes = opaque()

    @layout
    class Sentence(Struct):
        words: tuple[Word, ...] = vector(Word)
        behind: bytes = fixed(2)

    assert Sentence.decode(bytes.fromhex("03 02 6162 6364")).behind == b"cd"
    with pytest.raises(DecodeError):
        Sentence.decode(bytes.fromhex("03 03 6162 6364"))


def test_items_of_width_zero_are_refused() -> None:
    @layout
    class Many(Struct):
        items: tuple[bytes, ...] = vector(fixed(0))

    with pytest.raises(DecodeError):
        Many.decode(b"\x01\x00")

"""Lists of code points: equal to tuples in every way, and as strict as a vector of uint16."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloister.codec import (
    UINT16,
    CodePoints,
    DecodeError,
    EncodeError,
    Struct,
    code_points,
    layout,
    vector,
)


@layout
class Packed(Struct):
    items: Sequence[int] = code_points(8)


@layout
class Row(Struct):
    items: tuple[int, ...] = vector(UINT16, max_items=8)


LISTS = st.lists(st.integers(0, 0xFFFF), max_size=8).map(tuple)


@given(LISTS)
def test_the_wire_form_is_that_of_a_vector_of_uint16(items: tuple[int, ...]) -> None:
    encoded = Row(items=items).encode()
    assert Packed(items=items).encode() == encoded
    decoded = Packed.decode(encoded)
    assert decoded == Packed(items=items)
    assert hash(decoded) == hash(Packed(items=items))
    assert decoded.encode() == encoded


@given(st.binary(max_size=20))
def test_what_a_vector_refuses_is_refused(data: bytes) -> None:
    try:
        expected: object = Row.decode(data).items
    except DecodeError:
        expected = DecodeError
    try:
        seen: object = Packed.decode(data).items
    except DecodeError:
        seen = DecodeError
    assert seen == expected


def test_a_list_reads_as_its_tuple() -> None:
    points = Packed.decode(b"\x06\x00\x01\xff\xff\x00\x02").items
    assert isinstance(points, CodePoints)
    assert (len(points), tuple(points), points[1], points[1:]) == (
        3,
        (1, 0xFFFF, 2),
        0xFFFF,
        (0xFFFF, 2),
    )
    assert 2 in points
    assert 3 not in points
    assert points == (1, 0xFFFF, 2)
    assert points == (1, 0xFFFF, 2)
    assert points != (1, 0xFFFF)
    assert points != [1, 0xFFFF, 2]
    assert repr(points) == "(1, 65535, 2)"


def test_what_has_no_two_bytes_or_is_too_much_cannot_be_written() -> None:
    for items in ((0x10000,), (-1,), tuple(range(9))):
        with pytest.raises(EncodeError):
            Packed(items=items).encode()
    assert Packed(items=CodePoints.of(range(8))).encode() == Row(items=tuple(range(8))).encode()

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.codec import DecodeError, EncodeError, Reader, Writer, encode_varint


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, "00"),
        (37, "25"),
        (63, "3f"),
        (64, "4040"),
        (15293, "7bbd"),
        (16383, "7fff"),
        (16384, "80004000"),
        (494878333, "9d7f3e7d"),
        (0x3FFFFFFF, "bfffffff"),
    ],
)
def test_varint_has_the_form_of_the_rfc(value: int, encoded: str) -> None:
    assert encode_varint(value).hex() == encoded
    assert Reader(bytes.fromhex(encoded)).varint() == value


@pytest.mark.parametrize(
    "encoded",
    ["4025", "403f", "8000003f", "80003fff", "c000000000000000", "ff", "", "40", "800000"],
)
def test_varint_refuses_long_forms_bad_prefix_and_truncation(encoded: str) -> None:
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex(encoded)).varint()


@pytest.mark.parametrize("value", [-1, 0x40000000])
def test_varint_refuses_what_is_no_length(value: int) -> None:
    with pytest.raises(EncodeError):
        encode_varint(value)


def test_length_is_checked_against_the_rest_before_anything_is_read() -> None:
    reader = Reader(bytes.fromhex("bfffffff") + b"abc")
    with pytest.raises(DecodeError):
        reader.opaque()
    with pytest.raises(DecodeError):
        Reader(bytes.fromhex("04") + b"abc").vector()


def test_sub_reader_cannot_leave_its_range() -> None:
    reader = Reader(b"\x02abcd")
    inner = reader.vector()
    assert inner.raw(2) == b"ab"
    assert inner.at_end
    with pytest.raises(DecodeError):
        inner.uint8()
    with pytest.raises(DecodeError):
        inner.opaque()
    assert reader.raw(2) == b"cd"
    reader.finish()


def test_trailing_bytes_are_refused_with_their_offset() -> None:
    reader = Reader(b"\x01x!")
    reader.opaque()
    with pytest.raises(DecodeError) as caught:
        reader.finish()
    assert caught.value.offset == 2


@given(st.integers(0, 2**64 - 1), st.binary(max_size=300))
@settings(max_examples=60, deadline=None)
def test_integers_and_opaque_round_trip(number: int, data: bytes) -> None:
    writer = Writer()
    writer.uint64(number)
    writer.uint32(number & 0xFFFFFFFF)
    writer.uint16(number & 0xFFFF)
    writer.uint8(number & 0xFF)
    writer.opaque(data)
    reader = Reader(writer.getvalue())
    assert reader.uint64() == number
    assert reader.uint32() == number & 0xFFFFFFFF
    assert reader.uint16() == number & 0xFFFF
    assert reader.uint8() == number & 0xFF
    assert reader.opaque() == data
    reader.finish()


def test_writer_refuses_integers_that_do_not_fit() -> None:
    for write, value in [(Writer().uint8, 256), (Writer().uint16, -1), (Writer().uint32, 2**32)]:
        with pytest.raises(EncodeError):
            write(value)

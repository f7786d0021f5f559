"""pad_to: the message has exactly one of the sizes, the smallest that fits."""

from __future__ import annotations

from itertools import pairwise

import pytest

from cloister.codec import encode_varint
from cloister.crypto.aead import TAG_LENGTH
from cloister.mls import Misuse
from cloister.mls.private_message import padding_length
from unit.mls.members import ENTROPY, NOW, group_of, package, take_commit, take_text

SIZES = (512, 1024, 4096, 16384, 65536)
SENDER, RECEIVER = group_of(2)


def size_of(length: int, pad_to: tuple[int, ...] = SIZES) -> int:
    message, _ = SENDER.encrypt(b"x" * length, pad_to=pad_to, entropy=ENTROPY)
    assert take_text(RECEIVER, message)[0] == b"x" * length
    return len(message)


def largest_that_fits(size: int) -> int:
    low, high = 0, size
    while low < high:
        middle = (low + high + 1) // 2
        try:
            SENDER.encrypt(bytes(middle), pad_to=[size], entropy=ENTROPY)
            low = middle
        except Misuse:
            high = middle - 1
    return low


@pytest.mark.parametrize("length", [0, 1])
def test_short_texts_take_the_smallest_size(length: int) -> None:
    assert size_of(length) == SIZES[0]


@pytest.mark.parametrize(("size", "following"), list(pairwise(SIZES)))
def test_each_size_is_filled_to_its_last_byte(size: int, following: int) -> None:
    largest = largest_that_fits(size)
    assert size - largest < 200
    assert size_of(largest) == size
    assert size_of(largest + 1) == following


def test_what_fits_nowhere_is_refused() -> None:
    largest = largest_that_fits(SIZES[-1])
    assert size_of(largest) == SIZES[-1]
    with pytest.raises(Misuse):
        SENDER.encrypt(bytes(largest + 1), pad_to=SIZES, entropy=ENTROPY)


def test_order_of_the_sizes_does_not_matter() -> None:
    assert size_of(5, tuple(reversed(SIZES))) == SIZES[0]


def test_without_sizes_nothing_is_added() -> None:
    assert largest_that_fits(size_of(100, ())) == 100


def test_commits_are_padded_alike() -> None:
    staged = SENDER.commit(pad_to=SIZES, now=NOW, entropy=ENTROPY)
    assert len(staged.message) in SIZES
    added = SENDER.commit(
        adds=[package("padded").key_package], pad_to=SIZES, now=NOW, entropy=ENTROPY
    )
    assert len(added.message) in SIZES
    assert len(added.message) > len(staged.message)
    assert take_commit(RECEIVER, staged.message).epoch == 2


@pytest.mark.parametrize("fixed", [10, 60])
def test_sizes_the_length_prefix_steps_over_are_passed_over(fixed: int) -> None:
    """Around 64 and 16,384 bytes of ciphertext the prefix grows: some sizes cannot be had."""
    for size in [*range(fixed + 1 + TAG_LENGTH, 200), *range(16_384, 16_500)]:
        larger = size + 8
        padding = padding_length(fixed, 0, (size, larger))
        ciphertext = padding + TAG_LENGTH
        total = fixed + len(encode_varint(ciphertext)) + ciphertext
        assert total in {size, larger}
        impossible = {fixed + 65, fixed + 16_386, fixed + 16_387}
        assert (total == larger) == (size in impossible)

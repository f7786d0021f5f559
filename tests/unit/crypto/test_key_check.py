"""Keys that are only checked: refused and taken like those that are parsed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from cloister.crypto.errors import BadPublicKey
from cloister.crypto.hpke import HpkePrivateKey
from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret

X_WING = Kem.MLKEM768_X25519
COEFFICIENTS = 768
Q = 3329


def is_taken(check: Callable[[bytes], object], public: bytes) -> bool:
    try:
        check(public)
    except BadPublicKey:
        return False
    return True


def with_coefficient(public: bytes, index: int, value: int) -> bytes:
    """The key with another number at this place: twelve bits, little end first."""
    numbers = int.from_bytes(public[:1152], "little")
    numbers &= ~(0xFFF << 12 * index)
    return (numbers | value << 12 * index).to_bytes(1152, "little") + public[1152:]


PUBLIC = HpkePrivateKey(X_WING, Secret(bytes(range(32)))).public
# All numbers at their largest: a carry out of one must not be taken for the next one's.
HIGHEST = PUBLIC
for place in range(COEFFICIENTS):
    HIGHEST = with_coefficient(HIGHEST, place, Q - 1)


@pytest.mark.parametrize("public", [PUBLIC, HIGHEST], ids=["a key", "all at their largest"])
def test_the_check_agrees_with_the_library_at_every_number(public: bytes) -> None:
    for index in range(COEFFICIENTS):
        for value, is_below in ((0, True), (Q - 1, True), (Q, False), (0xFFF, False)):
            changed = with_coefficient(public, index, value)
            assert is_taken(X_WING.check_public, changed) is is_below
            if value in {Q - 1, Q}:
                assert is_taken(X_WING.parse_public, changed) is is_below


def test_every_value_of_one_number_is_judged_as_the_library_does() -> None:
    for value in range(0x1000):
        assert is_taken(X_WING.check_public, with_coefficient(PUBLIC, 5, value)) is (value < Q)
    for value in range(0, 0x1000, 17):
        assert is_taken(X_WING.parse_public, with_coefficient(PUBLIC, 5, value)) is (value < Q)


def test_random_bytes_are_judged_as_the_library_does() -> None:
    taken = 0
    for seed in range(60):
        random = hashlib.shake_256(seed.to_bytes(2, "big")).digest(1216)
        # Most numbers below q, so that both answers occur.
        for index in range(COEFFICIENTS):
            number = int.from_bytes(random[index : index + 2], "little") % (Q + seed % 3)
            random = with_coefficient(random, index, number) if seed % 2 else random
        agreed = is_taken(X_WING.check_public, random)
        assert agreed is is_taken(X_WING.parse_public, random)
        taken += agreed
    assert 0 < taken < 60


@pytest.mark.parametrize("kem", Kem, ids=lambda kem: kem.name)
def test_lengths_and_other_kems(kem: Kem) -> None:
    seed = hashlib.shake_256(b"seed").digest(kem.seed_length)
    public = HpkePrivateKey(kem, kem.derive_seed(Secret(seed))).public
    assert is_taken(kem.check_public, public)
    for wrong in (public[:-1], public + b"\x00", b""):
        assert not is_taken(kem.check_public, wrong)


@pytest.mark.parametrize("u", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18])
def test_low_order_points_are_refused(u: int) -> None:
    for high_bit in (0, 1):
        point = (u | high_bit << 255).to_bytes(32, "little")
        assert not is_taken(X_WING.check_public, PUBLIC[:-32] + point)

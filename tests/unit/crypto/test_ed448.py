"""Ed448: what is refused as a key, and why; the stored forms of all signature schemes."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey

from cloister.crypto.ed448 import Ed448Key, check_ed448_public, verify_ed448
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import BadPublicKey, BadSignature, MisusedKey
from cloister.crypto.scheme import SignatureScheme
from cloister.crypto.secret import Secret

P = 2**448 - 2**224 - 1
D = -39081
IDENTITY = (0, 1)
SEED = Secret(bytes(range(57)))

Point = tuple[int, int]


def add(a: Point, b: Point) -> Point:
    """The addition law of RFC 8032 section 5.2.4, affine; it is complete."""
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P,
        (y1 * y2 - x1 * x2) * pow(1 - k, -1, P) % P,
    )


def times(n: int, point: Point) -> Point:
    result = IDENTITY
    for _ in range(n):
        result = add(result, point)
    return result


def encode(y: int, sign: int) -> bytes:
    return (y | sign << 455).to_bytes(57, "little")


# The group has 4 L points, L an odd prime, so no more than these four have an order dividing 4.
SMALL = [times(n, (1, 0)) for n in range(4)]


def test_the_four_points_are_distinct_and_on_the_curve() -> None:
    assert len(set(SMALL)) == 4
    assert times(4, (1, 0)) == IDENTITY
    for x, y in SMALL:
        assert (x * x + y * y - 1 - D * x * x * y * y) % P == 0


@pytest.mark.parametrize("point", SMALL)
@pytest.mark.parametrize("sign", [0, 1])
def test_key_of_small_order_is_refused_because_one_signature_fits_all(
    point: Point, sign: int
) -> None:
    """With R the identity and S = 0, the equation 4 S B = 4 R + 4 k A holds whatever k is.

    Both signs: where x is 0 the second is another encoding of the same point.
    """
    for k in range(4):  # k A depends on k modulo 4 only
        assert times(4, times(k, point)) == IDENTITY
    public = encode(point[1], sign)
    with pytest.raises(BadPublicKey):
        check_ed448_public(public)
    with pytest.raises(BadPublicKey):
        verify_ed448(public, b"any message", encode(1, 0) + bytes(57))


@pytest.mark.parametrize("sign", [0, 1])
def test_the_library_takes_one_signature_for_every_message(sign: int) -> None:
    public, signature = encode(0, sign), encode(0, 0) + bytes(57)
    for n in range(8):
        Ed448PublicKey.from_public_bytes(public).verify(signature, b"message %d" % n)
    with pytest.raises(BadPublicKey):
        verify_ed448(public, b"message 0", signature)


@pytest.mark.parametrize("y", [P, P + 1, P + 2, 2**448 - 1, 2**448 + 3, 2**454 + 3])
@pytest.mark.parametrize("sign", [0, 1])
def test_non_canonical_keys_are_refused(y: int, sign: int) -> None:
    """A coordinate not reduced, or one of the seven bits that are zero."""
    with pytest.raises(BadPublicKey):
        check_ed448_public(encode(y, sign))


@pytest.mark.parametrize("length", [0, 32, 56, 58, 114])
def test_keys_of_wrong_length_are_refused(length: int) -> None:
    with pytest.raises(BadPublicKey):
        check_ed448_public(b"\x02" * length)
    if length != 114:
        with pytest.raises(MisusedKey):
            Ed448Key(Secret(bytes(length)))


def test_honest_keys_pass_whatever_the_sign_of_x() -> None:
    keys = [Ed448Key(Secret(bytes([n]) * 57)) for n in range(16)]
    assert {key.public[-1] for key in keys} == {0x00, 0x80}
    for key in keys:
        check_ed448_public(key.public)


def test_rfc_8032_blank() -> None:
    seed = (
        "6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3"
        "528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b"
    )
    public = (
        "5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778"
        "edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180"
    )
    key = Ed448Key(Secret(bytes.fromhex(seed)))
    assert key.public.hex() == public
    signature = key.sign_raw(b"")
    assert len(signature) == 114
    verify_ed448(key.public, b"", signature)
    assert signature.hex().startswith(
        "533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a59"
    )


def test_no_bit_of_a_signature_is_free() -> None:
    key = Ed448Key(SEED)
    signature = key.sign_raw(b"message")
    for place in range(114):
        broken = bytearray(signature)
        broken[place] ^= 1 << place % 8
        with pytest.raises(BadSignature):
            verify_ed448(key.public, b"message", bytes(broken))


@pytest.mark.parametrize(
    ("scheme", "length"), [(SignatureScheme.ED25519, 32), (SignatureScheme.ED448, 57)]
)
def test_private_keys_of_edwards_curves_may_carry_their_public_key(
    scheme: SignatureScheme, length: int
) -> None:
    seed = bytes(range(length))
    public = scheme.key(Secret(seed)).public
    assert scheme.stored_form(seed + public) == scheme.stored_form(seed) == Secret(seed)
    with pytest.raises(MisusedKey):
        scheme.key(scheme.stored_form(seed[:-1]))


def test_scalars_are_stored_as_they_come() -> None:
    assert len(SignatureScheme.ECDSA_P521.stored_form(bytes(65))) == 65


class Listed:
    """Entropy that gives what is on its list."""

    def __init__(self, *values: bytes) -> None:
        self.values = list(values)

    def random(self, n: int) -> bytes:
        value = self.values.pop(0)
        assert len(value) == n
        return value


def test_scalars_are_drawn_again_until_one_is_below_the_order() -> None:
    entropy = Listed(b"\xff" * 32, bytes(32), b"\x07" * 32)
    assert SignatureScheme.ECDSA_P256.generate_seed(entropy) == Secret(b"\x07" * 32)
    top = Listed(b"\xfe" + b"\x07" * 65)  # only the lowest bit of the first byte is used
    assert SignatureScheme.ECDSA_P521.generate_seed(top) == Secret(b"\x00" + b"\x07" * 65)


@pytest.mark.parametrize("scheme", list(SignatureScheme))
def test_drawn_keys_sign(scheme: SignatureScheme) -> None:
    key = scheme.key(scheme.generate_seed(SystemEntropy()))
    scheme.verify(key.public, b"message", key.sign_raw(b"message"))

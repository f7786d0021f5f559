"""Our HPKE against the library's, exported secrets, and what both refuse."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PublicKey

from cloister.crypto.aead import Aead
from cloister.crypto.encapsulation import decapsulate, encapsulate
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import BadPublicKey, DecryptError, MisusedKey
from cloister.crypto.hpke import HpkePrivateKey, HpkeSuite
from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret
from cloister.crypto.x_wing import XWingPublicKey

SEED = Secret(bytes(range(32)))
OTHER = Secret(bytes(range(1, 33)))
KEYS = {kem: HpkePrivateKey(kem, kem.derive_seed(SEED)) for kem in Kem}
SUITES = [
    HpkeSuite(kem, hash_name, aead)
    for kem in Kem
    for hash_name, aead in (
        ("sha256", Aead.AES_128_GCM),
        ("sha384", Aead.AES_256_GCM),
        ("sha512", Aead.CHACHA20_POLY1305),
    )
]
P448 = 2**448 - 2**224 - 1
LOW_448 = [0, 1, P448 - 1, P448, P448 + 1]


def of(kem: Kem) -> HpkeSuite:
    return HpkeSuite(kem, "sha384", Aead.AES_256_GCM)


def name(value: object) -> str:
    if isinstance(value, HpkeSuite):
        return f"{value.kem.name}-{value.hash_name}-{value.aead.name}"
    return str(value)


def test_the_library_lacks_x448_only() -> None:
    assert [kem for kem in Kem if kem.library_kem is None] == [Kem.X448]


@pytest.mark.parametrize("suite", SUITES, ids=name)
def test_ours_and_the_librarys_open_each_other(suite: HpkeSuite) -> None:
    """X448 is ours on both sides: for it this is a round trip beside the known answers."""
    key = KEYS[suite.kem]
    kem_output, context = suite.setup_sender(key.public, b"info")
    ciphertext = context.seal(b"ours", b"")
    assert suite.open(key, b"info", kem_output, ciphertext) == b"ours"
    with pytest.raises(DecryptError):
        suite.open(key, b"other", kem_output, ciphertext)
    kem_output, ciphertext = suite.seal(suite.kem.parse_public(key.public), b"info", b"theirs")
    assert suite.setup_receiver(key, kem_output, b"info").open(ciphertext, b"") == b"theirs"
    for info, data in ((b"other", ciphertext), (b"info", ciphertext[:-1]), (b"info", b"")):
        with pytest.raises(DecryptError):
            suite.setup_receiver(key, kem_output, info).open(data, b"")


@pytest.mark.parametrize("suite", SUITES, ids=name)
def test_both_sides_export_the_same(suite: HpkeSuite) -> None:
    key = KEYS[suite.kem]
    kem_output, exported = suite.export_to(key.public, b"info", b"context", 77)
    assert len(kem_output) == suite.kem.encapsulation_length
    assert len(exported) == 77
    assert suite.export_from(key, kem_output, b"info", b"context", 77) == exported
    stranger = HpkePrivateKey(suite.kem, suite.kem.derive_seed(OTHER))
    for others in (
        suite.export_from(key, kem_output, b"other", b"context", 77),
        suite.export_from(key, kem_output, b"info", b"other", 77),
        suite.export_from(stranger, kem_output, b"info", b"context", 77),
        suite.export_to(key.public, b"info", b"context", 77)[1],
    ):
        assert others != exported
    assert suite.export_from(key, kem_output, b"info", b"context", 76) != Secret(
        exported.expose()[:76]
    )  # the length is part of the label


@pytest.mark.parametrize("kem", list(Kem))
def test_malformed_kem_outputs_export_nothing(kem: Kem) -> None:
    kem_output, _ = of(kem).export_to(KEYS[kem].public, b"", b"", 48)
    for bad in (b"", kem_output[:-1], kem_output + b"\x00", bytes(len(kem_output))):
        with pytest.raises(DecryptError):
            of(kem).export_from(KEYS[kem], bad, b"", b"", 48)
        with pytest.raises(DecryptError):
            of(kem).open(KEYS[kem], b"", bad, bytes(32))


@pytest.mark.parametrize("kem", list(Kem))
def test_malformed_public_keys_are_exported_to_by_nobody(kem: Kem) -> None:
    public = KEYS[kem].public
    for bad in (b"", public[:-1], public + b"\x00", bytes(len(public))):
        with pytest.raises(BadPublicKey):
            of(kem).export_to(bad, b"", b"", 48)
        with pytest.raises(BadPublicKey):
            of(kem).seal(bad, b"", b"")


@pytest.mark.parametrize("kem", [Kem.P256, Kem.P384, Kem.P521])
def test_kem_outputs_off_the_curve_export_nothing(kem: Kem) -> None:
    kem_output, _ = of(kem).export_to(KEYS[kem].public, b"", b"", 48)
    with pytest.raises(DecryptError):
        of(kem).export_from(KEYS[kem], kem_output[:-1] + bytes([kem_output[-1] ^ 1]), b"", b"", 48)


def test_an_altered_ml_kem_ciphertext_gives_a_secret_nobody_else_has() -> None:
    suite, key = of(Kem.MLKEM768_X25519), KEYS[Kem.MLKEM768_X25519]
    kem_output, exported = suite.export_to(key.public, b"", b"", 48)
    altered = bytes([kem_output[0] ^ 1]) + kem_output[1:]
    assert suite.export_from(key, altered, b"", b"", 48) != exported


def test_both_halves_of_x_wing_are_in_the_secret() -> None:
    """A kem_output put together from two gives neither secret."""
    suite, key = of(Kem.MLKEM768_X25519), KEYS[Kem.MLKEM768_X25519]
    one, first = suite.export_to(key.public, b"", b"", 48)
    two, second = suite.export_to(key.public, b"", b"", 48)
    mixed = suite.export_from(key, one[:1088] + two[1088:], b"", b"", 48)
    assert mixed not in (first, second)


@pytest.mark.parametrize("u", LOW_448)
def test_low_order_x448_keys_are_refused_before_use(u: int) -> None:
    """P and P + 1 are 0 and 1 written otherwise: X448 masks no bit and reduces."""
    point = u.to_bytes(56, "little")
    with pytest.raises(ValueError):  # what the library would do, at each later use
        X448PrivateKey.generate().exchange(X448PublicKey.from_public_bytes(point))
    with pytest.raises(BadPublicKey):
        Kem.X448.parse_public(point)
    with pytest.raises(BadPublicKey):
        of(Kem.X448).seal(point, b"", b"")
    with pytest.raises(DecryptError):
        of(Kem.X448).export_from(KEYS[Kem.X448], point, b"", b"", 48)


def test_there_are_no_other_low_order_x448_coordinates() -> None:
    """Of order 2 only u = 0, on curve and twist, as u^2 + A u + 1 has no root; then u^2 = 1."""
    a = 156326
    assert pow(a * a - 4, (P448 - 1) // 2, P448) == P448 - 1
    assert {u % P448 for u in LOW_448} == {0, 1, P448 - 1}
    assert P448 - 1 + P448 >= 2**448  # so -1 has one encoding


def test_non_canonical_x448_keys_of_large_order_are_taken_as_rfc_7748_says() -> None:
    suite, key = of(Kem.X448), KEYS[Kem.X448]
    base, other_base = (n.to_bytes(56, "little") for n in (5, P448 + 5))
    assert isinstance(Kem.X448.parse_public(other_base), X448PublicKey)
    ours = key.parsed
    assert isinstance(ours, X448PrivateKey)
    dh = [ours.exchange(X448PublicKey.from_public_bytes(one)) for one in (base, other_base)]
    assert dh[0] == dh[1]
    # The two encodings are bound into the secret as they were sent.
    one, two = (suite.export_from(key, sent, b"", b"", 48) for sent in (base, other_base))
    assert one != two


def low_order_keys() -> list[tuple[Kem, X25519PublicKey | X448PublicKey | XWingPublicKey]]:
    """Key objects that went round the checks."""
    x25519 = X25519PublicKey.from_public_bytes(bytes(32))
    good = Kem.MLKEM768_X25519.parse_public(KEYS[Kem.MLKEM768_X25519].public)
    assert isinstance(good, XWingPublicKey)
    pair = MLKEM768X25519PublicKey(good.ml_kem, x25519)
    return [
        (Kem.X25519, x25519),
        (Kem.X448, X448PublicKey.from_public_bytes(bytes(56))),
        (Kem.MLKEM768_X25519, XWingPublicKey(good.ml_kem, x25519, pair)),
    ]


@pytest.mark.parametrize(("kem", "public"), low_order_keys(), ids=["X25519", "X448", "X-Wing"])
def test_zeros_are_refused_even_if_a_check_was_left_out(
    kem: Kem, public: X25519PublicKey | X448PublicKey | XWingPublicKey
) -> None:
    with pytest.raises(BadPublicKey):
        of(kem).export_to(public, b"", b"", 48)
    with pytest.raises(BadPublicKey):
        encapsulate(kem, public, SystemEntropy())


@pytest.mark.parametrize("kem", list(Kem))
def test_more_than_hkdf_gives_is_not_exported(kem: Kem) -> None:
    suite, key = of(kem), KEYS[kem]
    kem_output, exported = suite.export_to(key.public, b"", b"", 255 * 48)
    assert suite.export_from(key, kem_output, b"", b"", 255 * 48) == exported
    for length in (255 * 48 + 1, 65536, -1):
        with pytest.raises(MisusedKey):
            suite.export_to(key.public, b"", b"", length)
        with pytest.raises(MisusedKey):
            suite.export_from(key, kem_output, b"", b"", length)


@pytest.mark.parametrize("kem", list(Kem))
def test_keys_of_another_kem_are_misuse(kem: Kem) -> None:
    for other in set(Kem) - {kem}:
        kem_output, _ = of(other).export_to(KEYS[other].public, b"", b"", 48)
        with pytest.raises(MisusedKey):
            of(kem).export_from(KEYS[other], kem_output, b"", b"", 48)
        with pytest.raises(MisusedKey):
            of(kem).open(KEYS[other], b"", kem_output, bytes(32))
        # Points of two NIST curves are told apart by the library, as a bad public key.
        with pytest.raises((MisusedKey, BadPublicKey)):
            of(kem).export_to(other.parse_public(KEYS[other].public), b"", b"", 48)
        with pytest.raises((MisusedKey, BadPublicKey)):
            decapsulate(kem, KEYS[other].parsed, KEYS[other].public, KEYS[kem].public)


def test_the_library_is_not_given_an_x448_key() -> None:
    with pytest.raises(MisusedKey):
        of(Kem.X25519).seal(Kem.X448.parse_public(KEYS[Kem.X448].public), b"", b"")


def test_x448_private_keys_of_wrong_length_are_misuse() -> None:
    for length in (0, 32, 55, 57):
        with pytest.raises(MisusedKey):
            _ = HpkePrivateKey(Kem.X448, Secret(bytes(length))).public

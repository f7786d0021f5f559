from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from cloister.crypto.aead import Aead, aes256gcm_open, aes256gcm_seal
from cloister.crypto.capability import require_post_quantum
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import BadMac, BadPublicKey, BadSignature, DecryptError, MisusedKey
from cloister.crypto.hashing import check_mac, hkdf_expand, hkdf_extract, mac, sha256
from cloister.crypto.hpke import HpkeKey, HpkePrivateKey, HpkeSuite, check_hpke_public, hpke_seal
from cloister.crypto.hybrid_signature import (
    HybridKey,
    HybridPublic,
    HybridSignature,
    check_hybrid_public,
    key_id,
    verify_hybrid,
)
from cloister.crypto.kem import Kem
from cloister.crypto.nist import Curve, parse_scalar
from cloister.crypto.passphrase import argon2id
from cloister.crypto.scheme import SignatureScheme
from cloister.crypto.secret import Secret
from cloister.crypto.signature import (
    Ed25519Key,
    check_ed25519_public,
    verify_ed25519,
    verify_raw,
)

SEED = Secret(bytes(range(32)))
OTHER = Secret(bytes(range(1, 33)))


def test_secret_shows_itself_nowhere() -> None:
    secret = Secret(b"swordfish")
    assert "swordfish" not in repr(secret) + str(secret) + f"{secret}"
    assert secret == Secret(b"swordfish")
    assert secret != Secret(b"swordfisH")
    assert secret != b"swordfish"
    assert secret.expose() == b"swordfish"
    assert copy.deepcopy(secret) is secret
    with pytest.raises(TypeError):
        hash(secret)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_system_entropy_gives_fresh_bytes() -> None:
    entropy = SystemEntropy()
    assert len(entropy.random(33)) == 33
    assert entropy.random(32) != entropy.random(32)


def test_hkdf_matches_rfc_5869_case_1() -> None:
    prk = hkdf_extract("sha256", bytes(range(13)), b"\x0b" * 22)
    okm = hkdf_expand("sha256", prk, bytes(range(0xF0, 0xFA)), 42)
    assert okm.expose().hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )
    with pytest.raises(MisusedKey):
        hkdf_expand("sha256", prk, b"", 255 * 32 + 1)


def test_mac_refuses_other_truncated_and_empty_codes() -> None:
    code = mac("sha384", SEED, b"data")
    check_mac("sha384", SEED, b"data", code)
    for wrong in (b"", code[:-1], code + b"\x00", bytes(48)):
        with pytest.raises(BadMac):
            check_mac("sha384", SEED, b"data", wrong)


def test_sha256_joins_its_parts() -> None:
    assert sha256(b"ab", b"c").hex().startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("aead", list(Aead))
def test_aead_opens_only_what_was_sealed(aead: Aead) -> None:
    key = Secret(bytes(aead.key_length))
    sealed = aead.seal(key, bytes(12), b"text", b"aad")
    assert len(sealed) == 4 + 16
    assert aead.open(key, bytes(12), sealed, b"aad") == b"text"
    for nonce, data, aad in [
        (bytes(12), sealed[:-1] + bytes([sealed[-1] ^ 1]), b"aad"),
        (bytes(12), sealed, b"aae"),
        (b"\x01" * 12, sealed, b"aad"),
        (bytes(12), b"", b"aad"),
    ]:
        with pytest.raises(DecryptError):
            aead.open(key, nonce, data, aad)
    with pytest.raises(MisusedKey):
        aead.seal(Secret(b"short"), bytes(12), b"", b"")
    with pytest.raises(MisusedKey):
        aead.seal(key, bytes(11), b"", b"")


def test_aes256gcm_functions_invert_each_other() -> None:
    assert (
        aes256gcm_open(SEED, bytes(12), aes256gcm_seal(SEED, bytes(12), b"x", b"y"), b"y") == b"x"
    )


def test_signature_holds_for_its_label_and_content_only() -> None:
    key = Ed25519Key(SEED)
    signature = key.sign(b"vouch", b"content")
    verify_ed25519(key.public, b"vouch", b"content", signature)
    for label, content, public in [
        (b"vouchc", b"ontent", key.public),
        (b"vouch", b"content!", key.public),
        (b"vouch", b"content", Ed25519Key(OTHER).public),
    ]:
        with pytest.raises(BadSignature):
            verify_ed25519(public, label, content, signature)
    with pytest.raises(BadSignature):
        verify_raw(key.public, b"content", signature)


P = 2**255 - 19
D = -121665 * pow(121666, P - 2, P) % P


def _add(a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
    (x1, y1), (x2, y2) = a, b
    k = D * x1 * x2 * y1 * y2 % P
    return (
        (x1 * y2 + x2 * y1) * pow(1 + k, P - 2, P) % P,
        (y1 * y2 + x1 * x2) * pow(1 - k, P - 2, P) % P,
    )


def _x_of(y: int) -> int | None:
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    return x if x * x % P == square else None


def test_ed25519_small_order_points_are_those_of_order_dividing_8() -> None:
    """Independent of the table: walk the torsion group from a point of order 8."""
    y8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
    x8 = _x_of(y8)
    assert x8 is not None
    point, seen = (x8, y8), set()
    for _ in range(8):
        seen.add(point)
        point = _add(point, (x8, y8))
    assert len(seen) == 8
    for x, y in seen:
        encoded = (y | (x & 1) << 255).to_bytes(32, "little")
        with pytest.raises(BadPublicKey):
            check_ed25519_public(encoded)


def test_ed25519_key_under_which_everything_verifies_is_refused() -> None:
    public = b"\x01" + bytes(31)
    with pytest.raises(BadPublicKey):
        verify_raw(public, b"any message", public + bytes(32))


@pytest.mark.parametrize("y", [P, P + 1, 2**255 - 1])
def test_ed25519_non_canonical_keys_are_refused(y: int) -> None:
    with pytest.raises(BadPublicKey):
        check_ed25519_public(y.to_bytes(32, "little"))
    with pytest.raises(BadPublicKey):
        check_ed25519_public(b"short")


def test_hybrid_signature_needs_both_halves() -> None:
    key = HybridKey(SEED, OTHER)
    signature = key.sign(b"entry", b"content")
    verify_hybrid(key.public, b"entry", b"content", signature)
    stranger = HybridKey(OTHER, SEED).sign(b"entry", b"content")
    for broken in (
        HybridSignature(ed25519=stranger.ed25519, ml_dsa_44=signature.ml_dsa_44),
        HybridSignature(ed25519=signature.ed25519, ml_dsa_44=stranger.ml_dsa_44),
    ):
        with pytest.raises(BadSignature):
            verify_hybrid(key.public, b"entry", b"content", broken)
    # The classical half alone is not a plain signature of the same label and content.
    with pytest.raises(BadSignature):
        verify_ed25519(key.public.ed25519, b"entry", b"content", signature.ed25519)
    assert HybridPublic.decode(key.public.encode()) == key.public
    assert HybridSignature.decode(signature.encode()) == signature
    assert key_id(b"steward", key.public) != key_id(b"relay", key.public)
    check_hybrid_public(key.public)


def test_hpke_round_trip_and_lengths() -> None:
    key = HpkeKey(SEED)
    assert len(key.public) == 1216
    sealed = hpke_seal(key.public, b"info", b"hello")
    assert len(sealed) == 5 + 1136
    assert key.open(b"info", sealed) == b"hello"
    for info, data in [
        (b"other", sealed),
        (b"info", sealed[:-1]),
        (b"info", b""),
        (b"info", sealed[1:]),
    ]:
        with pytest.raises(DecryptError):
            key.open(info, data)


LOW_ORDER_U = [
    0,
    1,
    P - 1,
    P,
    P + 1,
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
]


@pytest.mark.parametrize("high_bit", [0, 1])
@pytest.mark.parametrize("u", LOW_ORDER_U)
def test_low_order_x25519_keys_are_refused_before_use(u: int, high_bit: int) -> None:
    point = (u | high_bit << 255).to_bytes(32, "little")
    with pytest.raises(ValueError):  # what the library would do, at each later use
        X25519PrivateKey.generate().exchange(X25519PublicKey.from_public_bytes(point))
    with pytest.raises(BadPublicKey):
        Kem.X25519.parse_public(point)
    good = HpkeKey(SEED).public
    with pytest.raises(BadPublicKey):
        check_hpke_public(good[:1184] + point)
    with pytest.raises(BadPublicKey):
        hpke_seal(good[:1184] + point, b"", b"")


def test_malformed_ml_kem_keys_are_refused() -> None:
    good = HpkeKey(SEED).public
    check_hpke_public(good)
    for bad in (b"\xff" * 1184 + good[1184:], good[:-1], b""):
        with pytest.raises(BadPublicKey):
            check_hpke_public(bad)


@pytest.mark.parametrize("kem", [Kem.P256, Kem.P384, Kem.P521])
def test_points_off_the_curve_are_refused(kem: Kem) -> None:
    public = HpkePrivateKey(kem, kem.derive_seed(SEED)).public
    kem.parse_public(public)
    off = public[:-1] + bytes([public[-1] ^ 1])
    for bad in (
        off,
        public[:-1],
        b"\x00" * len(public),
        b"\x00",
        public[:1] + bytes(len(public) - 1),
    ):
        with pytest.raises(BadPublicKey):
            kem.parse_public(bad)


@pytest.mark.parametrize("curve", list(Curve))
def test_scalars_out_of_range_are_refused(curve: Curve) -> None:
    for bad in (b"", bytes(curve.scalar_length), b"\xff" * curve.scalar_length):
        with pytest.raises(MisusedKey):
            parse_scalar(curve, Secret(bad))


@pytest.mark.parametrize("scheme", list(SignatureScheme))
def test_each_scheme_verifies_its_own_signatures_only(scheme: SignatureScheme) -> None:
    key, other = (scheme.key(scheme.generate_seed(SystemEntropy())) for _ in range(2))
    signature = key.sign_raw(b"message")
    scheme.verify(key.public, b"message", signature)
    for public, message, given in (
        (other.public, b"message", signature),
        (key.public, b"massage", signature),
        (key.public, b"message", b""),
        (key.public, b"message", signature[:-1]),
    ):
        with pytest.raises(BadSignature):
            scheme.verify(public, message, given)
    with pytest.raises(BadPublicKey):
        scheme.verify(b"", b"message", signature)


@pytest.mark.parametrize("kem", list(Kem))
def test_kem_output_and_ciphertext_cannot_trade_bytes(kem: Kem) -> None:
    suite = HpkeSuite(kem, "sha384", Aead.AES_256_GCM)
    key = HpkePrivateKey(kem, kem.derive_seed(SEED))
    kem_output, ciphertext = suite.seal(key.public, b"", b"text")
    assert suite.open(key, b"", kem_output, ciphertext) == b"text"
    with pytest.raises(DecryptError):
        suite.open(key, b"", kem_output[:-1], kem_output[-1:] + ciphertext)
    with pytest.raises(DecryptError):
        suite.open(key, b"", kem_output + ciphertext[:1], ciphertext[1:])


def test_argon2id_is_deterministic_and_salted() -> None:
    one = argon2id(b"pin", b"saltsalt", memory_kib=64, iterations=1)
    assert one == argon2id(b"pin", b"saltsalt", memory_kib=64, iterations=1)
    assert one != argon2id(b"pin", b"saltsalT", memory_kib=64, iterations=1)
    assert len(one) == 32
    with pytest.raises(MisusedKey):
        argon2id(b"pin", b"salt", memory_kib=64)


def test_linked_library_has_post_quantum_primitives() -> None:
    require_post_quantum()


@pytest.mark.parametrize("kem", [Kem.X25519, Kem.MLKEM768_X25519])
def test_private_keys_of_wrong_length_are_misuse(kem: Kem) -> None:
    for length in (0, 31, 33, 64):
        with pytest.raises(MisusedKey):
            _ = HpkePrivateKey(kem, Secret(bytes(length))).public


def test_unknown_hash_is_misuse() -> None:
    with pytest.raises(MisusedKey):
        hkdf_expand("md5", SEED, b"", 16)

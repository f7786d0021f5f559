"""HPKE known answers from the package cryptography_vectors: RFC 9180 and draft-ietf-hpke-pq.

There are none for P-384, which is checked against the library in tests/unit/crypto and by the MLS
vectors of suite 7. The export-only AEAD and the SHAKE KDFs are not among what Cloister has.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from cloister.crypto.aead import Aead
from cloister.crypto.encapsulation import decapsulate, encapsulate
from cloister.crypto.hpke import HpkePrivateKey, HpkeSuite
from cloister.crypto.hpke_schedule import key_schedule
from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret

pytestmark = pytest.mark.vectors

HASHES = {0x0001: "sha256", 0x0002: "sha384", 0x0003: "sha512"}
AEADS = {0x0001: Aead.AES_128_GCM, 0x0002: Aead.AES_256_GCM, 0x0003: Aead.CHACHA20_POLY1305}
DHKEMS = (Kem.P256, Kem.P521, Kem.X25519, Kem.X448)


def _load(name: str, kems: tuple[Kem, ...]) -> list[dict[str, Any]]:
    text = (files("cryptography_vectors") / "HPKE" / name).read_text()
    codes = {kem.value for kem in kems}
    return [case for case in json.loads(text) if case["kem_id"] in codes]


def _name(case: dict[str, Any]) -> str:
    kem = Kem(case["kem_id"]).name
    return f"{kem}-kdf{case['kdf_id']}-aead{case['aead_id']}-mode{case['mode']}"


DHKEM_CASES = _load("test-vectors.json", DHKEMS)
X_WING_CASES = _load("hpke-pq-test-vectors.json", (Kem.MLKEM768_X25519,))
# Base mode with a hash and an AEAD of ours.
BASE_CASES = [
    case
    for case in DHKEM_CASES + X_WING_CASES
    if case["mode"] == 0 and case["kdf_id"] in HASHES and case["aead_id"] in AEADS
]


def test_there_are_cases() -> None:
    assert (len(DHKEM_CASES), len(X_WING_CASES), len(BASE_CASES)) == (128, 2, 25)
    assert {Kem(case["kem_id"]) for case in BASE_CASES} == set(Kem) - {Kem.P384}


def secret_of(case: dict[str, Any], field: str) -> Secret:
    return Secret(bytes.fromhex(case[field]))


@pytest.mark.parametrize("case", DHKEM_CASES + X_WING_CASES, ids=_name)
def test_derive_key_pair(case: dict[str, Any]) -> None:
    """For X-Wing this is the labelled form."""
    kem = Kem(case["kem_id"])
    seed = kem.derive_seed(secret_of(case, "ikmR"))
    assert seed == secret_of(case, "skRm")
    assert len(seed) == kem.seed_length
    public = kem.parse_private(seed)[1]
    assert public == bytes.fromhex(case["pkRm"])
    assert len(public) == kem.public_length
    assert len(bytes.fromhex(case["enc"])) == kem.encapsulation_length
    kem.parse_public(public)


class Fixed:
    """Entropy that has one thing to say."""

    def __init__(self, value: bytes) -> None:
        self.value = value

    def random(self, n: int) -> bytes:
        assert n == len(self.value)
        return self.value


@pytest.mark.parametrize("case", [c for c in DHKEM_CASES if c["mode"] == 0], ids=_name)
def test_encap_of_a_dhkem(case: dict[str, Any]) -> None:
    """Sender side; for X-Wing the library lets nobody choose the randomness of ML-KEM."""
    kem = Kem(case["kem_id"])
    public = kem.parse_public(bytes.fromhex(case["pkRm"]))
    shared_secret, kem_output = encapsulate(kem, public, Fixed(bytes.fromhex(case["ikmE"])))
    assert kem_output == bytes.fromhex(case["enc"])
    assert shared_secret == secret_of(case, "shared_secret")


@pytest.mark.parametrize("case", BASE_CASES, ids=_name)
def test_decap_and_key_schedule(case: dict[str, Any]) -> None:
    kem, kem_output = Kem(case["kem_id"]), bytes.fromhex(case["enc"])
    private, public = kem.parse_private(secret_of(case, "skRm"))
    shared_secret = decapsulate(kem, private, public, kem_output)
    assert shared_secret == secret_of(case, "shared_secret")
    info = bytes.fromhex(case["info"])
    context = key_schedule(kem, HASHES[case["kdf_id"]], AEADS[case["aead_id"]], shared_secret, info)
    assert context.key == secret_of(case, "key")
    assert context.base_nonce == secret_of(case, "base_nonce")
    assert context.exporter_secret == secret_of(case, "exporter_secret")


@pytest.mark.parametrize("case", BASE_CASES, ids=_name)
def test_what_others_sealed_and_exported(case: dict[str, Any]) -> None:
    kem, kem_output = Kem(case["kem_id"]), bytes.fromhex(case["enc"])
    suite = HpkeSuite(kem, HASHES[case["kdf_id"]], AEADS[case["aead_id"]])
    key, info = HpkePrivateKey(kem, secret_of(case, "skRm")), bytes.fromhex(case["info"])
    first = case["encryptions"][0]
    assert first["nonce"] == case["base_nonce"]
    ciphertext, aad = bytes.fromhex(first["ct"]), bytes.fromhex(first["aad"])
    context = suite.setup_receiver(key, kem_output, info)
    assert context.open(ciphertext, aad) == bytes.fromhex(first["pt"])
    assert context.seal(bytes.fromhex(first["pt"]), aad) == ciphertext
    assert len(case["exports"]) >= 3
    for export in case["exports"]:
        exporter_context = bytes.fromhex(export["exporter_context"])
        exported = suite.export_from(key, kem_output, info, exporter_context, export["L"])
        assert exported == secret_of(export, "exported_value")

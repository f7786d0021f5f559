"""HPKE known answers from the package cryptography_vectors: RFC 9180 and draft-ietf-hpke-pq."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret

pytestmark = pytest.mark.vectors

BASE_MODE = 0


def _cases(name: str, kem: Kem) -> list[Any]:
    text = (files("cryptography_vectors") / "HPKE" / name).read_text()
    chosen = [case for case in json.loads(text) if case["kem_id"] == kem.value]
    return [
        pytest.param(case, id=f"{kem.name}-{n}-mode{case['mode']}") for n, case in enumerate(chosen)
    ]


X25519_CASES = _cases("test-vectors.json", Kem.X25519)
X_WING_CASES = _cases("hpke-pq-test-vectors.json", Kem.MLKEM768_X25519)


def test_there_are_cases() -> None:
    assert (len(X25519_CASES), len(X_WING_CASES)) == (32, 2)


@pytest.mark.parametrize("case", X25519_CASES)
def test_derive_key_pair_of_x25519(case: dict[str, Any]) -> None:
    seed = Kem.X25519.derive_seed(Secret(bytes.fromhex(case["ikmR"])))
    assert seed == Secret(bytes.fromhex(case["skRm"]))
    assert Kem.X25519.parse_private(seed)[1] == bytes.fromhex(case["pkRm"])


@pytest.mark.parametrize("case", X_WING_CASES)
def test_derive_key_pair_of_x_wing_is_the_labelled_form(case: dict[str, Any]) -> None:
    seed = Kem.MLKEM768_X25519.derive_seed(Secret(bytes.fromhex(case["ikmR"])))
    assert seed == Secret(bytes.fromhex(case["skRm"]))
    assert Kem.MLKEM768_X25519.parse_private(seed)[1] == bytes.fromhex(case["pkRm"])

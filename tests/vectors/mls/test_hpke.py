"""HPKE known answers from the package cryptography_vectors: RFC 9180 and draft-ietf-hpke-pq."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret

pytestmark = pytest.mark.vectors


def _cases(name: str, kem: Kem) -> list[Any]:
    text = (files("cryptography_vectors") / "HPKE" / name).read_text()
    chosen = [case for case in json.loads(text) if case["kem_id"] == kem.value]
    return [
        pytest.param(case, id=f"{kem.name}-{n}-mode{case['mode']}") for n, case in enumerate(chosen)
    ]


DHKEM_CASES = [
    case for kem in (Kem.P256, Kem.P521, Kem.X25519) for case in _cases("test-vectors.json", kem)
]
X_WING_CASES = _cases("hpke-pq-test-vectors.json", Kem.MLKEM768_X25519)


def test_there_are_cases() -> None:
    assert (len(DHKEM_CASES), len(X_WING_CASES)) == (96, 2)


def check(case: dict[str, Any]) -> None:
    kem = Kem(case["kem_id"])
    seed = kem.derive_seed(Secret(bytes.fromhex(case["ikmR"])))
    assert seed == Secret(bytes.fromhex(case["skRm"]))
    assert len(seed) == kem.seed_length
    public = kem.parse_private(seed)[1]
    assert public == bytes.fromhex(case["pkRm"])
    assert len(public) == kem.public_length
    assert len(bytes.fromhex(case["enc"])) == kem.encapsulation_length
    kem.parse_public(public)


@pytest.mark.parametrize("case", DHKEM_CASES)
def test_derive_key_pair_of_a_dhkem(case: dict[str, Any]) -> None:
    check(case)


@pytest.mark.parametrize("case", X_WING_CASES)
def test_derive_key_pair_of_x_wing_is_the_labelled_form(case: dict[str, Any]) -> None:
    check(case)

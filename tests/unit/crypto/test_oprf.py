"""OPRF(ristretto255, SHA-512): the vectors of RFC 9497 A.1.1, and what it refuses."""

from __future__ import annotations

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import BadPublicKey, MisusedKey
from cloister.crypto.oprf import (
    MAX_INPUT_LENGTH,
    blind,
    evaluate,
    finalize,
    generate_scalar,
)
from cloister.crypto.secret import Secret

ENTROPY = SystemEntropy()
ORDER = 2**252 + 27742317777372353535851937790883648493
KEY = Secret(bytes.fromhex("5ebcea5ee37023ccb9fc2d2019f9d7737be85591ae8652ffa9ef0f4d37063b0e"))
BLIND = bytes.fromhex("64d37aed22a27f5191de1c1d69fadb899d8862b58eb4220029e036ec4c1f6706")
# Input, BlindedElement, EvaluationElement, Output.
VECTORS = [
    (
        "00",
        "609a0ae68c15a3cf6903766461307e5c8bb2f95e7e6550e1ffa2dc99e412803c",
        "7ec6578ae5120958eb2db1745758ff379e77cb64fe77b0b2d8cc917ea0869c7e",
        (
            "527759c3d9366f277d8c6020418d96bb393ba2afb20ff90df23fb7708264e2f3"
            "ab9135e3bd69955851de4b1f9fe8a0973396719b7912ba9ee8aa7d0b5e24bcf6"
        ),
    ),
    (
        "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a",
        "da27ef466870f5f15296299850aa088629945a17d1f5b7f5ff043f76b3c06418",
        "b4cbf5a4f1eeda5a63ce7b77c7d23f461db3fcab0dd28e4e17cecb5c90d02c25",
        (
            "f4a74c9c592497375e796aa837e907b1a045d34306a749db9f34221f7e750cb4"
            "f2a6413a6bf6fa5e19ba6348eb673934a722a7ede2e7621306d18951e7cf2c73"
        ),
    ),
]


class Given:
    """Entropy that gives what the vector says."""

    def __init__(self, *values: bytes) -> None:
        self.values = list(values)

    def random(self, n: int) -> bytes:
        return self.values.pop(0).ljust(n, b"\0")


@pytest.mark.parametrize(("text", "blinded", "evaluated", "output"), VECTORS)
def test_vectors_of_rfc_9497(text: str, blinded: str, evaluated: str, output: str) -> None:
    private_input = bytes.fromhex(text)
    blinding, element = blind(private_input, Given(BLIND))
    assert blinding.expose() == BLIND
    assert element.hex() == blinded
    answer = evaluate(KEY, element)
    assert answer.hex() == evaluated
    assert finalize(private_input, blinding, answer).expose().hex() == output


def test_output_depends_on_input_and_key_and_not_on_the_blind() -> None:
    def output(private_input: bytes, key: Secret) -> Secret:
        blinding, element = blind(private_input, ENTROPY)
        return finalize(private_input, blinding, evaluate(key, element))

    other = generate_scalar(ENTROPY)
    assert output(b"pin", KEY) == output(b"pin", KEY)
    assert output(b"pin", KEY) != output(b"pim", KEY)
    assert output(b"pin", KEY) != output(b"pin", other)


def test_one_input_is_blinded_to_another_element_each_time() -> None:
    assert blind(b"pin", ENTROPY)[1] != blind(b"pin", ENTROPY)[1]


def test_scalars_are_reduced_and_zero_is_drawn_again() -> None:
    wide = (ORDER + 7).to_bytes(64, "little")
    assert generate_scalar(Given(wide)).expose() == (7).to_bytes(32, "little")
    zero = ORDER.to_bytes(64, "little")
    assert generate_scalar(Given(bytes(64), zero, wide)).expose() == (7).to_bytes(32, "little")


@pytest.mark.parametrize(
    "element",
    [
        b"",
        bytes(31),
        bytes(33),
        bytes(32),  # the identity
        b"\xff" * 32,  # not a field element
        (2**255 - 19).to_bytes(32, "little"),  # zero, encoded a second time
        (1).to_bytes(32, "little"),  # odd, so negative
        (2).to_bytes(32, "little"),  # no square root
        b"\x00" * 31 + b"\x80",  # the identity with the top bit
        bytes.fromhex(VECTORS[0][1][:-2] + "bc"),  # an element with the top bit
    ],
    ids=lambda value: value.hex()[-8:] or "empty",
)
def test_attack_what_is_no_element_is_refused(element: bytes) -> None:
    blinding, _ = blind(b"pin", ENTROPY)
    with pytest.raises(BadPublicKey):
        evaluate(KEY, element)
    with pytest.raises(BadPublicKey):
        finalize(b"pin", blinding, element)


@pytest.mark.parametrize(
    "scalar",
    [
        bytes(32),
        bytes(31),
        ORDER.to_bytes(32, "little"),
        (ORDER + 1).to_bytes(32, "little"),
        b"\xff" * 32,
    ],
    ids=lambda value: value.hex()[:8] or "empty",
)
def test_scalar_that_is_none_is_refused(scalar: bytes) -> None:
    blinding, element = blind(b"pin", ENTROPY)
    with pytest.raises(MisusedKey):
        evaluate(Secret(scalar), element)
    with pytest.raises(MisusedKey):
        finalize(b"pin", Secret(scalar), evaluate(KEY, element))
    assert finalize(b"pin", blinding, evaluate(KEY, element))


def test_input_is_bounded_by_its_length_field() -> None:
    longest = bytes(MAX_INPUT_LENGTH)
    blinding, element = blind(longest, ENTROPY)
    finalize(longest, blinding, evaluate(KEY, element))
    with pytest.raises(MisusedKey):
        blind(longest + b"\0", ENTROPY)
    with pytest.raises(MisusedKey):
        finalize(longest + b"\0", blinding, evaluate(KEY, element))

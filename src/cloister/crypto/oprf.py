"""OPRF(ristretto255, SHA-512) of RFC 9497, mode 0x00: who evaluates learns nothing of the input.

The group is libsodium's, through rbcl. Hashing to the group is expand_message_xmd of RFC 9380
5.3.1 with SHA-512 and the one-way map of ristretto255, as RFC 9497 4.1 says.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, MisusedKey
from cloister.crypto.secret import Secret
from cloister.crypto.sodium import ristretto255

ELEMENT_LENGTH: Final = 32
SCALAR_LENGTH: Final = 32
MAX_INPUT_LENGTH: Final = 2**16 - 1
"""RFC 9497 1.2: PrivateInput."""

_WIDE_LENGTH: Final = 64
"""Bytes that are reduced to a scalar: twice its length, so that no scalar is likelier."""
_BLOCK_LENGTH: Final = 128
_DIGEST_LENGTH: Final = 64
_P: Final = 2**255 - 19
_ZERO: Final = bytes(SCALAR_LENGTH)
# "OPRFV1-" || I2OSP(mode, 1) || "-" || identifier of the suite; mode 0x00 is OPRF.
_CONTEXT: Final = b"OPRFV1-\x00-ristretto255-SHA512"
_GROUP_DST: Final = b"HashToGroup-" + _CONTEXT


def generate_scalar(entropy: Entropy) -> Secret:
    """Draw a uniform scalar that is not zero, 32 bytes: a blind, or the key of one share."""
    while True:
        scalar = ristretto255().crypto_core_ristretto255_scalar_reduce(entropy.random(_WIDE_LENGTH))
        # Zero comes once in 2^252 draws; it would send every input to the identity.
        if scalar != _ZERO:
            return Secret(scalar)


def blind(private_input: bytes, entropy: Entropy) -> tuple[Secret, bytes]:
    """Blind the input: the blind, to be kept, and the element, 32 bytes, to be sent.

    Without the blind the element is a uniform one, whatever the input. Raises MisusedKey for an
    input that is too long.
    """
    scalar = generate_scalar(entropy)
    return scalar, _multiply(scalar, _hash_to_group(private_input))


def evaluate(scalar: Secret, element: bytes) -> bytes:
    """Evaluate a blinded element under a share's scalar, 32 bytes.

    Raises BadPublicKey for what is no element, not its one encoding, or the identity, whose
    evaluation would not depend on the scalar; MisusedKey for a scalar that is none.
    """
    _check_scalar(scalar)
    check_element(element)
    return _multiply(scalar, element)


def finalize(private_input: bytes, blinding: Secret, evaluated: bytes) -> Secret:
    """Take the blind off an evaluated element and hash: the output, 64 bytes.

    Raises BadPublicKey as ``evaluate`` does, MisusedKey for an input or a blind that is none.
    """
    _check_scalar(blinding)
    _check_input(private_input)
    check_element(evaluated)
    inverse = Secret(ristretto255().crypto_core_ristretto255_scalar_invert(blinding.expose()))
    unblinded = _multiply(inverse, evaluated)
    hashed = hashlib.sha512(
        len(private_input).to_bytes(2, "big")
        + private_input
        + ELEMENT_LENGTH.to_bytes(2, "big")
        + unblinded
        + b"Finalize"
    )
    return Secret(hashed.digest())


def check_element(element: bytes) -> None:
    """Demand the canonical encoding of an element other than the identity. Raises BadPublicKey."""
    if len(element) != ELEMENT_LENGTH:
        raise BadPublicKey("an element of ristretto255 has 32 bytes")
    # The library overlooks the top bit: RFC 9496 4.3.1, step 1, in full.
    number = int.from_bytes(element, "little")
    if number >= _P or number & 1:
        raise BadPublicKey("not the canonical encoding of an element of ristretto255")
    if number == 0:
        raise BadPublicKey("the identity element hides no input")
    if not ristretto255().crypto_core_ristretto255_is_valid_point(element):
        raise BadPublicKey("not the encoding of an element of ristretto255")


def _multiply(scalar: Secret, element: bytes) -> bytes:
    product: bytes = ristretto255().crypto_scalarmult_ristretto255(scalar.expose(), element)
    return product


def _check_scalar(scalar: Secret) -> None:
    value = scalar.expose()
    if len(value) != SCALAR_LENGTH or value == _ZERO:
        raise MisusedKey("a scalar has 32 bytes and is not zero")
    if ristretto255().crypto_core_ristretto255_scalar_reduce(value + bytes(SCALAR_LENGTH)) != value:
        raise MisusedKey("a scalar is smaller than the order of the group")


def _check_input(private_input: bytes) -> None:
    if len(private_input) > MAX_INPUT_LENGTH:
        raise MisusedKey(f"an input has at most {MAX_INPUT_LENGTH} bytes")


def _hash_to_group(private_input: bytes) -> bytes:
    _check_input(private_input)
    element: bytes = ristretto255().crypto_core_ristretto255_from_hash(_expand(private_input))
    return element


def _expand(message: bytes) -> bytes:
    """expand_message_xmd to 64 bytes, which is one block of SHA-512: ell is 1."""
    suffix = _GROUP_DST + len(_GROUP_DST).to_bytes(1, "big")
    length = _DIGEST_LENGTH.to_bytes(2, "big")
    first = hashlib.sha512(bytes(_BLOCK_LENGTH) + message + length + b"\x00" + suffix).digest()
    return hashlib.sha512(first + b"\x01" + suffix).digest()

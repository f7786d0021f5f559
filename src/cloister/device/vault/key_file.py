"""``vault.key``: the vault's key, wrapped under what the person knows (notes-trust 6).

    KEK = HKDF-SHA256(salt = keystore secret,
                      ikm  = unlock shares || Argon2id(passphrase),
                      info = label || parameters)

The unlock shares are the outputs of the two relays (y_A || y_B); their kind is recorded, so that
a vault that needs them can never be opened without by a file that claims otherwise: the
parameters are part of ``info`` and of the additional data.  Nobody needs the checksum for
security; it tells a damaged file from a wrong passphrase.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from cloister.codec import DecodeError, Struct, enum8, fixed, layout, nested, uint8, uint16, uint32
from cloister.crypto.aead import aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import hkdf_expand, hkdf_extract, sha256
from cloister.crypto.passphrase import argon2id
from cloister.crypto.secret import Secret
from cloister.device.vault.errors import VaultDamaged
from cloister.errors import LockedError

MAGIC: Final = b"cloistVK"
VERSION: Final = 1
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16

WRAP_LABEL: Final = b"Cloister 1.0 VaultWrap"
"""Separates the wrapping key from everything else that could come from the same passphrase."""
CHECKSUM_LABEL: Final = b"Cloister 1.0 VaultKeyFile"
"""Separates the checksum from other hashes; all that it covers is readable in the file."""

MAX_MEMORY_KIB: Final = 1024 * 1024
MAX_ITERATIONS: Final = 16
MAX_LANES: Final = 16
"""Bounds on what a file may ask for: an altered one must not exhaust the machine before its
checksum is known to be wrong, and a forged one not afterwards."""


class ShareKind(IntEnum):
    """Which unlock shares take part."""

    NONE = 0
    TWO_RELAYS = 1


class KeystoreKind(IntEnum):
    """Whether the system's keystore holds a secret that takes part."""

    ABSENT = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """The work of one guess at the passphrase: Argon2id memory (KiB), passes, lanes."""

    memory_kib: int
    iterations: int
    lanes: int


DEFAULT_COST: Final = Cost(64 * 1024, 3, 1)


class UnlockShares(Protocol):
    """The relays' part of the key.  A seam: release 1 knows only :class:`NoUnlockShares`."""

    @property
    def kind(self) -> ShareKind:
        """What is recorded in the key file."""
        ...

    def evaluate(self, passphrase: Secret) -> Secret:
        """Return y_A || y_B.  Raises ``LockedError`` when a relay refuses."""
        ...


class NoUnlockShares:
    """No relay takes part: whoever has both files may guess the passphrase without limit."""

    kind: Final = ShareKind.NONE

    def evaluate(self, passphrase: Secret) -> Secret:
        """Return nothing."""
        return Secret(b"")


@layout
class KeyParameters(Struct):
    """Everything that decides how the wrapping key is made."""

    version: int = uint16()
    memory_kib: int = uint32()
    iterations: int = uint32()
    lanes: int = uint8()
    salt: bytes = fixed(SALT_BYTES)
    shares: ShareKind = enum8(ShareKind)
    keystore: KeystoreKind = enum8(KeystoreKind)


@layout
class KeyFile(Struct):
    """The whole file; ``checksum`` covers what stands before it."""

    magic: bytes = fixed(len(MAGIC))
    parameters: KeyParameters = nested(KeyParameters)
    nonce: bytes = fixed(NONCE_BYTES)
    wrapped: bytes = fixed(KEY_BYTES + TAG_BYTES)
    checksum: bytes = fixed(32)


def wrap_key(
    vault_key: Secret,
    passphrase: Secret,
    *,
    cost: Cost,
    shares: UnlockShares,
    entropy: Entropy,
) -> bytes:
    """Return the bytes of ``vault.key`` for a vault key of 32 bytes."""
    parameters = KeyParameters(
        version=VERSION,
        memory_kib=cost.memory_kib,
        iterations=cost.iterations,
        lanes=cost.lanes,
        salt=entropy.random(SALT_BYTES),
        shares=shares.kind,
        keystore=KeystoreKind.ABSENT,
    )
    nonce = entropy.random(NONCE_BYTES)
    key = _wrapping_key(parameters, passphrase, shares)
    # The salt is fresh for every wrap, so this (key, nonce) pair is used once.
    wrapped = aes256gcm_seal(key, nonce, vault_key.expose(), _bound(parameters))
    file = KeyFile(
        magic=MAGIC, parameters=parameters, nonce=nonce, wrapped=wrapped, checksum=bytes(32)
    )
    body = file.encode()[:-32]
    return body + sha256(CHECKSUM_LABEL, body)


def unwrap_key(file: bytes, passphrase: Secret, shares: UnlockShares) -> Secret:
    """Return the vault key.

    Raises ``VaultDamaged`` when the file is not one that :func:`wrap_key` wrote, ``LockedError``
    when the passphrase (or a share) is another.
    """
    parsed = _parse(file)
    parameters = parsed.parameters
    if parameters.shares is not shares.kind:
        raise LockedError(
            "the vault needs the unlock shares of both relays, which this program cannot ask for",
            hint="use the version of the program that made or changed the vault",
        )
    key = _wrapping_key(parameters, passphrase, shares)
    try:
        return Secret(aes256gcm_open(key, parsed.nonce, parsed.wrapped, _bound(parameters)))
    except DecryptError:
        raise LockedError(
            "The passphrase is not right.", hint="nothing was changed; try again"
        ) from None


def _parse(file: bytes) -> KeyFile:
    hint = "put vault.key back from a backup; without it nobody can open the vault"
    try:
        parsed = KeyFile.decode(file)
    except DecodeError:
        raise VaultDamaged("vault.key is damaged: it does not have its form", hint=hint) from None
    if not hmac.compare_digest(sha256(CHECKSUM_LABEL, file[:-32]), parsed.checksum):
        raise VaultDamaged("vault.key is damaged: its checksum is wrong", hint=hint)
    parameters = parsed.parameters
    if parsed.magic != MAGIC or parameters.version != VERSION:
        raise VaultDamaged(
            "vault.key is of a version that this program does not know",
            hint="use the version of the program that made it",
        )
    if (
        parameters.memory_kib > MAX_MEMORY_KIB
        or not 0 < parameters.iterations <= MAX_ITERATIONS
        or not 0 < parameters.lanes <= MAX_LANES
    ):
        raise VaultDamaged("vault.key asks for more work than any version writes", hint=hint)
    return parsed


def _bound(parameters: KeyParameters) -> bytes:
    return WRAP_LABEL + parameters.encode()


def _wrapping_key(parameters: KeyParameters, passphrase: Secret, shares: UnlockShares) -> Secret:
    stretched = argon2id(
        passphrase.expose(),
        parameters.salt,
        memory_kib=parameters.memory_kib,
        iterations=parameters.iterations,
        lanes=parameters.lanes,
    )
    keystore_secret = b""
    ikm = shares.evaluate(passphrase).expose() + stretched.expose()
    prk = hkdf_extract("sha256", keystore_secret, ikm)
    return hkdf_expand("sha256", prk, _bound(parameters), KEY_BYTES)

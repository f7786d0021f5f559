"""``vault.key``: the forms of the file that holds the vault's key, wrapped (notes-trust 6).

Two forms. By the passphrase alone (:class:`KeyFile`): whoever copies the folder may guess without
limit. With unlock shares (:class:`ShareKeyFile`): each guess needs the relays, which count.

What makes the wrapping key is part of its derivation and of the additional data, so a vault that
needs shares can never be opened without by a file that claims otherwise. Nobody needs the
checksum for security; it tells a damaged file from a wrong passphrase.
"""

from __future__ import annotations

import hmac
from enum import IntEnum
from typing import Final

import msgspec

from cloister.client.effects import Route
from cloister.codec import (
    DecodeError,
    Struct,
    enum8,
    fixed,
    flag,
    layout,
    nested,
    opaque,
    text,
    uint8,
    uint16,
    uint32,
    uint64,
    vector,
)
from cloister.crypto.hashing import sha256
from cloister.crypto.passphrase import argon2id
from cloister.crypto.secret import Secret
from cloister.device.vault.errors import VaultDamaged
from cloister.roster.relay_card import MAX_ENTRY_RELAYS

MAGIC: Final = b"cloistVK"
ALONE_VERSION: Final = 1
SHARES_VERSION: Final = 2
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
CHECKSUM_BYTES: Final = 32

CHECKSUM_LABEL: Final = b"Cloister 1.0 VaultKeyFile"
"""Separates the checksum from other hashes; all that it covers is readable in the file."""

MAX_MEMORY_KIB: Final = 1024 * 1024
MAX_ITERATIONS: Final = 16
MAX_LANES: Final = 16
"""Bounds on what a file may ask for: an altered one must not exhaust the machine before its
checksum is known to be wrong, and a forged one not afterwards."""

_HINT: Final = "put vault.key back from a backup; without it nobody can open the vault"


class ShareKind(IntEnum):
    """Which unlock shares take part."""

    NONE = 0
    RELAYS = 1


class KeystoreKind(IntEnum):
    """Whether the system's keystore holds a secret that takes part."""

    ABSENT = 0


class Cost(msgspec.Struct, frozen=True):
    """The work of one guess at the passphrase: Argon2id memory (KiB), passes, lanes."""

    memory_kib: int
    iterations: int
    lanes: int


DEFAULT_COST: Final = Cost(64 * 1024, 3, 1)


@layout
class KeyParameters(Struct):
    """How the passphrase is stretched, and what else makes the wrapping key."""

    version: int = uint16()
    memory_kib: int = uint32()
    iterations: int = uint32()
    lanes: int = uint8()
    salt: bytes = fixed(SALT_BYTES)
    shares: ShareKind = enum8(ShareKind)
    keystore: KeystoreKind = enum8(KeystoreKind)


@layout
class KeyFile(Struct):
    """Wrapped under the passphrase alone; ``checksum`` covers what stands before it."""

    magic: bytes = fixed(len(MAGIC))
    parameters: KeyParameters = nested(KeyParameters)
    nonce: bytes = fixed(NONCE_BYTES)
    wrapped: bytes = fixed(KEY_BYTES + TAG_BYTES)
    checksum: bytes = fixed(CHECKSUM_BYTES)


@layout
class UnlockRoute(Struct):
    """One way to a relay's unlock face: the program cannot read the roster before it is open."""

    entry_host: str = text(253)
    entry_port: int = uint16()
    entry_certificate: bytes = opaque(2048)
    target_host: str = text(253)
    target_port: int = uint16()
    target_certificate: bytes = opaque(2048)

    @classmethod
    def of(cls, route: Route) -> UnlockRoute:
        """Write a route down.  One without certificates leads to no relay that is known."""
        return cls(
            entry_host=route.entry_host,
            entry_port=route.entry_port,
            entry_certificate=route.entry_certificate or b"",
            target_host=route.home_host,
            target_port=route.home_port,
            target_certificate=route.home_certificate or b"",
        )

    @property
    def route(self) -> Route:
        """The route for a link.  An empty certificate is none that TLS could accept."""
        return Route(
            entry_host=self.entry_host,
            entry_port=self.entry_port,
            entry_certificate=self.entry_certificate,
            home_host=self.target_host,
            home_port=self.target_port,
            home_certificate=self.target_certificate,
        )


@layout
class ShareReference(Struct):
    """Where a share of this vault is, and the key that asks for it.

    The unlock seed stands outside the vault by design: it lets whoever has the folder use up the
    device's tries, and keeps everybody else from doing so.
    """

    relay_id: bytes = fixed(32)
    handle: bytes = fixed(16)
    generation: int = uint64()
    unlock_seed: bytes = fixed(32)
    routes: tuple[UnlockRoute, ...] = vector(UnlockRoute, min_items=1, max_items=MAX_ENTRY_RELAYS)

    @property
    def bound(self) -> bytes:
        """What is part of the wrapping key.  Not the routes: a relay may move."""
        return self.relay_id + self.handle + self.generation.to_bytes(8, "big")

    @property
    def name(self) -> tuple[bytes, bytes]:
        """Relay and handle, which outlast a generation."""
        return self.relay_id, self.handle


@layout
class Wrap(Struct):
    """The vault's key under the shares of two relays, named by their places in ``references``."""

    first: int = uint8()
    second: int = uint8()
    nonce: bytes = fixed(NONCE_BYTES)
    wrapped: bytes = fixed(KEY_BYTES + TAG_BYTES)


@layout
class ShareKeyFile(Struct):
    """Wrapped under passphrase and shares: once for two relays, for each pair of three.

    ``undropped``: the relays may still keep the generation before; this device has to say that
    they may destroy it. Not bound to anything: who alters it gains an idle request.
    """

    magic: bytes = fixed(len(MAGIC))
    parameters: KeyParameters = nested(KeyParameters)
    references: tuple[ShareReference, ...] = vector(ShareReference, min_items=2, max_items=3)
    wraps: tuple[Wrap, ...] = vector(Wrap, min_items=1, max_items=3)
    undropped: bool = flag()
    checksum: bytes = fixed(CHECKSUM_BYTES)


AnyKeyFile = KeyFile | ShareKeyFile


class Stretched(msgspec.Struct, frozen=True):
    """What the person knows, after Argon2id with the cost and the salt of a key file."""

    cost: Cost
    salt: bytes
    key: Secret


def stretch(passphrase: Secret, cost: Cost, salt: bytes) -> Stretched:
    """Stretch a passphrase or PIN; takes a tenth of a second and 64 MiB by default."""
    key = argon2id(
        passphrase.expose(),
        salt,
        memory_kib=cost.memory_kib,
        iterations=cost.iterations,
        lanes=cost.lanes,
    )
    return Stretched(cost, salt, key)


def stretch_for(file: AnyKeyFile, passphrase: Secret) -> Stretched:
    """Stretch a passphrase as a key file asks."""
    parameters = file.parameters
    cost = Cost(parameters.memory_kib, parameters.iterations, parameters.lanes)
    return stretch(passphrase, cost, parameters.salt)


def parameters_of(stretched: Stretched, version: int, shares: ShareKind) -> KeyParameters:
    """Return the parameters that a new key file records."""
    return KeyParameters(
        version=version,
        memory_kib=stretched.cost.memory_kib,
        iterations=stretched.cost.iterations,
        lanes=stretched.cost.lanes,
        salt=stretched.salt,
        shares=shares,
        keystore=KeystoreKind.ABSENT,
    )


def sealed(file: AnyKeyFile) -> bytes:
    """Encode a key file with its checksum."""
    body = file.encode()[:-CHECKSUM_BYTES]
    return body + sha256(CHECKSUM_LABEL, body)


def parse_key_file(content: bytes) -> AnyKeyFile:
    """Read ``vault.key``.  Raises ``VaultDamaged`` for what no version of the program wrote."""
    if not hmac.compare_digest(
        sha256(CHECKSUM_LABEL, content[:-CHECKSUM_BYTES]), content[-CHECKSUM_BYTES:]
    ):
        raise VaultDamaged("vault.key is damaged: its checksum is wrong", hint=_HINT)
    version = int.from_bytes(content[len(MAGIC) : len(MAGIC) + 2], "big")
    if content[: len(MAGIC)] != MAGIC or version not in {ALONE_VERSION, SHARES_VERSION}:
        raise VaultDamaged(
            "vault.key is of a version that this program does not know",
            hint="use the version of the program that made it",
        )
    form: type[KeyFile | ShareKeyFile] = KeyFile if version == ALONE_VERSION else ShareKeyFile
    try:
        parsed = form.decode(content)
    except DecodeError:
        raise VaultDamaged("vault.key is damaged: it does not have its form", hint=_HINT) from None
    _check(parsed)
    return parsed


def _check(parsed: AnyKeyFile) -> None:
    parameters = parsed.parameters
    if (
        parameters.memory_kib > MAX_MEMORY_KIB
        or not 0 < parameters.iterations <= MAX_ITERATIONS
        or not 0 < parameters.lanes <= MAX_LANES
    ):
        raise VaultDamaged("vault.key asks for more work than any version writes", hint=_HINT)
    is_shared = isinstance(parsed, ShareKeyFile)
    if (parameters.shares is ShareKind.RELAYS) != is_shared:
        raise VaultDamaged("vault.key contradicts itself about unlock shares", hint=_HINT)
    if isinstance(parsed, ShareKeyFile):
        count = len(parsed.references)
        pairs = [(wrap.first, wrap.second) for wrap in parsed.wraps]
        if pairs != pairs_of(count) or len({one.relay_id for one in parsed.references}) != count:
            raise VaultDamaged("vault.key names its relays in no form we write", hint=_HINT)


def pairs_of(count: int) -> list[tuple[int, int]]:
    """Return the pairs of places under which the key is wrapped: AB, or AB, AC, BC."""
    return [(first, second) for first in range(count) for second in range(first + 1, count)]

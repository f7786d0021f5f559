"""Keys from passphrases and PINs: Argon2id (RFC 9106)."""

from __future__ import annotations

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from cloister.crypto.errors import MisusedKey
from cloister.crypto.secret import Secret


def argon2id(
    passphrase: bytes,
    salt: bytes,
    *,
    memory_kib: int = 65536,
    iterations: int = 3,
    lanes: int = 1,
) -> Secret:
    """Stretch ``passphrase`` to 32 bytes.

    The defaults take about a tenth of a second and 64 MiB. ``salt`` has at least 8 bytes.
    Raises MisusedKey for parameters that Argon2 does not allow.
    """
    try:
        kdf = Argon2id(
            salt=salt, length=32, iterations=iterations, lanes=lanes, memory_cost=memory_kib
        )
    except ValueError as error:
        raise MisusedKey(f"Argon2id: {error}") from None
    return Secret(kdf.derive(passphrase))

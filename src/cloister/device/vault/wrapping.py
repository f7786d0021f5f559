"""Wrapping the vault's key (notes-trust 3.2, 6).

    KEK = HKDF-SHA256(salt = keystore secret,
                      ikm  = unlock shares || Argon2id(passphrase),
                      info = label || parameters || the two shares' relays, handles, generations)

The unlock shares are the outputs y of two relays, in the order of the file, or nothing. With
three relays the key is wrapped for each pair: any two open the vault, and no arithmetic of
thresholds is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from cloister.crypto.aead import aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import hkdf_expand, hkdf_extract
from cloister.crypto.secret import Secret
from cloister.device.vault.errors import SecretNotRight, VaultNeedsShares
from cloister.device.vault.key_file import (
    ALONE_VERSION,
    CHECKSUM_BYTES,
    KEY_BYTES,
    MAGIC,
    NONCE_BYTES,
    SALT_BYTES,
    SHARES_VERSION,
    AnyKeyFile,
    Cost,
    KeyFile,
    KeyParameters,
    ShareKeyFile,
    ShareKind,
    ShareReference,
    Stretched,
    Wrap,
    pairs_of,
    parameters_of,
    sealed,
    stretch,
    stretch_for,
)

WRAP_LABEL: Final = b"Cloister 1.0 VaultWrap"
"""Separates the wrapping key from everything else that could come from the same passphrase."""

_KEYSTORE_SECRET: Final = b""
_NO_CHECKSUM: Final = bytes(CHECKSUM_BYTES)

Shares = Mapping[bytes, Secret]
"""relay id -> y, 64 bytes."""


def fresh_stretch(passphrase: Secret, cost: Cost, entropy: Entropy) -> Stretched:
    """Stretch a passphrase that is being chosen, with a new salt."""
    return stretch(passphrase, cost, entropy.random(SALT_BYTES))


def wrap_alone(vault_key: Secret, stretched: Stretched, entropy: Entropy) -> bytes:
    """Return the bytes of ``vault.key`` for a vault that the passphrase alone opens."""
    parameters = parameters_of(stretched, ALONE_VERSION, ShareKind.NONE)
    nonce = entropy.random(NONCE_BYTES)
    key = _wrapping_key(parameters, stretched, (), {})
    wrapped = aes256gcm_seal(key, nonce, vault_key.expose(), _bound(parameters, ()))
    return sealed(
        KeyFile(
            magic=MAGIC,
            parameters=parameters,
            nonce=nonce,
            wrapped=wrapped,
            checksum=_NO_CHECKSUM,
        )
    )


def wrap_with_shares(
    vault_key: Secret,
    stretched: Stretched,
    references: Sequence[ShareReference],
    shares: Shares,
    *,
    undropped: bool,
    entropy: Entropy,
) -> bytes:
    """Return the bytes of ``vault.key`` for a vault that needs two of its relays.

    ``shares`` has one for each reference.
    """
    parameters = parameters_of(stretched, SHARES_VERSION, ShareKind.RELAYS)
    wraps = []
    for first, second in pairs_of(len(references)):
        pair = (references[first], references[second])
        # The same key may wrap the same vault key again (an interrupted re-wrap under one salt
        # and generation): a random nonce each time.
        nonce = entropy.random(NONCE_BYTES)
        key = _wrapping_key(parameters, stretched, pair, shares)
        wrapped = aes256gcm_seal(key, nonce, vault_key.expose(), _bound(parameters, pair))
        wraps.append(Wrap(first=first, second=second, nonce=nonce, wrapped=wrapped))
    return sealed(
        ShareKeyFile(
            magic=MAGIC,
            parameters=parameters,
            references=tuple(references),
            wraps=tuple(wraps),
            undropped=undropped,
            checksum=_NO_CHECKSUM,
        )
    )


def unwrap_alone(file: AnyKeyFile, passphrase: Secret) -> tuple[Secret, Stretched]:
    """Return the vault key.  Raises ``SecretNotRight``, ``VaultNeedsShares``."""
    if isinstance(file, ShareKeyFile):
        raise VaultNeedsShares(
            "the vault needs the unlock shares of its relays",
            hint="open it with a command of this program that asks them",
        )
    stretched = stretch_for(file, passphrase)
    key = _wrapping_key(file.parameters, stretched, (), {})
    try:
        opened = aes256gcm_open(key, file.nonce, file.wrapped, _bound(file.parameters, ()))
    except DecryptError:
        raise SecretNotRight(
            "The passphrase is not right.", hint="nothing was changed; try again"
        ) from None
    return Secret(opened), stretched


def unwrap_with_shares(file: ShareKeyFile, stretched: Stretched, shares: Shares) -> Secret | None:
    """Return the vault key, or ``None`` when no pair of the shares given opens it.

    Every pair is tried: a relay that answers wrongly must not close the vault while two others
    answer rightly.
    """
    for wrap in file.wraps:
        pair = (file.references[wrap.first], file.references[wrap.second])
        if all(one.relay_id in shares for one in pair):
            key = _wrapping_key(file.parameters, stretched, pair, shares)
            bound = _bound(file.parameters, pair)
            try:
                return Secret(aes256gcm_open(key, wrap.nonce, wrap.wrapped, bound))
            except DecryptError:
                continue
    return None


def _bound(parameters: KeyParameters, pair: Sequence[ShareReference]) -> bytes:
    return WRAP_LABEL + parameters.encode() + b"".join(one.bound for one in pair)


def _wrapping_key(
    parameters: KeyParameters,
    stretched: Stretched,
    pair: Sequence[ShareReference],
    shares: Shares,
) -> Secret:
    given = b"".join(shares[one.relay_id].expose() for one in pair)
    prk = hkdf_extract("sha256", _KEYSTORE_SECRET, given + stretched.key.expose())
    return hkdf_expand("sha256", prk, _bound(parameters, pair), KEY_BYTES)

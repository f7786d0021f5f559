"""Opening a vault: hold it, stretch the PIN, get the shares, unwrap the key.

The shares come from a lease (no relay is asked, which works without a network) or from the
relays.  Only when the profile's lock is held and the key file is whole is any relay asked: each
question costs a try.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from cloister.crypto.entropy import Entropy, SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.calls import OpenLink
from cloister.device.link import Link
from cloister.device.unlock.evaluation import Asked, evaluate_all
from cloister.device.unlock.lease import LeasedShare, fitting
from cloister.device.unlock.words import not_opened, wrong_pin
from cloister.device.vault import ClosedVault, SecretNotRight, Vault
from cloister.device.vault.key_file import KeyFile, ShareKeyFile, Stretched, stretch_for
from cloister.device.vault.wrapping import unwrap_alone, unwrap_with_shares


async def open_vault(
    folder: Path,
    secret: Secret,
    *,
    lease: tuple[LeasedShare, ...] = (),
    entropy: Entropy | None = None,
    open_link: OpenLink = Link.open,
) -> Vault:
    """Open the vault of a folder, whichever form its key file has.

    Raises ``VaultMissing``, ``VaultDamaged``, ``VaultBusy``, ``SecretNotRight``, another
    ``LockedError`` when a relay serves the share to nobody, ``NetworkError``.
    """
    held = ClosedVault.take(folder)
    try:
        file = held.file
        if isinstance(file, KeyFile):
            vault_key, stretched = await asyncio.to_thread(unwrap_alone, file, secret)
            shares: Mapping[bytes, Secret] = {}
        else:
            stretched = await asyncio.to_thread(stretch_for, file, secret)
            leased = fitting(lease, file.references)
            if leased is not None:
                vault_key, shares = _from_lease(file, stretched, leased), leased
            else:
                asked = await evaluate_all(
                    file.references, stretched, entropy or SystemEntropy(), open_link
                )
                vault_key, shares = _from_relays(file, stretched, asked), asked.by_relay
        vault = await asyncio.to_thread(Vault.open_held, held, vault_key, stretched, shares)
    except BaseException:
        held.release()
        raise
    if isinstance(held.file, ShareKeyFile) and leased is None:
        vault.key.unconfirmed.update(shares)
    return vault


def _from_lease(file: ShareKeyFile, stretched: Stretched, leased: Mapping[bytes, Secret]) -> Secret:
    vault_key = unwrap_with_shares(file, stretched, leased)
    if vault_key is None:
        raise SecretNotRight(
            "The PIN is not right.", hint="nothing was changed, no relay was asked; try again"
        )
    return vault_key


def _from_relays(file: ShareKeyFile, stretched: Stretched, asked: Asked) -> Secret:
    vault_key = unwrap_with_shares(file, stretched, asked.by_relay)
    if vault_key is not None:
        return vault_key
    if len(asked.shares) < 2:
        raise not_opened(asked.failures)
    raise SecretNotRight(
        wrong_pin(min(share.left for share in asked.shares)),
        hint="think before the next try: the wait grows, and after ten the share is sealed",
    )

"""Opening a vault from the kept files: whoever has a device's disk, its PIN and both relays can.

That is what the checker has, and what no thief and no single relay has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.crypto import oprf
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.secret import Secret
from cloister.demo.check.finding import Wrong
from cloister.device.unlock.evaluation import unlock_input
from cloister.device.vault import ClosedVault, Vault
from cloister.device.vault.key_file import KeyFile, ShareReference, Stretched, stretch_for
from cloister.device.vault.wrapping import unwrap_alone, unwrap_with_shares
from cloister.ids import Handle
from cloister.relay.shares.epoch_key import EpochKey
from cloister.roster.relay_card import RelayCard

SHARES: Final = Path("data") / "shares.sqlite3"
EPOCH_KEY: Final = Path("keys") / "shares.key"


class ShareFiles:
    """One relay's scalars, read from its folder."""

    def __init__(self, folder: Path, card: RelayCard) -> None:
        self.folder = folder
        self.relay_id = bytes(card.relay_id)

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Read the file of shares.  Raises ``Wrong``."""
        path = self.folder / SHARES
        if not path.exists():
            raise Wrong(f"{path} is missing")
        connection = sqlite.connect(str(path))
        try:
            connection.execute("PRAGMA query_only = ON")
            found: list[tuple[object, ...]] = connection.execute(statement, values).fetchall()
            return found
        finally:
            connection.close()

    def scalar(self, handle: bytes, generation: int) -> Secret | None:
        """Unwrap a scalar, if it is there."""
        rows = self.rows(
            "SELECT wrapped FROM scalar WHERE handle = ? AND generation = ?", handle, generation
        )
        key = EpochKey.decode((self.folder / EPOCH_KEY).read_bytes())
        if not rows or key is None or not isinstance(rows[0][0], bytes):
            return None
        try:
            return key.unwrap(Handle(handle), generation, rows[0][0])
        except DecryptError:
            return None

    def answer(self, reference: ShareReference, stretched: Stretched) -> Secret | None:
        """Do what relay and device do together when the PIN is typed."""
        scalar = self.scalar(reference.handle, reference.generation)
        if scalar is None:
            return None
        given = unlock_input(reference, stretched)
        blinding, element = oprf.blind(given, SystemEntropy())
        return oprf.finalize(given, blinding, oprf.evaluate(scalar, element))


def open_with(folder: Path, secret: Secret, relays: Iterable[ShareFiles]) -> Vault | None:
    """Open a vault with a PIN and the files of these relays; ``None`` when they are not enough."""
    held = ClosedVault.take(folder)
    try:
        if isinstance(held.file, KeyFile):
            vault_key, stretched = unwrap_alone(held.file, secret)
            shares: Mapping[bytes, Secret] = {}
        else:
            stretched = stretch_for(held.file, secret)
            by_id = {relay.relay_id: relay for relay in relays}
            answers = {
                one.relay_id: by_id[one.relay_id].answer(one, stretched)
                for one in held.file.references
                if one.relay_id in by_id
            }
            shares = {key: value for key, value in answers.items() if value is not None}
            found = unwrap_with_shares(held.file, stretched, shares)
            if found is None:
                held.release()
                return None
            vault_key = found
        return Vault.open_held(held, vault_key, stretched, shares)
    except BaseException:
        held.release()
        raise

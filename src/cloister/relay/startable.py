"""What a relay's folder must be before the relay starts.

A start with an empty database, with older logs, or as something else than the card says is taken
by mirrors and devices for a relay that lies; so it is refused, and nothing has been touched.
"""

from __future__ import annotations

import ssl
from typing import Final

from cloister.errors import LocalError, UsageError
from cloister.relay.backup.manifest import NAME as BACKUP_NAME
from cloister.relay.folder import Folder, Identity
from cloister.relay.settings import Settings
from cloister.roster.relay_card import RelayCard, RelayRole

_BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
_END: Final = b"-----END CERTIFICATE-----"


def demand_startable(folder: Folder, settings: Settings) -> Identity:
    """Return keys and card of a relay that may start.  Raises ``UsageError``, ``LocalError``."""
    demand_no_backup(folder)
    demand_databases(folder)
    identity = folder.identity()
    demand_as_on_card(identity.card, settings)
    demand_certificate(folder, identity.card)
    return identity


def demand_no_backup(folder: Folder) -> None:
    """A backup is restored, which begins its second life.  Raises ``UsageError``."""
    if (folder.path / BACKUP_NAME).exists():
        raise UsageError(
            f"{folder.path} is a backup, not the folder of a relay",
            hint="restore it into a folder of its own: cloister relay restore BACKUP DIR",
        )


def demand_databases(folder: Folder) -> None:
    """What the relay has stored must be there once it has run.  Raises ``LocalError``."""
    if folder.gone:
        raise LocalError(
            f"{' and '.join(one.name for one in folder.gone)} cannot be found in"
            f" {folder.gone[0].parent}, and this relay has run before",
            hint="is a disk not mounted? Else restore a backup; an empty one would set the logs"
            " back, and devices would warn of it",
        )


def demand_as_on_card(card: RelayCard, settings: Settings) -> None:
    """Devices and mirrors go by the card.  Raises ``UsageError``."""
    relay = settings.relay
    role = RelayRole.ENTRY if relay.role == "entry" else RelayRole.HOME
    pairs = {
        "role": (card.roles, int(role)),
        "name": (card.name, relay.name),
        "jurisdiction": (card.jurisdiction, relay.jurisdiction),
        "operator": (card.operator, relay.operator),
        "host": (card.host, relay.host),
        "port": (card.port, relay.port),
        "mirror_port": (card.mirror_port, relay.mirror_port),
        "unlock_port": (card.unlock_port, relay.unlock_port),
    }
    differing = [name for name, (said, is_set) in pairs.items() if said != is_set]
    if differing:
        raise UsageError(
            f"the card says something else than the settings: {', '.join(differing)}",
            hint="put back what the card says (relay.toml, or CLOISTER__RELAY__ in the"
            " environment): circles depend on the card",
        )


def demand_certificate(folder: Folder, card: RelayCard) -> None:
    """The listeners have the certificate of the card, and its key.  Raises ``LocalError``."""
    try:
        folder.server_context()
        certificate = _first_in(folder.tls_certificate_path.read_bytes())
    except (OSError, ValueError):
        raise LocalError(
            "keys/tls.crt and keys/tls.key cannot be used together",
            hint="restore both from one backup; never make them anew: the certificate stands on"
            " the card",
        ) from None
    if certificate != card.tls_certificate:
        raise LocalError(
            "keys/tls.crt is not the certificate on the card: every device would refuse it",
            hint="restore keys and card from one backup",
        )


def _first_in(pem: bytes) -> bytes:
    """Return the certificate that OpenSSL takes; text around it is none of it.

    Raises ``ValueError``."""
    begins = pem.index(_BEGIN)
    block = pem[begins : pem.index(_END, begins) + len(_END)]
    return ssl.PEM_cert_to_DER_cert(block.decode("ascii"))

"""The keys of this device's unlock shares, one set for each share relay (flows 1, 5.1).

Two relays that compared their tables would find the same key under two handles; so every relay
gets keys of its own, made from one secret of the device or the member.
"""

from __future__ import annotations

from typing import Final

from cloister.client.records import Identity
from cloister.crypto.hashing import hkdf_expand, hkdf_extract
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.roster.labels import framed

# Each label with the relay's id, or the bind, behind it: no key stands in for another.
UNLOCK_KEY_LABEL: Final = b"unlock key"
CONFIRM_KEY_LABEL: Final = b"confirm key"
OWNER_KEY_LABEL: Final = b"owner key"
TICKET_KEY_LABEL: Final = b"ticket key"


def unlock_seed(identity: Identity, relay_id: bytes) -> Secret:
    """Return the seed of the key that asks this relay for the share; kept outside the vault too."""
    return _derive(identity.unlock_seed, UNLOCK_KEY_LABEL, relay_id)


def confirm_key(identity: Identity, relay_id: bytes) -> Ed25519Key:
    """Return the key that gives the tries back; only the open vault has it."""
    return Ed25519Key(_derive(identity.confirm_seed, CONFIRM_KEY_LABEL, relay_id))


def ticket_key(identity: Identity, relay_id: bytes) -> Ed25519Key:
    """Return the key that a member's device asks this home for tickets with: asked again, the home
    finds the seat that it has reserved for it."""
    return Ed25519Key(_derive(identity.confirm_seed, TICKET_KEY_LABEL, relay_id))


def owner_key(owner_secret: Secret, bind: bytes) -> Ed25519Key:
    """Return the key with which the member locks the share under ``bind``.

    Of the bind and not of the handle, which the relay draws only when it has been given this key.
    The bind stands in the receipt in the log, so every device of the member finds the key again.
    """
    return Ed25519Key(_derive(owner_secret, OWNER_KEY_LABEL, bind))


def _derive(secret: Secret, label: bytes, context: bytes) -> Secret:
    extracted = hkdf_extract("sha256", b"", secret.expose())
    return hkdf_expand("sha256", extracted, framed(label) + context, 32)

"""The public keys of one device, and its name: the did."""

from __future__ import annotations

from typing import Final

from cloister.codec import CachedStruct, fixed, flag, layout, opaque
from cloister.crypto.errors import BadPublicKey
from cloister.crypto.hpke import check_hpke_public
from cloister.crypto.signature import check_ed25519_public
from cloister.ids import DeviceId, InboxId
from cloister.roster.fields import ED25519_PUBLIC_BYTES, HPKE_PUBLIC_BYTES, INBOX_ID
from cloister.roster.labels import labelled_hash

# A did is never the hash of anything else, so no other structure can be passed off as a card.
DEVICE_ID_LABEL: Final = b"DeviceCard id"


@layout
class DeviceCard(CachedStruct):
    """struct { opaque device_key[32]; opaque hpke_key<V> (1216 bytes); opaque inbox_id[16];
    opaque inbox_key[32]; uint8 bot; } DeviceCard

    ``device_key`` and ``inbox_key`` are Ed25519, ``hpke_key`` is X-Wing. ``bot`` says that a
    program, not a person, reads there.
    """

    device_key: bytes = fixed(ED25519_PUBLIC_BYTES)
    hpke_key: bytes = opaque(min_bytes=HPKE_PUBLIC_BYTES, max_bytes=HPKE_PUBLIC_BYTES)
    inbox_id: InboxId = INBOX_ID
    inbox_key: bytes = fixed(ED25519_PUBLIC_BYTES)
    bot: bool = flag()

    @property
    def did(self) -> DeviceId:
        """The device's name: a hash over all its keys, 32 bytes."""
        return DeviceId(labelled_hash(DEVICE_ID_LABEL, self.encode()))


def check_device_card(card: DeviceCard) -> None:
    """Demand that each key can be one. Raises BadPublicKey.

    The library verifies under small-order Ed25519 keys; whoever enrolled one could have signed,
    or deny having signed, anything. So keys are checked once, here, when they enter.
    """
    check_ed25519_public(card.device_key)
    check_ed25519_public(card.inbox_key)
    check_hpke_public(card.hpke_key)
    if card.device_key == card.inbox_key:
        raise BadPublicKey("device key and inbox key are the same")

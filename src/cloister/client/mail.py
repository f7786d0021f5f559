"""Inbox items: Welcomes sealed to one device, padded to an envelope size (flows 4.4)."""

from __future__ import annotations

from typing import Final

from cloister.client.records import InboxItem
from cloister.codec import DecodeError, Reader
from cloister.crypto.hpke import HpkeKey, hpke_seal
from cloister.errors import LocalError
from cloister.limits import ENVELOPE_SIZES
from cloister.roster.device_card import DeviceCard

INBOX_ITEM_LABEL: Final = b"Cloister 1.0 InboxItem"
"""HPKE info, with the inbox id behind it: an item opens in no other role and no other inbox."""
INBOX_ITEM_VERSION: Final = 1
_SEAL_BYTES: Final = 1120 + 16
"""What HPKE adds: the X-Wing encapsulation and the AEAD tag."""


def seal_inbox_item(card: DeviceCard, channel_id: bytes, welcome: bytes) -> bytes:
    """Seal a Welcome for the device of ``card``; the result has one of ``ENVELOPE_SIZES``."""
    plain = InboxItem(version=INBOX_ITEM_VERSION, channel_id=channel_id, welcome=welcome).encode()
    for size in ENVELOPE_SIZES:
        if len(plain) + _SEAL_BYTES <= size:
            padded = plain.ljust(size - _SEAL_BYTES, b"\0")
            return hpke_seal(card.hpke_key, INBOX_ITEM_LABEL + card.inbox_id, padded)
    raise LocalError("the Welcome is too large for one envelope")


def open_inbox_item(key: HpkeKey, inbox_id: bytes, sealed: bytes) -> InboxItem:
    """Open an inbox item.  Raises ``DecryptError``, ``DecodeError``."""
    reader = Reader(key.open(INBOX_ITEM_LABEL + inbox_id, sealed))
    item = InboxItem.read(reader)
    if item.version != INBOX_ITEM_VERSION or reader.raw(reader.remaining).strip(b"\0"):
        raise DecodeError("an inbox item has a form that this program does not know")
    return item

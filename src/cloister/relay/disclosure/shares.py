"""Declares data/shares.sqlite3: unlock shares, at the home and at entry relays."""

from __future__ import annotations

from typing import Final

from cloister.relay.disclosure.declaration import FOR_EVER, NEWEST, Column, Database

_ERASED: Final = "until the share is erased"
_SPENT: Final = "until a day after the ticket's end"

SHARES: Final = Database(
    "data/shares.sqlite3",
    "unlock shares: a part of what opens a device's vault, worth nothing without the device, its "
    "PIN and another relay",
    {
        "share": {
            "handle": Column("a device at this relay alone, 16 random bytes", FOR_EVER,
                             "seat; a circle, once an order names it"),
            "bind": Column("hash that shows a circle to whoever is told 32 random bytes", FOR_EVER),
            "unlock_key": Column("public key that asks for the share", FOR_EVER),
            "confirm_key": Column("public key inside the vault", FOR_EVER),
            "owner_key": Column("public key that locks the device", FOR_EVER),
            "generation": Column("how often the PIN was changed", NEWEST),
            "tries_left": Column("wrong PINs left", NEWEST),
            "next_at": Column("earliest next try: near the time of the last one", NEWEST),
            "locked_at": Column("size of the log when it was locked", NEWEST),
            "unlocked_at": Column("place of the last unlock in the log", NEWEST),
            "is_held": Column("whether a legal hold covers it", NEWEST),
            "erased_at": Column("when the scalar was destroyed", FOR_EVER),
        },
        "scalar": {
            "handle": Column("whose", _ERASED, "share"),
            "generation": Column("which one", _ERASED),
            "wrapped": Column("the share itself, under the key in keys/shares.key", _ERASED),
        },
        "ticket_spent": {
            "name": Column("hash of a ticket's issuer and key: whoever knows a box key finds the "
                           "handle it enrolled", _SPENT, "invite_box"),
            "handle": Column("handle that it enrolled", _SPENT, "share"),
            "receipt": Column("answer, to be given again", _SPENT),
            "expires": Column("the ticket's end", _SPENT),
        },
        "pending_order": {
            "order_hash": Column("erase that waits for its time", "until it is done or refused",
                                 "log_entry"),
            "handle": Column("whose share", "until it is done or refused", "share"),
        },
        "erasure_receipt": {
            "order_hash": Column("erase that was carried out", FOR_EVER, "log_entry"),
            "handle": Column("whose share", FOR_EVER, "share"),
            "receipt": Column("this relay's signature that it is destroyed", FOR_EVER),
        },
        "meta": {
            "key": Column("always 1", FOR_EVER),
            "ek_id": Column("name of the key that scalars are wrapped under", NEWEST),
            "is_stale": Column("whether that key is to be replaced", NEWEST),
        },
    },
)  # fmt: skip

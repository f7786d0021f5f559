"""Declares data/relay.sqlite3: what devices stored. An entry relay uses circle and log_entry."""

from __future__ import annotations

from typing import Final

from cloister.relay.disclosure.declaration import FOR_EVER, NEWEST, Column, Database

_AGED: Final = "30 days, or as retention.days says; longer under a legal hold"
_PUT: Final = "30 days from the put"
_LADDER: Final = "until the commit that ended the epoch has aged out"
_ROW: Final = Column("row number", FOR_EVER, "order of coming")
_BOX: Final = "as long after its end as items are kept; longer under a legal hold"

STORED: Final = Database(
    "data/relay.sqlite3",
    "what devices stored, and the logs",
    {
        "activation": {
            "code_hash": Column("SHA-256 of an activation code that was used", FOR_EVER,
                                "the operator's account, by the books"),
            "setup_key": Column("public key of one founding", FOR_EVER, "seat_reserved"),
            "origin": Column("log that the code opened", FOR_EVER, "circle"),
        },
        "circle": {
            "key": _ROW,
            "origin": Column("name of the log: the relay's name and 8 random bytes", FOR_EVER),
            "size": Column("entries in the log", NEWEST),
            "root": Column("root of the log's tree", NEWEST),
            "note": Column("signed head of the log", NEWEST),
            "settled": Column("newest head with cosignatures, to the second", NEWEST),
            "fold": Column("readable entries put together: steward keys, relays, orders, holds",
                           NEWEST, "handles that orders name"),
        },
        "log_entry": {
            "circle": Column("whose log", FOR_EVER, "circle"),
            "seq": Column("place in the log", FOR_EVER),
            "kind": Column("1 sealed, 2 readable", FOR_EVER),
            "bytes": Column("the entry: time to the second; sealed, or an act of a steward's key "
                            "on handles and channels", FOR_EVER, "handles and channels, once an "
                            "order or a hold names them"),
        },
        "channel": {
            "key": _ROW,
            "id": Column("16 random bytes", FOR_EVER),
            "circle": Column("circle it belongs to", FOR_EVER, "circle"),
            "is_commons": Column("whether it is the circle's general room", FOR_EVER),
            "epoch": Column("how many commits it has had", NEWEST),
            "next_n": Column("how many items it has had, saved now and then", NEWEST),
            "bytes": Column("size of its items", NEWEST),
            "floor_n": Column("up to where items have aged out", NEWEST),
        },
        "ladder": {
            "channel": Column("whose epoch", _LADDER, "channel"),
            "epoch": Column("which one", _LADDER),
            "pk": Column("public key shared by all members of the epoch", _LADDER),
            "first_n": Column("its first item", _LADDER),
            "commit_n": Column("the commit that ended it", _LADDER),
            "log_size_end": Column("size of the log then", _LADDER, "log_entry"),
            "tree": Column("hash of a staged, encrypted ratchet tree", _LADDER, "part"),
        },
        "envelope": {
            "key": Column("row number", _AGED, "order of coming, across channels"),
            "channel": Column("where it was put", _AGED, "channel"),
            "n": Column("its place in the channel", _AGED),
            "id": Column("16 random bytes of the sender's choice", _AGED),
            "epoch": Column("epoch it was accepted in", _AGED),
            "hour": Column("hour it was accepted in", _AGED),
            "bytes": Column("ciphertext of one of five sizes", _AGED),
            "kind": Column("1 message, 2 commit", _AGED),
            "hash": Column("of an object in parts", _AGED, "part"),
            "parts": Column("how many", _AGED),
        },
        "put_id": {
            "channel": Column("where it was", _PUT, "channel"),
            "id": Column("of an item that aged out early, for late retries", _PUT),
            "hash": Column("of its bytes", _PUT),
            "n": Column("its place", _PUT),
            "hour": Column("hour it was accepted in", _PUT),
        },
        "part": {
            "key": Column("row number", "as its item", "order of coming"),
            "owner": Column("channel or inbox", "as its item", "channel, inbox"),
            "hash": Column("of the whole object", "as its item"),
            "i": Column("which part", "as its item"),
            "count": Column("of how many", "as its item"),
            "until": Column("when it goes if nothing names it", "an hour"),
            "bytes": Column("ciphertext", "an hour, or as long as the item that names it"),
        },
        "inbox": {
            "key": _ROW,
            "id": Column("16 random bytes: the mailbox of one device", FOR_EVER),
            "circle": Column("its circle", FOR_EVER, "circle"),
            "pk": Column("public key of one device: a lasting pseudonym", FOR_EVER),
            "next_n": Column("how many Welcomes came", NEWEST),
            "floor_n": Column("up to where they have aged out", NEWEST),
        },
        "inbox_item": {
            "inbox": Column("whose", _AGED, "inbox"),
            "n": Column("which one", _AGED),
            "bytes": Column("Welcome, sealed to the device", _AGED),
            "hash": Column("of an object in parts", _AGED, "part"),
            "parts": Column("how many", _AGED),
            "hour": Column("hour the device was added to a group", _AGED),
        },
        "key_package": {
            "key": Column("row number", "until it is taken", "order of publishing"),
            "inbox": Column("whose pool", "until it is taken", "inbox"),
            "bytes": Column("key package, in the clear: its credential names the device's did",
                            "until it is taken", "did"),
        },
        "invite_box": {
            "key": Column("row number", _BOX, "order of opening"),
            "id": Column("derived from the invitation's seed", _BOX),
            "circle": Column("its circle", _BOX, "circle"),
            "pk": Column("public key from the same seed", _BOX, "seat_reserved, ticket_spent"),
            "expires": Column("end of the invitation, to the second", _BOX),
            "next_n": Column("items in it", _BOX),
            "inbox": Column("inbox that the newcomer opened with it", _BOX, "inbox"),
        },
        "box_item": {
            "box": Column("which box", _BOX, "invite_box"),
            "n": Column("which item", _BOX),
            "bytes": Column("letter or join request, sealed", _BOX),
        },
        "seat_reserved": {
            "key": Column("public key of a ticket not used yet", "until it is used, or as long "
                          "after its end as items are kept", "invite_box, activation"),
            "account": Column("account in the books", "the same", "account"),
            "expires": Column("end of the reservation", "the same"),
        },
        "seat": {
            "handle": Column("a device at this relay, 16 random bytes", FOR_EVER, "share"),
            "account": Column("account in the books", FOR_EVER, "account"),
        },
    },
)  # fmt: skip

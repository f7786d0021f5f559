"""Declares books/books.sqlite3: the operator's books, beside the home relay's data."""

from __future__ import annotations

from typing import Final

from cloister.relay.disclosure.declaration import FOR_EVER, NEWEST, Column, Database

BOOKS: Final = Database(
    "books/books.sqlite3",
    "the operator's books: customers as the operator calls them, and no member",
    {
        "plan": {
            "name": Column("name of a plan", FOR_EVER),
            "price": Column("of one seat for one term", FOR_EVER),
            "currency": Column("ISO 4217", FOR_EVER),
            "months": Column("of a term", FOR_EVER),
        },
        "account": {
            "id": Column("16 random digits that the relay knows the account by", FOR_EVER,
                         "seat, seat_reserved"),
            "name": Column("the customer, as the operator calls it", FOR_EVER, "who pays"),
            "plan": Column("its plan", NEWEST, "plan"),
            "seats": Column("seats bought", NEWEST),
            "zone": Column("time zone in which its days end", FOR_EVER, "where the customer is"),
            "first": Column("first day of its terms without a break", NEWEST),
            "terms": Column("terms since then", NEWEST),
        },
        "activation": {
            "code_hash": Column("SHA-256 of its activation code", FOR_EVER,
                                "activation in data/relay.sqlite3: the circle's log"),
            "account": Column("whose", FOR_EVER, "account"),
        },
        "freed": {
            "handle": Column("device whose seat was set free", FOR_EVER, "seat, share"),
            "account": Column("whose", FOR_EVER, "account"),
        },
        "change": {
            "seq": Column("row number", FOR_EVER),
            "account": Column("whose", FOR_EVER, "account"),
            "at": Column("when, to the second", FOR_EVER),
            "what": Column("opened, seats, freed, renewed or code", FOR_EVER),
            "detail": Column("what was before and after", FOR_EVER, "handles set free"),
        },
        "payment": {
            "seq": Column("row number", FOR_EVER),
            "account": Column("whose", FOR_EVER, "account"),
            "amount": Column("minor units", FOR_EVER),
            "currency": Column("ISO 4217", FOR_EVER),
            "paid_on": Column("day of the payment", FOR_EVER),
            "reference": Column("as the operator typed it", FOR_EVER, "a bank's records"),
            "at": Column("when it was entered, to the second", FOR_EVER),
            "hash": Column("chain over all rows before", FOR_EVER),
        },
    },
)  # fmt: skip

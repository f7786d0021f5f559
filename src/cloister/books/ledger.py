"""The ledger of payments: rows are added, each hashed over the one before, and never altered."""

from __future__ import annotations

from datetime import date
from typing import Final

import sqlcipher3.dbapi2 as sqlite

from cloister.books.money import Money
from cloister.books.rows import Payment
from cloister.codec import Struct, fixed, layout, opaque, uint64
from cloister.crypto.hashing import sha256
from cloister.errors import LocalError

FIRST: Final = bytes(32)
"""What the first row is hashed over."""


@layout
class _Row(Struct):
    """struct { opaque previous[32]; uint64 seq; opaque account<V>; opaque amount<V>;
    opaque currency<V>; opaque paid_on<V>; opaque reference<V>; uint64 at; }"""

    previous: bytes = fixed(32)
    seq: int = uint64()
    account: bytes = opaque()
    amount: bytes = opaque()
    currency: bytes = opaque()
    paid_on: bytes = opaque()
    reference: bytes = opaque()
    at: int = uint64()


def add_payment(
    connection: sqlite.Connection,
    *,
    account: str,
    amount: Money,
    paid_on: date,
    reference: str,
    at: int,
) -> Payment:
    """Add a row, inside the caller's transaction. Raises LocalError for a broken ledger."""
    rows = read_payments(connection)
    previous = rows[-1].hash if rows else FIRST
    payment = Payment(
        seq=len(rows) + 1,
        account=account,
        amount=amount,
        paid_on=paid_on,
        reference=reference,
        at=at,
        hash=b"",
    )
    digest = _hash(payment, previous)
    connection.execute(
        "INSERT INTO payment (seq, account, amount, currency, paid_on, reference, at, hash)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            payment.seq,
            account,
            amount.minor,
            amount.currency,
            paid_on.isoformat(),
            reference,
            at,
            digest,
        ),
    )
    return read_payments(connection)[-1]


def read_payments(connection: sqlite.Connection) -> list[Payment]:
    """All rows in order, with the chain checked. Raises LocalError where it breaks."""
    payments: list[Payment] = []
    previous = FIRST
    for seq, account, minor, currency, paid_on, reference, at, digest in connection.execute(
        "SELECT seq, account, amount, currency, paid_on, reference, at, hash"
        " FROM payment ORDER BY seq"
    ):
        payment = Payment(
            seq=seq,
            account=account,
            amount=Money(minor, currency),
            paid_on=date.fromisoformat(paid_on),
            reference=reference,
            at=at,
            hash=digest,
        )
        if seq != len(payments) + 1 or digest != _hash(payment, previous):
            raise LocalError(
                f"the ledger was altered at row {seq}, or before",
                hint="compare it with your last report, and restore the books from a backup",
            )
        payments.append(payment)
        previous = digest
    return payments


def _hash(payment: Payment, previous: bytes) -> bytes:
    return sha256(
        _Row(
            previous=previous,
            seq=payment.seq,
            account=payment.account.encode(),
            amount=str(payment.amount.minor).encode(),
            currency=payment.amount.currency.encode(),
            paid_on=payment.paid_on.isoformat().encode(),
            reference=payment.reference.encode(),
            at=payment.at,
        ).encode()
    )

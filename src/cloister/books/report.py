"""What the books say, as rows: of accounts, of renewals that are due, of the ledger.

A row is a mapping of columns to texts and whole numbers, the same in every output.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from cloister.books.store import Books
from cloister.books.terms import day_at, zone_of
from cloister.limits import SEAT_GRACE_S

Row = Mapping[str, str | int]
DUE_DAYS: Final = (30, 7, 1)
"""The notices of an end: a month, a week, a day before."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Standing(StrEnum):
    """Where an account stands: all works in grace, and nothing new is stored when lapsed."""

    ACTIVE = "active"
    GRACE = "grace"
    LAPSED = "lapsed"


def standing(term_end: int, now: int) -> Standing:
    """Where an account stands; both in seconds since the Unix epoch."""
    if now < term_end:
        return Standing.ACTIVE
    return Standing.GRACE if now <= term_end + SEAT_GRACE_S else Standing.LAPSED


def report_accounts(books: Books, now: int) -> list[Row]:
    """All accounts, by name."""
    return [
        {
            "account": account.name,
            "id": account.id,
            "plan": account.plan.name,
            "seats": account.seats,
            "paid_through": account.last_day.isoformat(),
            "timezone": account.zone,
            "term_end": account.term_end,
            "standing": standing(account.term_end, now),
        }
        for account in books.accounts()
    ]


def report_renewals(books: Books, now: int, due_days: int | None = None) -> list[Row]:
    """Who has to renew, the earliest end first.

    With ``due_days`` those alone whose last day is so many days away or fewer, or over; without,
    all, so that a calendar can be made of it. ``due`` is the nearest of the notices of 30, 7 and 1
    days that has come, or 0.
    """
    rows: list[Row] = []
    for account in sorted(books.accounts(), key=lambda one: (one.term_end, one.name)):
        days = (account.last_day - day_at(now, zone_of(account.zone))).days
        if due_days is not None and days > due_days:
            continue
        price = account.price
        rows.append(
            {
                "account": account.name,
                "last_day": account.last_day.isoformat(),
                "days": days,
                "due": min((notice for notice in DUE_DAYS if days <= notice), default=0),
                "standing": standing(account.term_end, now),
                "seats": account.seats,
                "amount": price.amount,
                "currency": price.currency,
            }
        )
    return rows


def report_ledger(books: Books) -> list[Row]:
    """All payments, in the order they were entered, with the chain of hashes checked."""
    names = {account.id: account.name for account in books.accounts()}
    return [
        {
            "seq": payment.seq,
            "account": names[payment.account],
            "paid_on": payment.paid_on.isoformat(),
            "amount": payment.amount.amount,
            "currency": payment.amount.currency,
            "reference": payment.reference,
            "entered_at": payment.at,
            "hash": payment.hash.hex(),
        }
        for payment in books.payments()
    ]


def as_csv(rows: Sequence[Row], text_columns: frozenset[str]) -> str:
    """RFC 4180 with a head line; no cell of a text column can be taken for a formula.

    A spreadsheet computes what begins with = + - @: an apostrophe before it makes it text again.
    Numbers are ours and stay as they are, a negative amount too.
    """
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: _guarded(value) if key in text_columns else value for key, value in row.items()}
        )
    return out.getvalue()


TEXT_COLUMNS: Final = frozenset({"account", "id", "plan", "reference", "timezone"})
"""Columns that hold what somebody typed."""


def _guarded(value: str | int) -> str:
    text = str(value)
    # Leading spaces are dropped by some programs before they look.
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text

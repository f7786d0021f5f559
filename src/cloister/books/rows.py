"""What the books hold, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from cloister.books.money import Money
from cloister.books.terms import end_of_day, last_day, zone_of


@dataclass(frozen=True, slots=True)
class Plan:
    """What one seat costs for one term of ``months`` calendar months."""

    name: str
    price: Money
    months: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A customer's account: the seats bought, and the terms without a break since ``first``."""

    id: str
    name: str
    plan: Plan
    seats: int
    zone: str
    first: date
    terms: int

    @property
    def last_day(self) -> date:
        """The last day that is paid for."""
        return last_day(self.first, self.terms)

    @property
    def term_end(self) -> int:
        """The end of that day in the account's time zone, in seconds since the Unix epoch."""
        return end_of_day(self.last_day, zone_of(self.zone))

    @property
    def price(self) -> Money:
        """What the next term of all its seats costs."""
        return Money(self.plan.price.minor * self.seats, self.plan.price.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """A row of the ledger."""

    seq: int
    account: str
    amount: Money
    paid_on: date
    reference: str
    at: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Renewal:
    """What a renewal did, and from which day it counted."""

    account: Account
    before: date
    counted_from: date
    reason: str

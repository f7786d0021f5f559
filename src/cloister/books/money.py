"""Money: whole numbers of a currency's smallest unit. No floating point touches it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from cloister.errors import UsageError

# ISO 4217, column "minor unit", where it is not 2.
_NO_DIGITS: Final = frozenset(
    {
        *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
        *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
    }
)
_THREE_DIGITS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"})
_MAX_MINOR: Final = 10**15
"""Far above any sum of these books, far below what a column holds."""


@dataclass(frozen=True, slots=True)
class Money:
    """``minor`` units of ``currency``; negative in a correction."""

    minor: int
    currency: str

    def __str__(self) -> str:
        """Give ``1600.00 EUR``."""
        return f"{self.amount} {self.currency}"

    @property
    def amount(self) -> str:
        """The number alone, with as many decimals as the currency has."""
        return f"{Decimal(self.minor).scaleb(-digits_of(self.currency)):f}"


def digits_of(currency: str) -> int:
    """The decimals of a currency: 2, unless ISO 4217 says otherwise."""
    if currency in _NO_DIGITS:
        return 0
    return 3 if currency in _THREE_DIGITS else 2


def check_currency(currency: str) -> str:
    """Demand the form of an ISO 4217 code. Raises UsageError."""
    if not re.fullmatch("[A-Z]{3}", currency):
        raise UsageError(
            f"{currency!r} is no currency", hint="give three capital letters of ISO 4217: EUR, USD"
        )
    return currency


def read_money(text: str, currency: str) -> Money:
    """Read ``1600.00``, ``1600`` or ``-16.5``. Raises UsageError."""
    check_currency(currency)
    digits = digits_of(currency)
    try:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,4})?", text):
            raise InvalidOperation
        minor = Decimal(text).scaleb(digits)
        if minor != minor.to_integral_value() or abs(minor) > _MAX_MINOR:
            raise InvalidOperation
    except InvalidOperation:
        example = Money(160_000, currency).amount
        raise UsageError(
            f"{text!r} is no amount of {currency}", hint=f"give it as {example}, in numbers alone"
        ) from None
    return Money(int(minor), currency)

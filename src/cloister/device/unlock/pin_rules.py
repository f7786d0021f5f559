"""Which PINs are too easy while the relays count the guesses.

Ten guesses, or fifteen with three relays: a PIN must not be among the first few that everybody
would try. A longer PIN helps only where relays and disk are seized together; that is the person's
choice. Where the passphrase alone opens the vault none of this applies: nobody counts there.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from cloister.crypto.secret import Secret
from cloister.errors import UsageError

LEAST_CHARACTERS: Final = 6
"""Six digits drawn at random: ten guesses hit one time in a hundred thousand."""

_COMMON: Final = """
121212 123123 123321 112233 101010 131313 212121 232323 159753 147258 258456 159357 147147
246810 314159 271828 696969 789456 456789 987654 102030 111222 222333 100000 200000 010101
1q2w3e q1w2e3 qwerty qwertz azerty asdfgh zxcvbn yxcvbn qwerty1 qwerty123 qwertyuiop abc123
abcdef abcabc a1b2c3 passwd password passw0rd password1 password123 letmein welcome
iloveyou monkey dragon master shadow sunshine princess football baseball superman batman
charlie michael jordan hunter soccer killer trustno1 starwars whatever freedom computer
internet secret hallo123 passwort geheim schatz cloister cloister1 12345678910
"""
"""The heads of published lists, less what the rules below catch."""
COMMON: Final = frozenset(_COMMON.split())


def check_pin(pin: Secret) -> None:
    """Demand a PIN that is not among the first guesses.  Raises ``UsageError``."""
    try:
        text = pin.expose().decode("utf-8").casefold()
    except UnicodeDecodeError:
        return  # bytes that nobody types are nobody's first guess
    if len(text) < LEAST_CHARACTERS:
        raise UsageError(
            f"a PIN has at least {LEAST_CHARACTERS} characters", hint="more is better; any will do"
        )
    if text in COMMON or _is_run(text) or _is_repetition(text) or _is_date(text):
        raise UsageError(
            "this PIN is among the first that anybody would try",
            hint="no row of keys, no repetition, no date; six digits from dice are good",
        )


def _is_run(text: str) -> bool:
    steps = {ord(second) - ord(first) for first, second in pairwise(text)}
    return steps in ({1}, {-1}) or text in "01234567890" or text in "09876543210"


def _is_repetition(text: str) -> bool:
    """One, two or three characters again and again."""
    return any(
        len(text) % period == 0 and text == text[:period] * (len(text) // period)
        for period in (1, 2, 3)
    )


def _is_date(text: str) -> bool:
    """A day in eight digits. In six it would forbid a tenth of all PINs, and gain little."""
    if not (text.isascii() and text.isdigit()) or len(text) != 8:
        return False
    orders = [
        (text[:4], text[4:6], text[6:]),
        (text[4:], text[2:4], text[:2]),
        (text[4:], text[:2], text[2:4]),
    ]
    return any(
        "1900" <= year <= "2099" and "01" <= month <= "12" and "01" <= day <= "31"
        for year, month, day in orders
    )

"""One sanitiser for every text that others wrote (notes-interface 1.9, notes-reliability 4.3).

Applied at the decrypt boundary, before a text is stored, and again wherever one is drawn.  It is
idempotent.  A terminal must never receive a byte that it would obey: escapes, C0 and C1 controls,
bidirectional overrides, invisible characters that make two names look alike.

The sets are written out instead of asking ``unicodedata`` for categories: those change with the
Python version, and two devices would show two texts.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
MAX_COMBINING_RUN: Final = 4
"""Combining marks on one character; more of them paint over the neighbouring lines ("Zalgo")."""

_OBEYED: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional controls
    "\u2028\u2029"  # line separators that some terminals obey
    "\ud800-\udfff\ufdd0-\ufdef"  # surrogates, noncharacters
    "\ue000-\uf8ff\U000f0000-\U0010ffff"  # private use: a font may draw anything
    "\U0001fffe\U0001ffff\ufffe\uffff]"
)
_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
_JOINERS: Final = re.compile("[\u200c\u200d\ufe00-\ufe0f]{3,}")


def safe_text(text: str) -> str:
    """Return ``text`` in NFC without anything that a terminal obeys or an eye cannot see.

    What would be obeyed becomes U+FFFD, what is invisible disappears; newline and tab stay, and so
    do the joiners that emoji and several scripts need, two at a time at most.
    """
    text = text.replace("\r\n", "\n")
    if text.isascii() and text.isprintable():
        return text
    text = unicodedata.normalize("NFC", text.encode("utf-8", "replace").decode("utf-8"))
    text = _INVISIBLE.sub("", _OBEYED.sub(REPLACEMENT, text))
    text = _JOINERS.sub(lambda run: run.group()[:2], text)
    return _cap_combining(unicodedata.normalize("NFC", text))


def safe_line(text: str) -> str:
    """Return ``safe_text`` on one line: for names, titles, reasons and lists."""
    return " ".join(safe_text(text).split())


def _cap_combining(text: str) -> str:
    if not any(map(unicodedata.combining, text)):
        return text
    kept: list[str] = []
    run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        if run <= MAX_COMBINING_RUN:
            kept.append(character)
    return "".join(kept)

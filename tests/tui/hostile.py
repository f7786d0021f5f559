"""Texts that a terminal would obey, or an eye misread; and what of them may reach a terminal."""

from __future__ import annotations

import random
import re
from typing import Final

from rich.segment import Segment

HOSTILE: Final = (
    "\x1b]52;c;aGVsbG8=\x07",  # write the clipboard
    "\x1b[2J\x1b[H[verified]",
    "\x1b[31mred\x1b[0m",
    "\x9b31m\x9d52;c;aGVsbG8=\x9c",  # the same as C1
    "\x1bP+q544e\x1b\\\x90q\x9c",
    "\x1b[>4;2m\x1b[?1049l\x1bc",
    "\r\x08\x08\x7fAmira 09:41",
    "\u202eevil\u202c \u2066x\u2069\u200f\u061c",
    "a\u200bb\ufeff\u2060c\U000e0041\ue000\U0010fffd",
    "[bold red]x[/] [@click=app.quit]y[/] [link=http://e.example]z[/link]",
    "\x00\x01\x05\x0e\x0f\x1a\u2028\u2029\ud800",
    "Z" + "\u0335\u0336\u0337" * 40,
    "x" * 5_000,
    "\u3000\u00a0\ufdfd𒐫﷽" * 3,
    "👨‍👩‍👧‍👦🏳️‍🌈e\u0301",
)

FORBIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
"""No cell on the screen may hold any of these: lines are ended by cursor movements of ours."""

PIECES: Final = (
    *HOSTILE[:-2],
    *"\x1b\x07\x9b[];m0 \nA\u202e\u200d\u0301é日",
    "[b]",
    "שלום (12",
    "ابج٣]",
    "\x1b[",
    "\x1b]8;;",
)


def concoction(chance: random.Random) -> str:
    """Return a text made of hostile pieces and of any characters at all."""
    parts = [chance.choice(PIECES) for _ in range(chance.randint(1, 8))]
    parts += [chr(chance.randrange(0x110000)) for _ in range(chance.randint(0, 8))]
    chance.shuffle(parts)
    return "".join(parts)[:400]


def offences(text: str) -> str:
    """Return what of a text must not be on a screen."""
    return "".join(FORBIDDEN.findall(text))


def of_segments(segments: list[Segment]) -> str:
    """Return the same of what is drawn; a style must not hold a link or an action either."""
    found = ""
    for text, style, control in segments:
        found += offences(text)
        if style is not None and (style.link or "@click" in (style.meta or {})):
            found += "link"
        found += "control" if control else ""
    return found

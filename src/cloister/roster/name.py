"""People's names: what the log accepts, and what a person should be allowed to type.

Two checks, on purpose. The fold must come to the same result on every device, so what it demands
may not depend on the Unicode version of the interpreter: it is the fixed table of code points
below. Everything else (normal form, unassigned and private code points, runs of combining marks)
is demanded where a name is made, and shown safely where a name is displayed.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from typing import Final

from cloister.limits import MAX_NAME_BYTES
from cloister.roster.errors import NameRefused

# Ranges of code points that no name contains (first, last): controls, separators other than the
# space, format and bidirectional controls, fillers that look blank, variation selectors, tags,
# surrogates, private use, non-characters, and whole planes without graphic characters.
FORBIDDEN_RANGES: Final = (
    (0x0000, 0x001F),
    (0x007F, 0x00A0),
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x08E2, 0x08E2),
    (0x115F, 0x1160),
    (0x1680, 0x1680),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2000, 0x200F),
    (0x2028, 0x202F),
    (0x205F, 0x206F),
    (0x2800, 0x2800),
    (0x3000, 0x3000),
    (0x3164, 0x3164),
    (0xD800, 0xF8FF),
    (0xFDD0, 0xFDEF),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFF),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0x1FFFE, 0x1FFFF),
    (0x2FFFE, 0x2FFFF),
    (0x3FFFE, 0x10FFFF),
)
_STARTS: Final = tuple(first for first, _ in FORBIDDEN_RANGES)
_MAX_MARKS_IN_A_ROW: Final = 3


def has_name_form(name: str) -> bool:
    """Whether the log accepts ``name`` (ROS-059). The same on every interpreter, for ever."""
    try:
        size_bytes = len(name.encode("utf-8"))
    except UnicodeEncodeError:
        return False
    if not 1 <= size_bytes <= MAX_NAME_BYTES:
        return False
    if name.startswith(" ") or name.endswith(" ") or "  " in name:
        return False
    return not any(_is_forbidden(ord(character)) for character in name)


def check_new_name(name: str) -> str:
    """Return ``name`` in normal form C, ready to be put into a request or a genesis.

    Raises NameRefused with the reason in words.
    """
    normal = unicodedata.normalize("NFC", name).strip(" ")
    if not normal:
        raise NameRefused("a name cannot be empty")
    size_bytes = len(normal.encode("utf-8", "replace"))
    if size_bytes > MAX_NAME_BYTES:
        raise NameRefused(f"the name takes {size_bytes} bytes; at most {MAX_NAME_BYTES} fit")
    if not has_name_form(normal):
        raise NameRefused("the name has characters that names may not have (controls, blanks)")
    marks = 0
    for character in normal:
        category = unicodedata.category(character)
        if category[0] == "C":
            raise NameRefused(f"the name has the unassigned character U+{ord(character):04X}")
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if marks > _MAX_MARKS_IN_A_ROW:
            raise NameRefused("the name stacks too many marks on one letter")
    if all(unicodedata.category(character)[0] in "ZM" for character in normal):
        raise NameRefused("the name has no visible character")
    return normal


def skeleton(name: str) -> str:
    """What two names have in common that a reader would take for the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _is_forbidden(code_point: int) -> bool:
    index = bisect_right(_STARTS, code_point) - 1
    return index >= 0 and code_point <= FORBIDDEN_RANGES[index][1]

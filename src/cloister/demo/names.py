"""From any name of a script to one that the circle's log accepts."""

from __future__ import annotations

from collections.abc import Sequence

from cloister.client.safe_text import safe_line
from cloister.errors import CloisterError
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.name import check_new_name, skeleton


def circle_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return a distinct, acceptable name for each: cut to 64 bytes, without hidden characters.

    What cannot be a name at all becomes ``Person 3``; what looks like an earlier one gets a number.
    """
    taken: set[str] = set()
    found: list[str] = []
    for number, name in enumerate(names, 1):
        plain = _acceptable(name) or f"Person {number}"
        shown, copy = plain, 1
        while skeleton(shown) in taken:
            copy += 1
            suffix = f" ({copy})"
            shown = _cut(plain, MAX_NAME_BYTES - len(suffix)) + suffix
        taken.add(skeleton(shown))
        found.append(shown)
    return tuple(found)


def _acceptable(name: str) -> str:
    kept = "".join(one for one in safe_line(name) if _is_accepted("x" + one))
    plain = _cut(" ".join(kept.split()), MAX_NAME_BYTES)
    return plain if plain and _is_accepted(plain) else ""


def _is_accepted(name: str) -> bool:
    try:
        check_new_name(name)
    except CloisterError:
        return False
    return True


def _cut(name: str, most_bytes: int) -> str:
    while len(name.encode()) > most_bytes:
        name = name[:-1]
    return name.strip()

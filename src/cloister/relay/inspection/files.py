"""Rights: what only the relay may read, and that the relay itself can."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from cloister.finding import Finding, Grade

_SHOWN = 3
_OTHERS = 0o077


def look_at_rights(path: Path) -> Iterator[Finding]:
    """Nobody else may enter the folder or read a file of it, and all of it has one owner."""
    try:
        owner = path.stat().st_uid
        open_ones, foreign_ones = [], []
        for place in (path, *sorted(path.rglob("*"))):
            try:
                found = place.lstat()
            except FileNotFoundError:
                continue  # a running relay takes files away meanwhile
            if stat.S_ISLNK(found.st_mode):
                continue  # its own rights mean nothing
            if found.st_mode & _OTHERS:
                open_ones.append(place)
            if found.st_uid != owner:
                foreign_ones.append(place)
    except OSError as error:
        yield Finding(
            "rights",
            Grade.WRONG,
            f"{path} cannot be looked through: {error.strerror}",
            "run this as the user that the relay runs as, or as root",
        )
        return
    if open_ones:
        yield Finding(
            "rights",
            Grade.WRONG,
            f"others may read or enter {_listed(open_ones)}",
            f"take their rights away: chmod -R go= {path}; if keys/ was open to people you do"
            " not trust, make a new relay",
        )
    if foreign_ones:
        yield Finding(
            "rights",
            Grade.WRONG,
            f"not of the folder's owner (user {owner}): {_listed(foreign_ones)}",
            f"give all of it to the relay's user: chown -R USER {path}",
        )
    if os.geteuid() not in {0, owner}:
        yield Finding(
            "rights",
            Grade.WRONG,
            f"the folder is of user {owner}, and this is user {os.geteuid()}",
            "run the relay, and this, as the folder's owner",
        )
    elif owner == 0:
        yield Finding(
            "rights",
            Grade.DOUBTFUL,
            "the folder belongs to root: a flaw of the relay would be one of the machine",
            f"make a user without a shell, then: chown -R USER {path}",
        )
    elif not open_ones and not foreign_ones:
        yield Finding("rights", Grade.GOOD, "nobody but the owner may read the folder")


def _listed(places: list[Path]) -> str:
    more = len(places) - _SHOWN
    return ", ".join(map(str, places[:_SHOWN])) + (f" and {more} more" if more > 0 else "")

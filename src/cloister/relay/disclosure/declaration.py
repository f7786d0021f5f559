"""How something that a relay keeps is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

FOR_EVER: Final = "for ever"
NEWEST: Final = "the newest value only"


class Column(msgspec.Struct, frozen=True):
    """What a column is for, how long it is kept, and what it can be put together with."""

    purpose: str
    kept: str
    links: str = ""


class Database(msgspec.Struct, frozen=True):
    """A file of tables: its place in the folder, and its columns by table and name."""

    place: str
    what: str
    tables: Mapping[str, Mapping[str, Column]]


class Kept(msgspec.Struct, frozen=True):
    """A file of the folder; ``pattern`` as in ``fnmatch``, from the folder on."""

    pattern: str
    what: str
    kept: str
    is_secret: bool = False


class Line(msgspec.Struct, frozen=True):
    """A line of the log beside its time: the event, its fields, when it is written."""

    event: str
    fields: tuple[str, ...]
    when: str

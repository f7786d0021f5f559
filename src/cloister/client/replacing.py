"""The next state out of the present one, quickly: every input makes a dozen of them.

``dataclasses.replace`` goes through ``__init__`` with every field by name; of a state with thirty
fields, of which one changes, this copies the slots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")


def replaced(value: T, changes: dict[str, Any]) -> T:
    """Return a frozen value with slots and without ``__post_init__``, with some fields changed.

    Raises ``KeyError`` for a field that it does not have.
    """
    kind: Any = type(value)
    get_all, setters = _plan(kind)
    made: T = object.__new__(kind)
    for set_one, one in zip(setters.values(), get_all(value), strict=True):
        set_one(made, one)
    for name, one in changes.items():
        setters[name](made, one)
    return made


@cache
def _plan(kind: Any) -> tuple[Callable[[Any], Any], dict[str, Callable[[Any, Any], None]]]:
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} wants to be made by its own __init__")
    names = [field.name for field in fields(kind)]
    return attrgetter(*names), {name: getattr(kind, name).__set__ for name in names}

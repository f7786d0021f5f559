"""The next state out of the present one, quickly: every input makes a dozen of them.

``dataclasses.replace`` goes through ``__init__`` with every field by name; of a state with fifty
fields, of which one changes, this copies the dictionary that they stand in, which costs as much as
setting two or three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")


def replaced(value: T, changes: Mapping[str, Any]) -> T:
    """Return a frozen value without slots and without ``__post_init__``, with some fields changed.

    Raises ``KeyError`` for a field that it does not have.
    """
    kind: Any = type(value)
    for name in changes.keys() - _names(kind):
        raise KeyError(name)
    made: T = object.__new__(kind)
    made.__dict__.update(value.__dict__)
    made.__dict__.update(changes)
    return made


@cache
def _names(kind: Any) -> frozenset[str]:
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} wants to be made by its own __init__")
    if not hasattr(kind, "__dict__") or hasattr(kind, "__slots__"):
        raise TypeError(f"{kind.__name__} keeps its fields in slots")
    return frozenset(field.name for field in fields(kind))

"""How a check ends when a file is wrong."""

from __future__ import annotations


class Failure(Exception):
    """What a file states does not follow from RFC 9420."""


def require(condition: bool, rule: str) -> None:
    """Stop with ``rule`` unless the condition holds."""
    if not condition:
        raise Failure(rule)


def equal(computed: object, stated: object, name: str) -> None:
    """Stop unless the value that was computed is the one that the file states."""
    if computed != stated:
        raise Failure(f"{name}: computed {_short(computed)}, stated {_short(stated)}")


def _short(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else repr(value)
    return text if len(text) <= 40 else text[:36] + "..."

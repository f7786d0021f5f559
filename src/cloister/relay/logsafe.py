"""Logging that cannot say too much: constant event names, fields of registered types only.

One JSON object a line on standard error.  No text of others, no addresses, no ids: there is no
field type that could hold them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import Enum
from typing import Final, Self, TextIO

from cloister.errors import CloisterError, LocalError


class Level(Enum):
    """error: a bug of ours, or the relay stops; warning: the operator should look; info: life."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Count(int):
    """How many of something."""


class Seconds(int):
    """A duration."""


class Code(int):
    """A code of the protocol or of the system."""


class Port(int):
    """A port of our own."""


class Cause(str):
    """The class of an error, never its text: that may quote others."""

    __slots__ = ()

    def __new__(cls, error: BaseException) -> Self:
        """Take the name of the class of ``error``."""
        return super().__new__(cls, type(error).__name__)


class Word(str):
    """A word that stands in our own source code."""

    __slots__ = ()
    allowed: Final = frozenset({"home", "entry", "sigterm", "sigint", "storage"})

    def __new__(cls, word: str) -> Self:
        """Take one of the allowed words.  Raises LocalError for any other."""
        if word not in cls.allowed:
            raise LocalError("this word is not one that may be logged")
        return super().__new__(cls, word)


Field = Count | Seconds | Code | Port | Cause | Word
_TYPES: Final = (Count, Seconds, Code, Port, Cause, Word)


class Log:
    """Writes events."""

    def __init__(self, now: Callable[[], int], stream: TextIO | None = None) -> None:
        self._now = now
        self._stream = stream if stream is not None else sys.stderr

    def info(self, event: str, **fields: Field) -> None:
        """Note something in the life of the relay."""
        self._write(Level.INFO, event, fields)

    def warning(self, event: str, **fields: Field) -> None:
        """Note something that the operator should look at."""
        self._write(Level.WARNING, event, fields)

    def error(self, event: str, **fields: Field) -> None:
        """Note a bug of ours, or why the relay stops."""
        self._write(Level.ERROR, event, fields)

    def bug(self, event: str, error: BaseException) -> None:
        """Note an exception that should not have come: its class, and where in our code."""
        if isinstance(error, CloisterError):
            self.error(event, cause=Cause(error))
            return
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        line = trace.tb_lineno if trace is not None else 0
        self.error(event, cause=Cause(error), line=Count(line))

    def _write(self, level: Level, event: str, fields: dict[str, Field]) -> None:
        if not event.replace("-", "").isalpha() or not event.isascii():
            raise LocalError("the name of an event is a constant of words and hyphens")
        for name, value in fields.items():
            if not isinstance(value, _TYPES):
                raise LocalError(f"the field {name} is of a type that may not be logged")
        line = {"time": self._now(), "level": level.value, "event": event, **fields}
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()

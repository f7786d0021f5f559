"""The one table of keys: the application binds it, the help shows it, ``keys.toml`` changes it.

Everything is within what a small keyboard has: arrows, Enter, Escape, Tab and Ctrl with a letter.
Ctrl+B belongs to tmux, Ctrl+S, Ctrl+Q and Ctrl+Z to the terminal, and Ctrl+M, I, H are other keys.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cloister.errors import UsageError
from cloister.values import replace


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the application: what it does, and where."""

    action: str
    key: str
    does: str
    where: str = "everywhere"


KEYS: Final[tuple[Key, ...]] = (
    Key("palette", "ctrl+k", "go to a conversation, or do anything (by name)"),
    Key("next_unread", "ctrl+n", "next conversation with something unread"),
    Key("next_conversation", "tab", "next conversation", "conversations"),
    Key("previous_conversation", "shift+tab", "previous conversation", "conversations"),
    Key("message", "ctrl+o", "pick a message: answer, react, edit, take back"),
    Key("search", "ctrl+f", "search all texts"),
    Key("lock", "ctrl+l", "lock now: the vault is closed, the screen cleared"),
    Key("help", "ctrl+g", "this help"),
    Key("go_back", "escape", "back"),
)
"""What may be given another key."""

FIXED: Final[tuple[tuple[str, str, str], ...]] = (
    ("arrows", "move; in a conversation: scroll, from an empty line", "everywhere"),
    ("enter", "open, send, choose", "everywhere"),
    ("ctrl+j", "a new line in the text", "writing"),
    ("/", "at the start of a text: do anything (as ctrl+k)", "writing"),
    ("ctrl+d", "done, where several are marked", "lists"),
    ("?", "this help", "lists"),
)
"""What cannot."""

NEVER: Final = frozenset(
    {"ctrl+b", "ctrl+s", "ctrl+q", "ctrl+z", "ctrl+m", "ctrl+i", "ctrl+h", "ctrl+c", "enter"}
)
"""Keys that terminals, tmux or the fields themselves take."""


def load_keys(file: Path) -> tuple[Key, ...]:
    """Return the table with what a file changes (``lock = "ctrl+o"``).  Raises ``UsageError``."""
    try:
        with file.open("rb") as opened:
            changes = tomllib.load(opened)
    except FileNotFoundError:
        return KEYS
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from None
    known = {key.action: key for key in KEYS}
    for action, value in changes.items():
        if action not in known:
            raise UsageError(
                f"{file}: nothing is called {action!r}", hint="there are " + ", ".join(known)
            )
        if not isinstance(value, str) or not value or value.casefold() in NEVER:
            raise UsageError(f"{file}: {value!r} cannot be the key of {action}")
        known[action] = replace(known[action], key=value.casefold())
    taken: dict[str, str] = {}
    for key in known.values():
        if key.key in taken:
            raise UsageError(f"{file}: {key.key} is the key of {taken[key.key]} and {key.action}")
        taken[key.key] = key.action
    return tuple(known.values())


def key_name(key: str) -> str:
    """Return a key as people write it: ``Ctrl+K``."""
    return "+".join(part.capitalize() for part in key.split("+"))


def help_lines(keys: tuple[Key, ...]) -> str:
    """Return the help: every key, then how the rest is reached."""
    rows = [(key_name(key.key), key.does) for key in keys]
    rows += [(key_name(name), does) for name, does, _ in FIXED]
    widest = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(widest)}  {does}" for name, does in rows)

"""Changing one setting in ``config.toml``: everything else in it stays as it is.

The person's own comments, order and spacing are worth more than a tidy file; so a line is changed
and not the file written anew.  What this cannot do safely it refuses.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Final

import msgspec

from cloister.device.settings import CHOICES, Settings, Value, parsed, read_file
from cloister.errors import LocalError, UsageError

BY_HAND: Final = "change it by hand, with an editor"


class Known(msgspec.Struct, frozen=True):
    """What a person is told of a setting before they change it."""

    meaning: str
    effect: str
    """When a change takes effect."""


_NEXT_COMMAND: Final = "It holds for commands from now on."
_NEXT_START: Final = "It holds when the interface is next started, or locked and unlocked."
_NEXT_AGENT: Final = "It holds when the agent is next started."
_AT_ONCE: Final = "It holds from now on, here too."

KNOWN: Final[dict[str, Known]] = {
    "profile": Known("Name or folder of the profile that commands use.", _NEXT_COMMAND),
    "timeout_s": Known(
        "Seconds that something may take for which other devices and relays are needed.", _AT_ONCE
    ),
    "send_wait_s": Known(
        "Seconds that `send` waits for the relay before it says “queued”.", _NEXT_COMMAND
    ),
    "lease_s": Known(
        "Seconds for which a locked agent needs the PIN alone, and no relay; 0: never.", _NEXT_AGENT
    ),
    "errand_delay_s": Known(
        "The most that a request about unlock shares waits, at random, in seconds.", _NEXT_AGENT
    ),
    "ui": Known("What `cloister` alone starts: screens, or the line mode.", _NEXT_START),
    "colours": Known(
        "How the screens draw: in colour, in the terminal's sixteen, in none, or as fits.",
        _NEXT_START,
    ),
    "autolock_s": Known(
        "Seconds without a key after which the screens lock; 0: they never do.", _AT_ONCE
    ),
    "notify": Known("How it is said that something has come; never what.", _AT_ONCE),
    "bidi": Known(
        "What orders right-to-left text on the screens: the interface, or the terminal.",
        _NEXT_START,
    ),
    "plain": Known("Text without decoration, for screen readers and scripts.", _NEXT_COMMAND),
}


def change_setting(file: Path, name: str, text: str) -> Value:
    """Write a setting into the file, and nothing else; return its value.

    Raises ``UsageError`` for an unknown setting, a wrong value, or a file in which one line cannot
    be changed safely; ``LocalError`` where it cannot be written.
    """
    kinds = {field.name: type(field.default) for field in fields(Settings)}
    if name not in kinds:
        raise UsageError(
            f"no setting is called {name!r}", hint="settings are " + ", ".join(sorted(kinds))
        )
    value = parsed(name, text, kinds[name], "the value given")
    old = read_file(file)
    target = Path(os.path.realpath(file))  # a link stays one
    try:
        before = target.read_text("utf-8") if old or target.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from None
    after = _with_line(before, name, _written(value))
    if _values(after) != {**old, name: value}:
        raise UsageError(f"{name} cannot be changed safely in {file}", hint=BY_HAND)
    if after != before:
        _replace(target, after)
    return value


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    if not escaped.isprintable():
        raise UsageError("a value may not hold characters that cannot be seen")
    return f'"{escaped}"'


def _with_line(before: str, name: str, written: str) -> str:
    """Return the text with the value of one line replaced, or with a line more."""
    line = re.compile(
        rf"""^([ \t]*(?:{name}|"{name}"|'{name}')[ \t]*=[ \t]*)"""
        r"""("(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s#"']+)""",
        re.M,
    )
    after, count = line.subn(lambda found: found.group(1) + written, before, count=1)
    if count:
        return after
    gap = "" if not before or before.endswith("\n") else "\n"
    return f"{before}{gap}{name} = {written}\n"


def _values(text: str) -> dict[str, object] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None


def _replace(target: Path, text: str) -> None:
    """Put the new text in the place of the old one, whole or not at all."""
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o600
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(target)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
    except OSError as error:
        raise LocalError(
            f"{target} cannot be written: {error.strerror}", hint="check the rights of its folder"
        ) from None


def choices_of(name: str) -> tuple[str, ...]:
    """Return the values that a setting may have; empty: any of its kind."""
    kinds = {field.name: type(field.default) for field in fields(Settings)}
    return ("true", "false") if kinds[name] is bool else CHOICES.get(name, ())

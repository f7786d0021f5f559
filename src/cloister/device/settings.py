"""Settings of the person's commands: flag > ``CLOISTER_*`` > file > default."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from cloister.errors import UsageError

PREFIX: Final = "CLOISTER_"
Value = str | int | bool

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "ui": ("screen", "line"),
    "colours": ("auto", "colour", "ansi", "none"),
    "notify": ("bell", "osc9", "osc777", "osc99", "none"),
    "bidi": ("interface", "terminal"),
}
"""The values of those settings that are one of a few words."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; ``origin`` names where each came from."""

    profile: str = "default"
    """Name or folder of the profile."""
    timeout_s: int = 60
    """How long a command waits for what other devices and relays have to do."""
    send_wait_s: int = 10
    """How long `send` waits for the relay before it says "queued"."""
    lease_s: int = 8 * 3600
    """How long the agent keeps the relays' answers in memory, so that the PIN alone unlocks."""
    errand_delay_s: int = 3
    """The most that an errand at a relay waits, at random, before its own connection is opened."""
    ui: str = "screen"
    """What `cloister` without a command starts: "screen", or "line" for the line mode."""
    colours: str = "auto"
    """How the full-screen interface draws: colour, ansi, none, or what fits the terminal."""
    autolock_s: int = 900
    """How long the interface waits for a key, or a line, before it locks; 0: it never does."""
    notify: str = "bell"
    """How it says that something has come: bell, osc9, osc777, osc99 or none; never what."""
    bidi: str = "interface"
    """What orders right-to-left text in the full-screen interface: itself, or the terminal."""
    plain: bool = False
    """Text without decoration, for screen readers and scripts."""


Origins = dict[str, str]


def load_settings(
    file: Path,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Value | None] | None = None,
) -> tuple[Settings, Origins]:
    """Merge the four sources.  Raises ``UsageError`` naming the source of a wrong value."""
    environment = os.environ if environment is None else environment
    merged: dict[str, Value] = {}
    origins: Origins = {}
    known = {field.name: type(field.default) for field in fields(Settings)}
    for name, value in read_file(file).items():
        if name not in known:
            raise UsageError(
                f"{file}: no setting is called {name!r}",
                hint="settings are " + ", ".join(sorted(known)),
            )
        merged[name] = _checked(name, value, known[name], str(file))
        origins[name] = str(file)
    for name, kind in known.items():
        variable = PREFIX + name.upper()
        if variable in environment:
            merged[name] = parsed(name, environment[variable], kind, variable)
            origins[name] = variable
        flag = (flags or {}).get(name)
        if flag is not None:
            merged[name] = _checked(name, flag, kind, "the command line")
            origins[name] = "flag"
        origins.setdefault(name, "default")
    return Settings(**merged), origins  # type: ignore[arg-type]


def read_file(file: Path) -> dict[str, object]:
    """Return what a settings file says; nothing where there is none.  Raises ``UsageError``."""
    try:
        with file.open("rb") as opened:
            return tomllib.load(opened)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} is no TOML: {error}") from None


def parsed(name: str, text: str, kind: type, source: str) -> Value:
    """Read a value as a person writes it.  Raises ``UsageError`` naming where it came from."""
    if kind is bool:
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if text.lower() in words:
            return words[text.lower()]
    elif kind is int:
        if text.isascii() and text.isdigit():
            return _checked(name, int(text), kind, source)
    else:
        return _checked(name, text, kind, source)
    raise UsageError(f"{source}: {text!r} is no value for {name}")


def _checked(name: str, value: object, kind: type, source: str) -> Value:
    right = type(value) is kind and value != ""
    if not right or (kind is int and not 0 <= int(str(value)) <= 86_400):
        raise UsageError(f"{source}: {value!r} is no value for {name}")
    if name in CHOICES and value not in CHOICES[name]:
        raise UsageError(
            f"{source}: {value!r} is no value for {name}",
            hint=f"{name} is one of: {', '.join(CHOICES[name])}",
        )
    return value  # type: ignore[return-value]

"""What the interface takes from the person's settings, and how they are looked at and changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Setting:
    """What the interface takes from the person's settings."""

    timeout_s: float = 60.0
    autolock_s: int = 900
    """Seconds without a key after which the vault is locked; 0: never."""
    notify: str = "bell"
    """bell, osc9, osc777, osc99 or none."""
    bidi: str = "interface"
    """What orders right-to-left text: interface or terminal."""
    folder: Path | None = None
    """The profile's folder, where there is one to look at."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """A setting as a person sees it."""

    name: str
    value: str
    origin: str
    """Where the value comes from: default, config.toml, an environment variable, a flag."""
    meaning: str
    effect: str
    """When a change takes effect, as a sentence."""
    choices: Sequence[str] = ()
    """The values there are; empty: any of its kind."""
    is_overridden: bool = False
    """Whether something goes before the file: then a change there is not seen."""


class SettingsBook(Protocol):
    """The person's settings."""

    def rows(self) -> list[SettingRow]:
        """Return all of them as they are now.  Raises ``UsageError`` where the file is wrong."""
        ...

    def change(self, name: str, text: str) -> SettingRow:
        """Write one into the file and return it.  Raises ``UsageError``, ``LocalError``."""
        ...

    def present(self) -> Setting:
        """Return what the interface takes from them now."""
        ...

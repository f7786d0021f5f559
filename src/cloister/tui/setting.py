"""What the interface takes from the person's settings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Setting:
    """What the interface takes from the person's settings."""

    timeout_s: float = 60.0
    autolock_s: int = 900
    """Seconds without a key after which the vault is locked; 0: never."""
    notify: str = "bell"
    """bell, osc9, osc777, osc99 or none."""

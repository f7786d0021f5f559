"""What the terminal is told when something has come: never who, never what."""

from __future__ import annotations

from typing import Final

NOTIFY_EVERY_S: Final = 5.0
TOLD: Final = "Cloister: new message"

_SIGNALS: Final = {
    "bell": "\a",
    "osc9": f"\x1b]9;{TOLD}\a",
    "osc777": f"\x1b]777;notify;Cloister;{TOLD}\a",
    "osc99": f"\x1b]99;;{TOLD}\x1b\\",
    "none": "",
}


def signal_of(kind: str) -> str:
    """Return what is written for a setting; a bell for one that is not known."""
    return _SIGNALS.get(kind, "\a")

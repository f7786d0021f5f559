"""What tests are made with: a circle in one process, hostile relays, and forged MLS structures.

The circle has real cores and real relay services; only time, the schedule of entropy and the
network are made up. What is forged is signed and encrypted with legitimate keys.

For tests of scripts and bots there is ``cloister.testing.circle``; it is imported when it is asked
for, since most of this package needs no device.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloister.testing.living_circle import Circle, circle

__all__ = ["Circle", "circle"]


def __getattr__(name: str) -> object:
    """Import what was asked for."""
    if name not in __all__:
        raise AttributeError(f"module 'cloister.testing' has no attribute {name!r}")
    from cloister.testing import living_circle

    return getattr(living_circle, name)

"""What of RFC 9420 a receiver allows beyond the profile of Cloister (docs/spec/mls-profile.md).

The engine knows all of the RFC, so that it can be tried against others and follow their groups.
The product allows none of this: each lets somebody change a group without any member's act, or
leads out of it. Whoever calls the functions that make such messages has decided already.
"""

from __future__ import annotations

from enum import Flag, auto


class Operations(Flag):
    """Operations that are refused as Unsupported unless they are allowed."""

    NONE = 0
    EXTERNAL_PROPOSAL = auto()
    """Proposals of listed external senders, and of newcomers who ask to be added (12.1.8)."""
    EXTERNAL_COMMIT = auto()
    """Newcomers who add themselves with a GroupInfo (12.4.3.2)."""
    REINIT = auto()
    """Commits that end a group in favour of another (11.2)."""
    ALL = EXTERNAL_PROPOSAL | EXTERNAL_COMMIT | REINIT

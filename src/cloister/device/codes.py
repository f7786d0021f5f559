"""Invitation codes as people type them: whether one can be used, before anything is asked for."""

from __future__ import annotations

from cloister.roster.invitation import parse_invitation


def check_code(code: str, now: float) -> None:
    """Demand an invitation code without a typing error, which has not run out.

    ``now``: seconds since the Unix epoch.  Of whose it is the code says nothing: that stands in
    the letter which it opens.  Raises ``InvitationError``, ``InvitationExpired``.
    """
    parse_invitation(code, now=int(now))

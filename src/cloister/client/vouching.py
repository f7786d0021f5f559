"""What a vouch of this device's member is worth: from when it counts, or why it never does."""

from __future__ import annotations

from cloister.client.naming import own_member
from cloister.client.state import State
from cloister.errors import PolicyError
from cloister.roster.roster import Roster
from cloister.roster.state import OpenRequest

View = dict[str, object]

AT_ONCE: View = {"counts_from": 0, "why": ""}


def own_vouch_view(state: State, roster: Roster, asked: OpenRequest) -> View:
    """Say from when a vouch counts that is given now, by the rules of ``counted_vouches``.

    ``counts_from`` is 0 for at once, a log time in s, or nothing where it does not count; ``why``
    is "probation", "lapses", "own device" or "unvouched".  ``lapses_at`` and ``probation_until``
    stand beside them where they matter.
    """
    try:
        own = own_member(state)
    except PolicyError:
        return AT_ONCE  # this device vouches for nobody
    if own.member_id == asked.request.member_id:
        return {"counts_from": None, "why": "own device"}
    if own.needs_revouch:
        return {"counts_from": None, "why": "unvouched"}
    now, until = max(state.handled_at, roster.ts), own.probation_until
    if until <= now:
        return AT_ONCE
    lapses_at = now + roster.policy.vouch_lifetime_s
    if lapses_at < until:
        return {
            "counts_from": None,
            "why": "lapses",
            "lapses_at": lapses_at,
            "probation_until": until,
        }
    return {"counts_from": until, "why": "probation"}

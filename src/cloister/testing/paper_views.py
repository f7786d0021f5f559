"""A device, a member and a conversation with nothing special about them, as views on paper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cloister.device.facade import View

PLAIN_STATE: Final[View] = {
    "phase": "member",
    "device": "67".zfill(64),
    "bot": False,
    "link": "up",
    "trouble": None,
    "trust_problem": False,
    "term": None,
    "standing": None,
    "log_stale": False,
    "log_size": 4,
    "stuck": [],
    "digits": "",
    "vault_key": "PIN and unlock shares of 2 relays",
    "vault_trouble": None,
    "relay_ahead_s": 1,
    "cover_own": 0,
    "cover_per_day": 0,
}
"""A device in its circle with which nothing is wrong."""
PLAIN_CIRCLE: Final[View] = {
    "circle_id": "5af0b58c" * 8,
    "forming": False,
    "vouches_needed": 2,
    "test_circle": False,
    "single_operator": False,
    "relays": [
        {"role": "home", "name": "north", "jurisdiction": "HK", "operator": "North"},
        {"role": "entry", "name": "south", "jurisdiction": "PA", "operator": "South"},
    ],
}
PLAIN_MEMBER: Final[View] = {
    "role": "member",
    "state": "active",
    "inviter_id": "",
    "needs_revouch": False,
    "bot": False,
    "bots": [],
    "in_commons": True,
    "removal_proposed": False,
    "own_name": "",
    "blocked": False,
    "verified_at": 0,
    "replaced": False,
    "added_devices": [],
    "untold_state": False,
}
PLAIN_CONVERSATION: Final[View] = {
    "muted_until": 0,
    "muted": False,
    "pinned": False,
    "blocked": False,
    "bots": [],
    "changing": "everyone",
    "posting": "everyone",
    "admins": [],
    "leaving": False,
    "lifetime_s": 0,
    "state": "active",
    "reason": "",
    "queued": 0,
    "epoch": 1,
}


def receipts_view(others: Iterable[str], marks: Mapping[str, tuple[int, int]]) -> View:
    """Return what receipts say (``client.receipt_views``): of each other member, ends exclusive."""
    return {
        "given": "read",
        "members": [
            {
                "name": name,
                "member_id": "",
                "marks": [
                    {"from_n": 0, "until_n": until, "read_n": read, "missing": []}
                    for until, read in [marks[name]]
                ]
                if name in marks
                else [],
            }
            for name in others
        ],
    }

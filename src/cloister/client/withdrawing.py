"""Taking back: an invitation that nobody has been admitted on, a vouch before it has counted."""

from __future__ import annotations

from cloister.client.foresight import append
from cloister.client.governing import find_request
from cloister.client.naming import member_named, own_member, roster_in_force, shown
from cloister.client.powers import WithdrawInvitation, WithdrawVouch
from cloister.client.turn import Turn
from cloister.errors import NotFoundError
from cloister.roster.content import InviteRevoke, VouchRevoke
from cloister.roster.entry import SealedType


def on_withdraw_invitation(turn: Turn, act: WithdrawInvitation) -> None:
    """Close the newest open invitation of a member, by default one's own."""
    roster = roster_in_force(turn.state)
    inviter = member_named(roster, act.member) if act.member else own_member(turn.state)
    open_ones = [
        invite_id
        for invite_id, record in roster.invites.items()
        if record.inviter == inviter.member_id and record.is_open(roster.ts)
    ]
    if not open_ones:
        raise NotFoundError(
            f"{shown(roster, inviter.member_id)} has no invitation that is open",
            hint="Who has been admitted on one is a member: `cloister members`.",
        )
    content = InviteRevoke(invite_id=open_ones[-1])
    append(turn, act.ref, SealedType.INVITE_REVOKE, content.encode())


def on_withdraw_vouch(turn: Turn, act: WithdrawVouch) -> None:
    """Take the own vouch for a request back."""
    asked = find_request(roster_in_force(turn.state), act.request)
    content = VouchRevoke(request_hash=asked.request_hash)
    append(turn, act.ref, SealedType.VOUCH_REVOKE, content.encode())

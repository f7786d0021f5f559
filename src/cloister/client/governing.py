"""Vouching, removing, leaving: acts that end as an entry of the log (flows 3.3, 3.8)."""

from __future__ import annotations

from cloister.client.appending import intend
from cloister.client.identity import did_of, identity_of
from cloister.client.inputs import Leave as LeaveAct
from cloister.client.inputs import Remove as RemoveAct
from cloister.client.inputs import Vouch as VouchAct
from cloister.client.turn import Turn
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.content import Acquaintance, Approve, Leave, RemovalKind, Remove, Role, Vouch
from cloister.roster.entry import SealedType
from cloister.roster.join_request import fingerprint
from cloister.roster.roster import Roster
from cloister.roster.state import OpenRequest, RequestState

REASONS = {1: "departure", 2: "misconduct", 3: "compromise"}


def on_vouch(turn: Turn, act: VouchAct) -> None:
    """Queue a vouch for an open request."""
    roster = _roster(turn)
    asked = find_request(roster, act.request)
    if asked.state is RequestState.ADMITTED:
        raise PolicyError(f"{asked.request.name} is a member already")
    if asked.state is RequestState.CONTESTED:
        raise PolicyError(
            "two people asked with the same invitation: vouches for it do not count",
            hint="Somebody else has seen the code.  Invite anew.",
        )
    try:
        how = Acquaintance(act.how)
    except ValueError:
        raise UsageError("say how you know the newcomer: met, voice or neither") from None
    content = Vouch(request_hash=asked.request_hash, how=how)
    turn.owe(intend(turn, SealedType.VOUCH, content.encode()), act.ref)


def find_request(roster: Roster, wanted: str) -> OpenRequest:
    """Find a join request by the newcomer's name or the first digits of its fingerprint.

    Raises ``NotFoundError``, ``UsageError`` when several fit.
    """
    digits = "".join(wanted.split())
    found = []
    for asked in roster.requests.values():
        by_digits = (
            len(digits) >= 5
            and digits.isdigit()
            and fingerprint(asked.request).replace(" ", "").startswith(digits)
        )
        if by_digits or asked.request.name.casefold() == wanted.casefold():
            found.append(asked)
    waiting = [asked for asked in found if asked.state is not RequestState.ADMITTED] or found
    if not waiting:
        raise NotFoundError(
            f"there is no join request of “{wanted}”",
            hint="`cloister requests` lists those that are open.",
        )
    if len(waiting) > 1:
        raise UsageError(
            f"several join requests are called “{wanted}”",
            hint="Name one by the first five of its sixty digits.",
        )
    return waiting[0]


def on_remove(turn: Turn, act: RemoveAct) -> None:
    """Propose a removal, or approve the one that another member has proposed."""
    roster = _roster(turn)
    member = roster.member_named(act.member)
    if member is None:
        raise NotFoundError(
            f"nobody in the circle is called “{act.member}”", hint="See `cloister members`."
        )
    if not member.is_active:
        raise PolicyError(f"{member.name} is not a member any more")
    own = roster.devices[did_of(turn.state)].member_id
    if member.member_id == own:
        raise PolicyError("nobody can remove themself", hint="Use `cloister leave`.")
    if member.role is Role.STEWARD:
        raise PolicyError(
            "a steward can be removed only by a change of the stewards, which this version "
            "does not have yet"
        )
    for proposal in roster.sealed_proposals.values():
        if proposal.member_id == member.member_id and proposal.proposer != own:
            content = Approve(entry_hash=proposal.entry_hash)
            turn.owe(intend(turn, SealedType.APPROVE, content.encode()), act.ref)
            return
    if roster.members[own].role is not Role.STEWARD:
        raise PolicyError(
            "only a steward can propose a removal", hint="Ask a steward to propose it first."
        )
    if any(one.member_id == member.member_id for one in roster.sealed_proposals.values()):
        raise PolicyError(
            f"the removal of {member.name} is proposed already; another member must approve it",
            hint="They run the same command.",
        )
    proposal_content = Remove(
        kind=RemovalKind(act.reason),
        since=0,
        member_id=member.member_id,
        reason=REASONS.get(act.reason, "departure"),
    )
    turn.owe(intend(turn, SealedType.REMOVE, proposal_content.encode()), act.ref)


def on_leave(turn: Turn, act: LeaveAct) -> None:
    """Queue the own leave."""
    _roster(turn)
    turn.owe(intend(turn, SealedType.LEAVE, Leave().encode()), act.ref)


def _roster(turn: Turn) -> Roster:
    identity_of(turn.state)
    roster, circle = turn.state.roster, turn.state.circle
    if roster is None:
        raise PolicyError(
            "this device is not in the circle yet", hint="`cloister status` says what it waits for."
        )
    if circle is not None and circle.left:
        raise PolicyError("this device is not in the circle any more")
    return roster

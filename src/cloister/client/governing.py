"""Power over people: vouching, suspending, removing, leaving, and the rules of the circle.

Every act ends as an entry of the log (flows 3.3, 3.8).  What the roster would ignore is refused
here, in words, before anything is appended.
"""

from __future__ import annotations

from typing import Final

from cloister.client.appending import intend
from cloister.client.bots import is_bot
from cloister.client.foresight import append
from cloister.client.identity import did_of
from cloister.client.inputs import Leave as LeaveAct
from cloister.client.inputs import Remove as RemoveAct
from cloister.client.inputs import Vouch as VouchAct
from cloister.client.matters import MatterKind, find_matter, matters_of
from cloister.client.naming import member_named, own_member, roster_in_force, shown
from cloister.client.powers import CHANGEABLE, COVER_FIELD, EXPORT_FIELD, SetPolicy
from cloister.client.powers import Object as ObjectAct
from cloister.client.powers import Reinstate as ReinstateAct
from cloister.client.powers import Suspend as SuspendAct
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.client.turn import Turn
from cloister.codec import EncodeError
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.content import (
    MAX_REASON_BYTES,
    Acquaintance,
    Approve,
    Leave,
    Objection,
    Reinstate,
    RemovalKind,
    Remove,
    Role,
    Suspend,
    Vouch,
)
from cloister.roster.entry import SealedType
from cloister.roster.join_request import JoinRequest, fingerprint
from cloister.roster.orders import StewardSuspend
from cloister.roster.policy import (
    COVER_RATES,
    ExportRule,
    Policy,
    unknown_in_policy,
    with_cover,
    with_export,
)
from cloister.roster.readable import ReadableType
from cloister.roster.roster import Roster
from cloister.roster.state import Member, OpenRequest, RequestState, changed

REASONS: Final = {1: "departure", 2: "misconduct", 3: "compromise"}


def on_vouch(turn: Turn, act: VouchAct) -> None:
    """Queue a vouch for an open request, or for a member who has to be vouched for again."""
    roster = roster_in_force(turn.state)
    if is_bot(roster, did_of(turn.state)):
        raise PolicyError(
            "a bot vouches for nobody: a vouch says that a person met or heard somebody",
            hint="vouch on a device of a person",
        )
    asked = find_request(roster, act.request)
    member = roster.members.get(asked.request.member_id)
    if asked.state is RequestState.ADMITTED and not (member and member.needs_revouch):
        raise PolicyError(f"{safe_line(asked.request.name)} is a member already")
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
    append(turn, act.ref, SealedType.VOUCH, content.encode())


def find_request(roster: Roster, wanted: str) -> OpenRequest:
    """Find a join request by the newcomer's name or the first digits of its fingerprint.

    Raises ``NotFoundError``, ``UsageError`` when several fit.
    """
    digits = "".join(wanted.split())
    is_number = len(digits) >= 5 and digits.isdigit()

    def fits(request: JoinRequest) -> bool:
        if request.name.casefold() == wanted.casefold():
            return True
        return is_number and fingerprint(request).replace(" ", "").startswith(digits)

    # A fingerprint takes milliseconds, and whoever is a member has asked once: those are looked
    # through only when no other fits.
    is_in = RequestState.ADMITTED
    asked = roster.requests.values()
    waiting = [one for one in asked if one.state is not is_in and fits(one.request)]
    if not waiting:
        waiting = [one for one in asked if one.state is is_in and fits(one.request)]
    if not waiting:
        raise NotFoundError(
            f"there is no join request of “{safe_line(wanted)}”",
            hint="`cloister requests` lists those that are open.",
        )
    if len(waiting) > 1:
        raise UsageError(
            f"several join requests are called “{safe_line(wanted)}”",
            hint="Name one by the first five of its sixty digits.",
        )
    return waiting[0]


# --- suspension -----------------------------------------------------------------------------------


def on_suspend(turn: Turn, act: SuspendAct) -> None:
    """Suspend at once; whoever holds a steward's key by an entry that relays can read."""
    roster, member = _subject(turn.state, act.member)
    if member.is_suspended_by_steward or member.key_suspended:
        raise PolicyError(
            f"{shown(roster, member.member_id)} is suspended already",
            hint="A second steward makes it last: `cloister approve`.",
        )
    key_id = office_key(roster, member)
    if key_id is not None:
        order = StewardSuspend(key_id=key_id, lift=False)
        append(turn, act.ref, ReadableType.STEWARD_SUSPEND, order.encode())
        return
    demand_steward(turn.state, "suspend somebody")
    content = Suspend(member_id=member.member_id, reason=_reason(act.reason))
    append(turn, act.ref, SealedType.SUSPEND, content.encode())


def on_reinstate(turn: Turn, act: ReinstateAct) -> None:
    """End a suspension: at once while nobody has confirmed it, else as a proposal."""
    roster, member = _subject(turn.state, act.member)
    if not (member.is_suspended_by_steward or member.key_suspended):
        hint = "Somebody has to vouch: `cloister vouch`." if member.needs_revouch else None
        raise PolicyError(f"{shown(roster, member.member_id)} is not suspended", hint=hint)
    key_id = office_key(roster, member)
    if key_id is not None and member.key_suspended:
        order = StewardSuspend(key_id=key_id, lift=True)
        append(turn, act.ref, ReadableType.STEWARD_SUSPEND, order.encode())
        return
    demand_steward(turn.state, "reinstate somebody")
    content = Reinstate(member_id=member.member_id, reason=_reason(act.reason))
    append(turn, act.ref, SealedType.REINSTATE, content.encode())


# --- removal --------------------------------------------------------------------------------------


def on_remove(turn: Turn, act: RemoveAct) -> None:
    """Propose a removal, or approve the one that another member has proposed."""
    roster, member = _subject(turn.state, act.member)
    name = shown(roster, member.member_id)
    own = own_member(turn.state)
    if member.member_id == own.member_id:
        raise PolicyError("nobody can remove themself", hint="Use `cloister leave`.")
    try:
        kind = RemovalKind(act.reason)
    except ValueError:
        raise UsageError("say why: departure, misconduct or compromise") from None
    if act.since and kind is not RemovalKind.COMPROMISE:
        raise UsageError("--since belongs to a removal for compromise")
    if member.role is not Role.MEMBER:
        word = member.role.name.lower()
        raise PolicyError(
            f"{name} holds the office of a {word}, which has to be taken first",
            hint=f"`cloister {word} drop {name}`, approved by the others; then remove.",
        )
    open_ones = [
        matter
        for matter in matters_of(turn.state)
        if matter.kind is MatterKind.REMOVE and matter.subject == member.member_id
    ]
    for matter in open_ones:
        if matter.author != own.member_id:
            content = Approve(entry_hash=matter.entry_hash)
            append(turn, act.ref, SealedType.APPROVE, content.encode())
            return
    if own.role is not Role.STEWARD:
        raise PolicyError(
            "only a steward can propose a removal", hint="Ask a steward to propose it first."
        )
    if open_ones:
        raise PolicyError(
            f"the removal of {name} is proposed already; another member must approve it",
            hint="They run the same command.",
        )
    remove = Remove(
        kind=kind, since=act.since, member_id=member.member_id, reason=REASONS[act.reason]
    )
    append(turn, act.ref, SealedType.REMOVE, remove.encode())


def on_leave(turn: Turn, act: LeaveAct) -> None:
    """Queue the own leave."""
    own = own_member(turn.state)
    if own.role is not Role.MEMBER:
        word = own.role.name.lower()
        raise PolicyError(
            f"a {word} cannot leave before the others have taken the office",
            hint=f"`cloister {word} drop` with your own name, approved by the others.",
        )
    turn.owe(intend(turn, SealedType.LEAVE, Leave().encode()), act.ref)


# --- rules and objections -------------------------------------------------------------------------


def on_set_policy(turn: Turn, act: SetPolicy) -> None:
    """Propose other rules; a second steward approves."""
    roster = roster_in_force(turn.state)
    demand_steward(turn.state, "change the circle's rules")
    policy = with_changes(roster.policy, act.changes)
    append(turn, act.ref, SealedType.POLICY, policy.encode())


def with_changes(policy: Policy, changes: tuple[tuple[str, int], ...]) -> Policy:
    """Return a policy with other values.  Raises ``UsageError`` for what cannot be changed."""
    if not changes:
        raise UsageError("name what changes", hint=f"One of: {', '.join(CHANGEABLE)}.")
    for name, value in changes:
        if name not in CHANGEABLE:
            raise UsageError(
                f"{safe_line(name)} is fixed for the life of the circle, or is no rule of it",
                hint=f"These can be changed: {', '.join(CHANGEABLE)}.",
            )
        if not 0 <= value < 2**32:
            raise UsageError(f"{name} cannot be {value}")
    try:
        numbers = dict(changes)
        rule = ExportRule(numbers.pop(EXPORT_FIELD, policy.export))
        cover = numbers.pop(COVER_FIELD, policy.cover_per_day)
        if cover not in COVER_RATES:
            raise UsageError(f"{COVER_FIELD} is one of {', '.join(map(str, COVER_RATES))}")
        made = with_cover(with_export(changed(policy, **numbers), rule), cover)
        made.encode()
    except (EncodeError, ValueError):
        raise UsageError("a value is out of range") from None
    wrong = unknown_in_policy(made)
    if wrong is not None:
        raise UsageError(
            f"{wrong} cannot have that value in this circle",
            hint="`cloister policy show` shows the rules; their ranges are in docs/spec/roster.md.",
        )
    return made


def on_object(turn: Turn, act: ObjectAct) -> None:
    """Object to an erasure; two members' objections pause it."""
    roster_in_force(turn.state)
    matter = find_matter(turn.state, act.reference, {MatterKind.ERASE})
    content = Objection(entry_hash=matter.entry_hash, reason=_reason(act.reason))
    append(turn, act.ref, SealedType.OBJECTION, content.encode())


# --- what several acts share ----------------------------------------------------------------------


def demand_steward(state: State, what: str) -> None:
    """Raise ``PolicyError`` unless this device's member is a steward."""
    if own_member(state).role is not Role.STEWARD:
        raise PolicyError(
            f"only a steward can {what}", hint="`cloister steward list` shows who is one."
        )


def office_key(roster: Roster, member: Member) -> bytes | None:
    """Return the key by which a member holds an office, or ``None``."""
    governance = roster.governance
    for one in member.announced:
        if one.key_id in governance.steward_keys or one.key_id in governance.officer_keys:
            return one.key_id
    return None


def _subject(state: State, name: str) -> tuple[Roster, Member]:
    roster = roster_in_force(state)
    member = member_named(roster, name)
    if member.is_out:
        raise PolicyError(f"{shown(roster, member.member_id)} is not a member any more")
    return roster, member


def _reason(text: str) -> str:
    reason = safe_line(text)
    if len(reason.encode()) > MAX_REASON_BYTES:
        raise UsageError(f"a reason may have {MAX_REASON_BYTES} bytes")
    return reason

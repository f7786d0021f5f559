"""Duties of governance: offices while a circle forms, pauses, receipts of erasures (D1).

Only a steward's device can sign what relays obey; the rank is among the devices of stewards.
Nothing is appended that the fold would ignore: it is asked first, and asked again later.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cloister.client.appending import has_intent, intend
from cloister.client.duties import DUTY_LABEL, is_due
from cloister.client.foresight import EntryType, foresee
from cloister.client.governing_devices import is_obeyed
from cloister.client.governing_offices import offer_of
from cloister.client.identity import did_of
from cloister.client.naming import own_key_id
from cloister.client.ordering import ask_erasure
from cloister.client.state import Purpose, Work
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.ids import SHORT_ID_BYTES, DeviceId, Handle, MemberId, RelayId
from cloister.roster.content import InviteKind, Role
from cloister.roster.entry import SealedType
from cloister.roster.erasing import PAUSING_OBJECTIONS
from cloister.roster.orders import EntryReference, StewardSet
from cloister.roster.policy import PROPOSAL_LIFETIME_S
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.roster import Roster
from cloister.roster.state import Member

ASK_FOLD_AGAIN_S: Final = 60
"""How long the fold's no is remembered: what it stands on changes with the log."""


def advance(turn: Turn) -> None:
    """Look for work and do what is due."""
    roster = turn.state.roster
    if roster is None or turn.state.identity is None or not turn.is_linked:
        return
    if not roster.is_active(did_of(turn.state)):
        return
    _remember_named(turn, roster)
    _offer(turn, roster)
    _approve_own_office(turn, roster)
    if is_obeyed(turn.state):
        _propose_hoped(turn, roster)
        _approve_hoped(turn, roster)
        _pause(turn, roster)
        _collect_receipts(turn, roster)


# --- stewards of a circle that forms --------------------------------------------------------------


def hoped_stewards(roster: Roster) -> Iterator[Member]:
    """Return the members whom a steward invited as stewards, which only a forming circle can do.

    Any member can write such an invitation: it is a steward's word that programs act on.
    """
    for record in roster.invites.values():
        invite = record.invite
        if invite.role is not Role.STEWARD or invite.kind is not InviteKind.MEMBER:
            continue
        if not roster.is_steward(record.inviter):
            continue
        asked = roster.requests.get(record.admitted) if record.admitted else None
        member = roster.members.get(asked.request.member_id) if asked else None
        if member is not None and member.is_active:
            yield member


def _is_hoped(roster: Roster, member_id: MemberId) -> bool:
    return any(one.member_id == member_id for one in hoped_stewards(roster))


def _coming(roster: Roster, at: int) -> dict[bytes, Member]:
    """Return whom programs bring into office at log time ``at``, by the only key of each.

    In the first week, and by that key alone: a further one would be a second voice of somebody
    who may have one, and whoever lost an office later is brought back by people.
    """
    return {
        member.announced[0].key_id: member
        for member in hoped_stewards(roster)
        if len(member.announced) == 1 and at - member.admitted_at_ts < PROPOSAL_LIFETIME_S
    }


def _offer(turn: Turn, roster: Roster) -> None:
    """Whoever came in as a steward offers a key at once."""
    own = roster.members[roster.devices[did_of(turn.state)].member_id]
    is_new = roster.ts - own.admitted_at_ts < PROPOSAL_LIFETIME_S
    if own.announced or not is_new or has_intent(turn.state, SealedType.STEWARD_KEY):
        return
    if _is_hoped(roster, own.member_id):
        _append(turn, SealedType.STEWARD_KEY, offer_of(turn.state))


def _propose_hoped(turn: Turn, roster: Roster) -> None:
    """Propose the set with every hoped steward whose first key has not stood in one yet.

    Once for each: whoever a later set leaves out is not brought back by a program.
    """
    own = roster.devices[did_of(turn.state)].member_id
    coming = _coming(roster, roster.ts)
    fresh = [
        member
        for key_id, member in coming.items()
        if key_id not in roster.governance.steward_keys
        and key_id not in turn.state.named_keys
        and _falls_to(roster, own, member)
    ]
    if not fresh or has_intent(turn.state, ReadableType.STEWARD_SET):
        return
    # A set is absolute, none may undo another; but to propose is to approve, so what others want
    # comes along only where this device would approve it, or has done so.
    wanted_too = {
        key_id: key
        for key_id, key in _pending_additions(roster).items()
        if key_id in coming or key_id in _approved_additions(roster, own_key_id(turn.state))
    }
    stewards = {**roster.governance.steward_keys, **wanted_too}
    for member in fresh:
        stewards[member.announced[0].key_id] = member.announced[0].key
    wanted = StewardSet(
        stewards=tuple(stewards.values()),
        officers=tuple(roster.governance.officer_keys.values()),
    )
    _append(turn, ReadableType.STEWARD_SET, wanted.encode())


def _falls_to(roster: Roster, own: MemberId, member: Member) -> bool:
    """Whether to propose a hoped steward is this member's part: of whoever invited, or the first.

    Two proposals at once would do no harm, and tell everybody everything twice.
    """
    stewards = [roster.devices[did].member_id for did in steward_devices(roster)]
    first = member.invited_by if member.invited_by in stewards else next(iter(stewards), None)
    return first == own


def _remember_named(turn: Turn, roster: Roster) -> None:
    """Note which keys have stood in a set, or been proposed for one."""
    governance = roster.governance
    seen = {*governance.steward_keys, *governance.officer_keys, *_pending_additions(roster)}
    if not seen <= turn.state.named_keys:
        turn.change(named_keys=turn.state.named_keys | seen)


def _pending_additions(roster: Roster) -> dict[bytes, HybridPublic]:
    """Return the keys that open proposals would add."""
    found = {}
    for wanted in _open_sets(roster).values():
        found.update({steward_key_id(key): key for key in wanted.stewards})
    return {
        key_id: key for key_id, key in found.items() if key_id not in roster.governance.steward_keys
    }


def _approved_additions(roster: Roster, key_id: bytes) -> set[bytes]:
    """Return the keys of stewards in the open proposals that a key stands behind."""
    return {
        steward_key_id(key)
        for entry_hash, wanted in _open_sets(roster).items()
        if key_id in roster.governance.proposals[entry_hash].approvals
        for key in wanted.stewards
    }


def _open_sets(roster: Roster) -> dict[bytes, StewardSet]:
    return {
        entry_hash: StewardSet.decode(proposal.content)
        for entry_hash, proposal in roster.governance.proposals.items()
        if proposal.kind == ReadableType.STEWARD_SET
    }


def _approve_own_office(turn: Turn, roster: Roster) -> None:
    """A hoped steward's device proves that it holds the key which a set names."""
    own = roster.devices[did_of(turn.state)].member_id
    key_id = own_key_id(turn.state)
    if key_id in roster.governance.steward_keys or not _is_hoped(roster, own):
        return
    for entry_hash, wanted in _open_sets(roster).items():
        if key_id in {steward_key_id(key) for key in wanted.stewards}:
            _approve(turn, roster, entry_hash)


def _approve_hoped(turn: Turn, roster: Roster) -> None:
    """Approve a set that only adds hoped stewards: who invited them so has decided it."""
    governance = roster.governance
    open_sets = _open_sets(roster)
    for entry_hash, wanted in open_sets.items():
        coming = _coming(roster, governance.proposals[entry_hash].ts)
        ids = {steward_key_id(key) for key in wanted.stewards}
        officers = {steward_key_id(key) for key in wanted.officers}
        only_adds = ids >= set(governance.steward_keys) and officers == set(governance.officer_keys)
        if only_adds and ids - set(governance.steward_keys) <= coming.keys():
            _approve(turn, roster, entry_hash)


def _approve(turn: Turn, roster: Roster, entry_hash: bytes) -> None:
    if own_key_id(turn.state) not in roster.governance.proposals[entry_hash].approvals:
        content = EntryReference(entry_hash=entry_hash)
        _append(turn, ReadableType.APPROVE, content.encode())


# --- erasures -------------------------------------------------------------------------------------


def _pause(turn: Turn, roster: Roster) -> None:
    """Carry two members' objections to the relays, which cannot read them."""
    for entry_hash, objections in roster.objections.items():
        erasure = roster.governance.erasures.get(entry_hash)
        if erasure is None or not erasure.is_open or erasure.paused_until:
            continue
        if len(objections.members) < PAUSING_OBJECTIONS:
            continue
        duty = sha256(DUTY_LABEL, b"pause", entry_hash)
        newest = turn.state.newest_is_own
        if is_due(turn, duty, caused_it=newest, eligible=steward_devices(roster)):
            content = EntryReference(entry_hash=entry_hash)
            _append(turn, ReadableType.PAUSE, content.encode())


def _collect_receipts(turn: Turn, roster: Roster) -> None:
    """Ask the relays for receipts of what is due, until each stands in the log."""
    missing = set(missing_receipts(roster))
    asked = turn.state.erasures & missing
    if asked != turn.state.erasures:
        turn.change(erasures=asked)
    for relay_id, handle, entry_hash in sorted(missing - asked):
        duty = sha256(DUTY_LABEL, b"erasure", entry_hash, relay_id, handle)
        if is_due(turn, duty, caused_it=False, eligible=steward_devices(roster)):
            ask_erasure(turn, RelayId(relay_id), Handle(handle), entry_hash)


def missing_receipts(roster: Roster) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Return (relay id, handle, entry hash) of shares that relays should have destroyed by now."""
    for erasure in roster.governance.due_erasures():
        for target in erasure.targets:
            did = roster.handles.get((target.relay_id, target.handle))
            if did is not None and target.relay_id not in roster.devices[did].erased_by:
                yield bytes(target.relay_id), bytes(target.handle), erasure.entry_hash


# --- what the duties share ------------------------------------------------------------------------


def steward_devices(roster: Roster) -> tuple[DeviceId, ...]:
    """Return the active devices of stewards, among which a duty of governance is ranked."""
    return tuple(
        record.did
        for record in roster.active_devices()
        if roster.members[record.member_id].role is Role.STEWARD
    )


def _append(turn: Turn, entry_type: EntryType, content: bytes) -> None:
    """Queue an entry unless it is queued, or the fold has just said no to it."""
    if has_intent(turn.state, entry_type, content):
        return
    asked = Purpose(Work.APPEND, sha256(DUTY_LABEL, b"foresee", content)[:SHORT_ID_BYTES])
    if turn.session.not_before.get(asked, 0) > turn.now:
        return
    if foresee(turn, entry_type, content) is None:
        intend(turn, entry_type, content)
    else:
        turn.delay(asked, ASK_FOLD_AGAIN_S)

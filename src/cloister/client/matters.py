"""Matters that wait for somebody: proposals, suspensions, erasures, each with its reference.

One list serves ``cloister pending``, the references that people type, and the acts that approve,
refuse and object.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import Enum
from typing import Final

import msgspec

from cloister.client.naming import (
    device_name,
    devices_named,
    name_of_key,
    roster_in_force,
    shown,
)
from cloister.client.powers import COVER_FIELD, EXPORT_FIELD
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.errors import NotFoundError, UsageError
from cloister.ids import DeviceId, MemberId
from cloister.roster.governance_state import (
    Erasure,
    ErasureState,
    ReadableProposal,
    SuspendedKey,
    lifetime_of,
)
from cloister.roster.orders import (
    EntryReference,
    StewardSet,
    StewardSuspend,
    Target,
    Unlock,
)
from cloister.roster.policy import PROPOSAL_LIFETIME_S, Policy
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.relay_card import RelaySet
from cloister.roster.roster import Roster
from cloister.roster.state import Proposal, ProposalKind

REFERENCE_DIGITS: Final = 8
"""Hexadecimal digits of an entry's hash that lists show."""
MIN_REFERENCE_DIGITS: Final = 6


class MatterKind(Enum):
    """What is proposed; the value is the word for it."""

    REMOVE = "removal"
    SUSPEND = "suspension"
    REINSTATE = "reinstatement"
    POLICY = "change of rules"
    STEWARDS = "change of stewards"
    RELAYS = "change of relays"
    UNLOCK = "unlock"
    ERASE = "erasure"
    RELEASE = "release of a hold"
    RESET = "reset of the commons"


class Matter(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits: for an approval, for its time, or for both."""

    entry_hash: bytes
    kind: MatterKind
    is_readable: bool
    """Whether approvals are readable entries, by steward keys."""
    text: str
    """What it is, in words."""
    author: MemberId | None
    """Who proposed it, where the roster knows whose key it was."""
    by: str
    waits_for: str
    """Who may approve, or what has to pass."""
    until: int
    """When it lapses, or takes effect, by log time in s; 0: neither."""
    subject: MemberId | None = None
    dids: tuple[DeviceId, ...] = ()
    named: tuple[MemberId, ...] = ()
    """Whose office a change of stewards gives or takes."""

    @property
    def reference(self) -> str:
        """What people type to name it."""
        return self.entry_hash.hex()[:REFERENCE_DIGITS]


def matters_of(state: State) -> tuple[Matter, ...]:
    """Return everything that waits, oldest first in each family."""
    roster = roster_in_force(state)
    governance = roster.governance
    return (
        *(_of_sealed(roster, one) for one in roster.sealed_proposals.values()),
        *(_of_suspended(roster, one) for one in governance.suspended.values() if one.until),
        *(_of_readable(roster, one) for one in governance.proposals.values()),
        *_of_erasures(roster),
    )


def find_matter(
    state: State, reference: str, kinds: Collection[MatterKind] | None = None
) -> Matter:
    """Find a matter by the digits of its entry, or by the member or device that it is about.

    Raises ``NotFoundError``, ``UsageError`` when several fit.
    """
    roster = roster_in_force(state)
    wanted = safe_line(reference)
    open_ones = [one for one in matters_of(state) if kinds is None or one.kind in kinds]
    digits = wanted.casefold()
    found = [
        one
        for one in open_ones
        if len(digits) >= MIN_REFERENCE_DIGITS and one.entry_hash.hex().startswith(digits)
    ]
    if not found:
        member = roster.member_named(wanted)
        if member is not None:
            owned = set(member.devices)
            found = [
                one
                for one in open_ones
                if member.member_id in (one.subject, *one.named) or owned.intersection(one.dids)
            ]
        else:
            try:
                dids = {record.did for record in devices_named(roster, wanted)}
            except NotFoundError:
                dids = set()
            found = [one for one in open_ones if dids.intersection(one.dids)]
    if not found:
        raise NotFoundError(
            f"nothing waits under “{wanted}”", hint="`cloister pending` lists what does."
        )
    if len(found) > 1:
        words = "; ".join(f"{one.reference} {one.kind.value}" for one in found)
        raise UsageError(f"several matters wait under “{wanted}”: {words}", hint="Give the digits.")
    return found[0]


# --- sealed ---------------------------------------------------------------------------------------


def _of_sealed(roster: Roster, proposal: Proposal) -> Matter:
    kind = MatterKind[proposal.kind.name]
    about = f" of {shown(roster, proposal.member_id)}" if proposal.member_id else ""
    if proposal.kind is ProposalKind.POLICY:
        about = f": {rules_in_words(roster.policy, Policy.decode(proposal.content))}"
    reason = f" ({safe_line(proposal.reason)})" if proposal.reason else ""
    waits_for = "the day that was set" if proposal.due else _sealed_approvers(roster, proposal)
    return Matter(
        entry_hash=proposal.entry_hash,
        kind=kind,
        is_readable=False,
        text=f"{kind.value}{about}{reason}",
        author=proposal.proposer,
        by=shown(roster, proposal.proposer),
        waits_for=waits_for,
        until=proposal.due or proposal.ts + PROPOSAL_LIFETIME_S,
        subject=proposal.member_id,
    )


def _sealed_approvers(roster: Roster, proposal: Proposal) -> str:
    stewards = [
        one
        for one in roster.governance.steward_keys
        if roster.key_owners.get(one) not in (proposal.proposer, proposal.member_id)
        and roster.governance.obeys(one)
    ]
    if proposal.kind is ProposalKind.REMOVE and not stewards:
        return "another member"
    return "another steward"


# --- readable -------------------------------------------------------------------------------------

_KINDS: Final = {
    ReadableType.STEWARD_SUSPEND: MatterKind.REINSTATE,
    ReadableType.STEWARD_SET: MatterKind.STEWARDS,
    ReadableType.RELAY_SET: MatterKind.RELAYS,
    ReadableType.ORDER_UNLOCK: MatterKind.UNLOCK,
    ReadableType.HOLD_RELEASE: MatterKind.RELEASE,
    ReadableType.CHANNEL_RESET: MatterKind.RESET,
}


def _of_suspended(roster: Roster, suspended: SuspendedKey) -> Matter:
    return Matter(
        entry_hash=suspended.entry_hash,
        kind=MatterKind.SUSPEND,
        is_readable=True,
        text=f"suspension of {holder_in_words(roster, suspended.key_id)}",
        author=roster.key_owners.get(suspended.author),
        by=name_of_key(roster, suspended.author),
        waits_for="another steward",
        until=suspended.until,
        subject=roster.key_owners.get(suspended.key_id),
    )


def _of_readable(roster: Roster, proposal: ReadableProposal) -> Matter:
    kind = _KINDS[proposal.kind]
    subject: MemberId | None = None
    dids: tuple[DeviceId, ...] = ()
    named: tuple[MemberId, ...] = ()
    text = kind.value
    match kind:
        case MatterKind.STEWARDS:
            wanted = StewardSet.decode(proposal.content)
            text = f"{text}: {set_in_words(roster, wanted)}"
            named = tuple(
                roster.key_owners[one]
                for one in _keys_touched(roster, wanted)
                if one in roster.key_owners
            )
        case MatterKind.RELAYS:
            text = f"{text}: {relays_in_words(roster, RelaySet.decode(proposal.content))}"
        case MatterKind.UNLOCK:
            dids = dids_of_targets(roster, Unlock.decode(proposal.content).targets)
            text = f"{text} of {devices_in_words(roster, dids)}"
        case MatterKind.REINSTATE:
            order = StewardSuspend.decode(proposal.content)
            subject = roster.key_owners.get(order.key_id)
            text = f"{text} of {holder_in_words(roster, order.key_id)}"
        case MatterKind.RELEASE:
            hold = EntryReference.decode(proposal.content).entry_hash
            text = f"{text}: {hold.hex()[:REFERENCE_DIGITS]}"
        case _:
            pass
    return Matter(
        entry_hash=proposal.entry_hash,
        kind=kind,
        is_readable=True,
        text=text,
        author=roster.key_owners.get(proposal.author),
        by=name_of_key(roster, proposal.author),
        waits_for="the day that was set" if proposal.due else _readable_approvers(proposal),
        until=proposal.due or lifetime_of(proposal, PROPOSAL_LIFETIME_S),
        subject=subject,
        dids=dids,
        named=named,
    )


def _readable_approvers(proposal: ReadableProposal) -> str:
    if proposal.is_recovery:
        return "another officer, everybody newly named, and fourteen silent days of the stewards"
    if proposal.kind is ReadableType.STEWARD_SET:
        return "two thirds of the stewards that stay and everybody newly named"
    return "another steward"


def keys_named(roster: Roster) -> set[bytes]:
    """Return the keys that open proposals would make stewards' or officers'."""
    named = set()
    for proposal in roster.governance.proposals.values():
        if proposal.kind is ReadableType.STEWARD_SET:
            wanted = StewardSet.decode(proposal.content)
            named |= {steward_key_id(key) for key in (*wanted.stewards, *wanted.officers)}
    return named


def holder_in_words(roster: Roster, key_id: bytes) -> str:
    """Name whoever holds a key that the circle obeys, with the office."""
    is_steward = key_id in roster.governance.steward_keys
    office = "steward" if is_steward else "officer"
    return f"the {office} {name_of_key(roster, key_id)}"


def rules_in_words(now: Policy, then: Policy) -> str:
    """Say which rules a proposed policy would change: who approves has to know."""
    before, after = (
        one.as_dict()
        | {
            "flags": one.fixed_flags,
            EXPORT_FIELD: one.export.name.lower(),
            COVER_FIELD: one.cover_per_day,
        }
        for one in (now, then)
    )
    words = [
        f"{name} {before[name]} becomes {value}"
        for name, value in after.items()
        if value != before[name]
    ]
    return ", ".join(words) or "nothing changes"


def relays_in_words(roster: Roster, wanted: RelaySet) -> str:
    """Say in words which relays a proposed set brings and drops."""
    home = roster.governance.relay_set.home
    now, then = roster.governance.relay_set.entries, wanted.entries
    words = []
    if wanted.home.relay_id != home.relay_id:
        new = wanted.home
        words = [
            f"another home, {safe_line(new.name)} ({new.jurisdiction}, {safe_line(new.operator)})"
        ]
    words += [
        f"{word} {safe_line(card.name)} ({card.jurisdiction}, {safe_line(card.operator)})"
        for word, these, others in (("with", then, now), ("without", now, then))
        for card in these
        if card not in others
    ]
    return ", ".join(words) or "the same in another order"


def _keys_touched(roster: Roster, wanted: StewardSet) -> set[bytes]:
    governance = roster.governance
    stewards = {steward_key_id(one) for one in wanted.stewards}
    officers = {steward_key_id(one) for one in wanted.officers}
    return (stewards ^ governance.steward_keys.keys()) | (officers ^ governance.officer_keys.keys())


def set_in_words(roster: Roster, wanted: StewardSet) -> str:
    """Say in words what a set of stewards and officers would change."""
    governance = roster.governance
    words: list[str] = []
    for office, now, then in (
        ("steward", governance.steward_keys, wanted.stewards),
        ("officer", governance.officer_keys, wanted.officers),
    ):
        ids = {steward_key_id(one) for one in then}
        words += [f"{name_of_key(roster, one)} becomes {office}" for one in sorted(ids - set(now))]
        words += [
            f"{name_of_key(roster, one)} is {office} no more" for one in sorted(set(now) - ids)
        ]
    return ", ".join(words) or "nothing changes"


# --- erasures -------------------------------------------------------------------------------------


_OPEN_ERASURES: Final = {
    ErasureState.PROPOSED: "another steward",
    ErasureState.APPROVED: "the cool-off to end",
    ErasureState.DUE: "the relays to carry it out",
}


def _of_erasures(roster: Roster) -> Iterator[Matter]:
    for entry_hash, erasure in roster.governance.erasures.items():
        dids = dids_of_targets(roster, erasure.targets)
        if erasure.state not in _OPEN_ERASURES or is_carried_out(roster, erasure):
            continue
        waits_for = _OPEN_ERASURES[erasure.state]
        if erasure.is_open and erasure.paused_until > roster.ts:
            waits_for += " and the pause after objections to end"
        until = 0
        if erasure.state is ErasureState.PROPOSED:
            until = erasure.proposed_ts + PROPOSAL_LIFETIME_S
        elif erasure.state is ErasureState.APPROVED:
            until = erasure.executes_at
        reason = erasure.reason.name.lower()
        yield Matter(
            entry_hash=entry_hash,
            kind=MatterKind.ERASE,
            is_readable=True,
            text=f"erasure of {devices_in_words(roster, dids)} ({reason})",
            author=roster.key_owners.get(erasure.author),
            by=name_of_key(roster, erasure.author),
            waits_for=waits_for,
            until=until,
            dids=dids,
        )


def is_carried_out(roster: Roster, erasure: Erasure) -> bool:
    """Whether the log has every relay's receipt."""
    return all(
        target.relay_id
        in roster.devices[roster.handles[(target.relay_id, target.handle)]].erased_by
        for target in erasure.targets
        if (target.relay_id, target.handle) in roster.handles
    )


def dids_of_targets(roster: Roster, targets: Collection[Target]) -> tuple[DeviceId, ...]:
    """Return the devices that handles belong to, each once."""
    found = [roster.handles.get((one.relay_id, one.handle)) for one in targets]
    return tuple(dict.fromkeys(did for did in found if did is not None))


def devices_in_words(roster: Roster, dids: Collection[DeviceId]) -> str:
    """Name devices for people."""
    return ", ".join(device_name(roster, did) for did in dids) or "an unknown device"

"""Seats: how long the home relay's operator was paid for a device, and what follows after it.

A device whose term is over stays for a grace time; then it lapses, and comes back when the term
grows. Nobody's message says so: it follows from the term and from log time.

Where the circle has moved to another home nobody has a seat until that one's operator sells it.
"""

from __future__ import annotations

from cloister.limits import SEAT_GRACE_S
from cloister.roster.content import Role
from cloister.roster.draft import Act, Draft
from cloister.roster.enrolment import is_term_by_home
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, SeatLapsed, SeatsRenewed
from cloister.roster.governance import Governance
from cloister.roster.policy import Policy
from cloister.roster.rules import Rule
from cloister.roster.share import SeatTerm
from cloister.roster.state import DeviceRecord, changed


def on_seat(draft: Draft, act: Act, seat: SeatTerm) -> Event:
    """Apply a seat entry: terms grow; handles of devices that are not in the log are passed over.

    The home relay signs one term for all handles of an account, some of which may have been drawn
    for newcomers who have not asked yet.
    """
    if not may_have_seats(draft.policy, draft.governance):
        raise RuleViolation(Rule.SEAT_POLICY)
    relays = draft.relay_set
    if not is_term_by_home(seat, relays):
        raise RuleViolation(Rule.SEAT_HOME)
    renewed = []
    for handle in seat.handles:
        did = draft.handles.get((relays.home.relay_id, handle))
        if did is not None and draft.devices[did].term_end < seat.term_end:
            renewed.append(did)
    if not renewed:
        raise RuleViolation(Rule.SEAT_GROWS)
    for did in renewed:
        device = changed(draft.devices[did], term_end=seat.term_end)
        lapsed = device.lapsed and act.ts > seat.term_end + SEAT_GRACE_S
        draft.put_device(changed(device, lapsed=lapsed), act.seq)
    draft.expect(seat.term_end + SEAT_GRACE_S + 1)
    return SeatsRenewed(seq=act.seq, dids=tuple(dict.fromkeys(renewed)), term_end=seat.term_end)


def may_have_seats(policy: Policy, governance: Governance) -> bool:
    """Whether the home relay may sell seats: what a later home does the policy cannot say."""
    return bool(policy.unlock_shares and (policy.seats or governance.moves))


def forget_seats(draft: Draft, seq: int) -> None:
    """Another home serves from entry ``seq`` on: what the former one was paid for is over."""
    for device in list(draft.devices.values()):
        if device.term_end or device.lapsed:
            draft.put_device(changed(device, term_end=0, lapsed=False), seq)


def never_lapses(draft: Draft, device: DeviceRecord) -> bool:
    """Whether the device stays without a seat: an operator cannot empty a circle of stewards."""
    return draft.members[device.member_id].role is not Role.MEMBER


def derive_seat_lapses(draft: Draft, seq: int, ts: int) -> list[Event]:
    """Let the devices lapse whose term and grace are over; those of an office never do."""
    lapsed = []
    for device in list(draft.devices.values()):
        has_none = not device.term_end
        if has_none or device.retired or device.lapsed or never_lapses(draft, device):
            continue
        over = device.term_end + SEAT_GRACE_S + 1
        if ts < over:
            draft.expect(over)
            continue
        draft.put_device(changed(device, lapsed=True), seq)
        lapsed.append(device.did)
    return [SeatLapsed(seq=seq, dids=tuple(lapsed))] if lapsed else []

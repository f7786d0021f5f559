"""What holds for every roster log, whatever its authors do and in whatever order."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.codec import DecodeError, Struct
from cloister.errors import CloisterError
from cloister.ids import InviteId
from cloister.roster.content import (
    STEWARD_KEY_LABEL,
    Acquaintance,
    Approve,
    DeviceRevoke,
    Export,
    ExportScope,
    InviteKind,
    InviteRevoke,
    Leave,
    Objection,
    Reinstate,
    RemovalKind,
    Remove,
    RevokeKind,
    Role,
    StewardKey,
    Suspend,
    Tick,
    Vouch,
    VouchRevoke,
)
from cloister.roster.entry import Entry
from cloister.roster.errors import LogBroken, RuleViolation, SnapshotError, UpdateNeeded
from cloister.roster.events import Admitted, DeviceAdded, Ignored, Returned, Ticked
from cloister.roster.invitation import parse_invitation, parse_typed_seed, typed_seed
from cloister.roster.join_request import JoinRequest
from cloister.roster.orders import (
    EntryReference,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    LockOrder,
    StewardSet,
    StewardSuspend,
    Target,
    Unlock,
    sign_lock_as_steward,
)
from cloister.roster.policy import ExportRule, default_policy, with_export
from cloister.roster.readable import ReadableType, steward_key_id
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from cloister.roster.state import RequestState
from cloister.values import replace
from counts import examples
from unit.roster.circle import (
    Circle,
    Person,
    SeededEntropy,
    circle_of_three,
    forming_circle,
    person,
    receipts_of,
    seat_term,
    steward_key,
)

DEEP = settings(max_examples=examples(25), deadline=None)
QUICK = settings(max_examples=examples(40), deadline=None)

PEOPLE = [person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus")]
NEWCOMERS = [person(f"Newcomer {number}") for number in range(31)]
EVERYBODY = [*PEOPLE, *NEWCOMERS]
GROWTH = ["invite", "ask", "vouch", "vouch"]
ACTS = [*GROWTH * 3, "remove", "approve", "leave", "tick", "rotate", "replay", "forge"]
GOVERNING = ["suspend", "reinstate", "compromise", "policy", "announce", "set", "back", "quell"]
DEVICES = [
    "device",
    "return",
    "revoke",
    "lock",
    "unlock",
    "erase",
    "seat",
    "hold",
    "object",
    "export",
]
TAKING_BACK = ["uninvite", "unvouch"]
ALL_ACTS = [*ACTS, *GROWTH * 3, *GOVERNING, "back", *DEVICES, *TAKING_BACK]
RULED = default_policy(test_circle=True, unlock_shares=1, seats=1, cool_off_s=60, change_delay_s=60)
DELAYS = [0, 0, 1, 1, 60, 60, 86_400, 4 * 86_400, 15 * 86_400]

# (author, act, whom or which, seconds before it)
moves = st.tuples(
    st.integers(0, 11),
    st.sampled_from(ACTS),
    st.integers(0, 30),
    st.sampled_from(DELAYS),
)

governing_moves = st.tuples(
    st.integers(0, 11),
    st.sampled_from(ALL_ACTS),
    st.integers(0, 30),
    st.sampled_from(DELAYS),
)


class Player:
    """Turns moves into entries, valid or not, and appends them."""

    def __init__(self, circle: Circle) -> None:
        self.circle = circle
        self.entropy = SeededEntropy("player")
        self.requests: list[JoinRequest] = []
        self.author = circle.founder
        self.subjects: dict[bytes, Person] = {}

    def play_any(self, who: int, act: str, which: int, delay: int) -> None:
        """One move by a member of the moment, or, now and then, by anybody."""
        active = [one for one in EVERYBODY if self.circle.roster.is_active(one.did)]
        # Whoever is alone may have locked the only device; then the rest try in vain.
        members = active or PEOPLE
        author = PEOPLE[which % len(PEOPLE)] if who > 9 else members[who % len(members)]
        self.play(author, act, which, delay)

    def play(self, author: Person, act: str, which: int, delay: int) -> None:
        """One move by this author."""
        circle = self.circle
        circle.now += delay
        self.author = author
        if act in {"set", "back", "quell", "lock", "unlock", "erase", "hold"}:
            self._say(author, act, which)
        elif act == "rotate":
            circle.append(circle.log_key_entry(author))
        elif act == "replay":
            old = Entry.decode(circle.entries[which % len(circle.entries)])
            header = Entry.decode(circle.sealed(author, Tick())).header
            circle.append(Entry(header=header, body=old.body).encode())
        else:
            content = self._content(act, which)
            signer = PEOPLE[which % len(PEOPLE)] if act == "forge" else author
            circle.append(circle.sealed(signer, content, did=author.did))

    def _say(self, author: Person, act: str, which: int) -> None:
        """A readable entry by the key of the author, in office or not."""
        circle = self.circle
        key = circle.keys.get(author.name, steward_key(author.name))
        key_id = steward_key_id(key.public)
        somebody = PEOPLE[which % len(PEOPLE)]
        targets = receipt_targets(somebody)
        content: Struct
        if act == "set":
            members = circle.roster.members.values()
            known = [one.announced[-1].key for one in members if one.announced]
            kept = known[: 1 + which % 4]
            content = StewardSet(stewards=tuple(kept), officers=tuple(known[len(kept) :]))
        elif act == "quell":
            others = list(circle.roster.steward_keys)
            content = StewardSuspend(key_id=others[which % len(others)], lift=which > 20)
        elif act == "lock":
            order = LockOrder(
                circle_id=circle.roster.circle_id,
                log_size=circle.roster.size,
                ts=circle.now,
                targets=targets,
            )
            content = sign_lock_as_steward(order, key, key_id)
        elif act == "unlock":
            content = Unlock(targets=targets, consents=())
        elif act == "erase":
            content = Erase(targets=targets, reason=EraseReason.LOST, sealed_note=b"")
        elif act == "hold":
            scope = HoldScope.MEMBER if which % 2 else HoldScope.CIRCLE
            content = Hold(
                scope=scope,
                targets=targets if which % 2 else (),
                channel=None,
                authority_hash=bytes(32),
                sealed_note=b"",
            )
        else:
            governance = circle.roster.governance
            waiting = [
                *governance.proposals,
                *governance.erasures,
                *(one.entry_hash for one in governance.suspended.values()),
            ]
            if not waiting:
                return
            content = EntryReference(entry_hash=waiting[-1 - which % len(waiting)])
        entry = circle.readable_entry(key, READABLE_TYPES.get(act, ReadableType.APPROVE), content)
        # A relay stores no readable entry that breaks a rule.
        with suppress(RuleViolation):
            circle.roster.governance.apply(Entry.decode(entry))
            circle.append(entry)

    def _content(self, act: str, which: int) -> Struct:
        circle = self.circle
        governed = self._governing(act, which)
        if governed is not None:
            return governed
        somebody = PEOPLE[which % len(PEOPLE)]
        if act == "invite":
            role = Role.STEWARD if which % 5 == 0 else Role.MEMBER
            seed, invite = circle.new_invite(role=role)
            circle.seeds[invite.invite_id] = seed
            return invite
        if act == "ask" and circle.seeds:
            # Mostly the newest invitation: random choices alone hardly ever admit anybody.
            seed = list(circle.seeds.values())[
                -1 - (which if which > 24 else 0) % len(circle.seeds)
            ]
            newcomer = somebody if which < 6 else NEWCOMERS[which]
            subject = self.subjects.get(seed.invite_id)
            if subject is not None:
                newcomer = person(subject.name, f"device {which}")
            self.requests.append(circle.request(newcomer, seed))
            return self.requests[-1]
        if act == "vouch" and self.requests:
            request = self.requests[-1 - (which if which > 20 else 0) % len(self.requests)]
            return Vouch(request_hash=request.request_hash, how=Acquaintance.VOICE)
        if act == "remove":
            return Remove(
                kind=RemovalKind.DEPARTURE, since=0, member_id=somebody.member_id, reason="move"
            )
        if act == "approve" and circle.roster.sealed_proposals:
            proposals = list(circle.roster.sealed_proposals)
            return Approve(entry_hash=proposals[which % len(proposals)])
        return Leave() if act == "leave" else Tick()

    def _governing(self, act: str, which: int) -> Struct | None:
        """What the acts of power say; None for the others."""
        circle = self.circle
        somebody = PEOPLE[which % len(PEOPLE)]
        member_id = somebody.member_id
        match act:
            case "suspend":
                return Suspend(member_id=member_id, reason="")
            case "reinstate":
                return Reinstate(member_id=member_id, reason="")
            case "compromise":
                why, since = RemovalKind.COMPROMISE, circle.roster.size * (which % 3) // 3
                return Remove(kind=why, since=since, member_id=member_id, reason="")
            case "policy":
                wanted = replace(circle.roster.policy, vouches=1 + which % 3, vouches_large=3)
                return with_export(wanted, ExportRule(which % 3))
            case "announce":
                key = steward_key(self.author.name)
                proof = key.sign(STEWARD_KEY_LABEL, self.author.did)
                return StewardKey(key=key.public, proof=proof)
            case "device" | "return":
                kind = InviteKind.DEVICE if act == "device" else InviteKind.RETURN
                seed, invite = circle.new_invite(kind=kind, subject=somebody)
                circle.seeds[invite.invite_id] = seed
                self.subjects[invite.invite_id] = somebody
                return invite
            case "revoke":
                kinds = list(RevokeKind)
                return DeviceRevoke(did=somebody.did, kind=kinds[which % 2])
            case "seat":
                return seat_term(somebody, term_end=circle.now + which * 86_400)
            case "export":
                scopes = list(ExportScope)
                return Export(export_id=bytes([which % 256]) * 16, scope=scopes[which % 3])
            case "object" if circle.roster.governance.erasures:
                erasures = list(circle.roster.governance.erasures)
                return Objection(entry_hash=erasures[which % len(erasures)], reason="")
            case "uninvite" if circle.seeds:
                invites = list(circle.seeds)
                return InviteRevoke(invite_id=InviteId(invites[which % len(invites)]))
            case "unvouch" if self.requests:
                request = self.requests[which % len(self.requests)]
                return VouchRevoke(request_hash=request.request_hash)
        return None


def receipt_targets(owner: Person) -> tuple[Target, ...]:
    """The shares of somebody's first device."""
    return tuple(
        Target(relay_id=one.receipt.relay_id, handle=one.receipt.handle, opening=one.opening)
        for one in receipts_of(owner)
    )


READABLE_TYPES = {
    "set": ReadableType.STEWARD_SET,
    "quell": ReadableType.STEWARD_SUSPEND,
    "lock": ReadableType.ORDER_LOCK,
    "unlock": ReadableType.ORDER_UNLOCK,
    "erase": ReadableType.ORDER_ERASE,
    "hold": ReadableType.HOLD,
}


@given(st.lists(governing_moves, min_size=5, max_size=80), st.lists(st.integers(0, 30), max_size=4))
@DEEP
def test_every_interleaving_folds_to_the_same_roster_however_it_is_read(
    played: list[tuple[int, str, int, int]], stops: list[int]
) -> None:
    player = Player(Circle(policy=RULED))
    for move in played:
        player.play_any(*move)
    circle = player.circle
    expected = circle.roster.encode()

    at_once, events = Roster.found(circle.entries[0], circle.log_keys[0]).extend(
        circle.entries[1:], circle.log_keys
    )
    assert at_once.encode() == expected
    assert at_once == circle.roster
    # Each entry says what it did, in its turn.
    assert {event.seq for event in events} == set(range(1, len(circle.entries)))
    assert [event.seq for event in events] == sorted(event.seq for event in events)

    roster = Roster.found(circle.entries[0], circle.log_keys[0])
    position = 1
    for stop in [*sorted({1 + stop for stop in stops}), len(circle.entries)]:
        roster, _ = roster.extend(circle.entries[position:stop], circle.log_keys)
        position = max(position, min(stop, len(circle.entries)))
        roster = Roster.decode(roster.encode())
    assert roster.encode() == expected
    # What a snapshot leaves out is derived to the same.
    assert roster.spent == circle.roster.spent
    assert roster.device_keys == circle.roster.device_keys
    assert roster.active_members == circle.roster.active_members
    assert roster.active_device_count == circle.roster.active_device_count
    assert roster.handles == circle.roster.handles
    assert roster.key_owners == circle.roster.key_owners
    check_records(circle.roster)

    fold = RelayFold.found(circle.entries[0])
    for entry in circle.entries[1:]:
        fold = fold.append(entry)
    assert (fold.size, fold.root) == (circle.roster.size, circle.roster.root)
    assert fold.governance == circle.roster.governance


def check_records(roster: Roster) -> None:
    """What must hold of members and devices, whatever the log says."""
    for device in roster.devices.values():
        member = roster.members[device.member_id]
        assert device.is_active is (member.is_active and device.is_fit)
        for earlier, later in pairwise(device.spans):
            assert earlier.until_size is not None
            assert earlier.from_size <= earlier.until_size <= later.from_size
        assert all(one.until_size is not None for one in device.spans[:-1])
        assert all(
            device.was_active_at(one.from_size) or one.from_size == one.until_size
            for one in device.spans
        )
    for member in roster.members.values():
        held = {one.key_id for one in member.announced}
        assert (member.role is Role.STEWARD) is (not held.isdisjoint(roster.steward_keys))
        assert member.key_suspended is (not held.isdisjoint(roster.governance.suspended))
    assert roster.active_members == sum(one.is_active for one in roster.members.values())


@given(st.lists(moves, min_size=5, max_size=80))
@DEEP
def test_nobody_is_a_member_without_vouches_of_members(
    played: list[tuple[int, str, int, int]],
) -> None:
    player = Player(forming_circle())
    for move in played:
        before = player.circle.roster
        player.play_any(*move)
        after = player.circle.roster
        for member_id, member in after.members.items():
            if member_id in before.members:
                continue
            assert len(set(member.vouchers)) == len(member.vouchers) >= before.vouches_needed()
            for voucher in member.vouchers:
                assert before.members[voucher].is_active
                assert before.members[voucher].probation_until <= after.ts
        gone = [
            one
            for one, member in after.members.items()
            if not member.is_active and before.members[one].is_active
        ]
        assert len(gone) <= 1
    roster = player.circle.roster
    active = {member_id for member_id, member in roster.members.items() if member.is_active}
    assert {device.member_id for device in roster.active_devices()} == active
    assert roster.active_members == len(active)
    keys = [device.card.device_key for device in roster.devices.values()]
    assert len(set(keys)) == len(keys)
    for asked in roster.requests.values():
        if asked.state is RequestState.OPEN:
            assert asked.needed == roster.vouches_needed()


@given(st.sampled_from(["Ada", "Ben", "Cleo"]), st.lists(governing_moves, max_size=40))
@settings(max_examples=examples(60), deadline=None)
def test_no_acts_of_fewer_than_the_threshold_change_who_belongs_or_governs(
    traitor: str, played: list[tuple[int, str, int, int]]
) -> None:
    """One member, steward or not, with any number of outsiders, relays and stolen entries."""
    circle = governed_circle().clone()
    player = Player(circle)
    before = circle.roster
    loyal = {"Ada", "Ben", "Cleo"} - {traitor}
    for who, act, which, delay in played:
        author = PEOPLE[who] if who < len(PEOPLE) else person(traitor)
        # A loyal member's device signs nothing here; its name may be put on a forged entry.
        if author.name in loyal:
            forger = person(traitor) if which % 2 else person("Eve")
            circle.now += delay
            entry = circle.sealed(forger, Tick() if act == "tick" else Leave(), did=author.did)
            events = circle.append(entry)
            assert any(isinstance(event, Ignored) for event in events)
        elif author.name != traitor or act != "leave":
            player.play(author, act if act != "forge" else "vouch", which, delay)
    after = circle.roster
    assert after.members.keys() == before.members.keys()
    assert not any(member.is_out for member in after.members.values())
    assert {one: member.role for one, member in after.members.items()} == {
        one: member.role for one, member in before.members.items()
    }
    assert after.policy == before.policy
    assert after.steward_keys == before.steward_keys
    assert after.relay_set == before.relay_set
    assert {one.did for one in after.devices.values()} == {person(one).did for one in FOUNDERS}
    # What one may do alone is over by itself, but for what the traitor did to itself: a steward
    # locks devices and suspends, for a week, and places holds.
    assert not any(member.suspension_confirmed for member in after.members.values())
    assert not any(one.due for one in after.governance.erasures.values())


FOUNDERS = ("Ada", "Ben", "Cleo")


@cache
def governed_circle() -> Circle:
    """Ada, Ben and Cleo, of whom Ada and Ben govern."""
    circle = circle_of_three(RULED)
    circle.appoint(PEOPLE[1])
    return circle


@given(st.lists(governing_moves, min_size=5, max_size=60), st.integers(0, 10**9))
@settings(max_examples=examples(30), deadline=None)
def test_no_local_clock_decides_anything(
    played: list[tuple[int, str, int, int]], asked: int
) -> None:
    """Devices that look at the log at other times, and ask what is due, fold to the same."""
    player = Player(Circle(policy=RULED))
    for move in played:
        player.play_any(*move)
    circle = player.circle
    curious = Roster.found(circle.entries[0], circle.log_keys[0])
    for entry in circle.entries[1:]:
        curious.needs_tick(curious.ts + asked)
        curious, _ = curious.append(entry, circle.log_keys)
    assert curious.encode() == circle.roster.encode()
    assert curious == circle.roster


@given(st.lists(governing_moves, min_size=5, max_size=60), st.sampled_from(DELAYS))
@settings(max_examples=examples(30), deadline=None)
def test_a_tick_is_needed_exactly_when_it_changes_something(
    played: list[tuple[int, str, int, int]], later: int
) -> None:
    player = Player(Circle(policy=RULED))
    for move in played:
        player.play_any(*move)
    circle = player.circle
    needed = circle.roster.needs_tick(circle.now + later)
    assert Roster.decode(circle.roster.encode()).needs_tick(circle.now + later) is needed
    events = circle.append(circle.sealed(person("Eve"), Tick(), ts=circle.now + later))
    derived = [one for one in events if not isinstance(one, Ignored | Admitted | DeviceAdded)]
    assert bool([one for one in derived if not isinstance(one, Returned | Ticked)]) is needed


@given(st.binary(max_size=300), st.integers(0, 400), st.integers(0, 255))
@QUICK
def test_damaged_entries_raise_our_own_errors_only(junk: bytes, at: int, value: int) -> None:
    circle = circle_of_three()
    good = circle.sealed(PEOPLE[0], Tick())
    damaged = bytearray(good)
    damaged[at % len(good)] ^= value
    for entry in (junk, bytes(damaged), good[:at], good + junk[:1]):
        fold = RelayFold.found(circle.entries[0])
        with suppress(CloisterError):
            circle.roster.append(entry, circle.log_keys)
        with suppress(CloisterError):
            fold.append(entry)


@given(st.integers(0, 20_000), st.integers(1, 255))
@QUICK
def test_damaged_genesis_founds_nothing(at: int, value: int) -> None:
    circle = forming_circle()
    damaged = bytearray(circle.entries[0])
    damaged[at % len(damaged)] ^= value
    for genesis in (bytes(damaged), circle.entries[0][:at]):
        if genesis == circle.entries[0]:
            continue
        for found in (
            lambda data=genesis: Roster.found(data, circle.log_keys[0]),
            lambda data=genesis: RelayFold.found(data),
        ):
            with pytest.raises((LogBroken, UpdateNeeded)):
                found()


@given(st.binary(max_size=200), st.integers(0, 10_000), st.integers(1, 255))
@QUICK
def test_damaged_snapshots_are_refused_or_come_back_as_they_are(
    junk: bytes, at: int, value: int
) -> None:
    stored = circle_of_three().roster.encode()
    damaged = bytearray(stored)
    damaged[at % len(stored)] ^= value
    for data in (junk, bytes(damaged), stored[:at], stored + junk[:1]):
        try:
            roster = Roster.decode(data)
        except SnapshotError:
            continue
        assert roster.encode() == data


@given(st.binary(max_size=3_000))
@QUICK
def test_requests_decode_to_one_form_or_not_at_all(data: bytes) -> None:
    try:
        request = JoinRequest.decode(data)
    except DecodeError:
        return
    assert request.encode() == data


@given(st.text(max_size=300))
@QUICK
def test_any_text_is_an_invitation_or_a_clear_refusal(text: str) -> None:
    for code in (text, "CLOISTER1:" + text):
        with suppress(CloisterError):
            read = parse_invitation(code, now=0)
            assert parse_invitation(read.to_text(), now=0) == read
    with suppress(CloisterError):
        seed = parse_typed_seed(text)
        assert parse_typed_seed(typed_seed(seed)).seed == seed.seed

"""What holds for every roster log, whatever its authors do and in whatever order."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.codec import DecodeError
from cloister.errors import CloisterError
from cloister.roster.content import (
    Acquaintance,
    Approve,
    Invite,
    Leave,
    RemovalKind,
    Remove,
    Role,
    Tick,
    Vouch,
)
from cloister.roster.entry import Entry
from cloister.roster.errors import LogBroken, SnapshotError, UpdateNeeded
from cloister.roster.events import Admitted, Ignored
from cloister.roster.invitation import parse_invitation, parse_typed_seed, typed_seed
from cloister.roster.join_request import JoinRequest
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from cloister.roster.state import MemberState, RequestState
from unit.roster.circle import (
    Circle,
    Person,
    SeededEntropy,
    circle_of_three,
    forming_circle,
    person,
)

DEEP = settings(max_examples=40, deadline=None)
QUICK = settings(max_examples=80, deadline=None)

PEOPLE = [person(name) for name in ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gus")]
NEWCOMERS = [person(f"Newcomer {number}") for number in range(31)]
EVERYBODY = [*PEOPLE, *NEWCOMERS]
GROWTH = ["invite", "ask", "vouch", "vouch"]
ACTS = [*GROWTH * 3, "remove", "approve", "leave", "tick", "rotate", "replay", "forge"]
DELAYS = [0, 0, 1, 1, 60, 60, 86_400, 4 * 86_400, 15 * 86_400]

# (author, act, whom or which, seconds before it)
moves = st.tuples(
    st.integers(0, 11),
    st.sampled_from(ACTS),
    st.integers(0, 30),
    st.sampled_from(DELAYS),
)


class Player:
    """Turns moves into entries, valid or not, and appends them."""

    def __init__(self, circle: Circle) -> None:
        self.circle = circle
        self.entropy = SeededEntropy("player")
        self.requests: list[JoinRequest] = []
        self.proposals: list[bytes] = []

    def play_any(self, who: int, act: str, which: int, delay: int) -> None:
        """One move by a member of the moment, or, now and then, by anybody."""
        members = [one for one in EVERYBODY if self.circle.roster.is_active(one.did)]
        author = PEOPLE[which % len(PEOPLE)] if who > 9 else members[who % len(members)]
        self.play(author, act, which, delay)

    def play(self, author: Person, act: str, which: int, delay: int) -> None:
        """One move by this author."""
        circle = self.circle
        circle.now += delay
        if act == "rotate":
            circle.append(circle.log_key_entry(author))
        elif act == "replay":
            old = Entry.decode(circle.entries[which % len(circle.entries)])
            header = Entry.decode(circle.sealed(author, Tick())).header
            circle.append(Entry(header=header, body=old.body).encode())
        else:
            content = self._content(act, which)
            signer = PEOPLE[which % len(PEOPLE)] if act == "forge" else author
            circle.append(circle.sealed(signer, content, did=author.did))

    def _content(
        self, act: str, which: int
    ) -> Invite | JoinRequest | Vouch | Remove | Approve | Leave | Tick:
        circle = self.circle
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


@given(st.lists(moves, min_size=5, max_size=80), st.lists(st.integers(0, 30), max_size=4))
@DEEP
def test_every_interleaving_folds_to_the_same_roster_however_it_is_read(
    played: list[tuple[int, str, int, int]], stops: list[int]
) -> None:
    player = Player(forming_circle())
    for move in played:
        player.play_any(*move)
    circle = player.circle
    expected = circle.roster.encode()

    at_once, events = Roster.found(circle.entries[0], circle.log_keys[0]).extend(
        circle.entries[1:], circle.log_keys
    )
    assert at_once.encode() == expected
    assert at_once == circle.roster
    assert sum(not isinstance(event, Admitted) for event in events) == (len(circle.entries) - 1)

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

    fold = RelayFold.found(circle.entries[0])
    for entry in circle.entries[1:]:
        fold = fold.append(entry)
    assert (fold.size, fold.root) == (circle.roster.size, circle.roster.root)


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


@given(
    st.sampled_from(["Ada", "Ben", "Cleo"]),
    st.lists(moves, max_size=40),
)
@settings(max_examples=60, deadline=None)
def test_no_acts_of_fewer_than_the_threshold_change_who_belongs(
    traitor: str, played: list[tuple[int, str, int, int]]
) -> None:
    """One member, steward or not, with any number of outsiders, relays and stolen entries."""
    circle = circle_of_three()
    player = Player(circle)
    members = dict(circle.roster.members)
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
    assert circle.roster.members == members
    assert all(member.state is MemberState.ACTIVE for member in members.values())


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

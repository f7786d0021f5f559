"""Whatever is tried in whatever order: relays and members agree, and too few achieve nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.codec import Struct
from cloister.roster.entry import Entry, EntryKind
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Ignored
from cloister.roster.governance import ErasureState, Governance
from cloister.roster.orders import (
    ChannelReset,
    EntryReference,
    Erase,
    EraseReason,
    Hold,
    HoldScope,
    LockOrder,
    StewardSet,
    StewardSuspend,
    Unlock,
    sign_lock_as_steward,
)
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayRole, RelaySet
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from counts import examples
from unit.roster.circle import COMMONS, relay, relay_set, secret, steward_key
from unit.roster.governed import (
    DAY,
    HOUR,
    NEXT_COMMONS,
    Governed,
    governed,
    key_id,
    keys,
    target,
)

STEWARDS = ("steward", "ben", "cleo", "dan")
OFFICERS = ("olga", "otto")
SHARES = ("x", "y")
_SECOND = relay("second.example", RelayRole.ENTRY, "IS", "Geyser")

_SETS = (
    (("steward", "ben", "cleo"), ("olga",)),
    (("steward",), ()),
    (("steward", "zoe"), ("olga",)),
    (("zoe",), ("olga", "otto")),
)
_waits = st.sampled_from((0, 0, HOUR, DAY, 3 * DAY, 8 * DAY))
_moves = st.tuples(
    st.sampled_from(tuple(ReadableType)[1:]), st.integers(0, 30), st.integers(0, 11), _waits
)


def content_of(log: Governed, signer: str, kind: ReadableType, choice: int) -> Struct:
    """Something of this kind, which may well break a rule."""
    governance = log.governance
    name = SHARES[choice % len(SHARES)]
    waiting = (
        *governance.proposals,
        *governance.erasures,
        *(one.entry_hash for one in governance.suspended.values()),
    )
    match kind:
        case ReadableType.STEWARD_SET:
            stewards, officers = _SETS[choice % len(_SETS)]
            return StewardSet(stewards=keys(stewards), officers=keys(officers))
        case ReadableType.STEWARD_SUSPEND:
            subject = (*STEWARDS, *OFFICERS)[choice % 6]
            return StewardSuspend(key_id=key_id(subject), lift=choice >= 6)
        case ReadableType.RELAY_SET:
            return RelaySet(home=relay_set().home, entries=(*relay_set().entries, _SECOND))
        case ReadableType.ORDER_LOCK:
            order = LockOrder(
                circle_id=log.fold.circle_id,
                log_size=max(log.fold.size - choice, 0),
                ts=log.now,
                targets=(target(name),),
            )
            return sign_lock_as_steward(order, steward_key(signer), key_id(signer))
        case ReadableType.ORDER_UNLOCK:
            return Unlock(targets=(target(name),), consents=())
        case ReadableType.ORDER_ERASE:
            return Erase(targets=(target(name),), reason=EraseReason.LOST, sealed_note=b"")
        case ReadableType.HOLD:
            return Hold(
                scope=HoldScope.MEMBER,
                targets=(target(name),),
                channel=None,
                authority_hash=bytes(32),
                sealed_note=b"",
            )
        case ReadableType.HOLD_RELEASE:
            waiting = tuple(governance.holds)
        case ReadableType.CHANNEL_RESET:
            key = steward_key(signer).public.ed25519
            return ChannelReset(old_id=COMMONS, new_id=NEXT_COMMONS, key=key, generation=0)
        case _:
            pass
    return EntryReference(entry_hash=waiting[choice % len(waiting)] if waiting else bytes(32))


def play(log: Governed, signers: tuple[str, ...], moves: list[tuple[int, int, int, int]]) -> None:
    """Try everything; what breaks a rule is refused."""
    for kind, who, choice, wait in moves:
        log.wait(wait)
        signer = signers[who % len(signers)]
        try:
            log.act(signer, kind, content_of(log, signer, ReadableType(kind), choice))
        except RuleViolation:
            if wait:
                log.tick(0)


def fold_as_members(log: Governed) -> Roster:
    """The same entries as members fold them; what nobody can read is ignored."""
    keys_of = {0: secret("log key 0")}
    roster = Roster.found(log.entries[0], keys_of[0])
    for entry in log.entries[1:]:
        roster, events = roster.append(entry, keys_of)
        is_readable = Entry.decode(entry).header.kind is EntryKind.READABLE
        assert any(isinstance(one, Ignored) for one in events) is not is_readable
    return roster


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(_moves, min_size=5, max_size=40))
def test_relays_and_members_never_differ(moves: list[tuple[int, int, int, int]]) -> None:
    log = governed(*STEWARDS, officers=OFFICERS, change_delay_s=HOUR)
    play(log, (*STEWARDS, *OFFICERS, "zoe"), moves)
    assert fold_as_members(log).governance == log.governance
    back = RelayFold.decode(log.fold.encode())
    assert back == log.fold
    assert back.encode() == log.fold.encode()
    assert Governance.decode(log.governance.record()) == log.governance


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(_moves, min_size=5, max_size=40))
def test_attack_one_steward_and_one_officer_achieve_nothing_that_takes_two(
    moves: list[tuple[int, int, int, int]],
) -> None:
    log = governed(*STEWARDS, officers=OFFICERS, change_delay_s=HOUR)
    before = log.governance
    held = log.hold("ben", "x")
    assert log.broken("ben", ReadableType.ORDER_LOCK, _lock(log, "y")) is None
    play(log, ("steward", "olga", "zoe"), moves)
    log.tick(30 * DAY)
    after = log.governance
    assert (after.steward_keys, after.officer_keys) == (before.steward_keys, before.officer_keys)
    assert after.relay_set == before.relay_set
    assert held in after.holds
    assert log.is_locked("y")
    assert not any(one.until == 0 for one in after.suspended.values())
    states = {one.state for one in after.erasures.values()}
    assert states <= {ErasureState.STOPPED, ErasureState.HELD, ErasureState.LAPSED}


@settings(max_examples=examples(25), deadline=None)
@given(st.lists(_moves, min_size=5, max_size=40))
def test_attack_two_of_five_stewards_change_no_stewards(
    moves: list[tuple[int, int, int, int]],
) -> None:
    log = governed(*STEWARDS, "eve", officers=OFFICERS, change_delay_s=HOUR)
    before = log.governance
    play(log, ("steward", "cleo", "zoe"), moves)
    log.tick(30 * DAY)
    assert log.governance.steward_keys == before.steward_keys
    assert log.governance.officer_keys == before.officer_keys


def _lock(log: Governed, name: str) -> Struct:
    order = LockOrder(
        circle_id=log.fold.circle_id,
        log_size=log.fold.size,
        ts=log.now,
        targets=(target(name),),
    )
    return sign_lock_as_steward(order, steward_key("ben"), key_id("ben"))

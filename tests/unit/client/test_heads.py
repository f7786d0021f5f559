"""Heads under another home: the new relays alone do not make one (decision 0038)."""

from __future__ import annotations

import pytest

from cloister.client.heads import verify_ahead
from cloister.client.state import Session, State
from cloister.errors import RemoteError
from cloister.roster.orders import EntryReference
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayCard, RelayRole, RelaySet
from cloister.roster.roster import Roster
from cloister.transparency import cosign, sign_checkpoint, with_signatures
from cloister.values import replace
from unit.roster.circle import (
    Circle,
    circle_of_three,
    person,
    relay,
    relay_key,
    relay_set,
)

ELSEWHERE = relay("elsewhere.example", RelayRole.HOME, "IS", "Geyser")
KNOWN = relay_set().entries[0]
NEWCOMER = relay("newcomer.example", RelayRole.ENTRY, "NO", "Fjord")


def moved() -> tuple[Circle, Roster]:
    """A circle that has moved, and its roster before it did."""
    circle = circle_of_three(replace(default_policy(), seats=0))
    circle.appoint(person("Ben"))
    before = circle.roster
    ada, ben = circle.keys["Ada"], circle.keys["Ben"]
    wanted = RelaySet(home=ELSEWHERE, entries=(KNOWN, NEWCOMER))
    circle.readable(ada, ReadableType.RELAY_SET, wanted)
    circle.readable(ben, ReadableType.APPROVE, EntryReference(entry_hash=circle.last_hash))
    circle.tick(circle.founder, circle.now + circle.policy.change_delay_s)
    assert circle.roster.relay_set == wanted
    return circle, before


def head(circle: Circle, *witnesses: RelayCard) -> bytes:
    """The new home's head over the whole log, with these cosignatures."""
    roster, key = circle.roster, relay_key(ELSEWHERE.name)
    note = sign_checkpoint(roster.origin, roster.size, roster.root, ELSEWHERE.name, key)
    for one in witnesses:
        note = with_signatures(note, cosign(note, one.name, relay_key(one.name), circle.now))
    return note


def test_a_relay_that_comes_with_the_new_home_is_no_witness_of_it() -> None:
    circle, before = moved()
    state = State(session=Session(pending=tuple(circle.entries[before.size :])))
    with pytest.raises(RemoteError):
        verify_ahead(state, before, head(circle, NEWCOMER))
    known = verify_ahead(state, before, head(circle, KNOWN))
    assert (known.size, known.root) == (circle.roster.size, circle.roster.root)


def test_once_the_move_is_settled_any_relay_of_the_set_will_do() -> None:
    circle, _ = moved()
    assert verify_ahead(State(), circle.roster, head(circle, NEWCOMER)).size == circle.roster.size
    with pytest.raises(RemoteError):
        verify_ahead(State(), circle.roster, head(circle))

"""An author's counter: nothing twice, nothing lost for being late."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloister.client.channels import MAX_MISSING, count
from cloister.client.records import Counter
from cloister.ids import DeviceId

DID = DeviceId(bytes(32))


def test_the_next_counter_is_new_and_the_same_again_is_a_replay() -> None:
    known = count(None, DID, 7)
    assert known is not None
    following = count(known, DID, 8)
    assert following is not None
    assert count(following, DID, 8) is None
    assert count(following, DID, 7) is None


def test_a_missing_message_may_come_late_and_only_once() -> None:
    known = count(Counter(did=DID, counter=3, missing=()), DID, 6)
    assert known is not None
    assert known.missing == (4, 5)
    late = count(known, DID, 4)
    assert late is not None
    assert late.missing == (5,)
    assert count(late, DID, 4) is None


def test_what_was_before_the_first_message_seen_is_not_awaited() -> None:
    known = count(None, DID, 100)
    assert known is not None
    assert count(known, DID, 99) is None


def test_a_huge_jump_costs_no_memory() -> None:
    known = count(Counter(did=DID, counter=1, missing=()), DID, 2**60)
    assert known is not None
    assert len(known.missing) == MAX_MISSING


@given(st.lists(st.integers(min_value=2, max_value=40), max_size=80))
def test_each_counter_is_accepted_at_most_once(arrivals: list[int]) -> None:
    known = count(None, DID, 1)
    accepted = []
    for counter in arrivals:
        after = count(known, DID, counter)
        if after is not None:
            known = after
            accepted.append(counter)
    assert len(accepted) == len(set(accepted))
    assert set(accepted) == set(arrivals)

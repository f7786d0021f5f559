"""That the machine of test_mls_machine finds what it is there for: faults planted one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule, run_state_machine_as_test

from cloister.mls import group, processing, ratchet_records, receiving, secret_tree
from cloister.mls.group import Group, StagedCommit
from cloister.mls.secret_tree import RetainedKey, SecretTree
from cloister.values import replace
from counts import is_long
from properties.mls_life import WITNESS
from properties.test_mls_machine import PICK, GroupMachine

SEARCH = settings(
    max_examples=200,
    stateful_step_count=25,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

SEARCHES = (SEARCH, *[settings(SEARCH, derandomize=False)] * 4)
"""What the first search tries depends on which modules are loaded (hypothesis takes constants from
them), and now and then it misses a fault by luck: then others are tried."""


class SmallGroupMachine(GroupMachine):
    """The same lives in groups that are cheap to found, and where more is said in an epoch."""

    @initialize(size=st.sampled_from([2, 3, 5]), picks=st.lists(PICK, max_size=3))
    def found(self, size: int, picks: list[int]) -> None:
        super().found(size, picks)

    @rule(pick=PICK, are_lost=st.lists(st.booleans(), min_size=2, max_size=3))
    def say_more(self, pick: int, are_lost: list[bool]) -> None:
        self.say(pick, are_lost)

    @precondition(lambda self: self.life.texts)
    @rule(pick=PICK, order=st.permutations(range(6)))
    def hear_more_in_disorder(self, pick: int, order: list[int]) -> None:
        self.hear_this_epoch_in_disorder(pick, order)

    @precondition(lambda self: self.life.texts)
    @rule(pick=PICK, position=st.integers(-16, -1), bit=st.integers(0, 7))
    def damage_what_was_said_last(self, pick: int, position: int, bit: int) -> None:
        self.damage(pick, 0, position, bit)


def _node_secrets_stay(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(self: SecretTree, leaf: int) -> Any:
        ratchets, nodes = original(self, leaf)
        return ratchets, {**self.nodes, **nodes}

    return fault


def _late_key_stays(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(self: secret_tree.Ratchet, suite: Any, generation: int, now: int) -> Any:
        key, following = original(self, suite, generation, now)
        return key, self if generation < self.generation else following

    return fault


def _used_key_is_kept_for_later(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(self: secret_tree.Ratchet, suite: Any, generation: int, now: int) -> Any:
        key, following = original(self, suite, generation, now)
        return key, replace(following, retained=(*following.retained, RetainedKey(key, now)))

    return fault


def _replaced_private_keys_stay(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(tree: Any, own: Any, old: Mapping[Any, Any], fresh: Mapping[Any, Any]) -> Any:
        return {**old, **original(tree, own, old, fresh)}

    return fault


def _sender_does_not_move_on(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(self: Group, *arguments: Any, **named: Any) -> Any:
        return original(self, *arguments, **named)[0], self

    return fault


def _committer_does_not_move_on(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(self: Group, *arguments: Any) -> Any:
        made = original(self, *arguments)
        return StagedCommit(message=made.message, welcome=made.welcome, sent=self, next=made.next)

    return fault


def _update_keys_outlive_their_epoch(original: Callable[..., Any]) -> Callable[..., Any]:
    def fault(before: Group, *arguments: Any, **named: Any) -> Any:
        received = original(before, *arguments, **named)
        if received.next is None:
            return received
        pending = replace(received.next.pending, update_keys=before.pending.update_keys)
        return replace(received, next=replace(received.next, pending=pending))

    return fault


def _refused_message_uses_its_key_up(original: Callable[..., Any]) -> Callable[..., Any]:
    """The tree forgets a key when it is derived, whether or not the message opens."""

    def fault(self: SecretTree, *arguments: Any, **named: Any) -> Any:
        key, following = original(self, *arguments, **named)
        msgspec.structs.force_setattr(self, "senders", following.senders)
        msgspec.structs.force_setattr(self, "nodes", following.nodes)
        return key, following

    return fault


FAULTS: dict[Callable[..., Any], tuple[Any, str]] = {
    _node_secrets_stay: (SecretTree, "_open"),
    _late_key_stays: (secret_tree.Ratchet, "take"),
    _used_key_is_kept_for_later: (secret_tree.Ratchet, "take"),
    _replaced_private_keys_stay: (receiving, "kept_keys"),
    _sender_does_not_move_on: (Group, "encrypt"),
    _committer_does_not_move_on: (group.Group, "commit_plan"),
    _update_keys_outlive_their_epoch: (processing, "_receive_commit"),
    _refused_message_uses_its_key_up: (SecretTree, "take"),
}


@contextmanager
def planted(fault: Callable[..., Any]) -> Iterator[None]:
    where, name = FAULTS[fault]
    with (
        patch.object(where, name, fault(getattr(where, name))),
        # Restoring would notice some of them; the search is to find them by itself.
        patch.object(ratchet_records, "_check_cover", lambda *_: None),
        WITNESS.watching(),
    ):
        yield


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__.strip("_"))
def test_planted_fault_is_found(fault: Callable[..., Any]) -> None:
    with planted(fault):
        for search in SEARCHES:
            try:
                run_state_machine_as_test(
                    GroupMachine if is_long() else SmallGroupMachine, settings=search
                )
            except AssertionError:
                return
    raise AssertionError("the fault was not found")

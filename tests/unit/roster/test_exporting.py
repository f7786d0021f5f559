"""Exports: what the policy says of them, and the entry that tells of one."""

import pytest

from cloister.roster.content import Approve, Export, ExportScope
from cloister.roster.events import Exported
from cloister.roster.policy import (
    ExportRule,
    Policy,
    PolicyFlag,
    default_policy,
    unknown_in_policy,
    with_export,
)
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import Circle, circle_of_three, person

ADA, BEN, CLEO = person("Ada"), person("Ben"), person("Cleo")


def export(scope: ExportScope, number: int = 1) -> Export:
    return Export(export_id=bytes([number]) * 16, scope=scope)


def at_once(rule: ExportRule) -> Policy:
    """A policy whose changes take no time."""
    return with_export(default_policy(test_circle=True, change_delay_s=0), rule)


@pytest.mark.parametrize("rule", ExportRule)
def test_a_policy_says_what_becomes_of_exports(rule: ExportRule) -> None:
    policy = with_export(default_policy(single_operator=True), rule)
    assert policy.export is rule
    assert policy.is_single_operator
    assert unknown_in_policy(policy) is None
    assert Policy.decode(policy.encode()).export is rule


def test_a_policy_that_says_both_is_unknown() -> None:
    both = int(PolicyFlag.EXPORT_LOGGED | PolicyFlag.EXPORT_REFUSED)
    policy = replace(default_policy(), flags=both)
    assert unknown_in_policy(policy) == "flags"
    assert policy.export is ExportRule.REFUSED


def test_two_stewards_change_what_is_said_of_exports() -> None:
    circle = circle_of_three(at_once(ExportRule.FREE))
    circle.appoint(BEN)
    for rule in (ExportRule.LOGGED, ExportRule.REFUSED, ExportRule.FREE):
        circle.act(ADA, with_export(circle.roster.policy, rule))
        circle.act(BEN, Approve(entry_hash=circle.last_hash))
        assert circle.roster.policy.export is rule
    # Relays go on with what they read in the genesis.
    assert circle.roster.governance.policy == circle.policy


@pytest.mark.parametrize("scope", ExportScope)
def test_an_export_is_told_and_changes_nothing(scope: ExportScope) -> None:
    circle = circle_of_three(at_once(ExportRule.LOGGED))
    before = circle.roster
    (event,) = circle.act(CLEO, export(scope))
    assert isinstance(event, Exported)
    assert (event.member_id, event.did, event.scope) == (CLEO.member_id, CLEO.did, scope)
    assert circle.roster.members == before.members
    assert circle.roster.devices == before.devices
    assert Roster.decode(circle.roster.encode()) == circle.roster


@pytest.mark.parametrize("scope", [ExportScope.CONVERSATION, ExportScope.EVERYTHING])
def test_what_the_policy_refuses_is_not_told_as_done_ROS_230(scope: ExportScope) -> None:
    circle = circle_of_three(at_once(ExportRule.REFUSED))
    assert circle.rule_broken(CLEO, export(scope)) is Rule.EXPORT_REFUSED


def test_a_sealed_backup_is_not_refused_ROS_230() -> None:
    circle = circle_of_three(at_once(ExportRule.REFUSED))
    (event,) = circle.act(CLEO, export(ExportScope.BACKUP))
    assert isinstance(event, Exported)


def test_the_smallest_entry_holds_it() -> None:
    """So a relay cannot tell it from others by its length."""
    circle: Circle = circle_of_three(at_once(ExportRule.LOGGED))
    circle.act(CLEO, export(ExportScope.EVERYTHING))
    told = len(circle.entries[-1])
    circle.tick(CLEO, circle.now + 1)
    assert len(circle.entries[-1]) == told

"""The circle's rules as sentences."""

from __future__ import annotations

from dataclasses import asdict

from cloister.client.powers import EXPORT_FIELD
from cloister.roster.policy import ExportRule, default_policy
from cloister.tui.rules import rule_lines


def lines(field: str, value: object, *, can_change: bool = True) -> list[str]:
    return rule_lines([{"field": field, "value": value, "can_change": can_change}])


def test_every_rule_of_a_circle_is_a_sentence() -> None:
    policy = default_policy(test_circle=True, single_operator=True, unlock_shares=1, seats=1)
    fields = asdict(policy) | {EXPORT_FIELD: "free"}
    for field, value in fields.items():
        said = lines(field, value)
        assert said
        assert not any("_" in one or field == one.split(":")[0] for one in said), said
    for rule in ExportRule:
        (said_of_exports,) = lines(EXPORT_FIELD, rule.name.lower())
        assert "export:" not in said_of_exports


def test_numbers_and_spans_are_words() -> None:
    assert lines("vouches", 1) == ["A newcomer needs 1 vouch."]
    assert lines("probation_s", 1_209_600) == [
        "A newcomer's own vouches count 14 days after admission."
    ]
    assert lines("veto_s", 0) == ["Who has enough vouches is in at once after asking."]
    assert lines("seats", 0, can_change=False) == ["No seats are sold. (fixed)"]
    assert lines("flags", 0) == []
    assert lines("flags", 3) == ["This is a test circle.", "One operator runs all relays."]


def test_a_rule_of_a_newer_program_is_shown_as_it_is() -> None:
    assert lines("moons", 7) == ["moons: 7."]

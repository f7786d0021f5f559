"""The table of rules, and that each of them is tested and written down."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from cloister.roster.rules import Outcome, Rule

TESTS = Path(__file__).parent
SPEC = TESTS.parents[2] / "docs" / "spec" / "roster.md"


def test_ids_and_codes_are_unique() -> None:
    assert len({rule.rule_id for rule in Rule}) == len(Rule)
    assert len({rule.code for rule in Rule}) == len(Rule)
    assert [rule.rule_id for rule in Rule] == sorted(rule.rule_id for rule in Rule)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.rule_id)
def test_rule_is_checked_where_the_table_says(rule: Rule) -> None:
    module_name, _, function = rule.where.partition(":")
    module = importlib.import_module(f"cloister.roster.{module_name}")
    source = Path(module.__file__ or "").read_text(encoding="utf-8")
    assert callable(getattr(module, function))
    assert rule.outcome in Outcome
    assert re.fullmatch(r"ROS-\d{3}", rule.rule_id)
    assert f"def {function}(" in source


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.rule_id)
def test_rule_has_a_test_that_names_it(rule: Rule) -> None:
    wanted = re.compile(rf"def test_\w+_{rule.rule_id.replace('-', '_')}\(")
    assert any(
        wanted.search(path.read_text(encoding="utf-8")) for path in TESTS.glob("test_*.py")
    ), rule.rule_id


def test_specification_lists_every_rule_as_the_table_has_it() -> None:
    written = SPEC.read_text(encoding="utf-8")
    for rule in Rule:
        row = f"| {rule.rule_id} | `{rule.code}` | {rule.outcome.value} | {rule.demand} |"
        assert row in written, rule.rule_id
    assert set(re.findall(r"ROS-\d{3}", written)) <= {rule.rule_id for rule in Rule}

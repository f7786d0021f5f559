"""The table of rules: that each is checked, tested and written down, and nothing else is."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from cloister.roster import rules
from cloister.roster.rules import Outcome, Rule
from unit.roster.rules_page import rules_page

TESTS = Path(__file__).parent
ROOT = TESTS.parents[2]
SOURCE = Path(rules.__file__).parent
SPEC = ROOT / "docs" / "spec" / "roster.md"
PAGE = ROOT / "docs" / "rules" / "roster.md"


@cache
def functions(module: str) -> dict[str, str]:
    """The source of every function and method of a module, by its name."""
    text = (SOURCE / f"{module}.py").read_text(encoding="utf-8")
    return {
        node.name: ast.get_source_segment(text, node) or ""
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef)
    }


@cache
def sources() -> str:
    """All of the roster but the table."""
    return "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(SOURCE.glob("*.py"))
        if path.name != "rules.py"
    )


def test_ids_and_codes_are_unique() -> None:
    assert len({rule.rule_id for rule in Rule}) == len(Rule)
    assert len({rule.code for rule in Rule}) == len(Rule)
    assert [rule.rule_id for rule in Rule] == sorted(rule.rule_id for rule in Rule)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.rule_id)
def test_rule_is_checked_where_the_table_says(rule: Rule) -> None:
    module, _, function = rule.where.partition(":")
    assert re.fullmatch(r"ROS-\d{3}", rule.rule_id)
    assert function in functions(module)
    # What waits raises nothing: it is a condition that later entries may still fulfil.
    if rule.outcome is not Outcome.WAITS:
        assert re.search(rf"\bRule\.{rule.name}\b", sources()), rule.rule_id


def test_code_names_no_rule_that_is_not_in_the_table() -> None:
    named = set(re.findall(r"\bRule\.([A-Z_]+)\b", sources()))
    assert named <= {rule.name for rule in Rule}


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.rule_id)
def test_rule_has_a_test_that_names_it(rule: Rule) -> None:
    wanted = re.compile(rf"def test_\w+_{rule.rule_id.replace('-', '_')}\(")
    assert any(
        wanted.search(path.read_text(encoding="utf-8")) for path in TESTS.glob("test_*.py")
    ), rule.rule_id


def test_page_of_rules_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), (
        "run: python tests/unit/roster/rules_page.py > docs/rules/roster.md"
    )


def test_specification_names_only_rules_there_are() -> None:
    written = SPEC.read_text(encoding="utf-8")
    assert set(re.findall(r"ROS-\d{3}", written)) <= {rule.rule_id for rule in Rule}
    assert "(../rules/roster.md)" in written

"""The table of rules: each is checked, broken by a test and written down, and nothing else."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from cloister.mls import errors, rules
from cloister.mls.rules import Rule
from unit.mls.rules_page import named_tests, rules_page

ENGINE = Path(rules.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "rules" / "mls.md"


@cache
def functions(module: str) -> dict[str, str]:
    """The source of every function of a module by name; of several with one name, all."""
    below = ENGINE.parent if module.startswith("codec.") else ENGINE
    text = (below / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            found[node.name] = found.get(node.name, "") + (ast.get_source_segment(text, node) or "")
    return found


@cache
def sources() -> str:
    """All of the engine but the table."""
    return "".join(
        path.read_text(encoding="utf-8")
        for path in sorted(ENGINE.glob("*.py"))
        if path.name != "rules.py"
    )


def test_ids_are_unique_and_ascend() -> None:
    ids = [rule.rule_id for rule in Rule]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"MLS-\d{3}", one) for one in ids)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.rule_id)
def test_rule_is_checked_where_the_table_says(rule: Rule) -> None:
    module, _, function = rule.where.partition(":")
    source = functions(module)[function]
    assert issubclass(getattr(errors, rule.error), errors.MLSError)
    if rule.error == "RuleViolation":
        # In the function itself; where a signature or a code decides, as what it is to raise.
        assert re.search(rf"\bRule\.{rule.name}\b", source)


def test_the_engine_raises_no_rule_that_is_not_in_the_table() -> None:
    named = set(re.findall(r"\bRule\.([A-Z_]+)\b", sources()))
    assert named == {rule.name for rule in Rule if rule.error == "RuleViolation"}


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.rule_id)
def test_rule_is_broken_by_a_test_that_names_it(rule: Rule) -> None:
    assert named_tests().get(rule.rule_id), rule.rule_id


def test_tests_name_only_rules_there_are() -> None:
    assert set(named_tests()) <= {rule.rule_id for rule in Rule}


def test_page_of_rules_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), (
        "run: python tests/unit/mls/rules_page.py > docs/rules/mls.md"
    )

"""That every rule has a test which names it, and a place in the engine that enforces it."""

from __future__ import annotations

from pathlib import Path

import pytest

import cloister.mls
from cloister.mls.rules import Rule

TESTS = Path(__file__).parent
ENGINE = Path(cloister.mls.__file__).parent
# Raised where a foreign code could differ; the rules above it are what tests can reach by name.
BY_OTHER_NAMES = {Rule.MAC}


@pytest.mark.parametrize("rule", list(Rule), ids=lambda rule: rule.name)
def test_rule_is_tested_and_enforced(rule: Rule) -> None:
    name = f"Rule.{rule.name}"
    raised = [path for path in ENGINE.glob("*.py") if name in path.read_text()]
    assert raised
    if rule not in BY_OTHER_NAMES:
        others = [path for path in TESTS.glob("test_*.py") if path != Path(__file__)]
        tested = [path for path in others if name in path.read_text()]
        assert tested, f"{name} has no test"


def test_rules_cite_a_section() -> None:
    for rule in Rule:
        assert rule.section.startswith("RFC 9420 ")
        assert rule.text

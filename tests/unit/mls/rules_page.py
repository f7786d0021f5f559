"""The table of rules: ``python tests/unit/mls/rules_page.py > docs/rules/mls.md``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from cloister.mls.rules import Rule

_HEAD: Final = """\
# Rules of the MLS engine

Generated from `cloister.mls.rules`; the [MLS profile](../spec/mls-profile.md) tells what is fixed
beyond RFC 9420. One line for each demand of the RFC that a receiver can check. *error*: what is
raised when it is broken, a `RuleViolation` with the rule unless another class stands there. *test*:
what breaks it, everything else about the message being right and signed with legitimate keys.
Whatever is refused changes nothing.

| id | rule | RFC 9420 | demand | where | error | test |
| --- | --- | --- | --- | --- | --- | --- |
"""
_TAIL: Final = (Path(__file__).parent / "demands_without_rule.md").read_text(encoding="utf-8")
RULE_TESTS: Final = Path(__file__).parent


def named_tests() -> dict[str, list[str]]:
    """The tests that carry the id of a rule in their name, by that id."""
    named: dict[str, list[str]] = {}
    for path in sorted(RULE_TESTS.glob("**/test_*.py")):
        for name in re.findall(
            r"^def (test_\w+_MLS_\d{3}\w*)\(", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            for number in re.findall(r"_MLS_(\d{3})", name):
                named.setdefault(f"MLS-{number}", []).append(f"{path.stem}:{name}")
    return named


def rules_page() -> str:
    """The page."""
    named = named_tests()
    rows = []
    for rule in Rule:
        tests = named.get(rule.rule_id, [])
        more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
        cells = (
            rule.rule_id,
            f"`{rule.name}`",
            rule.section.removeprefix("RFC 9420 "),
            rule.demand,
            f"`{rule.where}`",
            "" if rule.error == "RuleViolation" else f"`{rule.error}`",
            f"`{tests[0]}`{more}" if tests else "",
        )
        rows.append("| " + " | ".join(cells) + " |\n")
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    sys.stdout.write(rules_page())

"""The table of rules: ``python tests/unit/roster/rules_page.py > docs/rules/roster.md``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from cloister.roster.rules import Rule

_HEAD: Final = """\
# Rules of the roster

Generated from `cloister.roster.rules`; [the roster](../spec/roster.md) tells what they are for.
*Breaks*: the log is broken. *Stops*: an update is needed. *Ignores*: the entry is recorded and
without effect. *Waits*: a condition that later entries may still fulfil.

| id | code | section | demand | where | broken | test |
| --- | --- | --- | --- | --- | --- | --- |
"""
_SECTIONS: Final = (
    (9, "3"),
    (19, "4"),
    (29, "3.1"),
    (39, "3.2"),
    (69, "6.2"),
    (89, "6.2"),
    (99, "6.3"),
    (109, "5"),
    (169, "7"),
    (184, "6.2"),
    (189, "6.5"),
    (199, "6.6"),
    (209, "6.7"),
    (229, "6.8"),
    (239, "6.9"),
)
"""The last rule number of each part of the table, and its section of the specification."""


def rules_page() -> str:
    """The page; tests carry the ids of rules in their names."""
    named: dict[str, list[str]] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for name, number in re.findall(
            r"^def (test_\w+?_ROS_(\d{3}))\(", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            named.setdefault(f"ROS-{number}", []).append(f"`{path.stem}:{name}`")
    return _HEAD + "".join(_row(rule, named.get(rule.rule_id, [])) for rule in Rule)


def _row(rule: Rule, tests: list[str]) -> str:
    number = int(rule.rule_id.removeprefix("ROS-"))
    section = next(section for last, section in _SECTIONS if number <= last)
    cells = (
        rule.rule_id,
        f"`{rule.code}`",
        section,
        rule.demand,
        f"`{rule.where}`",
        rule.outcome.value,
        tests[0] if tests else "",
    )
    return "| " + " | ".join(cells) + " |\n"


if __name__ == "__main__":
    sys.stdout.write(rules_page())

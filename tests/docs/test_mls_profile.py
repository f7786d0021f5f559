"""docs/spec/mls-profile.md runs, and docs/rules/mls.md is what the code says."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.mls import limits
from cloister.mls.rules import Rule

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/spec/mls-profile.md").read_text(encoding="utf-8")
RULES = ROOT / "docs/rules/mls.md"


def rules_page() -> str:
    lines = [
        "# Rules of the MLS engine",
        "",
        "Generated from `cloister.mls.rules`. The name is the id that errors carry and tests cite.",
        "",
        "| rule | refused because | RFC 9420 |",
        "| --- | --- | --- |",
    ]
    lines += [f"| `{rule.name}` | {rule.text} | {rule.section[9:]} |" for rule in Rule]
    return "\n".join(lines) + "\n"


def test_the_example_runs() -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S)
    assert example.count("\n") < 50
    exec(compile(example, "mls-profile.md", "exec"), {})


def test_the_numbers_are_those_of_the_code() -> None:
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", PAGE, flags=re.M))
    assert rows["forward limit in one chain"] == f"{limits.FORWARD_LIMIT:,} generations"
    kept = f"{limits.MAX_RETAINED_KEYS}, for {limits.RETAINED_KEY_LIFETIME_S // 3600} h"
    assert rows["skipped keys kept, per sender and kind"] == kept
    year, month = limits.MAX_LIFETIME_S // 86_400, limits.LIFETIME_SLACK_S // 86_400
    assert rows["longest lifetime of a KeyPackage"] == f"{year} days"
    assert rows["slack of a receiver for it"] == f"{month} days"
    assert rows["proposals kept in an epoch"] == f"{limits.MAX_PENDING_PROPOSALS:,}"
    assert rows["resumption keys kept"] == f"{limits.MAX_RESUMPTION_PSKS} epochs"
    assert rows["leaves"].startswith(f"{limits.MAX_LEAVES:,} ")
    assert rows["proposals in a commit"] == f"{limits.MAX_PROPOSALS:,}"
    assert rows["extensions of a group context or GroupInfo"] == f"{limits.MAX_EXTENSIONS}"
    assert rows["extensions of a leaf or KeyPackage"] == f"{limits.MAX_MEMBER_EXTENSIONS}"
    assert rows["certificates of a credential"] == f"{limits.MAX_CERTIFICATES}"
    assert rows["cipher suites in capabilities"] == f"{limits.MAX_CIPHER_SUITES}"
    others = rows["code points in every other list of capabilities"]
    assert others == f"{limits.MAX_CODE_POINTS}"
    assert rows["external senders"] == f"{limits.MAX_EXTERNAL_SENDERS}"


def test_the_list_of_rules_is_up_to_date() -> None:
    assert RULES.read_text(encoding="utf-8") == rules_page()

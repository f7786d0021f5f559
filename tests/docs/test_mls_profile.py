"""docs/spec/mls-profile.md runs, and its numbers are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.mls import limits, ratchet_records

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/spec/mls-profile.md").read_text(encoding="utf-8")


def test_the_example_runs() -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.M | re.S)
    assert example.count("\n") <= 30
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
    assert rows["pre-shared keys in a commit or Welcome"] == f"{limits.MAX_PSKS}"
    assert rows["their bytes together"] == f"{limits.MAX_PENDING_BYTES >> 20} MiB"
    assert rows["resumption keys kept"] == f"{limits.MAX_RESUMPTION_PSKS} epochs"
    assert rows["leaves"].startswith(f"{limits.MAX_LEAVES:,} ")
    assert rows["proposals in a commit"] == f"{limits.MAX_PROPOSALS:,}"
    assert rows["extensions of a group context or GroupInfo"] == f"{limits.MAX_EXTENSIONS}"
    assert rows["extensions of a leaf or KeyPackage"] == f"{limits.MAX_MEMBER_EXTENSIONS}"
    assert rows["certificates of a credential"] == f"{limits.MAX_CERTIFICATES}"
    assert rows["code points in a list of capabilities"] == f"{limits.MAX_CODE_POINTS}"
    assert rows["external senders"] == f"{limits.MAX_EXTERNAL_SENDERS}"


def test_the_stored_form_is_that_of_the_code() -> None:
    section = PAGE.split("## 7. ")[1].split("## 8. ")[0]
    form = section.split("```\nstruct {\n")[1].split("} RecordKey;")[0]
    names = re.findall(r"^ +\w+ +(\w+)(?:\[\d\])?;", form, flags=re.M)
    assert names == list(ratchet_records.RecordKey.field_names)
    form = section.split("} StoredHead;")[0].rsplit("struct {", 1)[1]
    names = re.findall(r"(\w+)(?:<V>)*(?: = \d+)?;", form)
    assert names == list(ratchet_records.StoredHead.field_names)
    assert f"version = {ratchet_records.RATCHET_RECORDS_VERSION};" in form
    assert f"mark[{ratchet_records.MARK_LENGTH}]" in section
    for kind in ratchet_records.RecordKind:
        assert f"{kind.value} {kind.name.lower()}" in section

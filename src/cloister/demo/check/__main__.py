"""`python -m cloister.demo.check DIR`: one line a check, exit status 1 when any says no."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from cloister.client.safe_text import safe_line
from cloister.demo.check.chapters import ChapterChecks
from cloister.demo.check.circle import CircleChecks
from cloister.demo.check.delivery import DeliveryChecks
from cloister.demo.check.evidence import Evidence
from cloister.demo.check.finding import Finding, all_hold
from cloister.demo.check.secrecy import SecrecyChecks


def judge(root: Path) -> list[Finding]:
    """Ask everything of a demo's folder."""
    evidence = Evidence(root)
    parts = (
        CircleChecks(evidence),
        DeliveryChecks(evidence),
        ChapterChecks(evidence),
        SecrecyChecks(evidence),
    )
    return [check.finding() for part in parts for check in part.checks()]


def main(arguments: list[str] | None = None) -> int:
    """Judge a folder and say so."""
    parser = argparse.ArgumentParser(prog="python -m cloister.demo.check", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `cloister demo --keep` left")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    given = parser.parse_args(arguments)
    findings = judge(given.folder)
    ok = all_hold(findings)
    if given.json:
        checks = [
            {"name": one.name, "ok": one.ok, "detail": safe_line(one.detail)} for one in findings
        ]
        print(json.dumps({"v": 1, "ok": ok, "checks": checks}))
    else:
        for one in findings:
            print(f"{'yes' if one.ok else 'NO '}  {one.name}: {safe_line(one.detail)}")
        print("ok" if ok else "NOT OK")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())

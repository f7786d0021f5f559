"""Alert rules and dashboard ask for figures that a relay has, as their kind allows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.relay.exposition import ALL

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "docs/monitoring/alerts.yml"
RULES = ALERTS.read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads(
    (ROOT / "docs/monitoring/dashboard.json").read_text(encoding="utf-8")
)
KINDS = {figure.name: figure.kind for figure in ALL}
OF_THE_COLLECTOR = {"node_textfile_mtime_seconds"}
PROMTOOL = shutil.which("promtool")


def dashboard_expressions() -> list[str]:
    return [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]


def expressions() -> Iterator[str]:
    yield from re.findall(r"^ +expr: (.+)$", RULES, re.M)
    yield from dashboard_expressions()


def names_in(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:cloister|node)_\w+", expression))


@pytest.mark.parametrize("expression", [*expressions()])
def test_it_asks_for_figures_that_there_are(expression: str) -> None:
    names = names_in(expression)
    assert names
    assert names <= KINDS.keys() | OF_THE_COLLECTOR


@pytest.mark.parametrize("expression", [*expressions()])
def test_a_counter_is_looked_at_by_its_growth_and_a_gauge_by_its_value(expression: str) -> None:
    for name in names_in(expression) & KINDS.keys():
        grows = re.findall(rf"\b(?:rate|increase)\({name}\b", expression)
        uses = re.findall(rf"\b{name}\b", expression)
        assert len(grows) == (len(uses) if KINDS[name] == "counter" else 0), name


def test_every_figure_is_looked_at_somewhere() -> None:
    assert set.union(*map(names_in, expressions())) >= KINDS.keys()


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    rules = re.split(r"^ +- alert: ", RULES, flags=re.M)[1:]
    names = [rule.split("\n")[0] for rule in rules]
    assert len(set(names)) == len(names) == len(re.findall(r"alert:", RULES))
    for rule in rules:
        assert re.search(r"^ +labels: \{severity: (page|ticket)\}$", rule, re.M), rule
        assert re.search(r'^ +summary: ".+\."$', rule, re.M), rule
        assert re.search(r'^ +action: ".+\."$', rule, re.M), rule


def test_every_alert_stands_in_the_operators_guide() -> None:
    guide = (ROOT / "docs/guide/operator.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `CloisterRelay(\w+)` \|", guide, re.M))
    assert documented == set(re.findall(r"alert: CloisterRelay(\w+)", RULES))


def test_the_panels_of_the_dashboard_lie_beside_one_another() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", str(ALERTS)),
        ("test", "rules", str(Path(__file__).with_name("alerts_test.yml"))),
    ],
    ids=["form", "cases"],
)
def test_prometheus_itself_takes_the_rules(arguments: tuple[str, ...]) -> None:
    said = subprocess.run([str(PROMTOOL), *arguments], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr

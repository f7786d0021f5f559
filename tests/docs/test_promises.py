"""docs/promises.md: what each row names exists, and every promise that is due has a row."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cloister.cli.bench import bench

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "promises.md"
ROWS = {
    cells[0]: cells
    for cells in (
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in PAGE.read_text("utf-8").splitlines()
        if re.match(r"\| [RS]\d+ \|", line)
    )
}
PROMISED = {
    *(f"R{number}" for number in (1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 16)),
    *(f"S{number}" for number in (*range(1, 10), 11, 12)),
}
SHOWN_BY = 3


def names_in(path: Path) -> set[str]:
    """Names of the tests of a module."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_every_promise_that_is_due_has_a_whole_row() -> None:
    assert set(ROWS) == PROMISED
    assert {len(cells) for cells in ROWS.values()} == {5}


@pytest.mark.parametrize("promise", sorted(PROMISED))
def test_what_a_row_names_is_there(promise: str) -> None:
    proof = ROWS[promise][SHOWN_BY]
    files = [PAGE.parent / link for link in re.findall(r"\]\((\.\./tests/[^)]+)\)", proof)]
    benches = re.findall(r"`cloister bench (\w+)", proof)
    assert files or benches, "a promise that nothing shows"
    assert all(path.is_file() for path in files), files
    there = set().union(*map(names_in, files)) if files else set()
    named = set(re.findall(r"`(test_\w+)`", proof))
    assert named <= there
    assert set(benches) <= set(bench.commands)


def test_no_test_is_named_outside_its_column() -> None:
    """Where its module is not named beside it nobody would find it."""
    for cells in ROWS.values():
        beside = " ".join(cell for at, cell in enumerate(cells) if at != SHOWN_BY)
        assert "`test_" not in beside

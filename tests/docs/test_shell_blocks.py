"""Every shell block of the documents is run by a test, but for lines with a reason."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from docs.shell_blocks import DOCUMENTS, ROOT, Block, all_blocks
from docs.shell_lines_not_run import NOT_RUN
from docs.shell_session import Guide

HERE = Path(__file__).resolve().parent


def told() -> list[Block]:
    """The blocks that the tests of this folder run."""
    for path in sorted(HERE.glob("test_*.py")):
        if "Guide(" in path.read_text(encoding="utf-8"):
            importlib.import_module(f"docs.{path.stem}")
    return [block for part in Guide.parts for block in part.blocks]


@pytest.mark.parametrize(
    "block", list(all_blocks()), ids=lambda one: f"{one.document}:{one.section}"
)
def test_every_line_is_run_or_has_a_reason(block: Block) -> None:
    if block not in told():
        assert [line for line in block.lines if (block.document, line) not in NOT_RUN] == []


def test_every_line_with_a_reason_is_there() -> None:
    there = {(block.document, line) for block in all_blocks() for line in block.lines}
    assert set(NOT_RUN) <= there


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda one: str(one.relative_to(ROOT)))
def test_commands_stand_in_shell_blocks(path: Path) -> None:
    """Not in blocks of another kind, or of none."""
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^(?: {4}|\t)(?:\./cloister|\.venv/|\$ )", text, re.M)
    for kind, body in re.findall(r"^ *```(\w*)\n(.*?)^ *```$", text, re.M | re.S):
        if kind != "sh":
            assert not re.search(r"^ *(?:\./cloister|\$ )", body, re.M), body

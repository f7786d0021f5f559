"""A long text is broken into lines by work that grows with its length, whatever it is made of."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from cloister.limits import MAX_TEXT_BYTES
from cloister.tui import lines
from cloister.tui.lines import wrap

WIDTH = 80


@pytest.mark.parametrize("unit", ["é", "漢", "word ", "אב ", "x\u0301", "👩\u200d💻 "])
def test_a_line_is_broken_off_without_measuring_all_that_follows(
    unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = 0

    def counting(text: str) -> int:
        nonlocal measured
        measured += len(text)
        return cell_len(text)

    monkeypatch.setattr(lines, "cell_len", counting)
    text = unit * (MAX_TEXT_BYTES // len(unit.encode()))
    broken = wrap(text, WIDTH)
    assert all(cell_len(line) <= WIDTH for line in broken)
    assert "".join(broken).replace(" ", "") == text.replace(" ", "")
    # The paragraph once, and of each line what may stand in it and its head a few times.
    assert measured <= len(text) + len(broken) * 8 * (WIDTH + 64)


@pytest.mark.parametrize("count", [WIDTH - 1, WIDTH, WIDTH + 1, WIDTH + 63, WIDTH + 64, WIDTH + 65])
def test_the_last_line_is_broken_like_every_other(count: int) -> None:
    for unit in ("a", "é", "漢"):
        broken = wrap(unit * count, WIDTH)
        assert "".join(broken) == unit * count
        assert all(cell_len(line) <= WIDTH for line in broken)
        assert len(broken) == -(-count * cell_len(unit) // WIDTH)

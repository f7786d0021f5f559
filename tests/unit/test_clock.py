"""The clock file of drills: what is read while somebody writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloister.clock import VARIABLE, ahead_s
from cloister.errors import LocalError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "clock"))
    return tmp_path / "clock"


def test_one_that_is_just_being_written_says_what_it_said_before(file: Path) -> None:
    file.write_text("60")
    assert ahead_s() == 60
    file.write_text("")
    assert ahead_s() == 60
    file.write_text("120")
    assert ahead_s() == 120


@pytest.mark.parametrize("text", ["", "soon", None])
def test_one_that_says_nothing_is_refused(file: Path, text: str | None) -> None:
    if text is not None:
        file.write_text(text)
    with pytest.raises(LocalError, match="cannot be read"):
        ahead_s()

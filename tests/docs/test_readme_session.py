"""README.md: its shell blocks run exactly as they are printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.forked_program import ForkedProgram
from docs.shell_session import Guide, Shell, person_at

README = Guide("README.md")
FIRST_SCREEN = README.part("Cloister")
BY_HAND = README.part("By hand")
pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(params=["forked", pytest.param("as it is", marks=pytest.mark.nightly)])
def somebody(
    request: pytest.FixtureRequest, tmp_path: Path, program: ForkedProgram
) -> Iterator[Shell]:
    """A shell, also one with the program that loads itself at each call, as it does for people."""
    forked = program if request.param == "forked" else None
    shell = Shell(tmp_path, person_at(tmp_path, forked))
    yield shell
    shell.close()


def test_the_session_runs_as_printed(somebody: Shell) -> None:
    with BY_HAND.told(somebody) as telling:
        said = telling.block("mkdir try")
    assert "phase: member" in said.out
    jonas_reads, amira_reads = re.findall(r"^Amira, .*: lead is confirmed$", said.out, re.M)
    assert jonas_reads == amira_reads
    assert re.search(r"^Jonas, .*: seen, thank you$", said.out, re.M)
    assert re.search(r"^Jonas/1: locked$", said.out, re.M)
    assert "exit status 7" in said.out
    assert "ALARM" not in said.err
    # The relays were stopped by the session itself.
    somebody.type("wait")
    for name in ("hk", "pa"):
        log = (somebody.folder / "try" / f"{name}.log").read_text("utf-8")
        assert '"event": "stopped"' in log


@pytest.mark.nightly
def test_the_first_screen_runs_in_a_fresh_checkout(developer: Shell) -> None:
    """It makes an environment, so packages are fetched."""
    with FIRST_SCREEN.told(developer) as telling:
        said = telling.block("git clone")
    assert said.out.rstrip().endswith("All of it holds.")
    assert (developer.folder / "cloister/.venv").is_dir()

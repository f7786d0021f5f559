"""Shell completion: what the shells are given, and what the program answers them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def ask(*arguments: str, **variables: str) -> str:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cloister", *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_lines(shell: str) -> None:
    lines = ask("completion", shell)
    assert f"_CLOISTER_COMPLETE={shell}_complete" in lines.replace(" ", "")


def test_commands_and_options_are_completed() -> None:
    words = {"_CLOISTER_COMPLETE": "bash_complete", "COMP_CWORD": "1"}
    assert ask(COMP_WORDS="cloister conv", **words) == "plain,conversation\n"
    words["COMP_CWORD"] = "2"
    assert "plain,--follow" in ask(COMP_WORDS="cloister read --fo", **words)

"""A person's shell, with the program beside it, and the machines of others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.forked_program import ForkedProgram
from docs.prepared_circle import PIN, PreparedCircle
from docs.shell_blocks import ROOT
from docs.shell_session import Shell, person_at


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedProgram]:
    """The program, loaded once."""
    forked = ForkedProgram(tmp_path_factory.mktemp("program"))
    yield forked
    forked.close()


@pytest.fixture
def shell(tmp_path: Path, program: ForkedProgram) -> Iterator[Shell]:
    """A shell of somebody whose home holds nothing but the program."""
    shell = Shell(tmp_path, person_at(tmp_path, program))
    yield shell
    shell.close()


@pytest.fixture
def developer(tmp_path: Path) -> Iterator[Shell]:
    """A shell of who runs the tests, with that person's settings for fetching packages."""
    belonging = ("CLOISTER_", "PYTEST_", "PYTHON")
    mine = {name: one for name, one in os.environ.items() if not name.startswith(belonging)}
    shell = Shell(tmp_path, mine, longest_s=600.0)
    shell.values["<address of the repository>"] = str(ROOT)
    yield shell
    shell.close()


@pytest.fixture
def elsewhere(shell: Shell) -> Iterator[Shell]:
    """Another shell with the same files: other people's machines, or a second terminal.

    In both a PIN is in a file, and clocks are the machine's until the test sets them on.
    """
    (shell.folder / "pin").write_text(PIN)
    (shell.folder / "clock").write_text("0")
    given = {
        "CLOISTER_PASSPHRASE_FILE": str(shell.folder / "pin"),
        "CLOISTER_CLOCK_FILE": str(shell.folder / "clock"),
    }
    for name, value in given.items():
        shell.type(f"export {name}={value}")
    other = Shell(shell.folder, {**shell.environment, **given})
    yield other
    other.close()


@pytest.fixture
def circle(elsewhere: Shell) -> PreparedCircle:
    """Relays that run, for a circle that the test founds."""
    circle = PreparedCircle(elsewhere)
    circle.run_relays()
    return circle

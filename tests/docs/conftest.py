"""A person's shell, with the program beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.forked_program import ForkedProgram
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

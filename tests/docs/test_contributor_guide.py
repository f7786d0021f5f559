"""CONTRIBUTING.md and docs/guide/contributor.md: their blocks run as printed, in a checkout."""

from __future__ import annotations

import re
import tomllib

import pytest

from docs.shell_blocks import ROOT
from docs.shell_session import Guide, Shell
from docs.stand_ins import StandIns

CONTRIBUTING = Guide("CONTRIBUTING.md")
TESTS = CONTRIBUTING.part("Contributing")
SEEDS = CONTRIBUTING.part("Fuzzing")
LOCKS = CONTRIBUTING.part("Changing a dependency")
GUIDE = Guide("docs/guide/contributor.md")
SIMULATION = GUIDE.part("Circles in virtual time")
SOAK = GUIDE.part("Soak")
pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def checkout(developer: Shell) -> Shell:
    """The shell of somebody who works on Cloister, in a copy of this checkout."""
    developer.type(f"git clone --quiet {ROOT} checkout && cd checkout")
    return developer


@pytest.fixture
def ready(checkout: Shell) -> Shell:
    """The same with the environment of this checkout, which runs the program of this one."""
    checkout.type(f"ln -s {ROOT}/.venv .venv")
    return checkout


@pytest.mark.nightly
def test_the_tests_run(checkout: Shell) -> None:
    """It makes an environment, so packages are fetched."""
    with TESTS.told(checkout) as telling:
        said = telling.block("./cloister test")
    assert len(re.findall(r"^\d+ passed", said.out, re.M)) == 2, said


@pytest.mark.nightly
def test_seeds_are_made(ready: Shell) -> None:
    ready.type("rm -r fuzz/corpus")
    with SEEDS.told(ready) as telling:
        telling.block(".venv/bin/python -P fuzz/seeds.py")
    made = {path.name for path in (ready.folder / "checkout/fuzz/corpus").iterdir()}
    assert {path.name for path in (ROOT / "fuzz/corpus").iterdir() if path.is_dir()} <= made


def test_locks_are_made_of_groups_that_are_there(shell: Shell) -> None:
    stand_ins = StandIns(shell)
    stand_ins.add("uv")
    with LOCKS.told(shell) as telling:
        telling.block("uv pip compile")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    calls = [call.split() for call in stand_ins.calls("uv")]
    assert {call[call.index("-o") + 1] for call in calls} == {
        path.name for path in ROOT.glob("requirements*.lock")
    }
    groups = {one.partition(":")[2] for call in calls for one in call if ":" in one}
    assert groups == set(project["dependency-groups"])


@pytest.mark.nightly
def test_a_seed_plays_again(ready: Shell) -> None:
    with SIMULATION.told(ready) as telling:
        said = telling.block(".venv/bin/python -m cloister.testing.simulation 70")
    first, _, rest = said.out.partition("\n")
    assert re.match(r"seed 70: \d+ texts", first)
    assert len(rest.splitlines()) > 500, "the trace"
    assert re.search(r"^50 seeds, 0 bad", said.err, re.M)


@pytest.mark.nightly
def test_a_soak_ends_with_a_verdict(shell: Shell) -> None:
    shell.longest_s = 300.0
    with SOAK.told(shell) as telling:
        said = telling.block("./cloister soak --minutes 2")
    assert said.out.endswith("every promise holds\n")

"""Rules of the house that a reader would otherwise have to remember."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from architecture.conftest import Source

MOST_LINES = 400
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

# Folders of one machine. A file that names one works nowhere else. Written in two halves so that
# this file is not its own finding.
MACHINE_PATHS = re.compile(
    "|".join(["/" + name for name in ("work/", "root/", "opt/pypi", "opt/wheels")])
)
# Package indices and their mirrors: everybody fetches from the one his pip is set up for.
INDEX_HOSTS = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            "pypi" + ".org/simple", "pypi.python" + ".org", "files.python" + "hosted.org",
            "registry.npm" + "js.org", "index-" + "url", "find-" + "links",
        )
    )
)  # fmt: skip


def test_no_source_file_is_longer_than_a_reader_can_hold(sources: list[Source]) -> None:
    too_long = {
        str(source.path): lines
        for source in sources
        if (lines := source.text.count("\n")) > MOST_LINES
    }
    assert not too_long


def test_no_file_has_a_name_that_says_nothing(sources: list[Source]) -> None:
    assert not [source.path for source in sources if source.path.stem in FORBIDDEN_NAMES]


def test_every_module_says_what_it_is(sources: list[Source]) -> None:
    silent = [
        str(source.path)
        for source in sources
        if source.text.strip() and not ast.get_docstring(source.tree)
    ]
    assert not silent


def test_no_assert_in_source(sources: list[Source]) -> None:
    found = [
        f"{source.path}:{node.lineno}"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assert)
    ]
    assert not found


def test_no_file_names_a_folder_of_one_machine_or_a_package_index(
    root: Path, committed_files: list[Path]
) -> None:
    found = []
    for path in committed_files:
        text = path.read_bytes().decode("utf-8", errors="replace")
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATHS.search(line) or INDEX_HOSTS.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:80]}")
    assert not found


@pytest.mark.parametrize(
    "name",
    [
        "requirements.lock",
        "requirements-test.lock",
        "requirements-fuzz.lock",
        "requirements-mutation.lock",
    ],
)
class TestLocks:
    def test_every_package_is_pinned_and_hashed(self, root: Path, name: str) -> None:
        text = (root / name).read_text(encoding="utf-8").replace("\\\n", " ")
        entries = [
            line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")
        ]
        assert entries
        for entry in entries:
            assert re.match(r"[a-z0-9][a-z0-9._-]*==[0-9][^\s;]*\s", entry), entry
            assert re.findall(r"--hash=sha256:[0-9a-f]{64}", entry), entry

    def test_it_names_no_address(self, root: Path, name: str) -> None:
        text = (root / name).read_text(encoding="utf-8")
        assert "://" not in text
        assert "file:" not in text
        assert "--" not in re.sub(r"--hash=sha256:[0-9a-f]{64}", "", text)


def test_the_locks_agree_on_what_they_share(root: Path) -> None:
    def pins(name: str) -> dict[str, str]:
        text = (root / name).read_text(encoding="utf-8")
        return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))

    program, test = pins("requirements.lock"), pins("requirements-test.lock")
    assert {name: program[name] for name in program.keys() & test} == {
        name: test[name] for name in program.keys() & test
    }


def test_the_lock_satisfies_every_dependency(root: Path) -> None:
    import tomllib
    from importlib.metadata import version

    from packaging.requirements import Requirement

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    stated = project["project"]["dependencies"] + project["dependency-groups"]["test"]
    for requirement in map(Requirement, stated):
        assert requirement.specifier.contains(version(requirement.name)), requirement

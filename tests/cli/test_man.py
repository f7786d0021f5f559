"""The manual pages are what the commands say now, and roff takes them without a word."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.conftest import Run
from cloister import errors
from cloister.cli.main import FAMILIES, cli
from cloister.cli.man import STATUSES, pages, roff
from counts import examples

ROOT = Path(__file__).resolve().parents[2]
MADE = pages(cli, {name: one.summary for name, one in FAMILIES.items()})


def test_the_committed_pages_are_what_the_commands_say() -> None:
    committed = {path.name: path.read_text("ascii") for path in (ROOT / "docs/man").iterdir()}
    assert sorted(committed) == sorted(MADE)
    stale = [name for name, text in MADE.items() if committed[name] != text]
    assert not stale, "make them anew: ./cloister man docs/man"


def test_every_option_of_a_command_stands_in_its_page() -> None:
    page = MADE["cloister-join.1"]
    for word in ("\\-\\-bot", "\\-\\-name", "\\-\\-profile", "CODE", "cloister join \\- "):
        assert word in page
    page = MADE["cloister-conversation.1"]
    assert '.SS "cloister conversation new"' in page
    assert page.count("\\-\\-timeout") == 1, "what all of them have stands once"


def test_the_statuses_are_those_of_the_errors_and_of_the_readme() -> None:
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    codes = {one.exit_code for one in kinds if issubclass(one, errors.CloisterError)}
    assert codes < {status for status, _ in STATUSES}
    readme = (ROOT / "README.md").read_text("utf-8")
    for status, meaning in STATUSES:
        row = next(line for line in readme.splitlines() if line.startswith(f"| {status} |"))
        said = row.split("|")[2].replace("`", "").replace("**", "").strip().casefold()
        assert meaning.casefold().rstrip(".") == said.rstrip(".")


def test_the_command_writes_them(run: Run, tmp_path: Path) -> None:
    status, out, err = run("man", str(tmp_path / "new/man1"))
    assert (status, out, err) == (0, "", "")
    written = {path.name: path.read_text("ascii") for path in (tmp_path / "new/man1").iterdir()}
    assert written == MADE
    (tmp_path / "file").write_text("")
    assert run("man", str(tmp_path / "file/man1"))[0] == 1


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_roff_has_nothing_to_say_about_them() -> None:
    result = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Tutf8", *sorted((ROOT / "docs/man").iterdir())],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr == ""


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not here")
def test_what_is_written_is_what_is_shown() -> None:
    nasty = [".so /etc/passwd", "'br", "\\fB", "a-b", '"q"', "^~`'", "“ö” – 日", " lead", "."]
    page = ['.TH T 1 "" "" ""', ".SH X", ".EX", *map(roff, nasty), ".EE"]
    result = subprocess.run(
        ["groff", "-man", "-ww", "-Tutf8", "-P-cbou"],
        input="\n".join(page).encode("ascii") + b"\n",
        capture_output=True,
        check=True,
    )
    assert result.stderr == b""
    shown = [line.strip() for line in result.stdout.decode().splitlines()]
    for line in nasty:
        assert line.strip() in shown


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
@settings(max_examples=examples(100))
def test_no_text_becomes_an_instruction(text: str) -> None:
    made = roff(text)
    assert made.isascii()
    assert not made.startswith((".", "'"))

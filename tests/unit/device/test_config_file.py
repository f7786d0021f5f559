"""One setting is changed in config.toml, and nothing else of the file."""

from __future__ import annotations

import dataclasses
import os
import stat
from pathlib import Path

import pytest

from cloister.device.config_file import KNOWN, change_setting, choices_of
from cloister.device.settings import CHOICES, Settings, load_settings
from cloister.errors import LocalError, UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cloister" / "config.toml"


OWN = """\
# mine, in my order
notify   =  'osc9'   # the tmux of the office
"autolock_s" = 120

# ui = "line"
colours="none" """


def test_a_file_that_is_not_there_is_made_for_its_owner_alone(file: Path) -> None:
    assert change_setting(file, "autolock_s", "300") == 300
    assert file.read_text() == "autolock_s = 300\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "text", "before", "after"),
    [
        ("notify", "none", "notify   =  'osc9'   #", 'notify   =  "none"   #'),
        ("autolock_s", "0", '"autolock_s" = 120\n', '"autolock_s" = 0\n'),
        ("colours", "ansi", 'colours="none" ', 'colours="ansi" '),
    ],
)
def test_a_line_is_changed_where_it_stands(
    file: Path, name: str, text: str, before: str, after: str
) -> None:
    file.parent.mkdir()
    file.write_text(OWN)
    change_setting(file, name, text)
    assert before in OWN
    assert file.read_text() == OWN.replace(before, after)


def test_a_line_that_is_missing_comes_last_and_comments_are_no_lines(file: Path) -> None:
    file.parent.mkdir()
    file.write_text(OWN)
    change_setting(file, "ui", "line")
    assert file.read_text() == OWN + '\nui = "line"\n'
    assert load_settings(file, {})[0].ui == "line"


@pytest.mark.parametrize(
    ("name", "text", "written", "value"),
    [
        ("profile", 'a "b" \\ c', '"a \\"b\\" \\\\ c"', 'a "b" \\ c'),
        ("plain", "yes", "true", True),
        ("plain", "0", "false", False),
        ("timeout_s", "7", "7", 7),
    ],
)
def test_every_kind_of_value_is_written_as_it_is_read(
    file: Path, name: str, text: str, written: str, value: object
) -> None:
    assert change_setting(file, name, text) == value
    assert file.read_text() == f"{name} = {written}\n"
    assert getattr(load_settings(file, {})[0], name) == value
    change_setting(file, name, text)
    assert file.read_text() == f"{name} = {written}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("colour", "none"),
        ("colours", "green"),
        ("notify", "shout"),
        ("ui", ""),
        ("autolock_s", "-1"),
        ("autolock_s", "86401"),
        ("autolock_s", "soon"),
        ("plain", "perhaps"),
        ("profile", "two\nlines"),
        ("profile", "\x1b[31m"),
    ],
)
def test_what_is_no_setting_or_no_value_changes_nothing(file: Path, name: str, text: str) -> None:
    file.parent.mkdir()
    file.write_text(OWN)
    with pytest.raises(UsageError):
        change_setting(file, name, text)
    assert file.read_text() == OWN


@pytest.mark.parametrize(
    "text",
    [
        "autolock_s = [\n",
        'profile = """\nautolock_s = 3\n"""\n',
        "[autolock_s]\nseconds = 3\n",
        "[later]\n",
        b"\xff\xfe",
    ],
    ids=["no TOML", "a text of several lines", "a table", "another table", "no UTF-8"],
)
def test_a_file_that_cannot_be_changed_safely_stays(file: Path, text: str | bytes) -> None:
    file.parent.mkdir()
    before = text.encode() if isinstance(text, str) else text
    file.write_bytes(before)
    with pytest.raises(UsageError):
        change_setting(file, "autolock_s", "300")
    assert file.read_bytes() == before


def test_rights_and_a_link_stay_as_they_are(file: Path, tmp_path: Path) -> None:
    file.parent.mkdir()
    dotfiles = tmp_path / "dotfiles.toml"
    dotfiles.write_text("plain = true\n")
    dotfiles.chmod(0o640)
    file.symlink_to(dotfiles)
    change_setting(file, "plain", "no")
    assert file.is_symlink()
    assert dotfiles.read_text() == "plain = false\n"
    assert stat.S_IMODE(dotfiles.stat().st_mode) == 0o640


def test_a_folder_that_takes_no_file_is_said_and_nothing_is_left(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.parent.mkdir()
    file.write_text(OWN)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalError, match="No space left"):
        change_setting(file, "notify", "none")
    assert [one.name for one in file.parent.iterdir()] == ["config.toml"]
    assert file.read_text() == OWN


def test_every_setting_has_words_and_every_choice_a_setting() -> None:
    names = {field.name for field in dataclasses.fields(Settings)}
    assert set(KNOWN) == names
    assert set(CHOICES) <= names
    defaults = dataclasses.asdict(Settings())
    assert all(defaults[name] in values for name, values in CHOICES.items())
    assert choices_of("plain") == ("true", "false")
    assert choices_of("timeout_s") == ()


def test_a_wrong_word_is_named_with_where_it_stands(file: Path) -> None:
    file.parent.mkdir()
    file.write_text('notify = "shout"\n')
    with pytest.raises(UsageError, match=r"config\.toml.*notify") as caught:
        load_settings(file, {})
    assert "osc777" in str(caught.value.hint)
    with pytest.raises(UsageError, match="CLOISTER_UI"):
        load_settings(file.with_name("none"), {"CLOISTER_UI": "windows"})

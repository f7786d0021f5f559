"""What the documents say of the code: places, commands, messages, settings and columns are real."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import Field, fields
from pathlib import Path

import click
import msgspec
import pytest

from cloister.cli.main import cli
from cloister.device.settings import Settings as PersonSettings
from cloister.relay.disclosure.surroundings import LINES
from cloister.relay.settings import Settings as RelaySettings
from cloister.relay.storage.sqlite.schema import SCHEMA
from cloister.wire import adopting, commands, events, mirror, request
from docs.shell_blocks import blocks_of

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs/guide").glob("*.md"))]
GUIDE_TEXT = "\n".join(path.read_text(encoding="utf-8") for path in GUIDES)
OPERATOR = (ROOT / "docs/guide/operator.md").read_text(encoding="utf-8")
METADATA = (ROOT / "docs/security/metadata.md").read_text(encoding="utf-8")
PLACE = re.compile(r"\b(cloister/[\w/]+\.py)(?::([A-Za-z_][\w.]*))?")


def places() -> list[tuple[str, str]]:
    """Each file, and name in it, that a document names."""
    found = {
        (match.group(1), (match.group(2) or "").rstrip("."))
        for path in DOCUMENTS
        for match in PLACE.finditer(path.read_text(encoding="utf-8"))
    }
    return sorted(found)


@pytest.mark.parametrize(("file", "name"), places(), ids=lambda value: str(value) or "file")
def test_a_place_in_the_code_is_there(file: str, name: str) -> None:
    assert (ROOT / "src" / file).is_file()
    if name:
        found: object = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        for part in name.split("."):
            found = getattr(found, part)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_is_there(path: Path) -> None:
    named = set(re.findall(r"\btests/[\w/]+\.py\b", path.read_text(encoding="utf-8")))
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_the_walk_names_places_in_every_layer_it_crosses() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    walk = text.split("## 2.")[1].split("## 3.")[0]
    packages = {match.group(1).split("/")[1] for match in PLACE.finditer(walk)}
    assert {"cli", "device", "client", "mls", "relay"} <= packages


# --- commands -------------------------------------------------------------------------------------


def calls_in(line: str) -> Iterator[list[str]]:
    """The arguments of each call of the program in a line, without what the shell takes."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="<>|&;")
    lexer.whitespace_split = True
    command: list[str] = []
    redirected = False
    for word in [*lexer, ";"]:
        if word[0] in "|&;":
            if command and command[0] in {"./cloister", "cloister"}:
                yield command[1:]
            command, redirected = [], False
        elif word[0] in "<>":
            if command and command[-1].isdigit():
                command.pop()  # the descriptor of the redirection
            redirected = True
        elif redirected:
            redirected = False
        else:
            command.append(word)


def strict() -> list[tuple[str, list[str]]]:
    """Each command of a shell block."""
    return [
        (f"{path.name}: {shlex.join(arguments)}", arguments)
        for path in GUIDES
        for block in blocks_of(path)
        for line in block.lines
        for arguments in calls_in(line)
        if arguments[:1] not in (["test"], ["fuzz"])
    ]


def spans() -> list[str]:
    """Each command in running text, which may leave arguments out."""
    found = set()
    for path in DOCUMENTS:
        text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
        found |= set(re.findall(r"`(?:\./)?cloister ([^`\n]+)`", text))
    # Exporter labels begin like a command and end in a version.
    return sorted(one for one in found if not re.match(r"(test|fuzz)\b|.* v\d$", one))


def resolve(arguments: list[str]) -> tuple[click.Command, click.Context, list[str]]:
    """Follow the groups to a command; unknown options of groups raise."""
    command: click.Command = cli
    context = click.Context(cli, info_name="cloister")
    while isinstance(command, click.Group) and arguments:
        _, rest, _ = command.make_parser(context).parse_args(list(arguments))
        if not rest:
            return command, context, []
        following = command.get_command(context, rest[0])
        assert following is not None, f"there is no command {rest[0]!r}"
        command, arguments = following, rest[1:]
        context = click.Context(command, info_name=rest[0], parent=context)
    return command, context, arguments


@pytest.mark.parametrize(("line", "arguments"), strict(), ids=lambda value: str(value)[:60])
def test_a_command_in_a_shell_block_can_be_given(line: str, arguments: list[str]) -> None:
    if arguments == ["--version"]:
        return
    command, context, rest = resolve(arguments)
    assert not isinstance(command, click.Group), line
    with suppress(click.exceptions.Exit):  # --help
        command.make_context(str(context.info_name), list(rest), parent=context.parent)


@pytest.mark.parametrize("text", spans())
def test_a_command_in_running_text_exists(text: str) -> None:
    command, context, rest = resolve(shlex.split(text))
    command.make_parser(context).parse_args([one for one in rest if one != "..."])


def leaves(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for one in command.list_commands(context):
        following = command.get_command(context, one)
        if following is not None:
            yield from leaves(following, f"{name} {one}".strip())


COMMANDS = dict(leaves(cli))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_readme_or_guide(name: str) -> None:
    assert re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", GUIDE_TEXT), name
    for option in COMMANDS[name].params:
        for flag in option.opts if isinstance(option, click.Option) else ():
            if flag.startswith("--") and flag != "--help":
                assert re.search(rf"{re.escape(flag)}(?![\w-])", GUIDE_TEXT), f"{name} {flag}"


# --- messages, settings, columns ------------------------------------------------------------------


def test_every_message_on_the_wire_stands_in_the_architecture() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    bases = {request.Request, events.Event, mirror.MirrorMessage}
    for module in (commands, adopting, events, mirror):
        for name, kind in vars(module).items():
            if inspect.isclass(kind) and issubclass(kind, msgspec.Struct) and kind not in bases:
                assert f"`{name}`" in text, name


@pytest.mark.parametrize("setting", fields(PersonSettings), ids=lambda one: str(one.name))
def test_every_setting_of_a_person_stands_in_the_readme(setting: Field[object]) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    name, default = setting.name, str(setting.default).lower()
    row = rf"^\| `{name}` \|.*\| `CLOISTER_{name.upper()}` \| `?{default}`? \|"
    assert re.search(row, text, re.M)


def test_every_setting_of_a_relay_stands_in_the_operators_guide() -> None:
    documented = set(re.findall(r"^\| `(\w+)\.(\w+)` \|", OPERATOR, re.M))
    real = {
        (section.name, one.name)
        for section in msgspec.structs.fields(RelaySettings)
        for one in msgspec.structs.fields(section.type)
    }
    assert documented == real


@pytest.mark.parametrize(
    "section",
    [one for one in msgspec.structs.fields(RelaySettings) if not one.required],
    ids=lambda one: str(one.name),
)
def test_the_defaults_of_a_relays_settings_are_the_documented_ones(
    section: msgspec.structs.FieldInfo,
) -> None:
    for one in msgspec.structs.fields(section.type):
        row = rf"^\| `{section.name}\.{one.name}` \| (\S+) \|"
        found = re.search(row, OPERATOR, re.M)
        assert found is not None, one.name
        assert float(found.group(1)) == one.default


def test_every_variable_of_the_environment_is_documented() -> None:
    read = set()
    for path in (ROOT / "src/cloister").rglob("*.py"):
        if not {"demo", "bench", "testing"} & set(path.parts):
            read |= set(re.findall(r"\"(CLOISTER_[A-Z]+(?:_[A-Z]+)*)\"", path.read_text("utf-8")))
    assert read
    assert {name for name in read if name not in GUIDE_TEXT} == set()


def schema() -> dict[str, list[str]]:
    """The columns of each table of a relay's file, as it is made."""
    import sqlcipher3.dbapi2 as sqlite

    connection = sqlite.connect(":memory:")
    connection.executescript(SCHEMA)
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema") if name]
    tables = {
        name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names
    }
    connection.close()
    return {name: columns for name, columns in tables.items() if columns}


def test_the_metadata_page_has_every_column_of_a_relays_file() -> None:
    documented: dict[str, list[str]] = {}
    for name, body in re.findall(r"^### (\w+)\n(.*?)(?=^#|\Z)", METADATA, re.M | re.S):
        rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", body, re.M)
        documented[name] = [column for row in rows for column in re.findall(r"`(\w+)`", row)]
    real = {
        name: columns
        for name, columns in schema().items()
        if not name.startswith(("sqlite_", "envelope_", "part_"))
    }
    assert {name: sorted(columns) for name, columns in documented.items()} == {
        name: sorted(columns) for name, columns in real.items()
    }


def test_the_operator_finds_every_line_of_the_log() -> None:
    assert [line.event for line in LINES if f"`{line.event}`" not in OPERATOR] == []

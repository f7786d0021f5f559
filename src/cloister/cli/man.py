"""`cloister man`: manual pages, made from the commands themselves.

A page for the program and one for each command family, whose subcommands are sections of it.  The
text is what `--help` says, so there is nothing to keep in step by hand; no date stands in it, so
the same commands make the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from cloister import __version__
from cloister.errors import LocalError

STATUSES: Final = (
    (0, "Done; for send also: queued, and it goes out when the relay is in reach."),
    (1, "Failed, or a bug of the program (one line with an id)."),
    (2, "Wrong usage, or a value that cannot be."),
    (3, "What was named does not exist."),
    (4, "A relay is out of reach, or others did not act in time."),
    (5, "Refused by the circle's rules or by a relay's."),
    (6, "Trust problem: certificates, digits or logs do not fit. Do not go on; talk to people."),
    (7, "The vault or the device is locked, or the PIN or passphrase is wrong."),
    (130, "Interrupted."),
)
_NO_WRAP: Final = "\b"
"""Click's mark of a paragraph whose lines stay as they are."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
def man(folder: Path) -> None:
    """Write the manual pages into FOLDER, which is made if it is not there.

    To read one that is not installed: man -l FOLDER/cloister.1

    \b
    Examples:
      cloister man docs/man
      cloister man ~/.local/share/man/man1
    """
    from cloister.cli.main import FAMILIES, cli

    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(cli, {name: one.summary for name, one in FAMILIES.items()}).items():
            (folder / name).write_text(text, encoding="ascii")
    except OSError as error:
        raise LocalError(f"the pages cannot be written: {error.strerror}") from None


def pages(cli: click.Group, summaries: dict[str, str]) -> dict[str, str]:
    """Return every page by the name of its file."""
    program = click.Context(cli, info_name="cloister")
    found = {"cloister.1": _program_page(cli, program, summaries)}
    for name, summary in summaries.items():
        command = cli.get_command(program, name)
        if command is not None:
            found[f"cloister-{name}.1"] = _family_page(name, command, program, summary)
    return found


def _program_page(cli: click.Group, context: click.Context, summaries: dict[str, str]) -> str:
    lines = [*_head("cloister", "text-only, end-to-end encrypted messenger of a closed circle")]
    lines += [".SH SYNOPSIS", *_usage(cli, context), ".SH DESCRIPTION", *_body(cli.help or "")]
    lines += [".SH OPTIONS", *_options(_records(cli, context)), ".SH COMMANDS"]
    for name, summary in summaries.items():
        lines += [".TP", f".BR {roff(f'cloister-{name}')} (1)", roff(summary)]
    lines.append(".SH EXIT STATUS")
    for status, meaning in STATUSES:
        lines += [".TP", f".B {status}", roff(meaning)]
    lines += [".SH ENVIRONMENT", *_body(_ENVIRONMENT)]
    lines += _see_also("The guides in docs/guide, and README.md.")
    return "\n".join(lines) + "\n"


_ENVIRONMENT: Final = """
Every setting has a variable: CLOISTER_ and its name in capitals. "cloister config show --origin"
lists them, with what is in force and where it comes from.

CLOISTER_PASSPHRASE_FILE, CLOISTER_NEW_PASSPHRASE_FILE and CLOISTER_ACTIVATION_CODE_FILE name files
that hold a secret, so that nothing is asked.
"""


def _family_page(name: str, command: click.Command, parent: click.Context, summary: str) -> str:
    title = f"cloister-{name}"
    lines = [*_head(title, summary[:1].lower() + summary[1:].rstrip("."))]
    context = click.Context(command, info_name=name, parent=parent)
    leaves = list(_leaves(command, context))
    lines.append(".SH SYNOPSIS")
    for number, (leaf, its_context) in enumerate(leaves):
        lines += [*([".br"] if number else []), *_usage(leaf, its_context)]
    lines += [".SH DESCRIPTION", *_body(command.help or "")]
    if not isinstance(command, click.Group):
        lines += [".SH OPTIONS", *_options(_records(command, context)), *_see_also()]
        return "\n".join(lines) + "\n"
    records = {id(leaf): _records(leaf, its_context) for leaf, its_context in leaves}
    first, *others = records.values()
    shared = [one for one in first if others and all(one in other for other in others)]
    lines.append(".SH COMMANDS")
    for leaf, its_context in leaves:
        own = [one for one in records[id(leaf)] if one not in shared]
        lines += [f'.SS "{roff(its_context.command_path)}"', *_body(leaf.help or "")]
        lines += _options(own)
    if shared:
        lines += [".SH OPTIONS OF ALL OF THEM", *_options(shared)]
    return "\n".join([*lines, *_see_also()]) + "\n"


def _leaves(
    command: click.Command, context: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    """Every command below, and the contexts that name them."""
    if not isinstance(command, click.Group):
        yield command, context
        return
    for name in command.list_commands(context):
        following = command.get_command(context, name)
        if following is not None and not following.hidden:
            its_context = click.Context(following, info_name=name, parent=context)
            yield from _leaves(following, its_context)


# --- parts ----------------------------------------------------------------------------------------


def _head(title: str, summary: str) -> Iterator[str]:
    yield '.\\" Made by "cloister man"; the text stands at the commands.'
    yield f'.TH "{roff(title.upper())}" 1 "" "cloister {__version__}" "Cloister"'
    yield from (".SH NAME", f"{roff(title)} \\- {roff(summary)}")


def _usage(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f".B {roff(context.command_path)}"
    if pieces := command.collect_usage_pieces(context):
        yield roff(" ".join(pieces))


def _records(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    """Options and what they mean, but for ``--help``, which every command has."""
    found = []
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if record is not None and "--help" not in one.opts:
            found.append(record)
    return found


def _options(records: list[tuple[str, str]]) -> Iterator[str]:
    for names, meaning in records:
        yield from (".TP", f".B {roff(names)}", roff(meaning or "See the description."))


def _body(text: str) -> Iterator[str]:
    """Paragraphs; one whose lines stay as they are is set as an example."""
    for number, paragraph in enumerate(text.strip().split("\n\n")):
        lines = paragraph.strip("\n").split("\n")
        if _NO_WRAP not in lines[0]:
            yield from ([".PP"] if number else [])
            yield roff(" ".join(line.strip() for line in lines))
            continue
        title, *rest = [line for line in lines if line.strip(_NO_WRAP + " ")]
        yield from (".PP", roff(title.strip()), ".PP", ".EX")
        yield from (roff(line) for line in rest)
        yield ".EE"


def _see_also(documents: str = "") -> Iterator[str]:
    yield from (".SH SEE ALSO", roff(documents) if documents else ".BR cloister (1)")


def roff(text: str) -> str:
    """Write text so that no character of it is an instruction: ASCII, one line."""
    made = text.replace("\\", "\\(rs").replace("-", "\\-")
    made = made.replace('"', "\\(dq").replace("^", "\\(ha").replace("~", "\\(ti")
    made = made.replace("'", "\\(aq").replace("`", "\\(ga")
    made = "".join(one if one.isascii() else f"\\[u{ord(one):04X}]" for one in made)
    return "\\&" + made if made.startswith((".", " ")) else made

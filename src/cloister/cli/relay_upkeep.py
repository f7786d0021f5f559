"""`cloister relay check`: what an operator asks before a start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from cloister.relay.inspection import Finding

FOLDER: Final = click.argument(
    "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path)
)
JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command("check")
@FOLDER
@JSON
def check(folder: Path, *, as_json: bool) -> None:
    """Look at a relay before a start: what is wrong, and what to do.

    Settings, rights, keys, certificate, card, peers, ports, databases, disk, open files and clock.
    It changes nothing, and works beside a running relay. Exit status 0: nothing is wrong, though
    something may be doubtful; else that of the first thing wrong, as `relay run` would end.

    \b
    Examples:
      cloister relay check hk
      cloister relay check hk --json
    """
    from cloister.cli.output import Output
    from cloister.clock import wall_time
    from cloister.relay.inspection import inspect_relay, status_of

    findings = inspect_relay(folder, os.environ, int(wall_time()))
    status = status_of(findings)
    view = {"ok": status == 0, "findings": [one.as_view() for one in findings]}
    Output(as_json).data(view, "\n".join(map(_lines, findings)))
    click.get_current_context().exit(status)


def _lines(finding: Finding) -> str:
    line = f"{finding.grade.value:9} {finding.subject:12} {finding.text}"
    return f"{line}\n{'':9} do: {finding.hint}" if finding.hint else line

"""`cloister demo`: the main job with real processes, told and judged."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cloister.errors import UsageError


@click.command()
@click.option(
    "--script",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What is said: lines of `name: text`.",
)
@click.option("--json", "as_json", is_flag=True, help="One object on the last line of output.")
@click.option(
    "--keep", type=click.Path(path_type=Path), metavar="DIR", help="Leave everything in DIR."
)
@click.option("--no-input", is_flag=True, help="Never ask to type, not even on a terminal.")
def demo(*, script: Path | None, as_json: bool, keep: Path | None, no_input: bool) -> None:
    """Run a circle of three on this machine: two relays, three devices, nothing mocked.

    A founder lets two people in, they talk, processes are killed, the third person is removed.
    A separate program then judges the files that are left; the exit status is its verdict.

    FILE holds lines of `name: text` in UTF-8; blank lines and lines that begin with # are skipped.
    A text may have 12,000 bytes, a script 1,000 texts and 8 names. The first three names are
    founder, second and third person (removed in the end); further names are further members. What
    is said before the third person is first heard is said 1:1, the rest in the group. Without
    --script a newsroom's morning is played, and on a terminal you may then type as the founder.

    \b
    Examples:
      cloister demo
      cloister demo --json --no-input
      cloister demo --script talk.txt --keep ./demo
      python -m cloister.demo.check ./demo
    """
    from cloister.cli.told_to_stop import run_until_told
    from cloister.demo.driver import Options, run_demo
    from cloister.demo.keyboard import type_as_founder
    from cloister.demo.script import shipped_script

    types = script is None and not no_input and not as_json and _has_terminal()
    options = Options(
        script=shipped_script() if script is None else _read(script),
        keep=keep,
        tell=_teller(sys.stderr if as_json else sys.stdout),
        typing=type_as_founder if types else None,
    )
    summary = run_until_told(run_demo(options))
    if as_json:
        click.echo(json.dumps(summary))
    else:
        _print(summary)
    if not summary["ok"]:
        click.get_current_context().exit(1)


def _has_terminal() -> bool:
    # A closed standard input is None in Python.
    return bool(sys.stdin and sys.stdin.isatty() and sys.stdout.isatty())


def _read(path: Path) -> bytes:
    from cloister.demo.script import MAX_SCRIPT_BYTES

    try:
        with path.open("rb") as file:
            return file.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"the script {path} cannot be read: {error.strerror}") from None


def _teller(stream: Any) -> Any:
    from cloister.client.safe_text import safe_text

    def tell(line: str) -> None:
        stream.write(safe_text(line) + "\n")
        stream.flush()

    return tell


def _print(summary: dict[str, Any]) -> None:
    from cloister.client.safe_text import safe_line

    def say(line: str) -> None:
        click.echo(safe_line(line))

    click.echo()
    if "members" in summary:
        for member in summary["members"]:
            say(f"{member['state']:>8}: {member['name']}")
        say(f"{summary['sent']} texts sent, shown {summary['shown']} times at others' devices")
        for role, relay in summary["relays"].items():
            say(f"{role} relay ({relay['jurisdiction']}, {relay['operator']}):")
            for line in _relay_lines(role, relay):
                click.echo(f"    {line}")
        killed = ", ".join(
            f"{name} {count}" for name, count in summary["restarts"].items() if count
        )
        say(f"restarts: {killed or 'none'}")
    if summary.get("checks"):
        click.echo("Judged by python -m cloister.demo.check, from the files alone:")
        for check in summary["checks"]:
            click.echo(f"  {'yes' if check['ok'] else 'NO '}  {check['name']}: {check['detail']}")
    say(f"{summary['seconds']} s. {'All of it holds.' if summary['ok'] else 'It does NOT hold.'}")
    if "folder" in summary:
        say(f"Everything is in {summary['folder']}")


def _relay_lines(role: str, relay: dict[str, Any]) -> list[str]:
    """Say what a relay stored, and what it counted since its last start."""
    status = relay["status"]
    entries = f"{status['entries_stored']} log entries"
    size = f"{relay['stored_bytes'] / 1024:,.0f} KiB in its folder"
    if role == "entry":
        stored = f"stored {entries} (members' entries sealed), no channel, no envelope; {size}"
        saw = f"saw addresses: {status['connections_total']} connections"
        return [stored, f"{saw}, {status['tunnels_total']} tunnels, all to the home relay"]
    stored = f"stored {entries}, {status['envelopes']} envelopes in {status['channels']} channels"
    took = f"took {status['messages_accepted']} messages and delivered"
    took += f" {status['messages_delivered']} since it was started again"
    return [f"{stored}; {size}", f"saw no address of a device; {took}"]

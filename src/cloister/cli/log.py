"""`cloister log`: the circle's log in words, and everything about it checked anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from cloister.cli.person import Person, person_command

if TYPE_CHECKING:
    from cloister.device.facade import View

PAGE_ENTRIES = 50
MOST_ENTRIES = 2000
"""Of one answer: their words fit a line of the agent's protocol several times."""


@click.group()
def log() -> None:
    """Read the circle's log, or check all of it anew.

    \b
    Examples:
      cloister log list
      cloister log verify
    """


@log.command("list")
@click.option("--from", "start", type=click.IntRange(0), metavar="N", help="Begin with entry N.")
@click.option(
    "--limit",
    type=click.IntRange(1, MOST_ENTRIES),
    default=PAGE_ENTRIES,
    show_default=True,
    help="At most so many entries.",
)
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_entries(person: Person, *, start: int | None, limit: int, offline: bool) -> None:
    """Say who did what and when: the newest entries, or those from N on.

    Entries that break a rule stand there too, with the rule; they change nothing.

    \b
    Examples:
      cloister log list
      cloister log list --from 0 --limit 100
      cloister log list --json
    """
    first = -limit if start is None else start
    views = person.view(lambda device: device.log(first, limit), offline=offline)
    for view in views:
        person.output.data(view, line_of(view))
    if not views:
        person.output.talk("There are no such entries.")
    elif start is None and views[0]["seq"]:
        person.output.talk(f"Earlier ones: cloister log list --from {earlier(views, limit)}")
    elif start is not None and len(views) == limit:
        person.output.talk(f"There may be more: --from {views[-1]['seq'] + 1}")


def earlier(views: list[View], limit: int) -> int:
    """Return where the page before this one begins."""
    return max(int(views[0]["seq"]) - limit, 0)


def line_of(view: View) -> str:
    """Return ``  12  2026-11-22 09:41  Ada vouches for Ben (met face to face)``."""
    from cloister.cli.power import when

    return f"{view['seq']:>5}  {when(view['ts'])}  {view['text']}"


@log.command("verify")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def verify(person: Person, *, offline: bool) -> None:
    """Derive everything anew from the stored bytes, and compare it with what this device uses.

    Checked are the genesis, every entry's form and place in the tree, all signatures, every rule,
    the log keys, the roster, and the relays' signatures of the newest head. A difference is exit
    status 6. Whether others were shown the same log, compare with them: the last line is for that.

    \b
    Examples:
      cloister log verify
      cloister log verify --offline --json
    """
    began = time.perf_counter()
    view = person.view(lambda device: device.verify_log(), offline=offline)
    took_s = time.perf_counter() - began
    person.output.data({**view, "took_s": round(took_s, 3)}, text_of(view, took_s))


def text_of(view: View, took_s: float) -> str:
    """Return what was checked, a line each, and what to compare with others."""
    checks: list[dict[str, Any]] = view["checks"]
    lines = [f"{one['count']:>7,}  {one['what']}" for one in checks]
    lines.append(f"All of it holds ({took_s:.1f} s).")
    lines.append(f"size {view['log_size']}, root {view['log_root']}")
    return "\n".join(lines)

"""`cloister soak`: a circle of real processes under load and faults, and its verdict."""

from __future__ import annotations

import json
import secrets
import sys
from pathlib import Path
from typing import Any

import click


@click.command()
@click.option("--minutes", type=click.FloatRange(0.1, 1440), default=5.0, show_default=True)
@click.option("--seed", type=int, help="Of load and faults; by default another each time.")
@click.option("--devices", type=click.IntRange(2, 12), default=5, show_default=True)
@click.option(
    "--rate",
    type=click.FloatRange(0.1, 200),
    default=20.0,
    show_default=True,
    help="Texts a second, by all devices together.",
)
@click.option(
    "--every",
    "every_s",
    type=click.FloatRange(1, 3600),
    default=15.0,
    show_default=True,
    help="Seconds between two faults.",
)
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Leave all in DIR.")
@click.option("--json", "as_json", is_flag=True, help="One object on the last line of output.")
def soak(
    *,
    minutes: float,
    seed: int | None,
    devices: int,
    rate: float,
    every_s: float,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Run a circle of real processes under load, with faults, and judge every screen.

    Two relays and DEVICES agents run on this machine. Meanwhile relays and agents are killed,
    stand still, or lose all their connections. In the end every text that a device accepted has to
    stand on every screen once and in order, without an alarm; the exit status says whether it does.
    Memory and open files of each process are shown with their trend; lives of more than half an
    hour are judged by it.

    \b
    Examples:
      cloister soak --minutes 10
      cloister soak --minutes 60 --rate 100 --every 60 --json
    """
    from cloister.cli.told_to_stop import run_until_told
    from cloister.soak.driver import Options, run_soak

    stream = sys.stderr if as_json else sys.stdout

    def tell(line: str) -> None:
        stream.write(line + "\n")
        stream.flush()

    options = Options(
        minutes=minutes,
        seed=secrets.randbelow(2**31) if seed is None else seed,
        devices=devices,
        rate=rate,
        every_s=every_s,
        keep=keep,
        tell=tell,
    )
    summary = run_until_told(run_soak(options))
    if as_json:
        click.echo(json.dumps(summary))
    else:
        _print(summary)
    if not summary["ok"]:
        click.get_current_context().exit(1)


def _print(summary: dict[str, Any]) -> None:
    from cloister.client.safe_text import safe_line

    faults = ", ".join(f"{name} {count}" for name, count in sorted(summary["faults"].items()))
    click.echo(f"{summary['texts']} texts; faults: {faults or 'none'}; seed {summary['seed']}")
    click.echo(f"at rest {summary['rested_s']} s after the last fault")
    click.echo(f"{'process':<16}{'watched s':>10}{'MiB':>8}{'MiB/h':>9}{'files':>7}{'/h':>7}")
    for one in summary["processes"]:
        click.echo(
            f"{one['name']:<16}{one['seconds']:>10}{one['rss_mib']:>8}{one['rss_mib_per_h']:>9}"
            f"{one['files']:>7}{one['files_per_h']:>7}"
        )
    for line in summary["violations"][:50]:
        click.echo(safe_line(f"  {line}"))
    count = len(summary["violations"])
    click.echo("every promise holds" if summary["ok"] else f"{count} promises are broken")

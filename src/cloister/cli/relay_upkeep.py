"""`cloister relay check`, `unit`, `status --prometheus`: for whoever keeps a relay running."""

from __future__ import annotations

import os
import pwd
import sys
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import cloister

if TYPE_CHECKING:
    from cloister.relay.settings import Settings
    from cloister.relay.unit import Program

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
    It changes nothing and works beside a running relay. Exit status 0: nothing is wrong, though
    something may be doubtful; else that of the first thing wrong, as `relay run` would end.

    \b
    Examples:
      cloister relay check hk
      cloister relay check hk --json
    """
    from cloister.cli.output import Output
    from cloister.clock import wall_time
    from cloister.finding import lines_of, status_of
    from cloister.relay.inspection import inspect_relay

    findings = inspect_relay(folder, os.environ, int(wall_time()))
    status = status_of(findings)
    view = {"ok": status == 0, "findings": [one.as_view() for one in findings]}
    Output(as_json).data(view, "\n".join(map(lines_of, findings)))
    click.get_current_context().exit(status)


@click.command("clock")
@FOLDER
@click.option("--right", is_flag=True, help="Say that this machine's clock is right.")
@JSON
def clock(folder: Path, *, right: bool, as_json: bool) -> None:
    """Show this machine's clock as the relay takes it, or say that it is right.

    A home relay deletes what is old only when a mirror agrees with its clock. Where no mirror can
    (all are away for good), or after the clock was wrong, the operator says so; it holds for an
    hour, which the running relay notices within ten minutes.

    \b
    Example:
      cloister relay clock hk --right
    """
    from datetime import datetime

    from cloister.cli.output import Output
    from cloister.clock import wall_time
    from cloister.relay.folder import Folder

    place = Folder(folder)
    place.settings(os.environ)
    now = int(wall_time())
    if right:
        place.give_clock_word(now)
    shown = datetime.fromtimestamp(now, UTC).isoformat()
    Output(as_json).data({"now": now, "utc": shown, "right": right}, shown)


@click.command("unit")
@FOLDER
@click.option("--user", help="User that the relay runs as; without it, the folder's owner.")
@click.option("--peers-only", is_flag=True, help="Speak with the addresses of peers alone (home).")
@JSON
def unit(folder: Path, *, user: str | None, peers_only: bool, as_json: bool) -> None:
    """Print the systemd unit of this relay: how it is started, and all that is taken from it.

    It is computed from the folder and from this installation; nothing is left to edit. With
    --peers-only the kernel lets a home relay speak with its entry relays, by the addresses on
    their cards, and with nobody else: make the unit anew when peers change.

    \b
    Example:
      cloister relay unit /srv/hk > /etc/systemd/system/cloister-hk.service
    """
    from cloister.cli.output import Output
    from cloister.errors import UsageError
    from cloister.relay.folder import Folder
    from cloister.relay.unit import Program, unit_name, unit_text
    from cloister.roster.relay_card import RelayRole

    place = Folder(folder.resolve())
    settings = place.settings({})  # a service does not see the environment of this shell
    peers = None
    if peers_only:
        if settings.relay.role == "entry":
            raise UsageError(
                "devices connect to an entry relay, from everywhere",
                hint="leave --peers-only to home relays",
            )
        entries = (card for card in place.peers().values() if card.roles & RelayRole.ENTRY)
        peers = sorted({card.host for card in entries})
    text = unit_text(place.path, settings, _this_program(Program), user or _owner(folder), peers)
    Output(as_json).data({"name": unit_name(place.path), "unit": text}, text.rstrip("\n"))


def print_figures(folder: Path, settings: Settings) -> None:
    """Print what a collector of figures reads. Raises NetworkError when the relay is silent."""
    from cloister.errors import NetworkError
    from cloister.relay.exposition import exposition, figures_of_folder
    from cloister.relay.health import ask_status

    status, silent = None, None
    try:
        status = ask_status(settings.listen.health_port)
    except NetworkError as error:
        silent = error
    beside = figures_of_folder(folder, settings)
    sys.stdout.write(exposition(settings.relay.name, status, beside))
    sys.stdout.flush()
    if silent is not None:
        raise silent


def _this_program(program: type[Program]) -> Program:
    """The interpreter that runs this, as it was named: its environment hangs on that name."""
    places = {sys.executable, sys.prefix, sys.base_prefix, cloister.__file__}
    return program(
        command=(sys.executable, "-P", "-m", "cloister"),
        places=tuple(sorted(Path(place).absolute() for place in places if place)),
    )


def _owner(folder: Path) -> str:
    from cloister.errors import UsageError

    number = folder.stat().st_uid
    if number == 0:
        raise UsageError(
            f"{folder} belongs to root, and a relay needs a user of its own",
            hint="make one (useradd --system), chown -R the folder to it; or name it with --user",
        )
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)

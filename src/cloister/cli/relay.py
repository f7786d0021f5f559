"""`cloister relay`: set up and run the relays of a circle."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from cloister.cli import relay_backup, relay_drain, relay_upkeep

_FOLDER: Final = click.argument(
    "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path)
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def relay() -> None:
    """Set up and run a relay: the home that stores, or the entry that devices connect to.

    \b
    A circle needs one of each, in two jurisdictions and of two operators:
      cloister relay init hk --role home --host 203.0.113.7 --jurisdiction HK --operator North
      cloister relay init pa --role entry --host 198.51.100.9 --jurisdiction PA --operator South
      cloister relay peer hk pa/relay.card
      cloister relay peer pa hk/relay.card
      cloister relay run hk
    """


@relay.command("init")
@_FOLDER
@click.option("--role", required=True, type=click.Choice(["home", "entry"]))
@click.option("--host", required=True, help="Address that devices, or entry relays, connect to.")
@click.option(
    "--port",
    default=0,
    show_default="a free one",
    type=click.IntRange(0, 65535),
    help="Port of the listener; it goes onto the card.",
)
@click.option("--jurisdiction", required=True, metavar="CC", help="Two letters, ISO 3166.")
@click.option("--operator", required=True, help="Who runs it.")
@click.option("--name", help="Name in signatures; without it, role and part of the relay id.")
@_JSON
def init(
    folder: Path,
    *,
    role: str,
    host: str,
    port: int,
    jurisdiction: str,
    operator: str,
    name: str | None,
    as_json: bool,
) -> None:
    """Make a relay's folder: keys, certificate, card and settings.

    Prints the path of the card, which is public; hand it to the other relay's operator and to
    the circle's founder. A home relay also prints one activation code: whoever has it may found
    one circle. It is not shown again (`cloister relay code DIR` makes another).

    \b
    Example:
      cloister relay init hk --role home --host 203.0.113.7 --jurisdiction HK --operator North
    """
    from cloister.crypto.capability import require_post_quantum
    from cloister.crypto.entropy import SystemEntropy
    from cloister.relay.folder import Folder

    require_post_quantum()
    entropy = SystemEntropy()
    place = Folder(folder)
    card = place.init(
        role="home" if role == "home" else "entry",
        host=host,
        port=port,
        jurisdiction=jurisdiction,
        operator=operator,
        name=name,
        now=int(time.time()),
        entropy=entropy,
    )
    result: dict[str, Any] = {
        "card": str(place.card_path),
        "name": card.name,
        "port": card.port,
    }
    lines = [str(place.card_path)]
    if role == "home":
        code = place.add_code(entropy)
        result["activation_code"] = code
        lines.append(code)
        _talk("The second line is an activation code: whoever has it may found one circle.")
    _print(result, "\n".join(lines), as_json)


@relay.command("peer")
@_FOLDER
@click.argument(
    "cards", metavar="CARD...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@_JSON
def peer(folder: Path, *, cards: tuple[Path, ...], as_json: bool) -> None:
    """Add relays that this one works with, by their cards.

    An entry relay connects devices to its peers and to nothing else; a home relay takes circles
    whose entry relays are among its peers. A running relay sees the change at once.
    """
    from cloister.relay.folder import Folder

    place = Folder(folder)
    place.settings(os.environ)
    added = [place.add_peer(path) for path in cards]
    names = [card.name for card in added]
    _print({"peers": names}, "\n".join(names), as_json)


@relay.command("code")
@_FOLDER
@_JSON
def code(folder: Path, *, as_json: bool) -> None:
    """Make another activation code; it may found one circle. Only its hash is kept."""
    from cloister.crypto.entropy import SystemEntropy
    from cloister.errors import UsageError
    from cloister.relay.folder import Folder

    place = Folder(folder)
    if place.settings(os.environ).relay.role != "home":
        raise UsageError("only a home relay opens circles", hint="name the home relay's folder")
    made = place.add_code(SystemEntropy())
    _print({"activation_code": made}, made, as_json)


@relay.command("run")
@_FOLDER
def run(folder: Path) -> None:
    """Run the relay until SIGTERM or Ctrl-C.

    Logs are JSON lines on standard error; the line with "event": "ready" says that it listens.
    """
    from cloister.crypto.capability import require_post_quantum
    from cloister.relay.app import run_relay

    require_post_quantum()
    run_relay(folder, os.environ)


@relay.command("status")
@_FOLDER
@click.option("--prometheus", is_flag=True, help="Print the text form that Prometheus reads.")
@_JSON
def status(folder: Path, *, prometheus: bool, as_json: bool) -> None:
    """Ask the running relay of this folder for its counters.

    With --prometheus also the disk, the certificate's end and the limit of connections; of a relay
    that does not answer these alone, with cloister_relay_up 0, and exit status 4 as always.

    \b
    Examples:
      cloister relay status hk
      cloister relay status hk --prometheus
    """
    from cloister.errors import UsageError
    from cloister.relay.folder import Folder
    from cloister.relay.health import ask_status

    settings = Folder(folder).settings(os.environ)
    if prometheus:
        if as_json:
            raise UsageError("--prometheus and --json exclude one another", hint="choose one")
        relay_upkeep.print_figures(folder, settings)
        return
    counts = ask_status(settings.listen.health_port)
    text = "\n".join(f"{name:22} {value}" for name, value in counts.items() if name != "v")
    _print(counts, text, as_json)


@relay.command("disclose")
@_FOLDER
@click.option("--handle", metavar="HANDLE", help="All about one device, by its handle here.")
@click.option("--channel", metavar="ID", help="All about one channel.")
@_JSON
def disclose(folder: Path, *, handle: str | None, channel: str | None, as_json: bool) -> None:
    """Say what this relay could be made to hand over, from its own files; changes nothing.

    Every table, column, file and kind of log line, with its purpose, how long it is kept, how many
    rows there are and what they can be put together with. With a handle or a channel, each row
    that has to do with it: numbers, hours and accounts, and no name of a member, for none is here.

    \b
    Examples:
      cloister relay disclose hk
      cloister relay disclose hk --handle 6f1c0d3b5a7e4c2f8b9d0e1f2a3b4c5d --json
    """
    from cloister.cli.output import Output
    from cloister.errors import LocalError, UsageError
    from cloister.relay.disclosure import inventory, subject, text
    from cloister.relay.disclosure.surroundings import CANNOT
    from cloister.relay.folder import Folder

    Folder(folder).settings(os.environ)
    output = Output(as_json)
    if handle is not None and channel is not None:
        raise UsageError("--handle and --channel exclude one another", hint="ask one by one")
    if handle is not None or channel is not None:
        name = subject.read_id(handle or channel or "")
        about = subject.about_handle if handle is not None else subject.about_channel
        what = {"handle" if handle is not None else "channel": name.hex()}
        found = about(folder, name)
        words = " ".join((*what, name.hex()))
        view = {**what, "found": found, "cannot": CANNOT}
        output.data(view, text.subject_text(words, found, CANNOT))
        return
    taken = inventory.take_inventory(folder)
    output.data(taken, text.inventory_text(taken))
    undeclared = inventory.undeclared_in(taken)
    if undeclared:
        raise LocalError(
            f"not declared: {', '.join(undeclared)}",
            hint="a file that is not the relay's: move it away; a column: report it as a bug",
        )


relay.add_command(relay_upkeep.check)
relay.add_command(relay_upkeep.unit)
relay.add_command(relay_upkeep.clock)
relay.add_command(relay_drain.drain)
relay.add_command(relay_backup.backup)
relay.add_command(relay_backup.restore)


def _print(view: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        text = json.dumps({"v": 1, **view}, ensure_ascii=True, separators=(",", ":"))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _talk(text: str) -> None:
    sys.stderr.write(text + "\n")

"""`cloister relay`: set up and run the relays of a circle."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

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
@_JSON
def status(folder: Path, *, as_json: bool) -> None:
    """Ask the running relay of this folder for its counters."""
    from cloister.relay.folder import Folder
    from cloister.relay.health import ask_status

    settings = Folder(folder).settings(os.environ)
    counts = ask_status(settings.listen.health_port)
    text = "\n".join(f"{name:22} {value}" for name, value in counts.items() if name != "v")
    _print(counts, text, as_json)


def _print(view: dict[str, Any], text: str, as_json: bool) -> None:
    if as_json:
        text = json.dumps({"v": 1, **view}, ensure_ascii=True, separators=(",", ":"))
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _talk(text: str) -> None:
    sys.stderr.write(text + "\n")

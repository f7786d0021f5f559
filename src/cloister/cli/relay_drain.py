"""`cloister relay drain`: end a running relay so that nothing is lost and nobody storms it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import click

from cloister.cli.relay_upkeep import FOLDER, JSON

_LOOK_S = 0.05


@click.command("drain")
@FOLDER
@click.option(
    "--within",
    default=60,
    show_default=True,
    metavar="SECONDS",
    type=click.IntRange(1, 3600),
    help="How long to wait for its end.",
)
@JSON
def drain(folder: Path, *, within: int, as_json: bool) -> None:
    """Stop the running relay of this folder for an upgrade, and wait until it has ended.

    It takes no new connection and no new request, tells each device when to come back (at
    different times), finishes and answers what is under way, and ends with status 0. The same as
    SIGTERM, so `systemctl restart` does it too. Exit status 3: none runs.

    \b
    Example:
      cloister relay drain hk && git pull && cloister relay run hk
    """
    from cloister.cli.output import Output
    from cloister.errors import LocalError, NotFoundError
    from cloister.relay.folder import Folder

    place = Folder(folder)
    place.settings(os.environ)
    number = place.running()
    if number is None:
        raise NotFoundError(f"no relay runs in {folder}")
    try:
        os.kill(number, signal.SIGTERM)
    except OSError as error:
        raise LocalError(
            f"the relay cannot be told to stop: {error.strerror}",
            hint="do this as the user that it runs as, or as root",
        ) from None
    began = time.monotonic()
    while place.is_in_use():
        if time.monotonic() - began > within:
            raise LocalError(
                f"the relay has not ended after {within} s",
                hint="its disk may be slow; wait, and look at its log",
            )
        time.sleep(_LOOK_S)
    Output(as_json).data({"drained": str(folder)}, f"{folder}: stopped")

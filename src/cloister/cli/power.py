"""What all commands of power share: a question first, and what came of it in words."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from cloister.errors import UsageError

if TYPE_CHECKING:
    from cloister.cli.person import Person
    from cloister.client.inputs import Act
    from cloister.device.facade import Facade, View


def exercise(person: Person, act: Act, done: str, *, about: str = "") -> None:
    """Do an act that ends as an entry of the log; say whether it waits for somebody else.

    ``about``: the reference of what the act is about, which may go on waiting after it.
    """

    async def acting(device: Facade) -> tuple[str, list[View]]:
        answer = await device.act(act, person.settings.timeout_s, impatient=True)
        return answer, await device.governance("pending")

    entry, pending = person.act(acting)
    named = about.casefold() or entry
    open_ones = [
        view for view in pending if len(named) >= 6 and _fits(str(view["reference"]), named)
    ]
    if not open_ones:
        person.output.data({"state": "done", "entry": entry}, done)
        return
    view = open_ones[0]
    person.output.data({"state": "waiting", "entry": entry, **view}, waiting_text(view))


def _fits(reference: str, named: str) -> bool:
    return named.startswith(reference) or reference.startswith(named)


def waiting_text(view: View) -> str:
    """Return ``3f2a91c0  removal of Jonas, by Amira; waits for another steward until …``."""
    by = f", by {view['by']}" if view["by"] else ""
    until = f" until {when(view['until'])}" if view["until"] else ""
    return f"{view['reference']}  {view['text']}{by}; waits for {view['waits_for']}{until}"


def confirm(*, yes: bool, question: str, must_ask: bool = False) -> None:
    """Ask, if there is somebody to ask.  ``must_ask``: nobody and no ``--yes`` is an error."""
    from cloister.cli.secrets_input import can_ask, interruptible

    if yes:
        return
    if can_ask():
        with interruptible():
            click.confirm(question, abort=True, err=True)
    elif must_ask:
        raise UsageError("this cannot be undone, and there is nobody to ask", hint="say --yes")


def when(at: object) -> str:
    """Return a time of the log for people, in their own time zone."""
    if not isinstance(at, int) or not at:
        return "-"
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "an impossible time"

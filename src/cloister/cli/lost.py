"""`cloister lost`: lock a lost device at every relay, and see it done."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, when
from cloister.cli.wakeups import wakeups
from cloister.errors import NetworkError

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

CATCH_UP_S: Final = 3.0
"""How long to wait for newer entries of the log before a lock: it must not wait for a relay."""


@click.command()
@click.argument("name", metavar="DEVICE|MEMBER")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def lost(person: Person, *, name: str, yes: bool) -> None:
    """Lock a lost device: no relay serves its unlock shares, and it leaves every group.

    A steward locks anybody's device, its owner another of their own. Naming a member locks all
    their devices. Unlocking takes two stewards, or the owner and one; nothing is destroyed.

    \b
    Examples:
      cloister lost Jonas/1
      cloister lost Jonas --yes
    """
    from cloister.client.powers import LockDevice

    confirm(yes=yes, question=f"Lock {name} now?")

    async def locking(device: Facade) -> tuple[View | None, list[View]]:
        # A log that is behind does not know a device that came since: a name would leave it out.
        await device.settle(CATCH_UP_S)
        act = LockDevice(ref=0, device=name)
        order = await device.act(act, person.settings.timeout_s, impatient=True)
        done = await _until_done(person, device, order)
        devices = await device.governance("devices", name)
        reports = [await device.exposure(str(one["id"])) for one in devices]
        return done, reports

    # The order goes out even where the home relay is silent: the others may answer.
    view, reports = person.act(locking, online=False)
    from cloister.cli.device import exposure_text

    for report in reports:
        person.output.talk(exposure_text(report, str(report["device"])[:8]))
    if view is None:
        person.output.data({"state": "in the log"}, f"{name} is locked by the log")
        return
    state = "locked" if view["done"] else "under way"
    text = f"{view['devices']}: {state}"
    person.output.data({**view, "state": state, "exposure": reports}, text)
    if not view["locked_at"]:
        raise NetworkError(
            "no relay has answered the lock yet",
            hint="it stays queued: keep the device connected (cloister agent run)",
        )


async def _until_done(person: Person, device: Facade, order: str) -> View | None:
    """Tell each step as it comes, until all are done or time is up."""
    if not order:
        return None
    told: set[str] = set()
    view: View = {}
    try:
        async with asyncio.timeout(person.settings.timeout_s), aclosing(wakeups(device)) as moments:
            async for _ in moments:
                found = [one for one in await device.governance("locks") if one["order"] == order]
                if not found:
                    return None  # a circle without unlock shares: the log alone locks
                view = found[0]
                for step in view["progress"]:
                    if step["done"] and step["step"] not in told:
                        told.add(str(step["step"]))
                        at = f" ({when(step['at'])})" if step["at"] else ""
                        person.output.talk(f"{step['step']}{at}")
                if view["done"]:
                    return view
    except TimeoutError:
        for step in view.get("progress", []):
            if not step["done"]:
                person.output.talk(f"still open: {step['step']}")
    return view or None

"""`cloister erase`: destroy a device's unlock shares, by two stewards and after a cool-off."""

from __future__ import annotations

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise, when
from cloister.errors import UsageError

REASONS = {"lost": 1, "stolen": 2, "departed": 3, "requested": 4}


@click.command()
@click.argument("name", metavar="DEVICE", required=False)
@click.option("--reason", type=click.Choice(list(REASONS)), help="Why; relays can read it.")
@click.option("--note", default="", help="More, for members only.")
@click.option("--status", is_flag=True, help="Show how far erasures are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def erase(
    person: Person, *, name: str | None, reason: str | None, note: str, status: bool, yes: bool
) -> None:
    """Propose to destroy the unlock shares of DEVICE: nobody opens its vault again.

    It is locked at once. A second steward approves (cloister approve), a day passes, then each
    relay destroys its share and signs that it did. Any steward can refuse meanwhile, two members'
    objections pause it, and a legal hold stops it.

    \b
    Examples:
      cloister erase Jonas/1 --reason stolen
      cloister erase --status
      cloister erase Jonas/1 --status --json
    """
    if status:
        _show(person, name or "")
        return
    if name is None or reason is None:
        raise UsageError("name the device and say why (--reason)", hint="or ask with --status")
    from cloister.client.powers import EraseDevice

    question = f"Destroy the unlock shares of {name}? What is on it is lost for ever."
    confirm(yes=yes, question=question, must_ask=True)
    act = EraseDevice(ref=0, device=name, reason=REASONS[reason], note=note)
    exercise(person, act, f"{name}: erasure ordered")


def _show(person: Person, name: str) -> None:
    views = person.view(lambda device: device.governance("erasures", name))
    for view in views:
        lines = [f"{view['reference']}  {view['devices']} ({view['reason']}): {view['state']}"]
        lines.append(f"  asked {when(view['asked_at'])}")
        if view["approved_at"]:
            lines.append(f"  approved {when(view['approved_at'])}")
        if view["due"]:
            lines.append(f"  cool-off until {when(view['due'])}")
        if view["paused_until"]:
            lines.append(f"  paused until {when(view['paused_until'])}")
        lines += [f"  {one}" for one in view["progress"]]
        person.output.data(view, "\n".join(lines))
    if not views:
        person.output.talk("Nothing is being erased, and nothing was.")

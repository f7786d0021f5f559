"""`cloister commons`: the way on when somebody has broken the circle's own group."""

from __future__ import annotations

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise


@click.group()
def commons() -> None:
    """The commons, the group of all members: reset it when it stands still.

    \b
    Examples:
      cloister commons reset
    """


@commons.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def reset(person: Person, *, yes: bool) -> None:
    """Propose that the commons, which stands still here, goes on in a new group.

    By a steward. With a single steward it takes effect at once; else when a second one approves,
    or after 24 hours if no steward refuses. Everybody who belongs is brought in by itself; the
    old texts stay. What was done in the log since, and only by those who could go on, is void.

    \b
    Examples:
      cloister commons reset
    """
    from cloister.client.powers import ResetCommons

    confirm(yes=yes, question="Reset the commons?")
    exercise(person, ResetCommons(ref=0), "the commons goes on in a new group")

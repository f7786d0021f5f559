"""`cloister withdraw`: take back an invitation or a vouch."""

from __future__ import annotations

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise


@click.group()
def withdraw() -> None:
    """Take back what you have given too early: an open invitation, a vouch.

    \b
    Examples:
      cloister withdraw invitation
      cloister withdraw vouch Jonas
    """


@withdraw.command("invitation")
@click.option("--of", "member", default="", metavar="MEMBER", help="A steward: that of a member.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def invitation(person: Person, *, member: str, yes: bool) -> None:
    """Close your newest invitation that is open; nobody can be admitted on it any more.

    \b
    Examples:
      cloister withdraw invitation
      cloister withdraw invitation --of Jonas --yes
    """
    from cloister.client.powers import WithdrawInvitation

    confirm(yes=yes, question="Close the newest open invitation?")
    exercise(person, WithdrawInvitation(ref=0, member=member), "the invitation is closed")


@withdraw.command("vouch")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def vouch(person: Person, *, name: str, yes: bool) -> None:
    """Take back your vouch for the request of NAME, as long as nobody has been admitted on it.

    \b
    Examples:
      cloister withdraw vouch Jonas
    """
    from cloister.client.powers import WithdrawVouch

    confirm(yes=yes, question=f"Take your vouch for {name} back?")
    exercise(person, WithdrawVouch(ref=0, request=name), "your vouch does not count any more")

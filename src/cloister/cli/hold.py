"""`cloister hold`: legal holds."""

from __future__ import annotations

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise, when
from cloister.errors import UsageError

CIRCLE, MEMBER, CONVERSATION = 1, 2, 3


@click.group()
def hold() -> None:
    """Legal holds: nothing that they cover is erased or deleted until they are released.

    A steward or an officer places one alone; two release it.

    \b
    Examples:
      cloister hold place --member Jonas --note "request of 3 May"
      cloister hold list
      cloister hold release 3f2a91c0
    """


@hold.command("place")
@click.option("--circle", "whole", is_flag=True, help="On everything.")
@click.option("--member", metavar="NAME", help="On a member's devices.")
@click.option("--conversation", metavar="TITLE", help="On a conversation.")
@click.option("--authority", default="", metavar="HEX", help="SHA-256 of the document behind it.")
@click.option("--note", default="", help="Why; members can read it, relays cannot.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def place(
    person: Person,
    *,
    whole: bool,
    member: str | None,
    conversation: str | None,
    authority: str,
    note: str,
    yes: bool,
) -> None:
    """Place a hold. Those it covers are told.

    \b
    Examples:
      cloister hold place --circle --note "court order"
      cloister hold place --conversation "Front page" --authority 9f86d081...
    """
    from cloister.client.powers import PlaceHold

    if sum((whole, member is not None, conversation is not None)) != 1:
        raise UsageError("say one of --circle, --member, --conversation")
    scope = CIRCLE if whole else MEMBER if member is not None else CONVERSATION
    subject = member or conversation or ""
    confirm(yes=yes, question=f"Place a hold on {subject or 'the circle'}? Releasing takes two.")
    act = PlaceHold(ref=0, scope=scope, subject=subject, authority_hash=authority, note=note)
    exercise(person, act, f"hold placed on {subject or 'the circle'}")


@hold.command("release")
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def release(person: Person, *, reference: str, yes: bool) -> None:
    """Propose to release the hold REFERENCE; a second steward approves.

    \b
    Examples:
      cloister hold release 3f2a91c0
    """
    from cloister.client.powers import ReleaseHold

    confirm(yes=yes, question=f"Propose to release the hold {reference}?")
    exercise(person, ReleaseHold(ref=0, reference=reference), "hold released")


@hold.command("list")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_holds(person: Person, *, offline: bool) -> None:
    """List the holds in force.

    \b
    Examples:
      cloister hold list --json
    """
    views = person.view(lambda device: device.governance("holds"), offline=offline)
    for view in views:
        note = f": {view['note']}" if view["note"] else ""
        placed = f"placed by {view['placed_by']} {when(view['placed_at'])}"
        person.output.data(view, f"{view['reference']}  {view['subject']}, {placed}{note}")
    if not views:
        person.output.talk("No hold is in force.")

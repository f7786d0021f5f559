"""`cloister pending`, `approve`, `refuse`, `object`, `suspend`, `reinstate`, `policy`."""

from __future__ import annotations

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise, waiting_text
from cloister.errors import UsageError


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def pending(person: Person, *, offline: bool) -> None:
    """List everything that waits for somebody: its reference, who may act, until when.

    \b
    Examples:
      cloister pending
      cloister pending --json
    """
    views = person.view(lambda device: device.governance("pending"), offline=offline)
    for view in views:
        person.output.data(view, waiting_text(view))
    if not views:
        person.output.talk("Nothing waits for anybody.")


@click.command()
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def approve(person: Person, *, reference: str, yes: bool) -> None:
    """Approve what somebody else has proposed: REFERENCE as in `cloister pending`.

    \b
    Examples:
      cloister approve 3f2a91c0
      cloister approve Jonas --yes
    """
    from cloister.client.powers import Approve

    confirm(yes=yes, question=f"Approve {reference}? See `cloister pending` for what it is.")
    exercise(person, Approve(ref=0, reference=reference), "approved", about=reference)


@click.command()
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def refuse(person: Person, *, reference: str, yes: bool) -> None:
    """Withdraw your own proposal REFERENCE, or stop an erasure or a reset as a steward.

    \b
    Examples:
      cloister refuse 3f2a91c0
    """
    from cloister.client.powers import Refuse

    confirm(yes=yes, question=f"Refuse {reference}?")
    exercise(person, Refuse(ref=0, reference=reference), "refused")


@click.command("object")
@click.argument("reference")
@click.option("--reason", default="", help="Why; members can read it.")
@person_command
def object_to(person: Person, *, reference: str, reason: str) -> None:
    """Object to the erasure REFERENCE. Two members' objections pause it for three days.

    \b
    Examples:
      cloister object 3f2a91c0 --reason "Jonas has found it again"
    """
    from cloister.client.powers import Object

    exercise(person, Object(ref=0, reference=reference, reason=reason), "objected")


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; members can read it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def suspend(person: Person, *, name: str, reason: str, yes: bool) -> None:
    """Suspend the member NAME at once, for seven days unless a second steward approves.

    \b
    Examples:
      cloister suspend Jonas --reason "telephone taken at the border"
    """
    from cloister.client.powers import Suspend

    confirm(yes=yes, question=f"Suspend {name} now?")
    exercise(person, Suspend(ref=0, member=name, reason=reason), f"{name} is suspended")


@click.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; members can read it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def reinstate(person: Person, *, name: str, reason: str, yes: bool) -> None:
    """End the suspension of NAME; one that was confirmed takes a second steward.

    \b
    Examples:
      cloister reinstate Jonas
    """
    from cloister.client.powers import Reinstate

    confirm(yes=yes, question=f"Reinstate {name}?")
    exercise(person, Reinstate(ref=0, member=name, reason=reason), f"{name} is reinstated")


@click.group()
def policy() -> None:
    """The circle's rules: look at them, or propose others.

    \b
    Examples:
      cloister policy show
      cloister policy set vouches=3 veto_s=86400
    """


@policy.command("show")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def show(person: Person, *, offline: bool) -> None:
    """Show the rules in force, and which of them can be changed.

    \b
    Examples:
      cloister policy show --json
    """
    for view in person.view(lambda device: device.governance("policy"), offline=offline):
        fixed = "" if view["can_change"] else "  (fixed)"
        person.output.data(view, f"{view['field']}: {view['value']}{fixed}")


@policy.command("set")
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def set_policy(person: Person, *, changes: tuple[str, ...], yes: bool) -> None:
    """Propose other values of rules; a second steward approves, and a delay passes.

    \b
    Examples:
      cloister policy set vouches=3
      cloister policy set export=logged
      cloister policy set cover_per_day=48
    """
    from cloister.client.powers import SetPolicy

    wanted = tuple(_change(one) for one in changes)
    confirm(yes=yes, question=f"Propose {', '.join(changes)}?")
    exercise(person, SetPolicy(ref=0, changes=wanted), "the rules are changed")


def _change(text: str) -> tuple[str, int]:
    from cloister.client.powers import EXPORT_FIELD
    from cloister.tui.rules import EXPORTS

    name, _, value = text.partition("=")
    if name == EXPORT_FIELD and value in EXPORTS:
        return name, EXPORTS.index(value)
    if name == EXPORT_FIELD:
        raise UsageError(f"{text!r} is none of the rules for exports", hint=", ".join(EXPORTS))
    if not name or not value.isdecimal():
        raise UsageError(f"{text!r} is not of the form FIELD=VALUE", hint="for example vouches=3")
    return name, int(value)

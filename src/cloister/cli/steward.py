"""`cloister steward` and `cloister officer`: who holds an office, and how that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise, when

if TYPE_CHECKING:
    from cloister.client.powers import ProposeStewards


@click.group()
def steward() -> None:
    """Stewards: they invite, suspend and lock alone, and do everything else by two.

    \b
    Examples:
      cloister steward list
      cloister steward offer
      cloister steward add Jonas
      cloister steward drop Mei
    """


@click.group()
def officer() -> None:
    """Officers: they place holds, and two of them call back a circle whose stewards are gone.

    \b
    Examples:
      cloister officer list
      cloister officer add Mei
      cloister officer drop Mei
    """


@steward.command("offer")
@person_command
def offer(person: Person) -> None:
    """Offer to hold an office: announces a key of this device. A steward then adds you.

    \b
    Examples:
      cloister steward offer
    """
    from cloister.client.powers import OfferStewardKey

    done = "offered; a steward proposes you now: cloister steward add, or officer add"
    exercise(person, OfferStewardKey(ref=0), done)


officer.add_command(offer, "offer")


def _list(person: Person, office: str, *, offline: bool) -> None:
    views = person.view(lambda device: device.governance("stewards"), offline=offline)
    shown = [view for view in views if view["office"] == office]
    for view in shown:
        until = view["suspended_until"]
        state = "" if until is None else ", suspended"
        if until:
            state += f" until {when(until)}"
        person.output.data(view, f"{view['name']}{state}")
    if not shown:
        person.output.talk(f"There is no {office}.")


@steward.command("list")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_stewards(person: Person, *, offline: bool) -> None:
    """List the stewards.

    \b
    Examples:
      cloister steward list --json
    """
    _list(person, "steward", offline=offline)


@officer.command("list")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_officers(person: Person, *, offline: bool) -> None:
    """List the officers.

    \b
    Examples:
      cloister officer list --json
    """
    _list(person, "officer", offline=offline)


@steward.command("add")
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def add_steward(person: Person, *, names: tuple[str, ...], yes: bool) -> None:
    """Propose NAMES as stewards; the other stewards and they themselves approve.

    \b
    Examples:
      cloister steward add Jonas Mei
    """
    from cloister.client.powers import ProposeStewards

    _propose(person, ProposeStewards(ref=0, add=names), "become stewards", names, yes=yes)


@steward.command("drop")
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def drop_steward(person: Person, *, names: tuple[str, ...], yes: bool) -> None:
    """Propose that NAMES are stewards no more; two thirds of the others approve.

    \b
    Examples:
      cloister steward drop Mei
    """
    from cloister.client.powers import ProposeStewards

    _propose(person, ProposeStewards(ref=0, drop=names), "are stewards no more", names, yes=yes)


@officer.command("add")
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def add_officer(person: Person, *, names: tuple[str, ...], yes: bool) -> None:
    """Propose NAMES as officers; the stewards and they themselves approve.

    \b
    Examples:
      cloister officer add Mei
    """
    from cloister.client.powers import ProposeStewards

    _propose(person, ProposeStewards(ref=0, add_officers=names), "become officers", names, yes=yes)


@officer.command("drop")
@click.argument("names", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def drop_officer(person: Person, *, names: tuple[str, ...], yes: bool) -> None:
    """Propose that NAMES are officers no more.

    \b
    Examples:
      cloister officer drop Mei
    """
    from cloister.client.powers import ProposeStewards

    act = ProposeStewards(ref=0, drop_officers=names)
    _propose(person, act, "are officers no more", names, yes=yes)


def _propose(
    person: Person, act: ProposeStewards, what: str, names: tuple[str, ...], *, yes: bool
) -> None:
    confirm(yes=yes, question=f"Propose that {', '.join(names)} {what}?")
    exercise(person, act, f"{', '.join(names)} {what}")

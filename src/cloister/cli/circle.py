"""`cloister circle`: found a circle, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.cli.wakeups import until_member

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View


@click.group()
def circle() -> None:
    """Found a circle, or look at the one this profile belongs to.

    \b
    Examples:
      cloister circle new --name Amira --home home.card --entry entry.card
      cloister circle show
    """


@circle.command("new")
@click.option("--name", required=True, help="Your name in the circle.")
@click.option(
    "--home", required=True, type=click.Path(path_type=Path), metavar="CARD", help="Home relay."
)
@click.option(
    "--entry",
    "entries",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="CARD",
    help="Entry relay; may be given several times.",
)
@click.option(
    "--activation-code-fd", type=int, metavar="N", help="Read the activation code from there."
)
@click.option("--test-circle", is_flag=True, help="Relays may share jurisdiction and operator.")
@click.option("--single-operator", is_flag=True, help="One operator runs all relays.")
@person_command
def new(
    person: Person,
    *,
    name: str,
    home: Path,
    entries: tuple[Path, ...],
    activation_code_fd: int | None,
    test_circle: bool,
    single_operator: bool,
) -> None:
    """Found a circle with yourself as its first member.

    The operators give you the relays' cards (files) and one activation code. The code is asked
    for, or read from --activation-code-fd or the file that CLOISTER_ACTIVATION_CODE_FILE names.
    A profile without a vault gets one, under a passphrase that you choose.

    \b
    Examples:
      cloister circle new --name Amira --home home.card --entry entry.card
      cloister circle new --name Amira --home home.card --entry a.card --entry b.card \\
          --profile ./amira --passphrase-fd 3 3<passphrase.txt
    """
    from cloister.client.inputs import FoundCircle
    from cloister.device.cards import read_card

    # Read first: a wrong path shall not leave a vault behind.
    home_card = read_card(home, "home").card
    entry_cards = tuple(read_card(entry, "entry").card for entry in entries)

    async def found(device: Facade) -> tuple[str, View]:
        status = await device.status()
        if status["phase"] == "founding":
            person.output.talk(
                "Going on with the founding that this profile has begun, with its name and its"
                " cards. To begin anew, use another --profile."
            )
        else:
            act = FoundCircle(
                ref=0,
                name=name,
                home_card=home_card,
                entry_cards=entry_cards,
                activation_code=activation_code(activation_code_fd),
                test_circle=test_circle,
                single_operator=single_operator,
            )
            await device.act(act, person.settings.timeout_s, impatient=True)
        await until_member(device, person.settings.timeout_s)
        view = await device.circle()
        return str(view["circle_id"]), view

    circle_id, view = person.act(found, create=True)
    person.output.talk("The circle stands. Invite the first member with: cloister invite")
    person.output.data(view, circle_id)


def activation_code(descriptor: int | None) -> str:
    from cloister.cli.secrets_input import one_line_secret

    return one_line_secret(
        descriptor,
        "CLOISTER_ACTIVATION_CODE_FILE",
        "cloister-activation-code",
        "Activation code",
        "--activation-code-fd",
    )


@circle.command("show")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def show(person: Person, *, offline: bool) -> None:
    """Show the circle: its id, its rules, its relays.

    \b
    Examples:
      cloister circle show
      cloister circle show --json
    """
    view = person.view(lambda device: device.circle(), offline=offline)
    person.output.data(view, "\n".join(lines_of(view)))


def lines_of(view: View, indent: str = "") -> list[str]:
    """Lay a view out as ``name: value`` lines, nested ones set in."""
    from cloister.client.safe_text import safe_line

    lines: list[str] = []
    for key, value in view.items():
        label = indent + key.replace("_", " ")
        if isinstance(value, dict):
            lines += [f"{label}:", *lines_of(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{label}:")
            for one in value:
                nested = lines_of(one, indent + "    ")
                nested[0] = indent + "  - " + nested[0].strip()
                lines += nested
        else:
            lines.append(f"{label}: {safe_line(word_of(value))}")
    return lines


def word_of(value: object) -> str:
    """Return a JSON value in a word for people."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(word_of(one) for one in value) or "-"
    return str(value)


@circle.command("relays")
@click.option(
    "--add",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="CARD",
    help="Card of an entry relay to use as well.",
)
@click.option("--drop", multiple=True, metavar="NAME", help="Entry relay to use no more.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def relays(person: Person, *, add: tuple[Path, ...], drop: tuple[str, ...], yes: bool) -> None:
    """Propose other entry relays; a second steward approves, and a day passes.

    The home relay stays. Unlock shares of devices that are enrolled stay where they are.

    \b
    Examples:
      cloister circle relays --add entry-nz.card
      cloister circle relays --add entry-nz.card --drop entry-8baf3028
    """
    from cloister.cli.power import confirm, exercise
    from cloister.client.powers import ProposeRelays
    from cloister.device.cards import read_card

    cards = tuple(read_card(path, "entry").card for path in add)
    confirm(yes=yes, question=f"Propose to add {len(cards)} and to drop {len(drop)} entry relays?")
    exercise(person, ProposeRelays(ref=0, add=cards, drop=drop), "the circle has other relays")

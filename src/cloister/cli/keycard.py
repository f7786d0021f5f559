"""`cloister keycard`: one page to print, with what a person needs when the device is gone."""

from __future__ import annotations

import time

import click

from cloister.cli.person import Person, person_command


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def keycard(person: Person, *, offline: bool) -> None:
    """Print a card for your wallet: your devices, whom to call, what to do when one is lost.

    No secret is on it. Whoever finds it learns your name in the circle, who its stewards are and
    which relays it uses: keep it like a list of telephone numbers.

    \b
    Examples:
      cloister keycard | lpr
      cloister keycard --offline > card.txt
    """

    from cloister.tui.key_card import card_lines, card_of

    card = person.view(card_of, offline=offline)
    person.output.data(card, "\n".join(card_lines(card, time.strftime("%Y-%m-%d"))))

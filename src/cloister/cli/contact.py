"""`cloister contact`: own names, blocking, and whose keys were compared; on this device alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.errors import TrustError, UsageError

if TYPE_CHECKING:
    from cloister.client.inputs import Act
    from cloister.device.facade import Facade, View


@click.group()
def contact() -> None:
    """Call members by names of your own, block them, compare keys with them.

    All of it stays in this device's vault: nothing is sent, and nothing stands in the log.

    \b
    Examples:
      cloister contact list
      cloister contact name Jonas "Jo from the desk"
      cloister contact verify Jonas
    """


@contact.command("list")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_contacts(person: Person, *, offline: bool) -> None:
    """List the members with your own names, and what stands behind their keys.

    \b
    Examples:
      cloister contact list
      cloister contact list --json
    """

    async def listing(device: Facade) -> list[View]:
        return await device.members()

    for view in person.view(listing, offline=offline):
        if view["trust"] != "own":
            person.output.data(view, line_of(view))


def line_of(view: View) -> str:
    """Return a contact in a line."""
    from cloister.tui import words
    from cloister.tui.trust import label_of, trust_of_member

    notes = (trust_of_member(view), words.member_state(view), "blocked" if view["blocked"] else "")
    return f"{label_of(view)}: " + ", ".join(note for note in notes if note)


@contact.command("name")
@click.argument("name")
@click.argument("own_name", required=False, default="")
@click.option("--clear", is_flag=True, help="Call them by the circle's name again.")
@person_command
def name_contact(person: Person, *, name: str, own_name: str, clear: bool) -> None:
    """Call the member NAME by OWN_NAME on this device.

    It stands in lists, conversations and texts. The log, requests and whatever is decided keep the
    name that everybody reads. No two members can be called the same.

    \b
    Examples:
      cloister contact name Jonas "Jo from the desk"
      cloister contact name "Jo from the desk" --clear
    """
    from cloister.client.contact_acts import NameContact

    if bool(own_name.strip()) is clear:
        raise UsageError("say the name, or --clear", hint='cloister contact name NAME "OWN NAME"')
    act = NameContact(ref=0, member=name, own_name="" if clear else own_name)
    shown = _do(person, act)
    person.output.data({"name": name, "shown": shown}, shown)


@contact.command("block")
@click.argument("name")
@person_command
def block(person: Person, *, name: str) -> None:
    """Fold away what the member NAME writes, and be told of none of it.

    The texts are kept, and come back when you unblock. They count as nothing unread and get no
    receipts. NAME stays in the circle and in your conversations, and reads what you write there; to
    change that, take them out of the conversation, or leave it.

    \b
    Examples:
      cloister contact block Mei
    """
    _block(person, name, blocked=True)


@contact.command("unblock")
@click.argument("name")
@person_command
def unblock(person: Person, *, name: str) -> None:
    """Show what the member NAME writes again, also what came meanwhile.

    \b
    Examples:
      cloister contact unblock Mei
    """
    _block(person, name, blocked=False)


def _block(person: Person, name: str, *, blocked: bool) -> None:
    from cloister.client.contact_acts import BlockContact

    state = _do(person, BlockContact(ref=0, member=name, blocked=blocked))
    person.output.data({"name": name, "state": state}, f"{name}: {state}")


@contact.command("verify")
@click.argument("name")
@click.option("--words", "by_words", is_flag=True, help="Compare words instead of digits.")
@click.option("--code", metavar="CODE", help="Compare the code that the other's device shows.")
@click.option("--show", is_flag=True, help="Only show what the other compares.")
@click.option("--forget", is_flag=True, help="Count NAME as not verified.")
@person_command
def verify(
    person: Person, *, name: str, by_words: bool, code: str | None, show: bool, forget: bool
) -> None:
    """Compare keys with the member NAME, face to face or by a voice that you know.

    Both of you run it, and each reads to the other what --show shows: sixty digits, twelve words,
    or a code. You type two groups, or two words, as you hear them. What is noted is for you alone;
    when a device of NAME's is added later, you are told, and who vouched for it.

    \b
    Examples:
      cloister contact verify Jonas
      cloister contact verify Jonas --words
      cloister contact verify Jonas --show
      cloister contact verify Jonas --code CL1:MFRGGZDFMZTWQ2LKNNWG23TPOBYXE43U
    """
    from cloister.client.contact_acts import NoteVerified

    if sum((by_words, code is not None, show, forget)) > 1:
        raise UsageError("one of --words, --code, --show and --forget")
    if forget:
        state = _do(person, NoteVerified(ref=0, member=name, fingerprint=b""))
        person.output.data({"name": name, "state": state}, f"{name}: {state}")
        return
    view = person.view(lambda device: device.comparison(name))
    if show:
        person.output.data(view, _shown(view))
        return
    if code is not None:
        check_code(code, str(view["code"]))
    else:
        _ask(person, view, by_words=by_words)
    fingerprint = bytes.fromhex(str(view["fingerprint"]))
    member = str(view["member_id"])
    state = _do(person, NoteVerified(ref=0, member=member, fingerprint=fingerprint))
    person.output.data({"name": name, "state": state}, f"{view['name']}: {state}")


def _shown(view: View) -> str:
    from cloister.tui import words

    return (
        f"{view['name']} sees the same; if not, do not trust these keys.\n"
        + words.digit_rows(words.groups_of(str(view["digits"])))
        + "\n\n"
        + words.digit_rows(view["words"], each=6)
        + f"\n\n{view['code']}"
    )


def check_code(given: str, code: str) -> None:
    """Compare a whole code.  Raises ``TrustError``."""
    if "".join(given.split()).upper() != code:
        raise TrustError(
            "this is not the code: nothing was noted",
            hint="scan or copy it again; if it still differs, do not trust these keys",
        )


def _ask(person: Person, view: View, *, by_words: bool) -> None:
    """Have two parts typed.  Raises ``TrustError``."""
    from cloister.cli.secrets_input import interruptible
    from cloister.tui.riddle import Riddle
    from cloister.tui.words import groups_of

    riddle = Riddle.of(view["words"] if by_words else groups_of(str(view["digits"])))
    person.output.talk(f"Let {view['name']} read to you.\n{riddle.rows}")
    for place in riddle.hidden:
        with interruptible():
            typed = str(click.prompt(riddle.question(place), err=True))
        riddle.check(place, typed, "nothing was noted")


def _do(person: Person, act: Act) -> str:
    return person.act(lambda device: device.act(act), online=False)

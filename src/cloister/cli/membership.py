"""`cloister invite`, `join`, `requests`, `vouch`, `remove`, `leave`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.cli.wakeups import until_member
from cloister.errors import NotFoundError, PolicyError, TrustError, UsageError

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

HOW = {"met": 1, "voice": 2, "neither": 3}
REASONS = {"departure": 1, "misconduct": 2, "compromise": 3}


@click.command()
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True, help="Valid for.")
@click.option("--steward", is_flag=True, help="As a steward; only while the circle is forming.")
@click.option("--return", "returns", metavar="NAME", help="A member without any device left.")
@click.option("--again", is_flag=True, help="Show the last code again, if nobody has used it.")
@click.option("--no-qr", is_flag=True, help="Print the code only.")
@person_command
def invite(
    person: Person, *, days: int, steward: bool, returns: str | None, again: bool, no_qr: bool
) -> None:
    """Invite one person; prints the code to hand over in person or by a trusted channel.

    A member who has lost every device comes back with --return, vouched for like a newcomer. For
    one more device of your own: cloister device add.

    \b
    Examples:
      cloister invite
      cloister invite --steward
      cloister invite --return Jonas
      cloister invite --days 1 --json
      cloister invite --again
    """
    from cloister.client.inputs import Act, Invite, ShowInvitation

    act: Act = Invite(
        ref=0,
        lifetime_s=days * 86_400,
        kind="return" if returns else "member",
        member=returns or "",
        steward=steward,
    )
    if again:
        act = ShowInvitation(ref=0)
    code = person.act(lambda device: device.act(act, person.settings.timeout_s, impatient=True))
    person.output.talk("Hand this code to one person only. Whoever has it can ask to be let in:")
    if sys.stdout.isatty() and not (no_qr or person.output.as_json or person.output.plain):
        person.output.talk(_qr(code))
    person.output.data({"code": code} if again else {"code": code, "days": days}, code)


@click.command()
@click.argument("code")
@click.option("--name", help="Your name in the circle.")
@click.option("--own", is_flag=True, help="One more device of your own: you have a name there.")
@click.option("--bot", is_flag=True, help="A program reads here; everybody sees that, for good.")
@click.option("--wait", is_flag=True, help="Stay until you are admitted and in.")
@person_command
def join(person: Person, *, code: str, name: str | None, own: bool, bot: bool, wait: bool) -> None:
    """Ask to be let into the circle of an invitation CODE ("-" reads it from standard input).

    Read the 60 digits to those who vouch for you, over the telephone or face to face. With --own
    the code is one that `cloister device add` printed on another device of yours.

    \b
    Examples:
      cloister join CLOISTER1:8H3K... --name Jonas
      cloister join - --name Jonas --wait < code.txt
      cloister join - --own
      cloister join - --name Alerts --bot --profile alerts < code.txt
    """
    import time

    from cloister.client.inputs import Join
    from cloister.roster.invitation import parse_invitation

    if own and name is not None:
        raise UsageError("--own is a device of yours, which is called as you are: leave --name out")
    code = _code(code)
    # A mistyped code shall not leave a vault behind.
    parse_invitation(code, now=int(time.time()))

    async def asking(device: Facade) -> None:
        status = await device.status()
        if str(status["phase"]).startswith("joining") and status["digits"]:
            person.output.talk(
                "This profile has asked already; the code was not used. To ask another circle,"
                " use another --profile."
            )
            digits = str(status["digits"])
        else:
            called_so = "" if own else name or _ask_name()
            act = Join(ref=0, code=code, name=called_so, own=own, bot=bot)
            digits = await device.act(act, person.settings.timeout_s, impatient=True)
        person.output.talk("Your request is with the circle. Read these digits to your vouchers:")
        person.output.data({"state": "asked", "fingerprint": digits}, groups(digits))
        if wait:
            person.output.talk("Waiting to be admitted (Ctrl+C stops waiting, not the request).")
            await until_member(device, person.settings.timeout_s)

    person.act(asking, create=True)
    if wait:
        person.output.talk("You are in.")
        person.output.data({"state": "in"}, "admitted")
    else:
        person.output.talk("Come back with: cloister status (or stay: cloister agent run)")


@click.command()
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def requests(person: Person, *, offline: bool) -> None:
    """List who asks to be let in, with the 60 digits to compare.

    \b
    Examples:
      cloister requests
      cloister requests --json
    """

    async def looking(device: Facade) -> tuple[list[View], bool]:
        return await device.requests(), await _is_member(device)

    views, is_member = person.view(looking, offline=offline)
    for view in views:
        vouches = f"{len(view['vouches'])} of {view['needed']} vouches"
        text = f"{called(view)}: {view['state']}, {vouches}"
        person.output.data(view, f"{text}\n{groups(fingerprint_of(view))}")
    if not is_member:
        person.output.talk("This device is no member of a circle (cloister status).")
    elif not views:
        person.output.talk("Nobody asks to be let in.")


@click.command()
@click.argument("name")
@click.option("--met", "how", flag_value="met", help="You met face to face and compared digits.")
@click.option("--voice", "how", flag_value="voice", help="You know the voice that read them.")
@click.option("--neither", "how", flag_value="neither", help="You did neither; all will see it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def vouch(person: Person, *, name: str, how: str | None, yes: bool) -> None:
    """Vouch for the request of NAME (or the first digits of its fingerprint).

    It says from when the vouch counts, when that is not at once.

    \b
    Examples:
      cloister vouch Jonas --met
      cloister vouch 04711 --voice --yes
    """
    from cloister.cli.secrets_input import can_ask
    from cloister.client.inputs import Vouch
    from cloister.tui.vouches import worth_of_vouch

    if how is None:
        raise UsageError(
            "say how you know that the request is this person's",
            hint="--met, --voice or --neither; everybody in the circle sees which",
        )

    async def vouching(device: Facade) -> tuple[str, View]:
        if not await _is_member(device):
            raise PolicyError(
                "only members can vouch, and this device is none",
                hint="cloister status says where it stands",
            )
        view = find_request(await device.requests(), name)
        if can_ask() and not yes:
            _compare(person, view, how)
        else:
            person.output.talk(f"{called(view)}:\n{groups(fingerprint_of(view))}")
        act = Vouch(ref=0, request=name, how=HOW[how])
        return await device.act(act, person.settings.timeout_s, impatient=True), view

    answer, view = person.act(vouching)
    worth = worth_of_vouch(view)
    given = {
        "name": view["name"],
        "how": how,
        "answer": answer,
        "counts_from": view["own_vouch"]["counts_from"],
        "worth": worth,
    }
    person.output.data(given, (answer or "vouched") + (f". {worth}" if worth else ""))


@click.command()
@click.argument("name")
@click.option("--reason", type=click.Choice(list(REASONS)), default="departure", show_default=True)
@click.option(
    "--since",
    type=click.IntRange(min=0),
    default=0,
    metavar="SEQ",
    help="With compromise: the log entry from which on their vouches and invitations are void.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def remove(person: Person, *, name: str, reason: str, since: int, yes: bool) -> None:
    """Propose to remove the member NAME, or approve the removal that is open.

    Of one that is open the reason counts for which it was proposed, and it is shown first.
    It takes effect when a second member approves. Everybody can read who proposed and approved.
    Whoever lost vouches to a compromise has a week to be vouched for anew; nobody else is removed.

    \b
    Examples:
      cloister remove Jonas --reason departure
      cloister remove Jonas --reason compromise --since 112
    """
    from cloister.client.inputs import Remove
    from cloister.tui.actions.governing import reason_of, removal_by_another

    act = Remove(ref=0, member=name, reason=REASONS[reason], since=since)

    async def removing(device: Facade) -> tuple[str, list[View]]:
        called = next((str(v["name"]) for v in await device.members() if _is_called(v, name)), name)
        proposed = await removal_by_another(device, called)
        if proposed is None:
            _confirm(yes, f"Propose to remove {called} ({reason})?")
        else:
            person.output.talk(f"{proposed['by']} proposed the {proposed['text']}.")
            _confirm(yes, "Approve it?")
        await device.act(act, person.settings.timeout_s, impatient=True)
        why = reason if proposed is None else reason_of(proposed)
        return why, [view for view in await device.members() if _is_called(view, name)]

    why, views = person.act(removing)
    is_open = any(view["removal_proposed"] for view in views)
    state = "proposed" if is_open else "removed"
    person.output.data({"name": name, "reason": why, "state": state}, state)
    if is_open:
        person.output.talk("A second member has to approve: cloister remove, on that device.")


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def leave(person: Person, *, yes: bool) -> None:
    """Leave the circle. What this device has received stays in its vault.

    \b
    Examples:
      cloister leave
      cloister leave --yes
    """
    from cloister.cli.secrets_input import can_ask
    from cloister.client.inputs import Leave

    if not yes and not can_ask():
        raise UsageError("leaving cannot be undone, and there is nobody to ask", hint="say --yes")
    _confirm(yes, "Leave the circle? Coming back takes a new invitation and new vouches.")
    act = Leave(ref=0)
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s, impatient=True))
    person.output.data({"answer": answer}, answer or "left")


def groups(digits: str) -> str:
    """Lay 60 digits out as 12 groups of five, four to a line."""
    plain = _plain(digits)
    fives = [plain[start : start + 5] for start in range(0, len(plain), 5)]
    return "\n".join("  ".join(fives[start : start + 4]) for start in range(0, len(fives), 4))


def fingerprint_of(view: View) -> str:
    """Return a request's 60 digits."""
    return _plain(str(view["fingerprint"]))


def find_request(views: list[View], name: str) -> View:
    """Return the one request with this name or these first digits.  Raises ``NotFoundError``."""
    found = [view for view in views if _is_called(view, name)]
    digits = _plain(name)
    if not found and len(digits) >= 5 and digits == "".join(name.split()):
        found = [view for view in views if _plain(fingerprint_of(view)).startswith(digits)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFoundError(
            f"{len(found)} requests are of that name",
            hint="name the one you mean by the first ten of its digits (cloister requests)",
        )
    names = ", ".join(str(view["name"]) for view in views[:12])
    raise NotFoundError(
        f"nobody called {name[:64]!r} asks to be let in",
        hint=f"there are: {names}" if names else "nobody asks at the moment",
    )


async def _is_member(device: Facade) -> bool:
    return bool((await device.status())["phase"] == "member")


def _is_called(view: View, name: str) -> bool:
    return " ".join(str(view["name"]).casefold().split()) == " ".join(name.casefold().split())


def called(view: View) -> str:
    """The name on a request and, when a member asks for a device, whose it would be."""
    return f"{view['name']} ({view['asks_as']})" if view["asks_as"] else str(view["name"])


def _compare(person: Person, view: View, how: str) -> None:
    """Let the person type two groups that the newcomer reads out: a yes is given too easily."""
    import secrets

    from cloister.cli.secrets_input import interruptible

    plain = _plain(fingerprint_of(view))
    fives = [plain[start : start + 5] for start in range(0, len(plain), 5)]
    if how == "neither" or len(fives) < 12:
        person.output.talk(groups(plain))
        _confirm(False, f"Vouch for {called(view)} without having met or heard them?")
        return
    hidden = sorted(secrets.SystemRandom().sample(range(len(fives)), 2))
    shown = ["....." if number in hidden else five for number, five in enumerate(fives)]
    rows = ["  ".join(shown[start : start + 4]) for start in range(0, len(shown), 4)]
    person.output.talk(f"{called(view)}: let the digits be read to you and fill in the gaps:")
    person.output.talk("\n".join(rows))
    for number in hidden:
        with interruptible():
            typed = click.prompt(f"Group {number + 1}", err=True)
        if _plain(typed) != fives[number]:
            raise TrustError(
                "these are not the digits: nothing was vouched for",
                hint="read again together; if they still differ, it is not this person's request",
            )


def _code(code: str) -> str:
    if code != "-":
        return code
    given = sys.stdin.readline().strip()
    if not given:
        raise UsageError("standard input holds no code")
    return given


def _ask_name() -> str:
    from cloister.cli.secrets_input import can_ask, interruptible

    if not can_ask():
        raise UsageError("your name in the circle is needed", hint="give it with --name")
    with interruptible():
        return str(click.prompt("Your name in the circle", err=True))


def _confirm(yes: bool, question: str) -> None:
    from cloister.cli.secrets_input import can_ask, interruptible

    if not yes and can_ask():
        with interruptible():
            click.confirm(question, abort=True, err=True)


def _plain(digits: str) -> str:
    return "".join(character for character in digits if character.isdigit())


def _qr(code: str) -> str:
    import io

    import segno

    drawn = io.StringIO()
    segno.make(code, error="l", boost_error=False, micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()

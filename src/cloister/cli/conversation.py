"""`cloister conversation`: open conversations, list them, change who is in and who may do what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cloister.cli.person import Person, person_command

if TYPE_CHECKING:
    from cloister.device.facade import Facade, View

WHO = {"everyone": 1, "admins": 2}
"""Values of ``binding.Who``, which costs too much to import for ``--help``."""
LEVELS = {"off": 0, "delivered": 1, "read": 2}
"""Values of ``receipt_records.ReceiptLevel``."""


@click.group()
def conversation() -> None:
    """Open a conversation, list them, change one, leave one.

    \b
    Examples:
      cloister conversation new "Front page" Jonas Mei
      cloister conversation add "Front page" Lin
      cloister conversation list
    """


@conversation.command("new")
@click.argument("title")
@click.argument("names", nargs=-1, required=True)
@click.option("--admins-only", is_flag=True, help="Only admins change members and name.")
@click.option("--announcements", is_flag=True, help="Only admins post.")
@person_command
def new(
    person: Person, *, title: str, names: tuple[str, ...], admins_only: bool, announcements: bool
) -> None:
    """Open a conversation called TITLE with the members NAMES. You are its first admin.

    \b
    Examples:
      cloister conversation new Jonas Jonas
      cloister conversation new "Front page" Jonas Mei
      cloister conversation new Rota Jonas Mei --announcements --admins-only
    """
    from cloister.client.inputs import OpenConversation

    act = OpenConversation(
        ref=0, title=title, members=names, admins_only=admins_only, announcements=announcements
    )
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s, impatient=True))
    person.output.data({"title": title, "members": list(names), "answer": answer}, answer)


@conversation.command("list")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_conversations(person: Person, *, offline: bool) -> None:
    """List the conversations with what is unread, who is in, and who may do what.

    \b
    Examples:
      cloister conversation list
      cloister conversation list --json
    """

    async def listing(device: Facade) -> list[View]:
        return await device.conversations()

    for view in person.view(listing, offline=offline):
        person.output.data(view, line_of(view))


def line_of(view: View) -> str:
    """Return a conversation in a line."""
    from cloister.cli.circle import word_of

    bots = view.get("bots") or ()
    people: list[str] = view.get("people") or view["members"]
    named = word_of([f"{name} (bot)" if name in bots else name for name in people])
    parts = [f"{view['unread']} unread", str(view["state"]), named]
    admins = word_of(view.get("admins"))
    if view.get("changing") == "admins":
        parts.append(f"changed by admins only ({admins})")
    if view.get("posting") == "admins":
        parts.append(f"posts by admins only ({admins})")
    if view.get("receipts", "off") != "off":
        parts.append(f"receipts: {view['receipts']}")
    if view.get("lifetime_s"):
        from cloister.client.spans import span_in_words

        parts.append(f"kept {span_in_words(int(view['lifetime_s']))}")
    if view.get("leaving"):
        parts.append("you are leaving")
    parts += [word for word in ("pinned", "muted", "blocked") if view.get(word)]
    shown = view.get("shown", view["title"])
    title = view["title"] if shown == view["title"] else f"{shown} ({view['title']})"
    return f"{title}: " + ", ".join(parts)


@conversation.command("add")
@click.argument("title")
@click.argument("names", nargs=-1, required=True)
@person_command
def add(person: Person, *, title: str, names: tuple[str, ...]) -> None:
    """Bring the members NAMES into the conversation TITLE. They read what comes from then on.

    \b
    Examples:
      cloister conversation add "Front page" Lin
    """
    _change(person, title, f"in: {', '.join(names)}", add=names)


@conversation.command("remove")
@click.argument("title")
@click.argument("names", nargs=-1, required=True)
@person_command
def remove(person: Person, *, title: str, names: tuple[str, ...]) -> None:
    """Take the members NAMES out of the conversation TITLE. In the circle they stay.

    \b
    Examples:
      cloister conversation remove "Front page" Mei
    """
    _change(person, title, f"out: {', '.join(names)}", remove=names)


@conversation.command("receipts")
@click.argument("title")
@click.argument("level", type=click.Choice(list(LEVELS)))
@person_command
def receipts(person: Person, *, title: str, level: str) -> None:
    """Say what this device tells the others in the conversation TITLE about their texts.

    \b
      off        nothing; so it is until you say something else
      delivered  that they have arrived here
      read       also that they were read, with `cloister read`

    Receipts go out five seconds to a minute later, many in one. `cloister read` shows those of
    others beside your own texts.

    \b
    Examples:
      cloister conversation receipts Jonas delivered
      cloister conversation receipts "Front page" off
    """
    from cloister.client.inputs import SetReceipts

    act = SetReceipts(ref=0, conversation=title, level=LEVELS[level])
    answer = person.act(lambda device: device.act(act), online=False)
    person.output.data({"title": title, "receipts": answer}, answer)


@conversation.command("mute")
@click.argument("title")
@click.option("--hours", type=click.IntRange(1, 8760), metavar="N", help="Only for so long.")
@person_command
def mute(person: Person, *, title: str, hours: int | None) -> None:
    """Be told of nothing in the conversation TITLE; what is unread goes on being counted.

    It holds on this device, until `unmute` or until the hours are over. Nobody is told.

    \b
    Examples:
      cloister conversation mute commons
      cloister conversation mute Newsdesk --hours 8
    """
    from cloister.client.contact_records import FOR_EVER
    from cloister.clock import wall_time

    until = FOR_EVER if hours is None else int(wall_time()) + hours * 3600
    _mute(person, title, until)


@conversation.command("unmute")
@click.argument("title")
@person_command
def unmute(person: Person, *, title: str) -> None:
    """Be told again of what comes in the conversation TITLE.

    \b
    Examples:
      cloister conversation unmute commons
    """
    _mute(person, title, 0)


def _mute(person: Person, title: str, until: int) -> None:
    from cloister.client.contact_acts import MuteConversation

    act = MuteConversation(ref=0, conversation=title, until=until)
    state = person.act(lambda device: device.act(act), online=False)
    person.output.data({"title": title, "state": state, "until": until}, state)


@conversation.command("pin")
@click.argument("title")
@person_command
def pin(person: Person, *, title: str) -> None:
    """Have the conversation TITLE on top of the list, on this device.

    \b
    Examples:
      cloister conversation pin Newsdesk
    """
    _pin(person, title, pinned=True)


@conversation.command("unpin")
@click.argument("title")
@person_command
def unpin(person: Person, *, title: str) -> None:
    """Have the conversation TITLE where it belongs in the list.

    \b
    Examples:
      cloister conversation unpin Newsdesk
    """
    _pin(person, title, pinned=False)


def _pin(person: Person, title: str, *, pinned: bool) -> None:
    from cloister.client.contact_acts import PinConversation

    act = PinConversation(ref=0, conversation=title, pinned=pinned)
    state = person.act(lambda device: device.act(act), online=False)
    person.output.data({"title": title, "state": state}, state)


@conversation.command("rename")
@click.argument("title")
@click.argument("new_title")
@person_command
def rename(person: Person, *, title: str, new_title: str) -> None:
    """Call the conversation TITLE by NEW_TITLE, for everybody in it.

    \b
    Examples:
      cloister conversation rename "Front page" "Page one"
    """
    _change(person, title, f"renamed: {new_title}", new_title=new_title)


@conversation.command("admins")
@click.argument("title")
@click.option("--add", "named", multiple=True, metavar="NAME", help="Make NAME an admin.")
@click.option("--drop", "unnamed", multiple=True, metavar="NAME", help="NAME is none any more.")
@person_command
def admins(person: Person, *, title: str, named: tuple[str, ...], unnamed: tuple[str, ...]) -> None:
    """Make members admins of the conversation TITLE, or not any more; only admins can.

    When no admin is left in a conversation, everybody in it is one.

    \b
    Examples:
      cloister conversation admins "Front page" --add Mei
      cloister conversation admins "Front page" --add Mei --drop Jonas
    """
    from cloister.errors import UsageError

    if not named and not unnamed:
        raise UsageError("say whom", hint="--add NAME or --drop NAME; both may be repeated")
    _change(person, title, "admins changed", admins_named=named, admins_unnamed=unnamed)


@conversation.command("rights")
@click.argument("title")
@click.argument("who", type=click.Choice(list(WHO)))
@person_command
def rights(person: Person, *, title: str, who: str) -> None:
    """Say who brings members into TITLE, takes them out and renames it.

    Taking out an admin is for admins in any case. Everybody may leave.

    \b
    Examples:
      cloister conversation rights "Front page" admins
    """
    _change(person, title, f"changed by: {who}", changing=WHO[who])


@conversation.command("announce")
@click.argument("title")
@click.argument("who", type=click.Choice(list(WHO)))
@person_command
def announce(person: Person, *, title: str, who: str) -> None:
    """Say who posts in TITLE: with "admins" it is for announcements.

    Texts of others are not shown by anybody's device, and raise an alarm.

    \b
    Examples:
      cloister conversation announce Rota admins
    """
    _change(person, title, f"posts: {who}", posting=WHO[who])


@conversation.command("timer")
@click.argument("title")
@click.argument("span", metavar="SPAN")
@person_command
def timer(person: Person, *, title: str, span: str) -> None:
    """Say how long new texts in TITLE are kept after they were read: 90m, 12h, 7d, or "off".

    They are deleted on every device whose program keeps the rules, a minute to a year after their
    reader has read them. It stops nobody from keeping a copy. Under a legal hold nothing is
    deleted.

    \b
    Examples:
      cloister conversation timer Newsdesk 7d
      cloister conversation timer Newsdesk off
    """
    from cloister.tui.words import lifetime

    seconds = seconds_of(span)
    _change(person, title, lifetime(seconds), lifetime_s=seconds)


def seconds_of(span: str) -> int:
    """Return a span in seconds; "off" is 0.  Raises ``UsageError``."""
    from cloister.errors import UsageError

    units = {"m": 60, "h": 3600, "d": 86_400}
    if span == "off":
        return 0
    count, unit = span[:-1], units.get(span[-1:])
    if unit is None or not (count.isascii() and count.isdigit()) or len(count) > 6:
        raise UsageError(f"{span!r} is no span of time", hint='for example 90m, 12h, 7d, or "off"')
    return int(count) * unit


@conversation.command("leave")
@click.argument("title")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def leave(person: Person, *, title: str, yes: bool) -> None:
    """Leave the conversation TITLE with all your devices. What you have read stays with you.

    Your device says so in the conversation, and the next of the others that is connected takes
    you out. You stay in the circle.

    \b
    Examples:
      cloister conversation leave "Front page"
    """
    from cloister.cli.power import confirm
    from cloister.client.inputs import LeaveConversation

    confirm(yes=yes, question=f"Leave {title}? Somebody in it has to bring you back.")
    act = LeaveConversation(ref=0, conversation=title)
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s, impatient=True))
    person.output.data({"title": title, "state": "left"}, answer or "left")


def _change(person: Person, title: str, done: str, *, new_title: str = "", **fields: Any) -> None:
    from cloister.client.inputs import ChangeConversation

    act = ChangeConversation(ref=0, conversation=title, title=new_title, **fields)
    answer = person.act(lambda device: device.act(act, person.settings.timeout_s, impatient=True))
    person.output.data({"title": new_title or title, "channel_id": answer, "done": done}, done)

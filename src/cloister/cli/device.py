"""`cloister device`: a member's devices; `cloister unlock-device`; `cloister exposure`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cloister.cli.person import Person, person_command
from cloister.cli.power import confirm, exercise, when
from cloister.errors import UsageError

if TYPE_CHECKING:
    from cloister.device.facade import View


@click.group()
def device() -> None:
    """List devices, add one of your own, take one out of use.

    A device is named MEMBER, MEMBER/2, or by the first digits of its id.

    \b
    Examples:
      cloister device list
      cloister device list Amira
      cloister device add
      cloister device revoke Amira/1
    """


@device.command("list")
@click.argument("name", required=False)
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def list_devices(person: Person, *, name: str | None, offline: bool) -> None:
    """List all devices, or those of the member NAME: id, state, seat.

    \b
    Examples:
      cloister device list
      cloister device list Jonas --json
    """
    views = person.view(lambda one: one.governance("devices", name or ""), offline=offline)
    for view in views:
        seat = "" if view["seat"] == "none needed" else f", seat {view['seat']}"
        if view["seat_until"]:
            seat += f" until {when(view['seat_until'])}"
        held = ", under legal hold" if view["held"] else ""
        kind = ", a bot" if view["bot"] else ""
        text = f"{view['device']}  {view['short_id']}  {view['state']}{kind}{seat}{held}"
        person.output.data(view, text)


@device.command("add")
@click.option("--days", type=click.IntRange(1, 30), default=7, show_default=True, help="Valid for.")
@person_command
def add(person: Person, *, days: int) -> None:
    """Invite one more device of your own; prints the code for `cloister join - --own` there.

    Another member has to vouch for it: nobody gets a device in on one signature.

    \b
    Examples:
      cloister device add
      cloister device add --days 1 --json
    """
    from cloister.client.inputs import Invite

    act = Invite(ref=0, lifetime_s=days * 86_400, kind="device")
    code = person.act(lambda one: one.act(act, person.settings.timeout_s, impatient=True))
    person.output.talk(
        "On the other device: cloister join CODE --own. Another member vouches for it."
    )
    person.output.data({"code": code, "days": days}, code)


@device.command("cover")
@click.argument("per_day", type=click.IntRange(0, 240), required=False)
@person_command
def cover(person: Person, *, per_day: int | None) -> None:
    """Show, or set to PER_DAY, how many cover messages this device sends a day; 0 is none.

    They go into your conversations at random times while the device is connected, look to relays
    like short texts, and are shown to nobody. The circle's rule `cover_per_day` is the least that
    every device sends. What they cost: see `cloister bench cover`.

    \b
    Examples:
      cloister device cover
      cloister device cover 48
    """
    from cloister.client.inputs import SetCover

    if per_day is not None:
        act = SetCover(ref=0, per_day=per_day)
        person.act(lambda one: one.act(act), online=False)
    view = person.view(lambda one: one.status(), offline=True)
    rate, own = int(view["cover_per_day"]), int(view["cover_own"])
    asked = f"; you asked for {own}, the circle's rules for {rate}" if rate > own else ""
    person.output.data(
        {"cover_per_day": rate, "cover_own": own}, f"{rate} cover messages a day{asked}"
    )


@device.command("revoke")
@click.argument("name", metavar="DEVICE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def revoke(person: Person, *, name: str, yes: bool) -> None:
    """Take your own DEVICE out of use, for good. If it is lost: cloister lost.

    \b
    Examples:
      cloister device revoke Amira/1
    """
    from cloister.client.powers import RetireDevice

    confirm(yes=yes, question=f"Take {name} out of use for good?", must_ask=True)
    exercise(person, RetireDevice(ref=0, device=name), f"{name} is retired")


@click.command()
@click.argument("name", metavar="DEVICE")
@click.option("--consent", is_flag=True, help="As the owner: print a line of consent.")
@click.option("--with-consent", "lines", multiple=True, metavar="LINE", help="The owner's line.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@person_command
def unlock_device(
    person: Person, *, name: str, consent: bool, lines: tuple[str, ...], yes: bool
) -> None:
    """Unlock DEVICE: by two stewards, or by its owner and one.

    The owner runs it with --consent on another device and gives the line to a steward. A steward
    without a line proposes, and a second steward approves.

    \b
    Examples:
      cloister unlock-device Amira/1 --consent
      cloister unlock-device Amira/1 --with-consent CLOISTER-CONSENT:AAH...
      cloister unlock-device Jonas
    """
    from cloister.client.powers import ConsentToUnlock, UnlockDevice

    if consent and lines:
        raise UsageError("--consent makes a line, --with-consent uses one: say one of them")
    if consent:
        act = ConsentToUnlock(ref=0, device=name)
        line = person.act(lambda one: one.act(act, person.settings.timeout_s, impatient=True))
        person.output.talk("Give this line to a steward, by any way. It is no secret:")
        person.output.data({"consent": line}, line)
        return
    confirm(yes=yes, question=f"Unlock {name}? Whoever holds it and knows its PIN can read again.")
    exercise(person, UnlockDevice(ref=0, device=name, consents=lines), f"{name} is unlocked")


@click.command()
@click.argument("name", metavar="DEVICE")
@click.option("--offline", is_flag=True, help="Do not ask the relay first.")
@person_command
def exposure(person: Person, *, name: str, offline: bool) -> None:
    """Report what DEVICE could have read, conversation by conversation.

    \b
    Examples:
      cloister exposure Jonas/1
      cloister exposure Jonas/1 --json
    """
    view = person.view(lambda one: one.exposure(name), offline=offline)
    person.output.data(view, exposure_text(view, name))


def exposure_text(view: View, name: str) -> str:
    """Lay a report out for people."""
    from cloister.client.safe_text import safe_line

    locked = f"lock ordered {when(view['locked_at'])}" if view["locked_at"] else "not locked"
    lines = [f"{safe_line(name)}: {view['messages']} messages could have been read, {locked}"]
    for one in view["conversations"]:
        span = ""
        if one["messages"]:
            span = f", {when(one['first_at'])} to {when(one['last_at'])}"
        lines.append(f"  {safe_line(str(one['title']))}: {one['messages']} messages{span}")
        if one["after_lock"]:
            lines.append(f"    {one['after_lock']} of them after the lock was ordered")
        if one["still_inside"]:
            lines.append("    the device is still in this group")
        if one["since_before_this_device"]:
            lines.append("    it was there before this device: earlier messages are not counted")
    lines.append("This report cannot know:")
    lines += [f"  {one}" for one in view["cannot_know"]]
    return "\n".join(lines)

"""Actions of stewards and officers; every one names its consequences before it is done."""

from __future__ import annotations

from typing import Final

from cloister.client.inputs import Remove
from cloister.client.powers import (
    COVER_FIELD,
    EXPORT_FIELD,
    Approve,
    ConsentToUnlock,
    EraseDevice,
    Object,
    OfferStewardKey,
    PlaceHold,
    ProposeStewards,
    Refuse,
    Reinstate,
    ReleaseHold,
    ResetCommons,
    SetPolicy,
    Suspend,
    UnlockDevice,
)
from cloister.device.facade import Facade, View
from cloister.errors import UsageError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.rules import COVERS, EXPORTS, number_of, rule_lines, rule_sentence
from cloister.tui.talk import Choice, Talk

_REASON: Final = {"departure": 1, "misconduct": 2, "compromise": 3}
_ERASE: Final = (
    Choice("1", "lost"),
    Choice("2", "stolen"),
    Choice("3", "departed"),
    Choice("4", "requested", "its owner asks for it"),
)
_SCOPE: Final = (
    Choice("1", "the whole circle"),
    Choice("2", "a member's devices"),
    Choice("3", "a conversation"),
)


async def pending(talk: Talk) -> None:
    """Show everything that waits for somebody."""
    views = await talk.device.governance("pending")
    talk.tell("\n".join(map(asking.waiting, views)) or "Nothing waits for anybody.")


async def approve(talk: Talk) -> None:
    """Approve what somebody else has proposed."""
    reference = await asking.matter(talk, "Approve what?")
    await _confirm_matter(talk, reference, "It takes effect with your approval.", "approve")
    await asking.exercise(talk, Approve(ref=0, reference=reference), "approved", about=reference)


async def refuse(talk: Talk) -> None:
    """Withdraw your own proposal, or stop an erasure or a reset."""
    reference = await asking.matter(talk, "Refuse what?")
    await _confirm_matter(talk, reference, "It does not happen.", "refuse")
    await asking.exercise(talk, Refuse(ref=0, reference=reference), "refused")


async def object_to(talk: Talk) -> None:
    """Object to an erasure; two members' objections pause it for three days."""
    reference = await asking.matter(talk, "Object to what?")
    reason = await talk.ask_optional("Why? (members can read it)")
    act = Object(ref=0, reference=reference, reason=reason)
    await asking.exercise(talk, act, "you have objected")


async def _confirm_matter(talk: Talk, reference: str, effect: str, do: str) -> None:
    views = await talk.device.governance("pending")
    view = next((v for v in views if v["reference"] == reference), None)
    about = str(view["text"]) if view else reference
    await talk.confirm(f"{about}. {effect} Your name stands beside it in the log.", do)


async def suspend(talk: Talk) -> None:
    """Suspend a member at once."""
    await suspend_member(talk, await asking.member(talk, "Suspend whom?"))


async def suspend_member(talk: Talk, name: str) -> None:
    """Suspend this member."""
    reason = await talk.ask_optional("Why? (members can read it)")
    await talk.confirm(
        f"{name} sends and reads nothing from now on, for seven days, and longer if a second"
        " steward approves. Everybody is told, with your name.",
        "suspend",
    )
    await asking.exercise(talk, Suspend(ref=0, member=name, reason=reason), f"{name} is suspended")


async def reinstate(talk: Talk) -> None:
    """End a suspension; one that was confirmed takes a second steward."""
    await reinstate_member(talk, await asking.member(talk, "Reinstate whom?"))


async def reinstate_member(talk: Talk, name: str) -> None:
    """End the suspension of this member."""
    await asking.exercise(talk, Reinstate(ref=0, member=name), f"{name} is reinstated")


async def remove(talk: Talk) -> None:
    """Propose that a member is removed, or approve the removal that is open."""
    await remove_member(talk, await asking.member(talk, "Remove whom?"))


async def remove_member(talk: Talk, name: str) -> None:
    """Propose the removal of this member, or approve it."""
    proposed = await removal_by_another(talk.device, name)
    if proposed is None:
        reason = await talk.choose("Why?", asking.REASONS)
        begin, do = "When a second member approves,", "propose the removal"
    else:
        # What is approved was proposed for a reason: that one counts, and its consequences.
        reason = reason_of(proposed)
        begin = f"{proposed['by']} proposed the {proposed['text']}. With you,"
        do = "approve the removal"
    more = (
        " Vouches they gave count no more: whoever came by them has a week to be vouched for anew."
        if reason == "compromise"
        else ""
    )
    await talk.confirm(
        f"{begin} {name} is out for good and comes back only as somebody new. What they have, they"
        f" keep.{more}",
        do,
    )
    await asking.do(talk, Remove(ref=0, member=name, reason=_REASON[reason]))
    views = [v for v in await talk.device.members() if v["name"] == name]
    is_open = any(v["removal_proposed"] for v in views)
    talk.tell(
        f"Proposed: a second member has to approve that {name} is removed."
        if is_open
        else f"{name} is removed."
    )


def reason_of(removal: View) -> str:
    """Return the reason for which a removal was proposed."""
    text = str(removal["text"])
    return next((one for one in _REASON if text.endswith(f"({one})")), "departure")


async def removal_by_another(device: Facade, name: str) -> View | None:
    """Return the removal of a member that waits, proposed by somebody else."""
    own = (await device.status())["name"]
    for view in await device.governance("pending"):
        text = str(view["text"])
        is_it = text == f"removal of {name}" or text.startswith(f"removal of {name} (")
        if view["kind"] == "removal" and is_it and view["by"] != own:
            return view
    return None


async def unlock_device(talk: Talk) -> None:
    """Let a locked device ask for its shares again; takes two stewards, or the owner and one."""
    name = await asking.some_device(talk, "Which device?")
    line = await talk.ask_optional("The owner's line? (nothing: a second steward approves)")
    await talk.confirm(
        f"{name} opens again with its PIN. Do this only when it is in its owner's hands.", "unlock"
    )
    act = UnlockDevice(ref=0, device=name, consents=(line,) if line else ())
    await asking.exercise(talk, act, f"{name} is unlocked")


async def consent(talk: Talk) -> None:
    """Make a line for a steward: you agree that another device of yours is unlocked."""
    name = await asking.some_device(talk, "Which device of yours?")
    await talk.confirm(
        f"With the line one steward unlocks {name}, which then opens with its PIN. Do this only"
        " when you have it in your hands again.",
        "make the line",
    )
    line = await asking.do(talk, ConsentToUnlock(ref=0, device=name))
    talk.tell(f"Give this line to a steward, by any way. It is no secret:\n{line}")


async def exposure(talk: Talk) -> None:
    """Report what a lost device could have read."""
    name = await asking.some_device(talk, "Which device?")
    view = await talk.device.exposure(name)
    lines = [f"{name}: {view['messages']} messages could have been read."]
    for one in view["conversations"]:
        span = ""
        if one["messages"]:
            span = f", {words.day_of(one['first_at'])} to {words.day_of(one['last_at'])}"
        lines.append(f"  {one['title']}: {one['messages']} messages{span}")
        if one["after_lock"]:
            lines.append(f"    {one['after_lock']} of them after the lock was ordered")
        if one["still_inside"]:
            lines.append("    the device is still in this group")
    lines.append("This report cannot know:")
    talk.tell("\n".join([*lines, *(f"  {one}" for one in view["cannot_know"])]))


async def erase(talk: Talk) -> None:
    """Propose to destroy the unlock shares of a device, for good."""
    name = await asking.some_device(talk, "Erase which device?")
    reason = await talk.choose("Why? (relays can read it)", _ERASE)
    await talk.confirm(
        f"{name} is locked now. A second steward approves, a day passes, then nobody opens its"
        " vault again: what is only there is LOST FOR EVER. A legal hold stops it.",
        "propose to erase it",
    )
    act = EraseDevice(ref=0, device=name, reason=int(reason))
    await asking.exercise(talk, act, f"{name}: erasure ordered")


async def holds(talk: Talk) -> None:
    """Show the legal holds in force."""
    views = await talk.device.governance("holds")
    lines = [f"{v['reference']}  {v['subject']}, by {v['placed_by']}" for v in views]
    talk.tell("\n".join(lines) or "No hold is in force.")


async def place_hold(talk: Talk) -> None:
    """Place a legal hold."""
    scope = await talk.choose("A hold on what?", _SCOPE)
    subject = ""
    if scope == "2":
        subject = await asking.member(talk, "On whose devices?")
    elif scope == "3":
        _, subject = await asking.here(talk)
    note = await talk.ask_optional("Why? (members can read it, relays cannot)")
    await talk.confirm(
        f"Nothing of {subject or 'the circle'} is erased or deleted by age until two stewards"
        " release it. Those it covers are told.",
        "place the hold",
    )
    act = PlaceHold(ref=0, scope=int(scope), subject=subject, note=note)
    await asking.exercise(talk, act, "the hold is placed")


async def release_hold(talk: Talk) -> None:
    """Propose to release a legal hold."""
    views = await talk.device.governance("holds")
    choices = [Choice(str(v["reference"]), str(v["subject"])) for v in views]
    reference = await talk.choose("Which hold?", choices)
    await talk.confirm("When a second steward approves, it can be erased again.", "release")
    await asking.exercise(talk, ReleaseHold(ref=0, reference=reference), "the hold is released")


async def stewards(talk: Talk) -> None:
    """Show stewards and officers."""
    views = await talk.device.governance("stewards")
    lines = []
    for view in views:
        until = view["suspended_until"]
        state = "" if until is None else ", suspended"
        state += f" until {words.day_of(int(until))}" if until else ""
        lines.append(f"{view['office']}: {view['name']}{state}")
    talk.tell("\n".join(lines))


async def offer(talk: Talk) -> None:
    """Offer to hold an office: announces a key of this device."""
    await asking.exercise(talk, OfferStewardKey(ref=0), "a steward can propose you now")


async def add_steward(talk: Talk) -> None:
    """Propose members as stewards."""
    names = await talk.choose_many("Who becomes steward?", await asking.members(talk))
    await _propose(talk, ProposeStewards(ref=0, add=names), names, "become stewards")


async def drop_steward(talk: Talk) -> None:
    """Propose that members are stewards no more."""
    names = await talk.choose_many("Who is steward no more?", await asking.members(talk))
    await _propose(talk, ProposeStewards(ref=0, drop=names), names, "are stewards no more")


async def add_officer(talk: Talk) -> None:
    """Propose members as officers."""
    names = await talk.choose_many("Who becomes officer?", await asking.members(talk))
    await _propose(talk, ProposeStewards(ref=0, add_officers=names), names, "become officers")


async def drop_officer(talk: Talk) -> None:
    """Propose that members are officers no more."""
    names = await talk.choose_many("Who is officer no more?", await asking.members(talk))
    act = ProposeStewards(ref=0, drop_officers=names)
    await _propose(talk, act, names, "are officers no more")


async def _propose(talk: Talk, act: ProposeStewards, names: tuple[str, ...], what: str) -> None:
    who = ", ".join(names)
    await talk.confirm(
        f"{who} {what} when two thirds of the stewards and everybody newly named approve, after a"
        " delay.",
        "propose it",
    )
    await asking.exercise(talk, act, f"{who} {what}")


async def reset_commons(talk: Talk) -> None:
    """Propose that a commons that stands still goes on in a new group."""
    await talk.confirm(
        "Part of the log may be void for everybody, and what was done there has to be done again."
        " Only for a commons that stands still for good.",
        "propose the reset",
    )
    await asking.exercise(talk, ResetCommons(ref=0), "the commons goes on in a new group")


async def policy(talk: Talk) -> None:
    """Show the circle's rules."""
    views = await talk.device.governance("policy")
    talk.tell("\n".join(rule_lines(views)) or "There are no rules yet.")


async def change_rule(talk: Talk) -> None:
    """Propose another value for one of the circle's rules."""
    views = [view for view in await talk.device.governance("policy") if view["can_change"]]
    now = {str(view["field"]): rule_sentence(str(view["field"]), view["value"]) for view in views}
    choices = [Choice(field, said) for field, said in now.items()]
    field = await talk.choose("Which rule?", choices, nothing="No rule can be changed.")
    number, said = await _other_value(talk, field, now[field])
    await talk.confirm(
        f"{said}. So it is when a second steward has approved and the delay of changes has passed."
        " Everybody can read that you proposed it.",
        "propose it",
    )
    act = SetPolicy(ref=0, changes=((field, number),))
    await asking.exercise(talk, act, "the rule is another now")


async def _other_value(talk: Talk, field: str, now: str) -> tuple[int, str]:
    """Ask for the value; return it as a number, and what the rule says then."""
    if field == EXPORT_FIELD:
        choices = [Choice(one, rule_sentence(field, one)) for one in EXPORTS]
        word = await talk.choose("What becomes of exports?", choices)
        return EXPORTS.index(word), rule_sentence(field, word)
    if field == COVER_FIELD:
        choices = [Choice(str(rate), rule_sentence(field, rate)) for rate in COVERS]
        rate = int(await talk.choose("How much cover traffic?", choices))
        return rate, rule_sentence(field, rate)
    form = "A span of time: 14d, 12h, 30m, or 0." if field.endswith("_s") else "A number."
    typed = ""
    while True:
        typed = await talk.ask("Which value instead?", about=f"Now: {now}.\n{form}", text=typed)
        try:
            number = number_of(field, typed)
        except UsageError as error:
            await talk.ask_again(error)
        else:
            return number, rule_sentence(field, number)

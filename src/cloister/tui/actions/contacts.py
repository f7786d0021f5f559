"""Actions on people and conversations as this person wants them: nobody else is told.

Own names, blocking, muting and pinning; and comparing keys with members who are in already.
"""

from __future__ import annotations

from typing import Final

from cloister.client.contact_acts import (
    BlockContact,
    MuteConversation,
    NameContact,
    NoteVerified,
    PinConversation,
)
from cloister.clock import wall_time
from cloister.device.facade import View
from cloister.errors import TrustError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.actions.people import compare
from cloister.tui.talk import Choice, Talk
from cloister.tui.trust import label_of, trust_of_member

FOR_EVER: Final = 2**64 - 1
_HOW_LONG: Final = (
    Choice("1", "1 hour"),
    Choice("8", "8 hours"),
    Choice("24", "1 day"),
    Choice("168", "7 days"),
    Choice("ever", "until I say otherwise"),
)
_HOW: Final = (
    Choice("digits", "digits", "they read, I type two groups"),
    Choice("words", "words", "they read, I type two of them"),
    Choice("code", "code", "scanned or copied from their device"),
    Choice("show", "show", "what they need from me"),
)


async def _someone(talk: Talk, question: str) -> View:
    """Ask for another member; return the view."""
    views = [one for one in await talk.device.members() if one["trust"] != "own"]
    choices = [
        Choice(str(one["member_id"]), label_of(one), asking.notes(one, trust_of_member(one)))
        for one in views
        if one["state"] not in {"removed", "left"}
    ]
    picked = await talk.choose(question, choices)
    return next(one for one in views if one["member_id"] == picked)


async def own_name(talk: Talk) -> None:
    """Call a member by a name of your own, on this device."""
    await name_member(talk, await _someone(talk, "Whom do you call otherwise?"))


async def name_member(talk: Talk, view: View) -> None:
    """Call this member by a name of your own."""
    name = await talk.ask_optional(f"What do you call {view['name']}? (nothing: {view['name']})")
    act = NameContact(ref=0, member=str(view["member_id"]), own_name=name)
    shown = await asking.do(talk, act)
    talk.tell(f"{view['name']} is called {shown} here. The log and requests keep {view['name']}.")


async def block(talk: Talk) -> None:
    """Fold a member's texts away, and be told of none."""
    await block_member(talk, await _someone(talk, "Whom do you block?"))


async def block_member(talk: Talk, view: View) -> None:
    """Fold this member's texts away."""
    name = label_of(view)
    await talk.confirm(
        f"What {name} writes is folded away here: nothing rings, nothing counts as unread, no"
        " receipt goes out. It is kept, and comes back when you unblock. Nobody is told.\n\n"
        f"{name} stays in the circle, in its commons and in your conversations, and reads what you"
        " write there.",
        "block",
    )
    await asking.do(talk, BlockContact(ref=0, member=str(view["member_id"]), blocked=True))
    talk.tell(f"{name} is blocked.")


async def unblock(talk: Talk) -> None:
    """Show a blocked member's texts again, also those from meanwhile."""
    views = [one for one in await talk.device.members() if one["blocked"]]
    choices = [Choice(str(one["member_id"]), label_of(one)) for one in views]
    picked = await talk.choose("Whom do you unblock?", choices, nothing="Nobody is blocked.")
    await unblock_member(talk, next(one for one in views if one["member_id"] == picked))


async def unblock_member(talk: Talk, view: View) -> None:
    """Show this member's texts again."""
    await asking.do(talk, BlockContact(ref=0, member=str(view["member_id"]), blocked=False))
    talk.tell(f"What {label_of(view)} writes is shown again.")


async def mute(talk: Talk) -> None:
    """Be told of nothing in the conversation for a time."""
    channel, title = await asking.here(talk)
    hours = await talk.choose(f"For how long is {title} quiet?", _HOW_LONG)
    until = FOR_EVER if hours == "ever" else int(wall_time()) + int(hours) * 3600
    await asking.do(talk, MuteConversation(ref=0, conversation=channel, until=until))
    talk.tell(f"{title} is muted. What is unread there goes on being counted.")


async def unmute(talk: Talk) -> None:
    """Be told again of what comes in the conversation."""
    channel, title = await asking.here(talk)
    await asking.do(talk, MuteConversation(ref=0, conversation=channel, until=0))
    talk.tell(f"You are told again of what comes in {title}.")


async def pin(talk: Talk) -> None:
    """Have the conversation on top of the list."""
    channel, title = await asking.here(talk)
    await asking.do(talk, PinConversation(ref=0, conversation=channel, pinned=True))
    talk.tell(f"{title} stands on top.")


async def unpin(talk: Talk) -> None:
    """Have the conversation where it belongs in the list."""
    channel, title = await asking.here(talk)
    await asking.do(talk, PinConversation(ref=0, conversation=channel, pinned=False))
    talk.tell(f"{title} stands where it belongs.")


async def verify_member(talk: Talk) -> None:
    """Compare keys with a member, by what is read aloud or scanned."""
    await compare_with(talk, await _someone(talk, "With whom do you compare keys?"))


async def compare_with(talk: Talk, member: View) -> None:
    """Compare keys with one member, as often as something is shown, until it is done."""
    name, member_id = label_of(member), str(member["member_id"])
    while True:
        view = await talk.device.comparison(member_id)
        how = await talk.choose(
            f"How do you and {name} compare?",
            _HOW,
            about="Face to face, or by a voice that you know. Both of you do it.",
        )
        if how != "show":
            break
        await talk.show_code(view)
    if how == "code":
        typed = await talk.ask("Their code", about="It begins with CL1: and is compared whole.")
        if "".join(typed.split()).upper() != view["code"]:
            raise TrustError(
                "this is not the code: nothing was noted",
                hint="scan or copy it again; if it still differs, do not trust these keys",
            )
    else:
        parts = view["words"] if how == "words" else words.groups_of(str(view["digits"]))
        await compare(talk, name, parts, "nothing was noted")
    fingerprint = bytes.fromhex(str(view["fingerprint"]))
    await asking.do(talk, NoteVerified(ref=0, member=member_id, fingerprint=fingerprint))
    talk.tell(
        f"{name} is verified. If a device of theirs is added, you are told, and who vouched for it."
    )


async def unverify(talk: Talk) -> None:
    """Count a member as not verified any more."""
    views = [one for one in await talk.device.members() if one["trust"] in {"verified", "changed"}]
    choices = [Choice(str(one["member_id"]), label_of(one), trust_of_member(one)) for one in views]
    picked = await talk.choose("Who is not verified?", choices, nothing="Nobody is verified.")
    await asking.do(talk, NoteVerified(ref=0, member=picked, fingerprint=b""))
    name = next(one.label for one in choices if one.value == picked)
    talk.tell(f"{name} counts as not verified.")

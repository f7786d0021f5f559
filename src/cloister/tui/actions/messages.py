"""Actions on one message: answer it, edit it, take it back, react, and ask what became of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from cloister.client.effects import AnnotationKind, Message, MessageKind, MessageState
from cloister.client.inputs import ChangeConversation, SetReceipts
from cloister.client.safe_text import safe_line
from cloister.client.told import names_told
from cloister.errors import CloisterError, UsageError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.folding import is_folded
from cloister.tui.ordering import Written
from cloister.tui.talk import Choice, Talk

LISTED: Final = 40
"""Messages to choose from; what lies further back is found by searching."""
MARKS: Final = (
    Choice("+1", "+1", "agreed"),
    Choice("ok", "ok", "done, or seen"),
    Choice("thanks", "thanks"),
    Choice("?", "?", "not understood"),
    Choice("!", "!", "careful"),
    Choice("other", "other", "a word or two of your own"),
    Choice("none", "none", "take yours back"),
)
LIFETIMES: Final = (
    Choice("0", "for good"),
    Choice("3600", "an hour"),
    Choice("86400", "a day"),
    Choice("604800", "a week"),
    Choice("2592000", "30 days"),
)
_LEVELS: Final = (
    Choice("0", "off", "nobody is told anything"),
    Choice("1", "delivered", "that their texts have arrived here"),
    Choice("2", "read", "also that they were read"),
)


async def message(talk: Talk) -> None:
    """Pick a message, then what to do with it."""
    row = await _some(talk, "Which message?", own=False)
    ways: dict[str, tuple[Choice, Callable[[Talk, Message], Awaitable[None]]]] = {
        "reply": (Choice("reply", "Answer it"), _reply),
        "react": (Choice("react", "React to it", "a word or a sign"), _react),
        "about": (Choice("about", "What became of it", "when, to whom"), _about),
    }
    if row.own:
        ways["edit"] = (Choice("edit", "Edit it", "earlier texts stay visible"), _edit)
        ways["back"] = (Choice("back", "Take it back"), _take_back)
    if row.since.edits:
        ways["versions"] = (Choice("versions", "Its earlier texts"), _versions)
    way = await talk.choose("What with it?", [choice for choice, _ in ways.values()])
    await ways[way][1](talk, row)


async def reply(talk: Talk) -> None:
    """Answer a message: the first lines of it stand above yours."""
    await _reply(talk, await _some(talk, "Answer which message?", own=False))


async def edit(talk: Talk) -> None:
    """Put another text in the place of one of yours; everybody can read the earlier ones."""
    await _edit(talk, await _some(talk, "Edit which text of yours?", own=True))


async def take_back(talk: Talk) -> None:
    """Take a text of yours back: it is deleted with everybody whose program keeps the rules."""
    await _take_back(talk, await _some(talk, "Take which text of yours back?", own=True))


async def react(talk: Talk) -> None:
    """Put a word or a sign beside a message; everybody in the conversation sees it."""
    await _react(talk, await _some(talk, "React to which message?", own=False))


async def versions(talk: Talk) -> None:
    """Show the earlier texts of a message that was edited."""
    await _versions(talk, await _some(talk, "Of which message?", own=False))


async def about(talk: Talk) -> None:
    """Say what became of a message: when, where it stands, who has it."""
    await _about(talk, await _some(talk, "About which message?", own=False))


async def timer(talk: Talk) -> None:
    """Say how long texts of this conversation are kept after they were read."""
    channel, title = await asking.here(talk)
    value = await talk.choose(
        f"How long are new texts of {title} kept?",
        LIFETIMES,
        about="From when each was read, on every device whose program keeps the rules. It stops"
        " nobody from keeping a copy. Under a legal hold nothing is deleted.",
    )
    change = ChangeConversation(ref=0, conversation=channel, lifetime_s=int(value))
    await asking.do(talk, change)
    talk.tell(f"{title}: {words.lifetime(int(value))}.")


async def receipts(talk: Talk) -> None:
    """Say what the others of this conversation are told about their texts."""
    channel, title = await asking.here(talk)
    value = await talk.choose(
        f"What are the others in {title} told?",
        _LEVELS,
        about="Receipts go out five seconds to a minute later, many in one.",
    )
    await asking.do(talk, SetReceipts(ref=0, conversation=channel, level=int(value)))
    talk.tell(f"Receipts in {title}: {_LEVELS[int(value)].label}.")


async def _reply(talk: Talk, row: Message) -> None:
    conversation, answered, text = row.channel_id.hex(), row.message_id.hex(), ""
    while True:
        text = await talk.write(
            f"Answer to {words.name_of(row)}",
            about=Written(words.excerpt(row.text, 3)),
            text=text,
            draft_of=conversation,
        )
        try:
            await talk.device.send(conversation, text, 0, reply_to=answered)
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            return


async def _edit(talk: Talk, row: Message) -> None:
    text = row.text
    while True:
        text = await talk.write(
            "Another text in its place",
            about="Everybody sees that it was edited, and can read what stood there before.",
            text=text,
        )
        try:
            if text == row.text:
                raise UsageError("that is the same text: nothing was changed")
            await _say(talk, row, AnnotationKind.EDIT, text)
        except CloisterError as error:
            await talk.ask_again(error)
        else:
            return


async def _take_back(talk: Talk, row: Message) -> None:
    await talk.confirm(
        f"“{words.excerpt(row.text, 1)}” is deleted here and with everybody whose program keeps the"
        " rules. That you wrote something stays visible, and who has read it has read it. Under a"
        " legal hold it is kept.",
        "take it back",
    )
    await _say(talk, row, AnnotationKind.RETRACTION)


async def _react(talk: Talk, row: Message) -> None:
    mark = await talk.choose(f"To {words.name_of(row)}:", MARKS)
    if mark == "other":
        mark = await talk.ask("A word or two")
    await _say(talk, row, AnnotationKind.REACTION, "" if mark == "none" else mark)


async def _versions(talk: Talk, row: Message) -> None:
    found = await talk.device.versions(row.channel_id.hex(), row.message_id.hex())
    parts: list[str] = []
    for number, one in enumerate(found, 1):
        at = int(one["at"])
        parts.append(f"{number}. {words.day_of(at)}, {words.clock_of(at)}:")
        parts.append(Written(str(one["text"])))
    talk.tell(*(parts or ["Nothing of it is left."]))


async def _about(talk: Talk, row: Message) -> None:
    moment = f"{words.day_of(row.at)}, {words.clock_of(row.at)}"
    lines: list[str] = []
    if row.own:
        lines.append(words.sentence_of(row))
        view = await talk.device.receipts(row.channel_id.hex())
        told = names_told(view, row.n) if row.n else None
        if told is not None:
            lines.append("Arrived at: " + (", ".join(told.delivered) or "nobody, as far as told"))
            lines.append("Read by: " + (", ".join(told.read) or "nobody, as far as told"))
    lines += [f"{one.mark}: {safe_line(one.name)}" for one in row.since.reactions]
    if row.since.edits:
        lines.append(f"Edited {row.since.edits} times.")
    if row.lifetime_s:
        lines.append(words.lifetime(row.lifetime_s).capitalize() + ".")
    lines.append(f"Its number in the conversation: {row.n}. Its id: {row.message_id.hex()}.")
    talk.tell(
        f"{words.name_of(row)}, {moment} by the author's clock.",
        Written(words.excerpt(row.text, 2)),
        "\n".join(lines),
    )


async def _say(talk: Talk, row: Message, kind: AnnotationKind, text: str = "") -> None:
    await talk.device.annotate(row.channel_id.hex(), row.message_id.hex(), kind, text)


async def _some(talk: Talk, question: str, *, own: bool) -> Message:
    """Ask for a message of the open conversation; the newest is the first, and is "last".

    The newest of one's own is "mine".
    """
    channel, _ = await asking.here(talk)
    blocked = await asking.blocked(talk)
    rows = [
        row
        for row in await talk.device.history(channel, limit=5 * LISTED)
        if row.kind is MessageKind.TEXT
        and row.state is not MessageState.FAILED
        and not row.since.retracted
        and not is_folded(row, blocked)
    ][::-1]
    last, mine = rows[:1], [row for row in rows if row.own][:1]
    listed = [row for row in rows if row.own or not own][:LISTED]
    listed += [row for row in mine if row not in listed]
    choices = [
        Choice(
            row.message_id.hex(),
            f"{_moment(row, talk.now())} {words.name_of(row)}:",
            text=words.excerpt(row.text, 1),
            also=("last",) * (row in last) + ("mine",) * (row in mine),
        )
        for row in listed
    ]
    picked = await talk.choose(question, choices, nothing="There is no such message here.")
    return next(row for row in listed if row.message_id.hex() == picked)


def _moment(row: Message, now: float) -> str:
    """Return when it was written: hours and minutes, and the day where that is not today."""
    clock, day = words.clock_of(row.at), words.when(row.at, now)
    return clock if clock == day else f"{day} {clock}"

"""Rows of a timeline without a screen: as an object, and as a line for pipes, files and readers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.kept import is_kept
from cloister.client.safe_text import safe_line, safe_text
from cloister.tui import words

if TYPE_CHECKING:
    from cloister.client.told import Told


def message_view(message: Message, conversation: str) -> dict[str, Any]:
    """Return a row of a timeline as a JSON object; ids in hex, names of kinds in words."""
    return {
        "conversation": conversation,
        "channel_id": message.channel_id.hex(),
        "message_id": message.message_id.hex(),
        "position": message.position,
        "sender": message.sender.hex(),
        "name": message.sender_name,
        "bot": message.bot,
        "own": message.own,
        "kind": MessageKind(message.kind).name.lower(),
        "state": MessageState(message.state).name.lower(),
        "counter": message.counter,
        "n": message.n,
        "at": message.at,
        "text": message.text,
        "reason": message.reason,
        "envelope_hash": message.envelope_hash.hex(),
        "reply_to": message.reply_to.hex(),
        "edits": message.since.edits,
        "retracted": message.since.retracted,
        "reactions": [{"name": one.name, "mark": one.mark} for one in message.since.reactions],
        "pending": list(message.since.pending),
        "lifetime_s": message.lifetime_s,
        "expires_at": message.expires_at,
        "restored": is_kept(message),
    }


def message_text(message: Message, *, is_new: bool = False, told: Told | None = None) -> str:
    """Return ``Amira, 2026-11-22 09:41: text``.

    Further lines are set in, so that no text can look like a message of somebody else.
    """
    at = when(message.at) + (", restored" if is_kept(message) else "")
    body = safe_text(words.body_of(message)).replace("\n", "\n    ")
    if message.kind is MessageKind.NOTICE:
        return f"* {at}: {body}"
    name = safe_line(message.sender_name) + (" (bot)" if message.bot else "")
    state = ""
    if message.state is MessageState.QUEUED and not is_new:
        state = " (queued)"
    elif message.state is MessageState.FAILED:
        state = f" (failed: {safe_line(message.reason)})"
    elif told is not None:
        read = f", read {told.read}" if told.read else ""
        state = f" (delivered {told.delivered} of {told.others}{read})"
    answers = f" (answers {words.quote_line(message)[2:62].rstrip()})" if message.reply_to else ""
    after = "".join(f"\n    {one}" for one in words.since_lines(message))
    return f"{name}, {at}{state}{answers}: {body}{after}"


def folded_text(message: Message) -> str:
    """Return what stands in the place of a blocked member's text."""
    return f"* {when(message.at)}: a text of {safe_line(message.sender_name)}, who is blocked"


def when(at: int) -> str:
    """Return a moment of an author's clock, which may say anything, also what no calendar has."""
    try:
        return datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, OSError, ValueError):
        return "at an impossible time"

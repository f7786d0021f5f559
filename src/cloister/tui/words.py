"""Every state in words: one place for messages, conversations, members and the way to the relay.

Marks are ASCII, because a Linux console draws little else.  A new state gets its line here.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from cloister.client.effects import Message, MessageKind, MessageState, Reaction
from cloister.client.kept import is_kept
from cloister.client.safe_text import safe_line, safe_text
from cloister.client.spans import span_in_words
from cloister.client.told import Told
from cloister.tui.ordering import Written
from cloister.tui.trust import NOT_COMPARED, is_changed, trust_of_member

View = Mapping[str, Any]

STATES: Final[dict[MessageState, tuple[str, str]]] = {
    MessageState.QUEUED: (".", "queued"),
    MessageState.SENT: (":", "sent"),
    MessageState.RECEIVED: ("", ""),
    MessageState.FAILED: ("!", "failed"),
}
"""Of a message: its mark, and its word.  A state that is not here is shown by its name."""

LEGEND: Final = (
    (".", "queued: safe in the vault, goes out when the relay is in reach"),
    (":", "sent: the home relay has it on its disk"),
    ("!", "failed: the reason stands beside it"),
)

CONVERSATION_STATES: Final = {
    "opening": "being opened",
    "active": "",
    "stuck": "stands still",
    "left": "you are out of it",
    "out": "out for a time, with this device",
    "kept": "history only",
}

MEMBER_STATES: Final = {
    "active": "",
    "suspended": "suspended",
    "removed": "removed",
    "left": "has left",
}

DAY: Final = "%A %d %B %Y"
_QUARTER_S: Final = 900
_DAY_S: Final = 86_400
SOON_DAYS: Final = 14
"""So long before a seat ends it is said."""
_EXCERPT: Final = 120


def state_of(message: Message, *, is_connected: bool = True) -> str:
    """Return where an own message stands, in words; of others' only that it was restored."""
    if is_kept(message) and message.state is not MessageState.FAILED:
        return "restored"
    if not message.own or message.kind is not MessageKind.TEXT:
        return ""
    _, word = STATES.get(message.state, ("?", message.state.name.lower()))
    if message.state is MessageState.QUEUED:
        return "sending" if is_connected else "queued, no relay in reach"
    if message.state is MessageState.FAILED:
        reason = safe_line(message.reason)
        return f"failed: {reason}" if reason else word
    return word


def told_words(told: Told) -> str:
    """Return what receipts say of an own text."""
    if told.read:
        return "read" if told.read == told.others else f"read by {told.read} of {told.others}"
    if told.delivered == told.others:
        return "delivered"
    return f"delivered to {told.delivered} of {told.others}" if told.delivered else "sent"


def mark_of(message: Message) -> str:
    """Return the margin's mark of an own message: one character, or a space."""
    if not message.own or message.kind is not MessageKind.TEXT:
        return " "
    return STATES.get(message.state, ("?", ""))[0] or " "


def lifetime(seconds: int) -> str:
    """Return how long texts are kept, in words."""
    if not seconds:
        return "texts are kept for good"
    return f"texts are deleted {span_in_words(seconds)} after they were read"


def excerpt(text: str, rows: int) -> str:
    """Return how a text begins: some of its lines, none too long."""
    lines = safe_text(text).split("\n")
    begun = [
        one if len(one) <= _EXCERPT else one[:_EXCERPT].rstrip() + ".." for one in lines[:rows]
    ]
    return "\n".join(begun) + (" .." if len(lines) > rows else "")


def sentence_of(message: Message) -> str:
    """Return where an own message stands, as a sentence."""
    mark = STATES.get(message.state, ("?", ""))[0]
    said = next((text for one, text in LEGEND if one == mark), message.state.name.lower())
    why = f" ({safe_line(message.reason)})" if message.reason else ""
    return said[:1].upper() + said[1:] + why + "."


def since_lines(message: Message) -> list[str]:
    """Return what was said of a message since, in lines; mostly none."""
    since = message.since
    lines = [f"[{safe_line(one.mark)}] {_reactor(one)}" for one in since.reactions]
    if len(lines) > 1:
        by_mark: dict[str, list[str]] = {}
        for one in since.reactions:
            by_mark.setdefault(safe_line(one.mark), []).append(_reactor(one))
        lines = ["  ".join(f"[{mark}] {', '.join(names)}" for mark, names in by_mark.items())]
    return lines + [f"({safe_line(one)})" for one in since.pending]


def _reactor(reaction: Reaction) -> str:
    return "You" if reaction.own else safe_line(reaction.name) or "somebody"


def quote_line(message: Message) -> str:
    """Return what a message answers, in a line; nothing when it answers none."""
    quote = message.since.quote
    if quote is None:
        return ""
    name = safe_line(quote.name) + (" (bot)" if quote.bot else "")
    if not quote.text:
        who = f" of {name}" if quote.name else ""
        return f"> (a message{who} that is not here any more)"
    return f"> {name}: {safe_line(quote.text)}"


TAKEN_BACK: Final = "(taken back)"


def body_of(message: Message) -> str:
    """Return the text as it is shown: "taken back" where it was, and that it was edited."""
    if message.since.retracted:
        return TAKEN_BACK
    return message.text + (" (edited)" if message.since.edits else "")


def name_of(message: Message) -> str:
    """Return who wrote a message: "You" is clearer than one's own name."""
    if message.kind is MessageKind.NOTICE:
        return ""
    return bare_name_of(message) + bot_mark(message)


def bare_name_of(message: Message) -> str:
    """The same without the mark of a bot, which must not be cut off with the end of a name."""
    return Written("You" if message.own else safe_line(message.sender_name) or "somebody")


def bot_mark(message: Message) -> str:
    """Return what follows the name of an author that is a bot."""
    return " (bot)" if message.bot and message.kind is not MessageKind.NOTICE else ""


def people_of(conversation: View, *, but: str = "") -> list[str]:
    """Return who is in a conversation, bots marked, less the one who looks."""
    bots = set(conversation.get("bots") or ())
    here = conversation.get("people") or conversation.get("members") or ()
    names = [str(name) for name in here if name != but]
    return [safe_line(name) + (" (bot)" if name in bots else "") for name in names]


def _moment(at: int) -> datetime | None:
    """Return a moment in local time; an author's clock may say what no calendar has."""
    try:
        return datetime.fromtimestamp(at).astimezone()
    except (OverflowError, OSError, ValueError):
        return None


def clock_of(at: int) -> str:
    """Return hours and minutes."""
    try:
        moment = time.localtime(at)
    except (OverflowError, OSError, ValueError):
        return "--:--"
    return f"{moment.tm_hour:02}:{moment.tm_min:02}"


def day_of(at: int) -> str:
    """Return the day in words, for the rule between two days."""
    return day_of_quarter(at // _QUARTER_S)


@functools.lru_cache(4096)
def day_of_quarter(quarter: int) -> str:
    """The same of a quarter of an hour: days begin at one, everywhere on Earth."""
    moment = _moment(quarter * _QUARTER_S)
    return moment.strftime(DAY) if moment else "an impossible day"


def when(at: int, now: float) -> str:
    """Return a moment briefly: the time today, else the day."""
    moment, today = _moment(at), _moment(int(now))
    if moment is None or today is None:
        return "?"
    if moment.date() == today.date():
        return moment.strftime("%H:%M")
    return moment.strftime("%d %b" if moment.year == today.year else "%Y-%m-%d")


def message_line(message: Message, *, is_new: bool = False) -> str:
    """Return ``Amira, 09:41: text`` for the line mode; further lines are set in.

    ``is_new``: that it is still queued goes without saying.
    """
    body = safe_text(body_of(message)).replace("\n", "\n    ")
    if message.kind is MessageKind.NOTICE:
        return f"* {clock_of(message.at)}: {body}"
    state = state_of(message)
    if message.state is not MessageState.FAILED and (is_new or state in {"", "sent"}):
        state = ""
    state = f" ({state})" if state else ""
    answers = f" (answers {quote_line(message)[2:60].rstrip()})" if message.since.quote else ""
    after = "".join(f"\n    {one}" for one in since_lines(message))
    return f"{name_of(message)}, {clock_of(message.at)}{state}{answers}: {body}{after}"


def relay_state(status: View) -> str:
    """Return in a few words whether the relay is in reach."""
    if status.get("trust_problem"):
        return "STOP: not the relay it should be"
    match status.get("link"):
        case "up":
            return "relay in reach"
        case "down":
            return "no relay in reach"
        case _:
            return "not in a circle yet"


def standing(status: View) -> str:
    """Return what a person must know of their own device, beyond the link; mostly nothing."""
    phase = str(status.get("phase", ""))
    parts = []
    if phase and phase not in {"member", "empty", "founding"}:
        parts.append(phase.replace("joining:", "joining,"))
    if seat := seat_of(status):
        parts.append(seat)
    if status.get("log_stale"):
        parts.append("nothing new of the circle for days")
    if status.get("stuck"):
        parts.append("a conversation stands still")
    return ", ".join(parts)


def seat_of(status: View) -> str:
    """Return what a person must know of their seat, while there is time to pay; mostly nothing."""
    term = status.get("term")
    if not isinstance(term, Mapping):
        return ""
    days = int(term["days"])
    match term["state"]:
        case "lapsed":
            return "seat has run out"
        case "grace":
            grace = (int(term["grace_until"]) - int(term["ends_at"])) // _DAY_S
            return f"seat over, {span_in_words(max(grace + days, 0) * _DAY_S)} to pay"
        case "active" if days <= SOON_DAYS:
            return f"seat ends in {span_in_words(days * _DAY_S)}" if days else "seat ends today"
        case _:
            return ""


def nothing_here(status: View) -> str:
    """Return what stands where there is no conversation: what to do next."""
    phase = str(status.get("phase", ""))
    if phase == "empty":
        return "You are in no circle yet. Enter: get into one, with an invitation's code."
    if phase.startswith("joining"):
        return "You wait to be let in. Enter: the digits to read out to those who vouch."
    return "No conversation yet." if phase else ""


def state_line(status: View, asking: int = 0) -> str:
    """Return the one line that always says where things stand."""
    parts = [relay_state(status)]
    if extra := standing(status):
        parts.append(extra)
    if status.get("queued"):
        parts.append(f"{status['queued']} queued")
    if status.get("unread"):
        parts.append(f"{status['unread']} unread")
    if asking:
        parts.append(f"{asking} ask{'s' if asking == 1 else ''} to join")
    return ", ".join(parts)


def brief_state(status: View) -> str:
    """Return of the state only what a conversation must not hide, in the fewest words."""
    parts = []
    if status.get("trust_problem"):
        parts.append("STOP: wrong relay")
    elif status.get("link") != "up":
        parts.append("no relay")
    if status.get("queued"):
        parts.append(f"{status['queued']} queued")
    if status.get("unread"):
        parts.append(f"{status['unread']} unread")
    if standing(status):
        parts.append("see status")
    return ", ".join(parts)


def trust_of(conversation: View, members: Iterable[View]) -> str:
    """Return what must be known before trusting a conversation, in words; mostly nothing.

    What is as it should be is said by ``assurance_of``.
    """
    own_state = CONVERSATION_STATES.get(
        str(conversation.get("state")), str(conversation.get("state"))
    )
    inside, bots = set(conversation.get("members") or ()), set(conversation.get("bots") or ())
    partner = conversation.get("partner")
    parts = [own_state] if own_state else []
    for member in members:
        is_here = member.get("name") in inside or member.get("member_id") == partner
        if conversation.get("kind") == "commons" or not is_here:
            continue
        if member.get("shown", member.get("name")) in bots:
            by = ", ".join(str(name) for name in member.get("vouched_by") or ()) or "nobody"
            parts.append(f"{member.get('shown') or member['name']}: a bot, vouched for by {by}")
        word = member_state(member)
        if is_changed(member):
            word = ", ".join(filter(None, (word, NOT_COMPARED)))
        if word and member.get("member_id") == partner:
            parts.append(word)
        elif word:
            parts.append(f"{member.get('shown') or member['name']}: {word}")
    if conversation.get("blocked"):
        parts.append("blocked")
    if conversation.get("leaving"):
        parts.append("you are leaving")
    return ", ".join(parts)


def assurance_of(conversation: View, members: Iterable[View]) -> str:
    """Return what stands behind the keys of the other of two, where all is as it should be."""
    partner = conversation.get("partner")
    found = (one for one in members if partner and one.get("member_id") == partner)
    return next((trust_of_member(one) for one in found if not is_changed(one)), "")


def company_of(conversation: View, members: Iterable[View], own: str) -> str:
    """Return how long texts are kept, who else is there, and what stands behind the other of two.

    Who that is goes without saying where the conversation is called by that name.
    """
    kept = int(conversation.get("lifetime_s") or 0)
    notes = [f"kept {span_in_words(kept)}"] if kept else []
    sure = assurance_of(conversation, members)
    if conversation.get("kind") == "commons":
        notes.append(f"all {len(conversation['members'])}")
    elif not sure or people_of(conversation, but=own) != [shown_title(conversation)]:
        notes.append(", ".join(people_of(conversation, but=own)) or "nobody else")
    return ", ".join(filter(None, (*notes, sure)))


def shown_title(conversation: View) -> str:
    """Return what this device calls a conversation."""
    return Written(safe_line(str(conversation.get("shown") or conversation["title"])))


def member_state(member: View) -> str:
    """Return how a member stands, in words; nothing for somebody in good standing."""
    parts = [MEMBER_STATES.get(str(member.get("state")), str(member.get("state")))]
    if member.get("needs_revouch"):
        parts.append("needs new vouches")
    if member.get("removal_proposed"):
        parts.append("removal proposed")
    return ", ".join(part for part in parts if part)


def groups_of(digits: str) -> list[str]:
    """Return sixty digits as twelve groups of five."""
    plain = "".join(one for one in digits if one.isdigit())
    return [plain[start : start + 5] for start in range(0, len(plain), 5)]


def digit_rows(groups: Iterable[str], each: int = 4) -> str:
    """Lay groups of digits out in rows."""
    listed = list(groups)
    return "\n".join("  ".join(listed[n : n + each]) for n in range(0, len(listed), each))

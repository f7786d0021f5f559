"""What receipts say, for people: how many members have a text, and how many have read it."""

from __future__ import annotations

from dataclasses import dataclass

from cloister.client.binding import dids_of
from cloister.client.identity import did_of
from cloister.client.receipt_records import Mark, ReceiptLevel
from cloister.client.safe_text import safe_line
from cloister.client.state import Channel, State

View = dict[str, object]


@dataclass(frozen=True, slots=True)
class Told:
    """Of how many other members it is known that a text has arrived, or was read."""

    delivered: int
    read: int
    others: int
    """Members of the conversation besides one's own."""


def level_of(state: State, channel_id: bytes) -> ReceiptLevel:
    """Return what this device gives in a channel."""
    giving = state.givings.get(channel_id)
    return giving.level if giving is not None else ReceiptLevel.OFF


def receipts_view(state: State, channel: Channel) -> View:
    """How far the other members' devices have come, by their receipts; ends are exclusive."""
    roster = state.roster
    members: dict[bytes, View] = {}
    if roster is not None:
        names = roster.shown_names()
        own = roster.devices[did_of(state)].member_id
        for did in dids_of(channel.group).values():
            member = roster.devices[did].member_id
            if member == own:
                continue
            shown = members.setdefault(
                member, {"name": safe_line(names[member]), "member_id": member.hex(), "marks": []}
            )
            mark = state.marks.get(channel.channel_id + did)
            marks = shown["marks"]
            if mark is not None and isinstance(marks, list):
                marks.append(_mark_view(mark))
    given = level_of(state, channel.channel_id).name.lower()
    return {"given": given, "members": list(members.values())}


def _mark_view(mark: Mark) -> View:
    return {
        "from_n": mark.from_n,
        "until_n": mark.until_n,
        "read_n": mark.read_n,
        "missing": list(mark.missing),
    }


def told_of(view: View, n: int) -> Told | None:
    """Return what a view says of the text at ``n``; nothing when nobody gives receipts there.

    A member has a text when one of its devices has it."""
    members = view["members"]
    if not isinstance(members, list) or not any(one["marks"] for one in members):
        return None
    covering = [[mark for mark in one["marks"] if _covers(mark, n)] for one in members]
    return Told(
        delivered=sum(bool(marks) for marks in covering),
        read=sum(any(n < mark["read_n"] for mark in marks) for marks in covering),
        others=len(members),
    )


def _covers(mark: dict[str, object], n: int) -> bool:
    from_n, until_n, missing = mark["from_n"], mark["until_n"], mark["missing"]
    return (
        isinstance(from_n, int)
        and isinstance(until_n, int)
        and from_n <= n < until_n
        and n not in (missing if isinstance(missing, list) else ())
    )

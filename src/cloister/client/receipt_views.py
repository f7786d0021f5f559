"""How far the others of a conversation have come, by their receipts, as plain values."""

from __future__ import annotations

from cloister.client.binding import dids_of
from cloister.client.identity import did_of
from cloister.client.receipt_records import Mark, ReceiptLevel
from cloister.client.safe_text import safe_line
from cloister.client.state import Channel, State

View = dict[str, object]


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

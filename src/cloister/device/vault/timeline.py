"""The timelines in an open vault: rows, what was said of them since, and what is deleted when.

A row is unique by (channel, message id), and the id is its author's choice.  So a row changes only
by its own author, and only in what becomes of it; an edit or a retraction counts only from a
device of the member who wrote the text.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from cloister.client.effects import (
    Annotation,
    AnnotationKind,
    Message,
    MessageKind,
    MessageState,
    Quote,
    Reaction,
    Since,
)
from cloister.device.vault.schema import ANNOTATION_COLUMNS, MESSAGE_COLUMNS
from cloister.values import replace

Rows = Callable[[str, tuple[object, ...]], list[tuple[Any, ...]]]
"""Run a statement and return what it gives."""

# Put together of constants only.
_COLUMNS: Final = ", ".join(MESSAGE_COLUMNS)
_PLACES: Final = ", ".join("?" * len(MESSAGE_COLUMNS))
_PUT_MESSAGE: Final = (
    f"INSERT INTO message ({_COLUMNS}) VALUES ({_PLACES})"  # noqa: S608
    " ON CONFLICT (channel_id, message_id) DO UPDATE SET n = excluded.n, state = excluded.state,"
    " reason = excluded.reason, envelope_hash = excluded.envelope_hash,"
    " lifetime_s = excluded.lifetime_s, expires_at = excluded.expires_at"
    " WHERE (message.own = 1 AND excluded.own = 1)"
    # A restored text that had not been sent may have been since, by the device that wrote it.
    f" OR (message.position < 0 AND message.own = 1 AND message.state = {int(MessageState.FAILED)}"
    " AND message.sender = excluded.sender)"
)
_PUT_ANNOTATION: Final = (
    f"INSERT INTO annotation ({', '.join(ANNOTATION_COLUMNS)})"  # noqa: S608
    f" VALUES ({', '.join('?' * len(ANNOTATION_COLUMNS))})"
    " ON CONFLICT (channel_id, message_id) DO UPDATE SET n = excluded.n, state = excluded.state,"
    " reason = excluded.reason WHERE annotation.own = 1 AND excluded.own = 1"
)
_EDIT: Final = (
    "UPDATE message SET original = coalesce(original, text), text = ?, edited_n = ?"
    " WHERE channel_id = ? AND message_id = ? AND kind = ? AND retracted = 0 AND edited_n < ?"
    " AND sender IN ({})"
)
_RETRACT: Final = (
    "UPDATE message SET retracted = 1 WHERE channel_id = ? AND message_id = ? AND kind = ?"
    " AND sender IN ({})"
)
_FROM: Final = f"SELECT {_COLUMNS}, retracted FROM message"  # noqa: S608
_LAST: Final = (
    f"SELECT * FROM ({_FROM} WHERE channel_id = ?"  # noqa: S608
    " ORDER BY position DESC LIMIT ?) ORDER BY position"
)
_AFTER: Final = f"{_FROM} WHERE channel_id = ? AND position > ? ORDER BY position LIMIT ?"
_BEFORE: Final = (
    f"SELECT * FROM ({_FROM} WHERE channel_id = ? AND position < ?"  # noqa: S608
    " ORDER BY position DESC LIMIT ?) ORDER BY position"
)
_NEWEST: Final = (
    f"{_FROM} JOIN (SELECT channel_id AS one, max(position) AS last"  # noqa: S608
    " FROM message GROUP BY channel_id) ON channel_id = one AND position = last"
)
_FOUND: Final = (
    f"{_FROM} WHERE kind = ? AND retracted = 0 AND has_words(text, ?) ORDER BY at DESC LIMIT ?"
)
_ONE: Final = f"{_FROM} WHERE channel_id = ? AND message_id = ?"
_BEGINNING: Final = (
    f"{_FROM} WHERE channel_id = ? AND lower(hex(message_id)) LIKE ? || '%'"
    " ORDER BY position DESC LIMIT 2"
)
_SAID: Final = (
    "SELECT target, kind, member_id, name, own, state, text, reason FROM annotation"
    " WHERE channel_id = ? AND target IN ({}) ORDER BY n = 0, n"
)
_QUOTED: Final = (
    "SELECT message_id, sender, sender_name, CASE retracted WHEN 1 THEN '' ELSE text END"
    " FROM message WHERE channel_id = ? AND message_id IN ({})"
)
_UNREAD: Final = (
    "SELECT message.channel_id, message.sender, count(*) FROM message"
    " LEFT JOIN read_marker ON read_marker.channel_id = message.channel_id"
    " WHERE message.own = 0 AND message.kind = ? AND message.retracted = 0"
    " AND message.position > coalesce(read_marker.position, -1)"
    " GROUP BY message.channel_id, message.sender"
)
_MARK: Final = (
    "INSERT INTO read_marker (channel_id, position) VALUES (?, ?)"
    " ON CONFLICT (channel_id) DO UPDATE SET position = max(position, excluded.position)"
)
_LAST_BELOW: Final = (
    "SELECT max(position) FROM message WHERE channel_id = ? AND n < ? AND own = 0 AND position >= 0"
)
_QUOTE_CHARACTERS: Final = 120
_IN_CHANNEL: Final = frozenset({MessageState.SENT, MessageState.RECEIVED})

# --- writing ----------------------------------------------------------------------------------


def put_message(run: Rows, message: Message) -> None:
    """Insert a row, or change what has become of an own one."""
    run(_PUT_MESSAGE, tuple(getattr(message, column) for column in MESSAGE_COLUMNS))


def put_annotation(run: Rows, one: Annotation) -> None:
    """Insert what is said of a message; it takes effect when it stands in the channel.

    Another's that changes nothing here, because its target is not here or is not its author's,
    is not kept."""
    is_there = _take_effect(run, one) if one.state in _IN_CHANNEL else one.own
    if is_there or one.own:
        run(_PUT_ANNOTATION, tuple(getattr(one, column) for column in ANNOTATION_COLUMNS))


def _take_effect(run: Rows, one: Annotation) -> bool:
    place = (one.channel_id, one.target)
    if one.kind is AnnotationKind.REACTION:
        return bool(run("SELECT 1 FROM message WHERE channel_id = ? AND message_id = ?", place))
    sender = _places(one.dids)
    kind = int(MessageKind.TEXT)
    if one.kind is AnnotationKind.EDIT:
        run(_EDIT.format(sender), (one.text, one.n, *place, kind, one.n, *one.dids))
    else:
        run(_RETRACT.format(sender), (*place, kind, *one.dids))
    return bool(run("SELECT changes()", ())[0][0])


def due_channels(run: Rows, now: int, held: Collection[bytes]) -> set[bytes]:
    """Return the channels in which a text has come to its time or was taken back.

    ``held``: channels under a legal hold, of which nothing is deleted.
    """
    rows = run(
        "SELECT channel_id FROM message WHERE expires_at BETWEEN 1 AND ?"
        " UNION SELECT channel_id FROM message WHERE retracted = 1 AND text <> ''",
        (now,),
    )
    return {bytes(channel_id) for (channel_id,) in rows} - set(held)


def sweep(run: Rows, now: int, channels: Collection[bytes]) -> None:
    """Delete what has come to its time, and the texts of what was taken back.

    To be called inside a transaction.
    """
    for channel_id in channels:
        run(
            "DELETE FROM annotation WHERE channel_id = ? AND target IN (SELECT message_id FROM"
            " message WHERE channel_id = ? AND expires_at BETWEEN 1 AND ?)",
            (channel_id, channel_id, now),
        )
        run(
            "DELETE FROM message WHERE channel_id = ? AND expires_at BETWEEN 1 AND ?",
            (channel_id, now),
        )
        run(
            "DELETE FROM annotation WHERE channel_id = ? AND kind <> ? AND target IN (SELECT"
            " message_id FROM message WHERE channel_id = ? AND retracted = 1 AND text <> '')",
            (channel_id, int(AnnotationKind.RETRACTION), channel_id),
        )
        run(
            "UPDATE message SET text = '', original = NULL"
            " WHERE channel_id = ? AND retracted = 1 AND text <> ''",
            (channel_id,),
        )


def next_expiry(run: Rows, held: Collection[bytes]) -> int | None:
    """Return when the next row is to be deleted, s since the Unix epoch."""
    rows = run(
        "SELECT channel_id, min(expires_at) FROM message WHERE expires_at > 0 GROUP BY channel_id",
        (),
    )
    return min((int(at) for channel_id, at in rows if channel_id not in held), default=None)


def read_below(run: Rows, channel_id: bytes, below_n: int, now: int) -> None:
    """Move the read marker to the last text of others below an index of the channel."""
    ((position,),) = run(_LAST_BELOW, (channel_id, below_n))
    if position is not None:
        read_up_to(run, channel_id, int(position), now)


def read_up_to(run: Rows, channel_id: bytes, position: int, now: int) -> None:
    """Move the read marker forward; let the time of others' texts run that have been read."""
    run(_MARK, (channel_id, position))
    run(
        "UPDATE message SET expires_at = ? + lifetime_s WHERE channel_id = ? AND position <= ?"
        " AND own = 0 AND lifetime_s > 0 AND expires_at = 0",
        (now, channel_id, position),
    )


# --- reading ----------------------------------------------------------------------------------


class Timeline:
    """What of the timelines is shown."""

    def __init__(self, run: Rows) -> None:
        self._run = run

    def history(
        self, channel_id: bytes, *, limit: int, after: int | None = None, before: int | None = None
    ) -> list[Message]:
        """Return messages in order of position: the last ``limit``, the last ones before a
        position, or the first ones after one."""
        if before is not None:
            rows = self._run(_BEFORE, (channel_id, before, limit))
        elif after is None:
            rows = self._run(_LAST, (channel_id, limit))
        else:
            rows = self._run(_AFTER, (channel_id, after, limit))
        return self._shown(rows)

    def message(self, channel_id: bytes, message_id: bytes) -> Message | None:
        """Return one row of a timeline."""
        rows = self._shown(self._run(_ONE, (channel_id, message_id)))
        return rows[0] if rows else None

    def beginning(self, channel_id: bytes, digits: str) -> list[Message]:
        """Return the newest rows whose id begins with hexadecimal digits, two at most."""
        return self._shown(self._run(_BEGINNING, (channel_id, digits)))

    def newest(self) -> list[Message]:
        """Return the last row of every timeline."""
        return self._shown(self._run(_NEWEST, ()))

    def search(self, words: str, limit: int) -> list[Message]:
        """Return the newest texts that hold every one of the words, in either case."""
        rows = self._run(_FOUND, (int(MessageKind.TEXT), words.casefold(), limit))
        return self._shown(rows)

    def unread(self, without: Collection[bytes] = ()) -> dict[bytes, int]:
        """Return how many texts of others lie after the read marker, channel -> count.

        ``without``: the dids of authors who do not count."""
        found: dict[bytes, int] = defaultdict(int)
        for channel_id, sender, count in self._run(_UNREAD, (int(MessageKind.TEXT),)):
            if bytes(sender) not in without:
                found[bytes(channel_id)] += int(count)
        return dict(found)

    def read_markers(self) -> dict[bytes, int]:
        """Return how far the person has read, channel -> position, where anything was read."""
        rows = self._run("SELECT channel_id, position FROM read_marker", ())
        return {bytes(channel_id): int(position) for channel_id, position in rows}

    def versions(self, channel_id: bytes, message_id: bytes) -> list[tuple[int, str]]:
        """Return the texts that a message has had, oldest first, each with its author's clock."""
        place = (channel_id, message_id)
        rows = self._run(
            "SELECT at, coalesce(original, text) FROM message"
            " WHERE channel_id = ? AND message_id = ? AND retracted = 0",
            place,
        )
        if rows:
            rows += self._run(
                "SELECT at, text FROM annotation WHERE channel_id = ? AND target = ? AND kind = ?"
                " AND n > 0 ORDER BY n",
                (*place, int(AnnotationKind.EDIT)),
            )
        return [(int(at), str(text)) for at, text in rows]

    def _shown(self, rows: Iterable[tuple[Any, ...]]) -> list[Message]:
        """Make rows of what was read, with what was said of each since."""
        found: list[Message] = []
        retracted: set[int] = set()
        by_channel: dict[bytes, list[int]] = defaultdict(list)
        for row in rows:
            if row[-1]:
                retracted.add(len(found))
            by_channel[bytes(row[0])].append(len(found))
            found.append(_message(row[:-1]))
        for channel_id, places in by_channel.items():
            ids = [found[place].message_id for place in places]
            said = self._said(channel_id, ids)
            quoted = [one for place in places if (one := found[place].reply_to)]
            quotes = self._quotes(channel_id, quoted) if quoted else {}
            for place in places:
                shown = found[place]
                since = said.get(shown.message_id, Since())
                if shown.reply_to:
                    since = replace(since, quote=quotes.get(shown.reply_to, Quote()))
                if place in retracted:
                    shown = replace(shown, text="")
                    since = replace(since, retracted=True)
                if since != shown.since:
                    found[place] = replace(shown, since=since)
        return found

    def _said(self, channel_id: bytes, ids: list[bytes]) -> dict[bytes, Since]:
        rows = self._run(_SAID.format(_places(ids)), (channel_id, *ids))
        of_each: dict[bytes, list[tuple[Any, ...]]] = defaultdict(list)
        for target, *rest in rows:
            of_each[bytes(target)].append(tuple(rest))
        return {target: _since(said) for target, said in of_each.items()}

    def _quotes(self, channel_id: bytes, ids: list[bytes]) -> dict[bytes, Quote]:
        rows = self._run(_QUOTED.format(_places(ids)), (channel_id, *ids))
        return {
            bytes(message_id): Quote(
                sender=bytes(sender), name=str(name), text=str(text)[:_QUOTE_CHARACTERS]
            )
            for message_id, sender, name, text in rows
        }


def has_words(text: str, folded: str) -> bool:
    """Tell whether a text holds all words of a folded query; SQL's own LIKE folds ASCII only."""
    found = text.casefold()
    return all(word in found for word in folded.split())


def _since(said: list[tuple[Any, ...]]) -> Since:
    edits = 0
    marks: dict[bytes, Reaction] = {}
    pending = []
    for number, member_id, name, own, state, text, reason in said:
        kind = AnnotationKind(number)
        if state == MessageState.FAILED:
            pending.append(f"{_PENDING[kind]} failed: {reason}")
        elif state == MessageState.QUEUED:
            pending.append(f"{_PENDING[kind]} waits to be sent")
        elif kind is AnnotationKind.EDIT:
            edits += 1
        elif kind is AnnotationKind.REACTION:
            marks.pop(bytes(member_id), None)
            if text:
                marks[bytes(member_id)] = Reaction(
                    name=str(name), own=bool(own), mark=str(text), member_id=bytes(member_id)
                )
    return Since(edits=edits, reactions=tuple(marks.values()), pending=tuple(pending))


_PENDING: Final = {
    AnnotationKind.EDIT: "an edit",
    AnnotationKind.RETRACTION: "taking it back",
    AnnotationKind.REACTION: "a reaction",
}


def _message(row: tuple[Any, ...]) -> Message:
    fields = dict(zip(MESSAGE_COLUMNS, row, strict=True))
    fields["own"] = bool(fields["own"])
    fields["kind"] = MessageKind(fields["kind"])
    fields["state"] = MessageState(fields["state"])
    return Message(**fields)


def _places(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))

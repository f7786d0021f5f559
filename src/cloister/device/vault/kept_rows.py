"""What a backup is made of, and what it is restored to, in the vault's tables.

What its author took back and what is kept for a time are in no backup: a file would keep both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

from cloister.client.effects import (
    Annotation,
    AnnotationKind,
    Message,
    MessageKind,
    MessageState,
)
from cloister.client.kept import Places
from cloister.device.vault.schema import ANNOTATION_COLUMNS, MESSAGE_COLUMNS
from cloister.device.vault.timeline import Rows

R = TypeVar("R")
RowKey = tuple[bytes, int, bytes]
"""Channel, position, id: the order of a backup's messages."""

KEPT_TABLE: Final = "kept"
"""Of ``record``: what a conversation was called whose history was restored, by channel."""
SAID_TABLES: Final = ("contact", "preference")
"""Of ``record``: what the person says of others and of conversations."""
KEPT_COLUMNS: Final = (*MESSAGE_COLUMNS, "original", "edited_n")

# Put together of constants only.
_SELECTED: Final = ", ".join(
    "coalesce(original, '')" if name == "original" else name for name in KEPT_COLUMNS
)
_LASTING: Final = "retracted = 0 AND lifetime_s = 0"
_FIRST: Final = (
    f"SELECT {_SELECTED} FROM message WHERE {_LASTING}"  # noqa: S608
    " ORDER BY channel_id, position, message_id LIMIT ?"
)
_AFTER: Final = (
    f"SELECT {_SELECTED} FROM message WHERE {_LASTING}"  # noqa: S608
    " AND (channel_id, position, message_id) > (?, ?, ?)"
    " ORDER BY channel_id, position, message_id LIMIT ?"
)
_SAID: Final = (
    f"SELECT {', '.join(ANNOTATION_COLUMNS)} FROM annotation"  # noqa: S608
    f" WHERE (channel_id, message_id) > (?, ?) AND kind <> {int(AnnotationKind.RETRACTION)}"
    f" AND state IN ({int(MessageState.SENT)}, {int(MessageState.RECEIVED)})"
    " ORDER BY channel_id, message_id LIMIT ?"
)
_POSITION: Final = "SELECT position FROM message WHERE channel_id = ? AND message_id = ?"
_IS_TAKEN: Final = "SELECT 1 FROM message WHERE channel_id = ? AND position = ?"
_VALUES: Final = ", ".join("nullif(?, '')" if one == "original" else "?" for one in KEPT_COLUMNS)
_INSERT: Final = f"INSERT INTO message ({', '.join(KEPT_COLUMNS)}) VALUES ({_VALUES})"  # noqa: S608
_INSERT_SAID: Final = (
    f"INSERT OR IGNORE INTO annotation ({', '.join(ANNOTATION_COLUMNS)})"  # noqa: S608
    f" SELECT {', '.join('?' * len(ANNOTATION_COLUMNS))} WHERE EXISTS (SELECT 1 FROM message"
    " WHERE channel_id = ? AND message_id = ? AND position < 0)"
)
_READ_ALREADY: Final = (
    "INSERT INTO read_marker (channel_id, position) VALUES (?, -1)"
    " ON CONFLICT (channel_id) DO UPDATE SET position = max(position, -1)"
)
_TITLE: Final = "INSERT OR IGNORE INTO record (tbl, key, value) VALUES (?, ?, ?)"
_DRAFT: Final = "INSERT OR IGNORE INTO draft (channel_id, text) VALUES (?, ?)"


class KeptMessage(Message, frozen=True, kw_only=True):
    """A row of a timeline with what the table has beside the fields of a message."""

    original: str = ""
    """The first text of an edited one, or nothing."""
    edited_n: int = 0
    """The channel's index of its newest edit."""


class Transact(Protocol):
    """Does something in one durable transaction."""

    def __call__(self, work: Callable[[Rows], R]) -> R:
        """Let ``work`` write."""
        ...


class KeptRows:
    """The side of the vault that archives see."""

    def __init__(self, run: Rows, transact: Transact) -> None:
        self._run = run
        self._transact = transact

    def message_count(self) -> int:
        """Return how many rows a backup has."""
        ((count,),) = self._run(f"SELECT count(*) FROM message WHERE {_LASTING}", ())  # noqa: S608
        return int(count)

    def rows_after(self, key: RowKey | None, limit: int) -> list[KeptMessage]:
        """Return rows of all timelines by channel, position and id: the first, or those after."""
        statement, values = (_FIRST, ()) if key is None else (_AFTER, key)
        return [_message(row) for row in self._run(statement, (*values, limit))]

    def said_after(self, key: tuple[bytes, bytes], limit: int) -> list[Annotation]:
        """Return what stands in the channels about messages, by channel and its own id."""
        return [_annotation(row) for row in self._run(_SAID, (*key, limit))]

    def drafts(self) -> dict[bytes, str]:
        """Return what has been begun, channel -> text."""
        rows = self._run("SELECT channel_id, text FROM draft", ())
        return {bytes(channel_id): str(text) for channel_id, text in rows}

    def said_of_others(self) -> list[tuple[str, bytes, bytes]]:
        """Return the records of contacts and preferences: table, key, value."""
        rows = self._run(
            f"SELECT tbl, key, value FROM record WHERE tbl IN ({', '.join('?' * len(SAID_TABLES))})"  # noqa: S608
            " ORDER BY tbl, key",
            SAID_TABLES,
        )
        return [(str(table), bytes(key), bytes(value)) for table, key, value in rows]

    def titles(self) -> dict[bytes, str]:
        """Return what conversations were called of which history was restored."""
        rows = self._run(
            "SELECT key, value FROM record WHERE tbl = ?"
            " AND EXISTS (SELECT 1 FROM message WHERE channel_id = key)",
            (KEPT_TABLE,),
        )
        return {bytes(key): bytes(value).decode("utf-8") for key, value in rows}

    def keep_titles(self, titles: Mapping[bytes, str]) -> None:
        """Remember what conversations were called; the first title stays."""

        def keep(run: Rows) -> None:
            for key, title in titles.items():
                run(_TITLE, (KEPT_TABLE, key, title.encode("utf-8")))

        self._transact(keep)

    def restore_drafts(self, drafts: Mapping[bytes, str]) -> None:
        """Keep drafts where nothing has been begun."""

        def keep(run: Rows) -> None:
            for row in drafts.items():
                run(_DRAFT, row)

        self._transact(keep)

    def restore_messages(self, messages: Sequence[KeptMessage], places: Places) -> int:
        """Insert the rows that are not there, in one transaction; return how many those are.

        They come by channel and position; ``places`` goes from one call to the next.  What is
        there stays as it is, and nothing becomes unread.
        """

        def insert(run: Rows) -> int:
            new = sum(_insert(run, message, places) for message in messages)
            for channel_id in sorted({message.channel_id for message in messages}):
                run(_READ_ALREADY, (channel_id,))
            return new

        return self._transact(insert)

    def restore_said(self, said: Sequence[Annotation]) -> None:
        """Insert what is said of restored messages, where it is not there."""

        def insert(run: Rows) -> None:
            for one in said:
                values = tuple(getattr(one, column) for column in ANNOTATION_COLUMNS)
                run(_INSERT_SAID, (*values, one.channel_id, one.target))

        self._transact(insert)


def _insert(run: Rows, message: KeptMessage, places: Places) -> bool:
    """Insert a row where it is not there; return whether that was so."""
    wanted = places.wanted(message)
    found = run(_POSITION, (message.channel_id, message.message_id))
    if found:
        places.taken(int(found[0][0]))
        return False
    while run(_IS_TAKEN, (message.channel_id, wanted)):
        wanted += 1
    values = {name: getattr(message, name) for name in KEPT_COLUMNS} | {"position": wanted}
    run(_INSERT, tuple(values.values()))
    places.taken(wanted)
    return True


def _message(row: tuple[Any, ...]) -> KeptMessage:
    fields = dict(zip(KEPT_COLUMNS, row, strict=True))
    fields["own"] = bool(fields["own"])
    fields["kind"] = MessageKind(fields["kind"])
    fields["state"] = MessageState(fields["state"])
    return KeptMessage(**fields)


def _annotation(row: tuple[Any, ...]) -> Annotation:
    fields = dict(zip(ANNOTATION_COLUMNS, row, strict=True))
    fields["own"] = bool(fields["own"])
    fields["kind"] = AnnotationKind(fields["kind"])
    fields["state"] = MessageState(fields["state"])
    return Annotation(**fields, dids=())

"""What an archive holds, section by section, and rows of a timeline from and to it.

The columns of ``message`` are those of the vault's table, so an archive follows the vault: a
column that a later form adds is written, an older program passes over it, and a newer one that
does not find it takes the field's default.
"""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, Final, TypeVar

import msgspec

from cloister.client.effects import (
    Annotation,
    AnnotationKind,
    MessageKind,
    MessageState,
)
from cloister.client.safe_text import safe_line, safe_text
from cloister.device.archive.blocks import Block, Column, ColumnKind, Value
from cloister.device.archive.errors import ArchiveDamaged, ArchiveNewer
from cloister.device.vault.kept_rows import KEPT_COLUMNS, SAID_TABLES, KeptMessage
from cloister.device.vault.schema import ANNOTATION_COLUMNS
from cloister.ids import SHORT_ID_BYTES
from cloister.values import replace

OWNER: Final = "archive"
"""One row, before all others: whose history it is, and of which moment."""
CONVERSATION: Final = "conversation"
"""The titles, for those that the reading device is not in."""
MESSAGE: Final = "message"
"""Timelines, by channel, position and id."""
ANNOTATION: Final = "annotation"
"""Reactions, and edits that have been taken into the texts; after all messages."""
DRAFT: Final = "draft"
RECORD: Final = "record"
"""What the person says of members and conversations, as the core encodes it."""

_MESSAGE_TYPES: Final = typing.get_type_hints(KeptMessage)
_ANNOTATION_TYPES: Final = typing.get_type_hints(Annotation)
_DEFAULTS: Final[Mapping[str, Any]] = {
    one.name: one.default for one in msgspec.structs.fields(KeptMessage) if not one.required
}
_LENGTHS: Final[Mapping[str, tuple[int, ...]]] = {
    "channel_id": (16,),
    "message_id": (16,),
    "sender": (32,),
    "envelope_hash": (0, 32),
    "reply_to": (0, 16),
    "target": (16,),
    "member_id": (16,),
}
"""Bytes of a column, where they are bytes."""
_SIGNED: Final = {"position"}
_TEXTS: Final = {"text", "original"}
NOT_SENT: Final = "it had not been sent when the backup was made"


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose history an archive holds; ids in bytes, times in s since the Unix epoch."""

    circle_id: bytes
    member_id: bytes
    did: bytes
    """The device that made it."""
    name: str
    made_at: int
    messages: int
    """How many rows the vault had when it was begun: for showing how far a reader is."""


def _kind_of(hint: object) -> ColumnKind:
    if hint is bytes:
        return ColumnKind.BYTES
    return ColumnKind.TEXT if hint is str else ColumnKind.INTEGER


OWNER_COLUMNS: Final = tuple(
    Column(name, _kind_of(hint)) for name, hint in typing.get_type_hints(Owner).items()
)
MESSAGE_ROW: Final = tuple(Column(name, _kind_of(_MESSAGE_TYPES[name])) for name in KEPT_COLUMNS)
ANNOTATION_ROW: Final = tuple(
    Column(name, _kind_of(_ANNOTATION_TYPES[name])) for name in ANNOTATION_COLUMNS
)
TITLE_COLUMNS: Final = (
    Column("channel_id", ColumnKind.BYTES),
    Column("title", ColumnKind.TEXT),
)
DRAFT_COLUMNS: Final = (
    Column("channel_id", ColumnKind.BYTES),
    Column("text", ColumnKind.TEXT),
)
RECORD_COLUMNS: Final = (
    Column("tbl", ColumnKind.TEXT),
    Column("key", ColumnKind.BYTES),
    Column("value", ColumnKind.BYTES),
)


def row_of_owner(owner: Owner) -> tuple[Value, ...]:
    """Return the one row of the section ``archive``."""
    return tuple(getattr(owner, column.name) for column in OWNER_COLUMNS)


def row_of_message(message: KeptMessage) -> tuple[Value, ...]:
    """Return a row of a timeline as it stands in the vault."""
    return tuple(getattr(message, column.name) for column in MESSAGE_ROW)


def row_of_annotation(one: Annotation) -> tuple[Value, ...]:
    """Return what was said of a message as it stands in the vault."""
    return tuple(getattr(one, column.name) for column in ANNOTATION_ROW)


def owner_in(block: Block) -> Owner:
    """Read whose archive it is.  Raises ``ArchiveDamaged``."""
    if block.section != OWNER or len(block.rows) != 1:
        raise ArchiveDamaged("it does not say whose it is")
    (fields,) = fields_in(block, OWNER_COLUMNS)
    owner = Owner(**fields)
    if (len(owner.circle_id), len(owner.member_id), len(owner.did)) != (32, 16, 32):
        raise ArchiveDamaged("it does not say whose it is")
    return owner


def fields_in(block: Block, columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the rows of a block by column, those that are wanted and there.

    Raises ``ArchiveDamaged`` for a column of another kind.
    """
    places = {column.name: (place, column.kind) for place, column in enumerate(block.columns)}
    wanted: list[tuple[str, int]] = []
    for column in columns:
        place, kind = places.get(column.name, (-1, column.kind))
        if kind is not column.kind:
            raise ArchiveDamaged(f"the column {column.name} is of another kind")
        if place >= 0:
            wanted.append((column.name, place))
        elif column.name not in _DEFAULTS:
            raise ArchiveDamaged(f"the column {column.name} is missing")
    return [{name: row[place] for name, place in wanted} for row in block.rows]


def messages_in(block: Block) -> list[KeptMessage]:
    """Read rows of timelines; their texts are made safe again, as whatever comes from outside.

    Raises ``ArchiveDamaged``, ``ArchiveNewer``.
    """
    return [_message(fields) for fields in fields_in(block, MESSAGE_ROW)]


def annotations_in(block: Block) -> list[Annotation]:
    """Read what was said of messages, the same way."""
    return [_annotation(fields) for fields in fields_in(block, ANNOTATION_ROW)]


def records_in(block: Block) -> list[tuple[str, bytes, bytes]]:
    """Read records of contacts and preferences: table, key, value; the core judges the values."""
    found = [
        (str(one["tbl"]), bytes(one["key"]), bytes(one["value"]))
        for one in fields_in(block, RECORD_COLUMNS)
    ]
    if any(table not in SAID_TABLES or len(key) != SHORT_ID_BYTES for table, key, _ in found):
        raise ArchiveDamaged("a record is of none of the tables that a backup has")
    return found


def _message(fields: dict[str, Any]) -> KeptMessage:
    _check(fields)
    fields["kind"] = _known(MessageKind, fields["kind"])
    fields["state"] = _known(MessageState, fields["state"])
    message = KeptMessage(**fields)
    if message.lifetime_s or message.expires_at:
        raise ArchiveDamaged("a text in it is to be kept for a time only")
    if message.state is MessageState.QUEUED:
        # It waits in the outbox of the device that wrote it, and in no other.
        return replace(message, state=MessageState.FAILED, reason=NOT_SENT)
    return message


def _annotation(fields: dict[str, Any]) -> Annotation:
    _check(fields)
    fields["kind"] = _known(AnnotationKind, fields["kind"])
    fields["state"] = _known(MessageState, fields["state"])
    if fields["kind"] is AnnotationKind.RETRACTION:
        raise ArchiveDamaged("it has what was taken back")
    if fields["state"] not in (MessageState.SENT, MessageState.RECEIVED):
        raise ArchiveDamaged("it says of a message what nobody was told")
    return Annotation(**fields, dids=())


def _check(fields: dict[str, Any]) -> None:
    """Demand what a vault would hold, and make texts safe."""
    for name, value in fields.items():
        if isinstance(value, str):
            fields[name] = safe_text(value) if name in _TEXTS else safe_line(value)
        elif isinstance(value, bytes) and len(value) not in _LENGTHS.get(name, (len(value),)):
            raise ArchiveDamaged(f"a row's {name} has {len(value)} bytes")
        elif isinstance(value, int) and value < 0 and name not in _SIGNED:
            raise ArchiveDamaged(f"a row's {name} is below zero")
    if fields["own"] not in (0, 1):
        raise ArchiveDamaged("a row is neither an own one nor another's")
    fields["own"] = bool(fields["own"])


K = TypeVar("K", bound=IntEnum)


def _known(kinds: type[K], value: int) -> K:
    try:
        return kinds(value)
    except ValueError:
        raise ArchiveNewer(f"a row of {kinds.__name__} {value}") from None

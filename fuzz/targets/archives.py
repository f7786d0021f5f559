"""The inside of an archive, as somebody writes it who has the passphrase."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.client.effects import Annotation, AnnotationKind, MessageKind, MessageState
from cloister.device.archive import rows
from cloister.device.archive.blocks import Block, blocks_in, framed
from cloister.device.archive.rows import Owner
from cloister.device.vault.kept_rows import KeptMessage
from cloister.errors import CloisterError
from fuzz.targets.target import Finding, Target

MOST_BYTES = 4096


def archive(data: bytes) -> None:
    """A stream of blocks: our own errors and no other, and one encoding of each block."""
    try:
        for block in blocks_in([data]):
            if Block.decode(block.encode()) != block:
                raise Finding("a block is another after it has been encoded and decoded")
            _read(block)
    except CloisterError:
        return


def _read(block: Block) -> None:
    match block.section:
        case rows.OWNER:
            rows.owner_in(block)
        case rows.MESSAGE:
            for message in rows.messages_in(block):
                if message.state is MessageState.QUEUED or message.lifetime_s:
                    raise Finding("a row comes in that waits to be sent, or to be deleted")
        case rows.ANNOTATION:
            rows.annotations_in(block)
        case rows.RECORD:
            rows.records_in(block)
        case rows.CONVERSATION | rows.DRAFT:
            columns = (
                rows.TITLE_COLUMNS if block.section == rows.CONVERSATION else rows.DRAFT_COLUMNS
            )
            rows.fields_in(block, columns)
        case _:
            pass  # of a later program


def archive_seeds() -> Iterator[bytes]:
    """A small archive, whole and section by section."""
    owner = Owner(
        circle_id=bytes(32), member_id=bytes(16), did=bytes(32), name="A", made_at=1, messages=1
    )
    row = KeptMessage(
        channel_id=bytes(16), message_id=bytes(16), position=-5, sender=bytes(32), sender_name="A",
        own=True, kind=MessageKind.TEXT, state=MessageState.QUEUED, counter=1, n=1, at=1, text="a",
        original="b", edited_n=2,
    )  # fmt: skip
    said = Annotation(
        channel_id=bytes(16), message_id=bytes(16), target=bytes(16), kind=AnnotationKind.EDIT,
        member_id=bytes(16), name="A", dids=(), own=False, state=MessageState.RECEIVED, n=2, at=2,
        text="a",
    )  # fmt: skip
    parts = [
        framed(rows.OWNER, rows.OWNER_COLUMNS, [rows.row_of_owner(owner)]),
        framed(rows.CONVERSATION, rows.TITLE_COLUMNS, [(bytes(16), "T")]),
        framed(rows.DRAFT, rows.DRAFT_COLUMNS, [(bytes(16), "d")]),
        framed(rows.RECORD, rows.RECORD_COLUMNS, [("contact", bytes(16), b"v")]),
        framed(rows.MESSAGE, rows.MESSAGE_ROW, [rows.row_of_message(row)]),
        framed(rows.ANNOTATION, rows.ANNOTATION_ROW, [rows.row_of_annotation(said)]),
    ]
    yield from parts
    yield b"".join(parts) + bytes(8)


ARCHIVES = (Target("archive", archive, archive_seeds, max_bytes=MOST_BYTES),)

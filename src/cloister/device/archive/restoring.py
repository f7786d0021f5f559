"""Reading an archive into a vault: first all of it is looked at, then rows go in.

What is restored is history.  It gets places before everything that the device has of a channel
itself (``client.kept``), is read already, and never changes what is there.  So it can be done
again, also after an interruption.
"""

from __future__ import annotations

import asyncio
import functools
import os
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from cloister.client.effects import Annotation
from cloister.client.kept import Places
from cloister.client.safe_text import safe_line, safe_text
from cloister.crypto.secret import Secret
from cloister.device.archive import rows
from cloister.device.archive.blocks import Block, Column, blocks_in
from cloister.device.archive.errors import ArchiveDamaged, ArchiveOfAnother, NotAnArchive
from cloister.device.archive.header import HEADER_BYTES, open_header
from cloister.device.archive.making import OnDisk
from cloister.device.archive.rows import Owner
from cloister.device.archive.sealing import opened_parts
from cloister.device.vault.kept_rows import KeptMessage
from cloister.errors import LocalError, NotFoundError
from cloister.ids import SHORT_ID_BYTES
from cloister.values import replace

BATCH_ROWS: Final = 2000
BATCH_BLOCKS: Final = 8
"""What is put into the vault together: a flush of the disk costs as much as a thousand rows."""


class Restored(msgspec.Struct, frozen=True):
    """How far it is."""

    of: int
    """Rows of timelines that the device had which made it."""
    made_at: int
    """When that was, s since the Unix epoch."""
    read: int = 0
    new: int = 0
    """How many of those were not here."""
    unknown: int = 0
    """Rows of kinds that only a later program knows."""


class Target(Protocol):
    """What an archive is restored to: the vault."""

    def keep_titles(self, titles: Mapping[bytes, str]) -> None:
        """Remember what conversations were called; the first title stays."""
        ...

    def restore_drafts(self, drafts: Mapping[bytes, str]) -> None:
        """Keep drafts where nothing has been begun."""
        ...

    def restore_messages(self, messages: Sequence[KeptMessage], places: Places) -> int:
        """Insert the rows that are not there; return how many those are."""
        ...

    def restore_said(self, said: Sequence[Annotation]) -> None:
        """Insert what is said of restored messages, where it is not there."""
        ...


async def restore_archive(
    path: Path,
    passphrase: Secret,
    *,
    owner: Owner,
    target: Target,
    on_disk: OnDisk,
    keep_said: Callable[[list[tuple[str, bytes, bytes]]], Awaitable[None]],
) -> AsyncGenerator[Restored, None]:
    """Read an archive; yield how far it is, once at the least.

    ``owner``: of whose history it has to be.  ``keep_said``: takes the records of contacts and
    preferences, which are the core's.  Nothing is written before the whole file has been
    found to be right.  Raises what is wrong with the file: ``device.archive.errors``.
    """
    file = await asyncio.to_thread(_opened, path)
    try:
        header = await asyncio.to_thread(file.read, HEADER_BYTES)
        key = await asyncio.to_thread(open_header, header, passphrase)
        made = await asyncio.to_thread(_look_through, file, key, owner)
        await asyncio.to_thread(file.seek, HEADER_BYTES)
        blocks = blocks_in(opened_parts(file, key))
        places = Places()
        done = Restored(of=made.messages, made_at=made.made_at)
        yield done
        while batch := await asyncio.to_thread(_batch, blocks):
            done = await on_disk(functools.partial(_put, batch, target, places, done))
            for block in batch:
                if block.section == rows.RECORD:
                    await keep_said(rows.records_in(block))
            yield done
    finally:
        file.close()


def _opened(path: Path) -> BinaryIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise NotFoundError(f"there is no file {path}") from None
    except OSError as error:
        raise LocalError(
            f"{path} cannot be read: {error.strerror}", hint="check its rights, and the disk"
        ) from None
    # It is read twice; a pipe cannot be.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAnArchive
    return os.fdopen(descriptor, "rb")


def _look_through(file: BinaryIO, key: Secret, wanted: Owner) -> Owner:
    """Read all of it and write nothing."""
    blocks = blocks_in(opened_parts(file, key))
    first = next(blocks, None)
    if first is None:
        raise ArchiveDamaged("it is empty")
    made = rows.owner_in(first)
    if made.circle_id != wanted.circle_id:
        raise ArchiveOfAnother(
            "this backup is of another circle",
            hint="use the profile of that circle (--profile)",
        )
    if made.member_id != wanted.member_id:
        raise ArchiveOfAnother(
            f"this backup is of another member of the circle ({safe_line(made.name)})",
            hint="a member's history is read on that member's devices only",
        )
    for _ in _checked(blocks):
        pass
    return made


def _checked(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield blocks whose rows are in order and what a vault would hold."""
    last: tuple[bytes, int, bytes] | None = None
    for block in blocks:
        match block.section:
            case rows.OWNER:
                raise ArchiveDamaged("it says twice whose it is")
            case rows.MESSAGE:
                for row in rows.messages_in(block):
                    key = (row.channel_id, row.position, row.message_id)
                    if last is not None and key <= last:
                        raise ArchiveDamaged("its messages are not in order")
                    last = key
            case rows.CONVERSATION:
                _titles(block)
            case rows.DRAFT:
                _drafts(block)
            case rows.ANNOTATION:
                rows.annotations_in(block)
            case rows.RECORD:
                rows.records_in(block)
            case _:
                pass  # of a later program
        yield block


def _batch(blocks: Iterator[Block]) -> list[Block]:
    """Return the next blocks, as many as are put into the vault together."""
    batch: list[Block] = []
    while len(batch) < BATCH_BLOCKS and sum(len(one.rows) for one in batch) < BATCH_ROWS:
        block = next(blocks, None)
        if block is None:
            break
        batch.append(block)
    return batch


def _put(batch: list[Block], target: Target, places: Places, done: Restored) -> Restored:
    """Put some blocks into the vault; all their messages are one transaction."""
    messages: list[KeptMessage] = []
    said: list[Annotation] = []
    unknown = 0
    for block in batch:
        match block.section:
            case rows.MESSAGE:
                messages += rows.messages_in(block)
            case rows.CONVERSATION:
                target.keep_titles(_titles(block))
            case rows.DRAFT:
                target.restore_drafts(_drafts(block))
            case rows.ANNOTATION:
                said += rows.annotations_in(block)
            case rows.OWNER | rows.RECORD:
                pass  # looked at before
            case _:
                unknown += len(block.rows)
    new = target.restore_messages(messages, places) if messages else 0
    if said:
        target.restore_said(said)
    return replace(
        done,
        read=done.read + len(messages),
        new=done.new + new,
        unknown=done.unknown + unknown,
    )


def _titles(block: Block) -> dict[bytes, str]:
    titles = _by_channel(block, rows.TITLE_COLUMNS)
    return {channel_id: safe_line(title) for channel_id, title in titles.items()}


def _drafts(block: Block) -> dict[bytes, str]:
    drafts = _by_channel(block, rows.DRAFT_COLUMNS)
    return {channel_id: safe_text(text) for channel_id, text in drafts.items()}


def _by_channel(block: Block, columns: tuple[Column, Column]) -> dict[bytes, str]:
    found: dict[bytes, str] = {}
    for fields in rows.fields_in(block, columns):
        channel_id, value = (fields[column.name] for column in columns)
        if len(channel_id) != SHORT_ID_BYTES:
            raise ArchiveDamaged("a channel's id has another length")
        found[channel_id] = value
    return found

"""Making an archive: pages of the vault, sealed as they come, in a file that is whole or absent."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar

from cloister.client.effects import Annotation
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.device.archive import rows
from cloister.device.archive.blocks import framed
from cloister.device.archive.header import ARCHIVE_COST, new_header
from cloister.device.archive.rows import Owner
from cloister.device.archive.sealing import SealedWriter
from cloister.device.complete_file import complete_file
from cloister.device.vault.kept_rows import KeptMessage, RowKey
from cloister.device.vault.key_file import Cost
from cloister.values import replace

PAGE: Final = 500
"""Rows that are read and sealed at once."""

T = TypeVar("T")


class OnDisk(Protocol):
    """Carries out what touches the vault, where the vault is used."""

    def __call__(self, work: Callable[[], T]) -> Awaitable[T]:
        """Carry ``work`` out and return what it returns."""
        ...


class Source(Protocol):
    """What an archive is made of: the vault."""

    def message_count(self) -> int:
        """Return how many rows all timelines have."""
        ...

    def rows_after(self, key: RowKey | None, limit: int) -> list[KeptMessage]:
        """Return rows of all timelines by channel, position and id, after such a key."""
        ...

    def said_after(self, key: tuple[bytes, bytes], limit: int) -> list[Annotation]:
        """Return what stands in the channels about messages, by channel and its own id."""
        ...

    def drafts(self) -> dict[bytes, str]:
        """Return what has been begun, channel -> text."""
        ...

    def said_of_others(self) -> list[tuple[str, bytes, bytes]]:
        """Return the records of contacts and preferences: table, key, value."""
        ...


async def make_archive(
    path: Path,
    passphrase: Secret,
    *,
    owner: Owner,
    titles: Mapping[bytes, str],
    source: Source,
    on_disk: OnDisk,
    permitted: Callable[[], Awaitable[str]],
    entropy: Entropy,
    force: bool = False,
    cost: Cost = ARCHIVE_COST,
) -> AsyncGenerator[int, None]:
    """Write an archive; yield how many messages are in it so far.

    ``permitted`` is asked before a byte of history is read, and may raise.  The file has its name
    when the iteration is over.  Raises ``PassphraseTooShort``, ``FileExists``, ``LocalError``.
    """
    with ExitStack() as stack:
        file = stack.enter_context(complete_file(path, force=force))
        header, key = await asyncio.to_thread(new_header, passphrase, entropy, cost)
        await permitted()
        writer = SealedWriter(file, key)
        begun = rows.row_of_owner(replace(owner, messages=await on_disk(source.message_count)))
        drafts = await on_disk(source.drafts)
        records = await on_disk(source.said_of_others)
        first = framed(rows.OWNER, rows.OWNER_COLUMNS, [begun])
        first += framed(rows.CONVERSATION, rows.TITLE_COLUMNS, sorted(titles.items()))
        first += framed(rows.DRAFT, rows.DRAFT_COLUMNS, sorted(drafts.items()))
        first += framed(rows.RECORD, rows.RECORD_COLUMNS, records)
        await asyncio.to_thread(_write, file, writer, header, first)
        done = 0
        key_of_last: RowKey | None = None
        while page := await on_disk(functools.partial(source.rows_after, key_of_last, PAGE)):
            await asyncio.to_thread(_write_page, writer, page)
            last = page[-1]
            key_of_last = (last.channel_id, last.position, last.message_id)
            done += len(page)
            yield done
        said_last = (b"", b"")
        while said := await on_disk(functools.partial(source.said_after, said_last, PAGE)):
            await asyncio.to_thread(_write_said, writer, said)
            said_last = (said[-1].channel_id, said[-1].message_id)
        await asyncio.to_thread(writer.finish)


def _write(file: BinaryIO, writer: SealedWriter, header: bytes, first: bytes) -> None:
    file.write(header)
    writer.write(first)


def _write_page(writer: SealedWriter, page: list[KeptMessage]) -> None:
    writer.write(framed(rows.MESSAGE, rows.MESSAGE_ROW, map(rows.row_of_message, page)))


def _write_said(writer: SealedWriter, said: list[Annotation]) -> None:
    writer.write(framed(rows.ANNOTATION, rows.ANNOTATION_ROW, map(rows.row_of_annotation, said)))

"""Whatever is wrong with an archive is said, and nothing of it comes into a vault."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.client.effects import Message, MessageKind, MessageState, PutMessage
from cloister.crypto.entropy import SystemEntropy
from cloister.device.archive import (
    ArchiveAltered,
    ArchiveCutShort,
    ArchiveDamaged,
    ArchiveNewer,
    ArchiveReordered,
    NotAnArchive,
)
from cloister.device.archive import rows as sections
from cloister.device.archive.blocks import (
    MAX_BLOCK_BYTES,
    Column,
    ColumnKind,
    blocks_in,
    framed,
)
from cloister.device.archive.header import HEADER_BYTES, open_header
from cloister.device.archive.sealing import PART_BYTES, SEALED_BYTES, SealedWriter, opened_parts
from cloister.device.vault import Vault
from cloister.device.vault.kept_rows import KeptMessage
from cloister.errors import CloisterError, NotFoundError
from cloister.values import replace
from counts import examples
from unit.device.archives import (
    CHEAP,
    OTHER,
    OWNER,
    PASSPHRASE,
    kept,
    make,
    restore,
    texts,
    timeline,
    vault_in,
)
from unit.device.scripted import CHANNEL, text_message


@pytest.fixture
def old(tmp_path: Path) -> Iterator[Vault]:
    """The vault of the device that makes archives."""
    vault = vault_in(
        tmp_path / "old",
        text_message(1, "one", n=5),
        text_message(2, "two", n=6, own=True, state=MessageState.SENT, envelope_hash=b"e" * 32),
        text_message(3, "three", n=0, own=True, state=MessageState.FAILED, reason="full"),
        text_message(4, "four", n=7, kind=MessageKind.NOTICE),
        text_message(1, "rota", channel_id=OTHER),
    )
    vault.keep_draft(CHANNEL, "half a li")
    yield vault
    vault.close()


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Vault]:
    vault = vault_in(tmp_path / "new")
    yield vault
    vault.close()


@pytest.fixture
def file(tmp_path: Path, old: Vault) -> Path:
    path = tmp_path / "backup"
    assert make(path, old) == 5
    return path


# --- what can be wrong with a file ----------------------------------------------------------------


@pytest.fixture
def long_file(tmp_path: Path, old: Vault) -> Path:
    """An archive of several parts."""
    old.commit([PutMessage(message=text_message(n, "x" * 9000)) for n in range(10, 40)])
    make(tmp_path / "long", old)
    size = (tmp_path / "long").stat().st_size
    assert (size - HEADER_BYTES) % SEALED_BYTES == 0
    assert (size - HEADER_BYTES) // SEALED_BYTES >= 4
    return tmp_path / "long"


def refused(path: Path, vault: Vault, content: bytes) -> CloisterError:
    path.write_bytes(content)
    with pytest.raises(CloisterError) as caught:
        restore(path, vault)
    assert vault.kept.message_count() == 0
    assert vault.drafts() == {}
    assert vault.kept.titles() == {}
    return caught.value


def parts_of(content: bytes) -> list[bytes]:
    body = content[HEADER_BYTES:]
    return [body[at : at + SEALED_BYTES] for at in range(0, len(body), SEALED_BYTES)]


def test_each_thing_that_is_wrong_has_its_own_words(long_file: Path, new: Vault) -> None:
    whole = long_file.read_bytes()
    header, parts = whole[:HEADER_BYTES], parts_of(whole)
    flipped = bytearray(whole)
    flipped[HEADER_BYTES + SEALED_BYTES + 100] ^= 1
    swapped = [parts[1], parts[0], *parts[2:]]
    # Who knows the form puts the numbers right: then the parts do not open.
    renumbered = [number.to_bytes(4, "big") + one[4:] for number, one in enumerate(swapped)]
    cases: list[tuple[bytes, type[CloisterError]]] = [
        (b"", NotAnArchive),
        (b"SQLite format 3", NotAnArchive),
        (header[:50], ArchiveCutShort),
        (header, ArchiveCutShort),
        (whole[:-1], ArchiveCutShort),
        (whole[:-SEALED_BYTES], ArchiveCutShort),
        (whole[: HEADER_BYTES + SEALED_BYTES + 1], ArchiveCutShort),
        (bytes(flipped), ArchiveAltered),
        (header + b"".join(swapped), ArchiveReordered),
        (header + b"".join(renumbered), ArchiveAltered),
        (header + b"".join([parts[0], *parts[2:]]), ArchiveReordered),
        (whole + parts[-1], ArchiveDamaged),
        (whole + b"x", ArchiveDamaged),
        (header[:9] + b"\x02" + header[10:], ArchiveNewer),
        (header[:20] + bytes([header[20] ^ 1]) + whole[21:], ArchiveDamaged),
    ]
    said = []
    for content, expected in cases:
        error = refused(long_file, new, content)
        assert type(error) is expected, (error, expected)
        said.append(str(error))
    assert "part 2 was altered" in said[7]
    assert "part 2 stands where part 1 belongs" in said[8]
    assert "behind its end" in said[11]


def test_parts_of_two_archives_do_not_mix(tmp_path: Path, old: Vault, new: Vault) -> None:
    old.commit([PutMessage(message=text_message(n, "x" * 9000)) for n in range(10, 40)])
    make(tmp_path / "a", old)
    make(tmp_path / "b", old)
    one, other = (tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()
    mixed = one[:HEADER_BYTES] + b"".join([parts_of(one)[0], *parts_of(other)[1:]])
    assert isinstance(refused(tmp_path / "a", new, mixed), ArchiveAltered)


@pytest.mark.parametrize(
    ("offset", "value"),
    [(10, b"\xff\xff\xff\xff"), (14, b"\0\0\0\0"), (18, b"\x11"), (10, bytes(4))],
)
def test_no_header_makes_a_machine_work_itself_to_death(
    long_file: Path, new: Vault, offset: int, value: bytes
) -> None:
    """Even with a checksum that fits."""
    from cloister.crypto.hashing import sha256
    from cloister.device.archive.header import CHECKSUM_LABEL

    content = bytearray(long_file.read_bytes())
    content[offset : offset + len(value)] = value
    body = bytes(content[: HEADER_BYTES - 32])
    content[HEADER_BYTES - 32 : HEADER_BYTES] = sha256(CHECKSUM_LABEL, body)
    assert "asks for more work" in str(refused(long_file, new, bytes(content)))


def test_what_is_no_file_is_said(tmp_path: Path, new: Vault) -> None:
    with pytest.raises(NotFoundError):
        restore(tmp_path / "nothing", new)
    with pytest.raises(NotAnArchive):
        restore(tmp_path, new)
    with pytest.raises(NotAnArchive):
        restore(Path("/dev/null"), new)


@given(st.lists(st.tuples(st.integers(0, 400_000), st.binary(min_size=1, max_size=3)), max_size=3))
@settings(max_examples=examples(20), deadline=None)
def test_no_change_of_bytes_gets_anything_into_a_vault(
    changes: list[tuple[int, bytes]],
) -> None:
    """Foreign input: our own errors and nothing else, and no row but what was written."""
    whole = _sealed_once()
    content = bytearray(whole)
    for offset, value in changes:
        at = offset % len(content)
        content[at : at + len(value)] = value
    key_or_error = _read_all(bytes(content))
    if bytes(content) != whole:
        assert isinstance(key_or_error, CloisterError)
    else:
        assert key_or_error == 3


def _sealed_once(cache: list[bytes] = []) -> bytes:  # noqa: B006 (made once for all examples)
    if not cache:
        from cloister.device.archive.header import new_header

        header, key = new_header(PASSPHRASE, SystemEntropy(), CHEAP)
        out = io.BytesIO()
        writer = SealedWriter(out, key)
        columns = [Column("a", ColumnKind.TEXT)]
        for _ in range(3):
            writer.write(framed("some", columns, [("x" * 50_000,)]))
        writer.finish()
        cache.append(header + out.getvalue())
    return cache[0]


def _read_all(content: bytes) -> int | CloisterError:
    stream = io.BytesIO(content)
    try:
        key = open_header(stream.read(HEADER_BYTES), PASSPHRASE)
        return len(list(blocks_in(opened_parts(stream, key))))
    except CloisterError as error:
        return error


# --- what can be wrong inside, where somebody knows the passphrase --------------------------------

ROW = text_message(1, "one")
TEXT_COLUMN = Column("channel_id", ColumnKind.TEXT)


def sealed_with(path: Path, *blocks: bytes) -> Path:
    """A well sealed archive with these blocks."""
    from cloister.device.archive.header import new_header

    header, key = new_header(PASSPHRASE, SystemEntropy(), CHEAP)
    with path.open("wb") as file:
        file.write(header)
        writer = SealedWriter(file, key)
        for block in blocks:
            writer.write(block)
        writer.finish()
    return path


def begun() -> bytes:
    return framed(sections.OWNER, sections.OWNER_COLUMNS, [sections.row_of_owner(OWNER)])


def messages(*rows: Message, **values: Any) -> bytes:
    """Rows of timelines, each with other values in some columns."""
    names = [column.name for column in sections.MESSAGE_ROW]
    cells = [
        dict(zip(names, sections.row_of_message(kept(row)), strict=True)) | values for row in rows
    ]
    return framed(sections.MESSAGE, sections.MESSAGE_ROW, [tuple(one.values()) for one in cells])


@pytest.mark.parametrize(
    "values",
    [
        {"channel_id": b"short"},
        {"message_id": bytes(17)},
        {"sender": b""},
        {"envelope_hash": b"x"},
        {"n": -1},
        {"at": -5},
        {"counter": -1},
        {"own": 2},
        {"kind": 99},
        {"state": 0},
    ],
    ids=str,
)
def test_no_row_is_taken_that_no_vault_has(
    tmp_path: Path, new: Vault, values: dict[str, Any]
) -> None:
    path = sealed_with(tmp_path / "b", begun(), messages(ROW), messages(text_message(2), **values))
    with pytest.raises((ArchiveDamaged, ArchiveNewer)):
        restore(path, new)
    assert new.kept.message_count() == 0


def test_what_a_terminal_obeys_does_not_come_in(tmp_path: Path, new: Vault) -> None:
    hostile = "a\x1b[31m\u202eb"
    cells = {"text": hostile, "sender_name": hostile + "\n2", "reason": hostile + "\n3"}
    titles = framed(sections.CONVERSATION, sections.TITLE_COLUMNS, [(CHANNEL, hostile + "\n")])
    drafts = framed(sections.DRAFT, sections.DRAFT_COLUMNS, [(CHANNEL, hostile)])
    restore(sealed_with(tmp_path / "b", begun(), titles, drafts, messages(ROW, **cells)), new)
    (row,) = timeline(new)
    shown = (
        row.text,
        row.sender_name,
        row.reason,
        new.kept.titles()[CHANNEL],
        new.drafts()[CHANNEL],
    )
    assert not any("\x1b" in one or "\u202e" in one for one in shown)
    assert "\n" not in row.sender_name + row.reason + new.kept.titles()[CHANNEL]


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ((), "empty"),
        ((messages(ROW),), "whose"),
        ((begun(), begun()), "twice"),
        ((begun(), messages(text_message(2)), messages(ROW)), "in order"),
        ((begun(), messages(ROW, ROW)), "in order"),
        ((begun(), framed(sections.DRAFT, sections.DRAFT_COLUMNS, [(b"x", "text")])), "id"),
        ((begun(), framed(sections.DRAFT, sections.DRAFT_COLUMNS[:1], [(CHANNEL,)])), "missing"),
        ((begun(), framed(sections.DRAFT, [TEXT_COLUMN], [("x",)])), "kind"),
        ((begun(), (MAX_BLOCK_BYTES + 1).to_bytes(4, "big")), "longer"),
        ((begun(), b"\0\0\0\x09whatever!"), "form"),
        ((begun(), b"\0\0\0\0\0\0\1"), "behind"),
        ((begun(), bytes(PART_BYTES)), "behind"),
        ((begun(), b"\0\1\0\0"), "not whole"),
        ((framed(sections.OWNER, sections.OWNER_COLUMNS,
                 [sections.row_of_owner(replace(OWNER, did=b"x"))]),), "whose"),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_is_said(
    tmp_path: Path, new: Vault, blocks: tuple[bytes, ...], words: str
) -> None:
    path = sealed_with(tmp_path / "b", *blocks)
    with pytest.raises(ArchiveDamaged, match=words):
        restore(path, new)
    assert new.kept.message_count() == 0


def test_a_later_program_may_say_more(tmp_path: Path, new: Vault) -> None:
    """Sections and columns that are not known are passed over, and told of."""
    columns = (*sections.MESSAGE_ROW, Column("mood", ColumnKind.TEXT))
    row = (*sections.row_of_message(kept(ROW)), "fine")
    more = framed("mood_board", [Column("mood", ColumnKind.TEXT)], [("fine",), ("well",)])
    done = restore(
        sealed_with(tmp_path / "b", begun(), more, framed(sections.MESSAGE, columns, [row])), new
    )
    assert (done.new, done.unknown) == (1, 2)
    assert texts(new) == ["one"]


def test_what_an_earlier_program_did_not_know_has_its_default(tmp_path: Path, new: Vault) -> None:
    names = [column.name for column in sections.MESSAGE_ROW]
    needed = {one.name for one in msgspec.structs.fields(KeptMessage) if one.required}
    assert "reason" not in needed
    assert "text" in needed
    places = [place for place, name in enumerate(names) if name in needed]
    columns = [sections.MESSAGE_ROW[place] for place in places]
    row = tuple(sections.row_of_message(kept(ROW))[place] for place in places)
    restore(sealed_with(tmp_path / "b", begun(), framed(sections.MESSAGE, columns, [row])), new)
    assert [replace(one, position=1) for one in timeline(new)] == [ROW]

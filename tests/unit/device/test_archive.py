"""Sealed history comes out as history: who may read it, and what becomes of it."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.client.effects import (
    Annotation,
    AnnotationKind,
    MessageKind,
    MessageState,
    PutAnnotation,
    PutMessage,
    Since,
)
from cloister.client.kept import is_kept
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.archive import (
    ArchiveOfAnother,
    PassphraseTooShort,
    PassphraseWrong,
    make_archive,
)
from cloister.device.archive import rows as sections
from cloister.device.archive.blocks import (
    blocks_in,
)
from cloister.device.archive.header import HEADER_BYTES, open_header
from cloister.device.archive.sealing import opened_parts
from cloister.device.complete_file import FileExists
from cloister.device.vault import Vault
from cloister.errors import PolicyError
from cloister.values import replace
from unit.device.archives import (
    OTHER,
    OWNER,
    PASSPHRASE,
    at_once,
    make,
    nothing_to_ask,
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


# --- history comes out as history -----------------------------------------------------------------


def test_every_field_of_every_row_comes_out_as_it_was_but_for_its_place(
    file: Path, old: Vault, new: Vault
) -> None:
    done = restore(file, new)
    assert (done.read, done.new, done.of, done.made_at, done.unknown) == (5, 5, 5, 7, 0)
    for channel in (CHANNEL, OTHER):
        before, after = timeline(old, channel), timeline(new, channel)
        assert [replace(row, position=0) for row in after] == [
            replace(row, position=0) for row in before
        ]
        assert all(map(is_kept, after))
        assert not any(map(is_kept, before))
    assert new.drafts() == {CHANNEL: "half a li"}
    assert new.kept.titles() == {CHANNEL: "desk", OTHER: "Rota"}


def test_a_second_time_changes_nothing(file: Path, new: Vault) -> None:
    restore(file, new)
    before = timeline(new)
    new.keep_draft(CHANNEL, "what I write now")
    done = restore(file, new)
    assert (done.read, done.new) == (5, 0)
    assert timeline(new) == before
    assert new.drafts() == {CHANNEL: "what I write now"}


def test_nothing_that_is_there_is_overwritten_or_moved(file: Path, new: Vault) -> None:
    """Row 2 came here too; another text stands under its id, as if a file could lie."""
    own = [text_message(2, "as received here", n=6), text_message(9, "later", n=9)]
    new.commit([PutMessage(message=row) for row in own])
    assert restore(file, new).new == 4
    assert texts(new) == ["one", "three", "four", "as received here", "later"]
    assert timeline(new)[-2:] == own


def test_nothing_becomes_unread_and_what_was_unread_stays_so(file: Path, new: Vault) -> None:
    new.commit([PutMessage(message=text_message(n, str(n))) for n in (8, 9)])
    assert new.timeline.unread() == {CHANNEL: 2}
    restore(file, new)
    assert new.timeline.unread() == {CHANNEL: 2}
    new.mark_read(CHANNEL, 8, 0)
    restore(file, new)
    assert new.timeline.unread() == {CHANNEL: 1}


def test_a_place_below_zero_that_was_read_stays_before_what_comes(file: Path, new: Vault) -> None:
    """Somebody reads restored history before anything has come by itself."""
    restore(file, new)
    new.mark_read(CHANNEL, timeline(new)[0].position, 0)
    assert new.timeline.unread() == {}
    assert new.newest_index(CHANNEL, timeline(new)[-1].position) is None
    new.commit([PutMessage(message=text_message(1, "new", message_id=b"n" * 16))])
    assert new.timeline.unread() == {CHANNEL: 1}
    assert texts(new)[-1] == "new"


def test_what_was_waiting_to_be_sent_is_never_sent_from_here(
    tmp_path: Path, old: Vault, new: Vault
) -> None:
    waiting = text_message(6, "later", n=0, own=True, state=MessageState.QUEUED)
    old.commit([PutMessage(message=waiting)])
    make(tmp_path / "b", old)
    restore(tmp_path / "b", new)
    row = new.timeline.message(CHANNEL, waiting.message_id)
    assert row is not None
    assert (row.state, row.reason) == (MessageState.FAILED, sections.NOT_SENT)
    # The old device lives and sends it: then it has come.  Nobody else can say so.
    arrived = replace(waiting, own=False, state=MessageState.RECEIVED, n=12, position=40)
    new.commit([PutMessage(message=replace(arrived, sender=b"x" * 32))])
    assert new.timeline.message(CHANNEL, waiting.message_id) == row
    new.commit([PutMessage(message=arrived)])
    row = new.timeline.message(CHANNEL, waiting.message_id)
    assert row is not None
    assert (row.state, row.n, row.reason, row.text) == (MessageState.RECEIVED, 12, "", "later")


def test_archives_of_two_moments_fall_into_each_other(
    tmp_path: Path, old: Vault, new: Vault
) -> None:
    make(tmp_path / "early", old)
    old.commit([PutMessage(message=text_message(n, f"row {n}", n=n + 4)) for n in range(5, 40)])
    make(tmp_path / "late", old)
    for name in ("late", "early", "late"):
        restore(tmp_path / name, new)
    assert texts(new) == texts(old)
    # An archive of what was restored is an archive all the same.
    again = vault_in(tmp_path / "again")
    make(tmp_path / "third", new)
    restore(tmp_path / "third", again)
    restore(tmp_path / "early", again)
    assert timeline(again) == timeline(new)
    again.close()


def test_archives_of_two_devices_are_ordered_by_the_channels_index(
    tmp_path: Path, old: Vault, new: Vault
) -> None:
    """The second device counts its own places, and was there for other parts of it."""
    phone = vault_in(
        tmp_path / "phone",
        *(text_message(place, f"n {n}", message_id=n.to_bytes(16, "big"), n=n)
          for place, n in enumerate((1, 2, 8, 9), 1)),
    )  # fmt: skip
    make(tmp_path / "a", old)
    make(tmp_path / "b", phone)
    restore(tmp_path / "a", new)
    restore(tmp_path / "b", new)
    assert [row.n for row in timeline(new) if row.n] == sorted(
        row.n for row in timeline(new) if row.n
    )
    places = [row.position for row in timeline(new)]
    assert len(set(places)) == len(places), "pages go by places: two rows share none"
    phone.close()


def test_an_archive_has_no_record_and_no_entry_of_the_vault(
    tmp_path: Path, old: Vault, new: Vault
) -> None:
    """Keys, groups and ratchets are records: none of them is in the stream, so none comes out."""
    from cloister.client.effects import PutEntry, PutRecord

    secrets = [b"ratchet-canary", b"entry-canary", b"did-canary"]
    old.commit(
        [
            PutRecord(table="ratchet", key=b"k", value=secrets[0]),
            PutRecord(table="identity", key=b"", value=secrets[2]),
            PutEntry(seq=0, entry=secrets[1]),
        ]
    )
    path = tmp_path / "b"
    make(path, old)
    with path.open("rb") as opened:
        key = open_header(opened.read(HEADER_BYTES), PASSPHRASE)
        stream = b"".join(opened_parts(opened, key))
    assert b"half a li" in stream
    assert not [one for one in secrets if one in stream]
    assert {block.section for block in blocks_in([stream])} == {
        sections.OWNER, sections.CONVERSATION, sections.DRAFT, sections.MESSAGE,
    }  # fmt: skip
    restore(path, new)
    assert set(new.records()) == {"kept"}
    assert new.entries() == ()


def annotation(
    number: int, target: int, kind: AnnotationKind, text: str, **changes: Any
) -> Annotation:
    one = Annotation(
        channel_id=CHANNEL, message_id=number.to_bytes(16, "little"),
        target=target.to_bytes(16, "big"), kind=kind, member_id=b"m" * 16, name="Jonas",
        dids=(bytes(32),), own=False, state=MessageState.RECEIVED, n=number, at=9, text=text,
    )  # fmt: skip
    return replace(one, **changes)


def test_edits_and_reactions_come_along_and_what_was_taken_back_does_not(
    tmp_path: Path, old: Vault, new: Vault
) -> None:
    said = [
        annotation(20, 1, AnnotationKind.EDIT, "one, better"),
        annotation(21, 1, AnnotationKind.REACTION, "👍"),
        annotation(22, 2, AnnotationKind.REACTION, "…", own=True, state=MessageState.QUEUED, n=0),
        annotation(23, 4, AnnotationKind.RETRACTION, ""),
    ]
    gone = text_message(6, "for an hour", lifetime_s=3600)
    back = text_message(7, "taken back")
    old.commit([PutMessage(message=one) for one in (gone, back)])
    old.commit([PutAnnotation(annotation=one) for one in said])
    old.commit([PutAnnotation(annotation=annotation(24, 7, AnnotationKind.RETRACTION, ""))])
    make(tmp_path / "b", old)
    for _ in range(2):
        restore(tmp_path / "b", new)
    assert texts(new) == ["one, better", "two", "three", "four"]
    first, second = timeline(new)[:2]
    assert (first.since.edits, [one.mark for one in first.since.reactions]) == (1, ["👍"])
    assert second.since == Since()
    assert new.timeline.versions(CHANNEL, first.message_id) == old.timeline.versions(
        CHANNEL, first.message_id
    )
    # An edit that is older in the channel than what is here comes late, and changes nothing.
    late = annotation(19, 1, AnnotationKind.EDIT, "one, worse")
    new.commit([PutAnnotation(annotation=late)])
    assert texts(new)[0] == "one, better"
    new.commit([PutAnnotation(annotation=annotation(40, 1, AnnotationKind.EDIT, "one, best"))])
    assert texts(new)[0] == "one, best"


@pytest.mark.slow
def test_thousands_of_messages_are_never_all_in_memory(tmp_path: Path, new: Vault) -> None:
    count = 3000
    many = vault_in(tmp_path / "many")
    many.commit([PutMessage(message=text_message(n, "x" * 400)) for n in range(1, count + 1)])
    tracemalloc.start()
    try:
        assert make(tmp_path / "b", many) == count
        done = restore(tmp_path / "b", new)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (done.read, done.new) == (count, count)
    assert new.kept.message_count() == count
    assert (tmp_path / "b").stat().st_size > 1_500_000
    assert peak < 4_000_000
    many.close()


# --- who may read it ------------------------------------------------------------------------------


def test_another_passphrase_opens_nothing(file: Path, new: Vault) -> None:
    with pytest.raises(PassphraseWrong) as caught:
        restore(file, new, Secret(b"five long words"))
    assert caught.value.exit_code == 7


def test_a_short_passphrase_is_refused_and_leaves_no_file(tmp_path: Path, old: Vault) -> None:
    async def making() -> None:
        async for _ in make_archive(
            tmp_path / "b",
            Secret(b"elevenchars"),
            owner=OWNER,
            titles={},
            source=old.kept,
            on_disk=at_once,
            permitted=nothing_to_ask,
            entropy=SystemEntropy(),
        ):
            pass  # fmt: skip

    with pytest.raises(PassphraseTooShort):
        asyncio.run(making())
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize(
    ("who", "words"),
    [({"circle_id": b"x" * 32}, "another circle"), ({"member_id": b"x" * 16}, "another member")],
)
def test_the_history_of_another_is_refused(
    file: Path, new: Vault, who: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArchiveOfAnother, match=words) as caught:
        restore(file, new, **who)
    assert caught.value.exit_code == 5
    assert new.kept.message_count() == 0


def test_another_device_of_the_same_member_reads_it(file: Path, new: Vault) -> None:
    assert restore(file, new, did=b"x" * 32).new == 5


def test_what_the_circle_refuses_is_not_read_and_not_written(tmp_path: Path, old: Vault) -> None:
    async def refused() -> str:
        raise PolicyError("refused")

    with pytest.raises(PolicyError):
        make(tmp_path / "b", old, permitted=refused)
    assert [one.name for one in tmp_path.iterdir()] == ["old"]


def test_a_backup_takes_nobodys_place(file: Path, old: Vault) -> None:
    with pytest.raises(FileExists):
        make(file, old)
    assert make(file, old, force=True) == 5

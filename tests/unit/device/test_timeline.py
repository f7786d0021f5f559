"""The vault's timelines: what is said of a message counts only from whom it may, and later wins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloister.client.effects import (
    Annotation,
    AnnotationKind,
    Message,
    MessageKind,
    MessageState,
    PutAnnotation,
    PutMessage,
    PutReadTo,
    Quote,
    Reaction,
    Write,
)
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.vault import Cost, Vault
from cloister.device.writes import merge_write
from cloister.values import replace
from unit.device.scripted import CHANNEL, text_message

AMIRA, JONAS = b"a" * 32, b"j" * 32
AMIRAS = (AMIRA, b"A" * 32)
"""Amira's devices."""
NOW = 1_800_000_000


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """A vault with a text of Amira's at index 1."""
    made = Vault.create(
        tmp_path, Secret(b"correct horse"), entropy=SystemEntropy(), cost=Cost(64, 1, 1)
    )
    made.commit([PutMessage(message=text_message(1, "first", sender=AMIRA))])
    yield made
    made.close()


def said(
    number: int, kind: AnnotationKind, text: str = "", *, target: int = 1, **changes: object
) -> PutAnnotation:
    """What Amira says of a message, at index ``number``."""
    one = Annotation(
        channel_id=CHANNEL,
        message_id=(1000 + number).to_bytes(16, "big"),
        target=target.to_bytes(16, "big"),
        kind=kind,
        member_id=b"a" * 16,
        name="Amira",
        dids=AMIRAS,
        own=False,
        state=MessageState.RECEIVED,
        n=number,
        at=NOW + number,
        text=text,
    )
    return PutAnnotation(annotation=replace(one, **changes))  # type: ignore[arg-type]


def row(vault: Vault, number: int = 1) -> Message:
    """The row as it is shown."""
    found = vault.timeline.message(CHANNEL, number.to_bytes(16, "big"))
    assert found is not None
    return found


EDIT, RETRACTION, REACTION = AnnotationKind


def test_an_edit_by_any_device_of_its_author_shows_and_the_versions_stay(vault: Vault) -> None:
    vault.commit([said(2, EDIT, "second")])
    vault.commit([said(4, EDIT, "fourth")])
    vault.commit([said(3, EDIT, "third, but late")])
    shown = row(vault)
    assert (shown.text, shown.since.edits) == ("fourth", 2)
    assert [text for _, text in vault.timeline.versions(CHANNEL, shown.message_id)] == [
        "first",
        "second",
        "fourth",
    ]
    assert [one.text for one in vault.timeline.search("fourth", 9)] == ["fourth"]
    assert vault.timeline.search("first", 9) == []


@pytest.mark.parametrize("kind", [EDIT, RETRACTION])
def test_nobody_changes_what_another_member_wrote(vault: Vault, kind: AnnotationKind) -> None:
    before = row(vault)
    vault.commit([said(2, kind, "I never said that", dids=(JONAS,), member_id=b"j" * 16)])
    assert row(vault) == before
    assert vault.timeline.versions(CHANNEL, before.message_id) == [(before.at, "first")]


def test_a_notice_is_not_edited(vault: Vault) -> None:
    vault.commit([PutMessage(message=text_message(5, sender=AMIRA, kind=MessageKind.NOTICE))])
    before = row(vault, 5)
    vault.commit([said(6, EDIT, "nobody left", target=5), said(7, RETRACTION, target=5)])
    assert row(vault, 5) == before


def test_what_is_taken_back_is_gone_with_all_its_texts_unless_it_is_held(vault: Vault) -> None:
    vault.commit([said(2, EDIT, "second"), said(3, REACTION, "ok"), said(4, RETRACTION)])
    shown = row(vault)
    assert (shown.text, shown.since.retracted) == ("", True)
    assert vault.timeline.search("second", 9) == []
    assert vault.timeline.unread() == {}
    assert vault.sweep(NOW, {CHANNEL}) == set()
    assert vault._rows("SELECT text, original FROM message", ()) == [("second", "first")]
    assert vault.sweep(NOW, ()) == {CHANNEL}
    assert vault._rows("SELECT text, original FROM message", ()) == [("", None)]
    assert vault._rows("SELECT text FROM annotation", ()) == [("",)]
    assert vault.sweep(NOW, ()) == set()
    vault.commit([said(9, EDIT, "it is back")])
    assert row(vault).since.retracted
    assert vault._rows("SELECT text FROM message", ()) == [("",)]


def test_the_newest_mark_of_each_member_counts(vault: Vault) -> None:
    other = said(3, REACTION, "?", member_id=b"j" * 16, name="Jonas", dids=(JONAS,))
    vault.commit([said(2, REACTION, "ok"), other])
    vault.commit([said(4, REACTION, "thanks")])
    marks = row(vault).since.reactions
    assert marks == (
        Reaction(name="Jonas", own=False, mark="?", member_id=b"j" * 16),
        Reaction(name="Amira", own=False, mark="thanks", member_id=b"a" * 16),
    )
    vault.commit([said(5, REACTION, ""), said(6, REACTION, "x", target=77)])
    assert [one.name for one in row(vault).since.reactions] == ["Jonas"]
    assert vault._rows("SELECT count(*) FROM annotation WHERE target = ?", (bytes(15) + b"M",)) == [
        (0,)
    ]


def test_an_own_edit_shows_when_the_relay_has_it_and_says_why_it_failed(vault: Vault) -> None:
    mine = said(2, EDIT, "second", own=True, state=MessageState.QUEUED, n=0)
    vault.commit([mine])
    shown = row(vault)
    assert (shown.text, shown.since.pending) == ("first", ("an edit waits to be sent",))
    failed = replace(mine.annotation, state=MessageState.FAILED, reason="only admins post")
    vault.commit([PutAnnotation(annotation=failed)])
    assert row(vault).since.pending == ("an edit failed: only admins post",)
    sent = replace(mine.annotation, state=MessageState.SENT, n=2)
    vault.commit([PutAnnotation(annotation=sent)])
    assert (row(vault).text, row(vault).since.pending) == ("second", ())


def test_anothers_annotation_under_a_known_id_changes_nothing(vault: Vault) -> None:
    mine = said(2, EDIT, "second", own=True, state=MessageState.SENT)
    vault.commit([mine])
    forged = replace(mine.annotation, own=False, text="forged", n=1, dids=(JONAS,))
    vault.commit([PutAnnotation(annotation=forged)])
    assert row(vault).text == "second"
    assert vault._rows("SELECT text, own FROM annotation", ()) == [("second", 1)]


def test_a_reply_shows_how_that_begins_which_it_answers(vault: Vault) -> None:
    answer = text_message(2, "yes", sender=JONAS, reply_to=(1).to_bytes(16, "big"))
    lost = text_message(3, "no", sender=JONAS, reply_to=(99).to_bytes(16, "big"))
    vault.commit([PutMessage(message=answer), PutMessage(message=lost)])
    assert row(vault, 2).since.quote == Quote(sender=AMIRA, name="Amira", text="first")
    assert row(vault, 3).since.quote == Quote()
    vault.commit([said(4, RETRACTION)])
    assert row(vault, 2).since.quote == Quote(sender=AMIRA, name="Amira", text="")


def test_a_text_for_a_time_goes_that_long_after_it_was_read_and_no_sooner(vault: Vault) -> None:
    timed = [text_message(n, f"t{n}", sender=AMIRA, lifetime_s=60) for n in (2, 3)]
    own = text_message(4, own=True, state=MessageState.SENT, lifetime_s=60, expires_at=NOW + 30)
    vault.commit([PutMessage(message=one) for one in (*timed, own)])
    vault.commit([said(5, REACTION, "ok", target=2)])
    assert vault.next_expiry(()) == NOW + 30
    vault.mark_read(CHANNEL, 2, NOW)
    assert vault.sweep(NOW + 59, ()) == {CHANNEL}
    assert [one.position for one in vault.timeline.history(CHANNEL, limit=9)] == [1, 2, 3]
    assert vault.next_expiry(()) == NOW + 60
    assert vault.next_expiry({CHANNEL}) is None
    assert vault.sweep(NOW + 60, {CHANNEL}) == set()
    assert vault.sweep(NOW + 60, ()) == {CHANNEL}
    assert [one.position for one in vault.timeline.history(CHANNEL, limit=9)] == [1, 3]
    assert vault._rows("SELECT count(*) FROM annotation", ()) == [(0,)]
    vault.mark_read(CHANNEL, 9, NOW + 100)
    assert vault.next_expiry(()) == NOW + 160
    vault.mark_read(CHANNEL, 9, NOW + 150)
    assert vault.next_expiry(()) == NOW + 160


def test_what_was_read_on_another_device_is_read_here_and_never_unread_again(vault: Vault) -> None:
    timed = [text_message(n, sender=AMIRA, n=10 * n, lifetime_s=60) for n in (2, 3, 4)]
    own = text_message(5, own=True, state=MessageState.QUEUED, n=0)
    vault.commit([PutMessage(message=one) for one in (*timed, own)])
    assert vault.timeline.unread() == {CHANNEL: 4}
    vault.commit([read_to(40)])
    assert vault.timeline.read_markers() == {CHANNEL: 3}
    assert vault.timeline.unread() == {CHANNEL: 1}
    assert vault.next_expiry(()) == NOW + 60
    vault.commit([read_to(20), read_to(1)])
    assert vault.timeline.read_markers() == {CHANNEL: 3}
    vault.commit([read_to(2**40)])
    assert vault.timeline.read_markers() == {CHANNEL: 4}, "no further than texts are"


def test_what_comes_with_the_word_that_it_was_read_is_read(vault: Vault) -> None:
    """Several inputs share a transaction: the marker moves when their texts are there."""
    merged: dict[tuple[object, ...], Write] = {}
    texts = [PutMessage(message=text_message(n, sender=AMIRA, n=n)) for n in (2, 3)]
    for write in (texts[0], read_to(3), texts[1], read_to(4)):
        merge_write(merged, write)
    assert len(merged) == 3
    vault.commit(merged.values())
    assert vault.timeline.unread() == {}


def read_to(below_n: int) -> PutReadTo:
    return PutReadTo(channel_id=CHANNEL, below_n=below_n, at=NOW)


def test_rows_are_named_by_how_their_id_begins(vault: Vault) -> None:
    assert [one.position for one in vault.timeline.beginning(CHANNEL, "0" * 31)] == [1]
    vault.commit([PutMessage(message=text_message(2))])
    assert len(vault.timeline.beginning(CHANNEL, "0000")) == 2
    assert vault.timeline.beginning(CHANNEL, "ff") == []

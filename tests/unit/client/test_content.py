"""The form of a message inside its encryption."""

from __future__ import annotations

import pytest

from cloister.client.content import (
    Content,
    ContentKind,
    Heads,
    Reply,
    chain_next,
    chain_start,
    check_text,
    decode_content,
    text_of,
)
from cloister.codec import DecodeError
from cloister.errors import UsageError
from cloister.limits import MAX_TEXT_BYTES


def content(**changes: object) -> Content:
    fields: dict[str, object] = {
        "version": 1,
        "message_id": bytes(16),
        "counter": 1,
        "at": 1_800_000_000,
        "heads": Heads(log_size=1, log_root=bytes(32), next_n=0, chain=bytes(32)),
        "kind": int(ContentKind.TEXT),
        "body": "grüß dich".encode(),
    }
    return Content(**(fields | changes))  # type: ignore[arg-type]


def test_a_text_survives_the_round_trip() -> None:
    decoded = decode_content(content().encode())
    assert decoded == content()
    assert text_of(decoded.kind, decoded.body) == ("grüß dich", b"")


@pytest.mark.parametrize(
    "changes", [{"version": 2}, {"counter": 0}], ids=["a later version", "no counter"]
)
def test_a_form_this_program_does_not_know_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DecodeError):
        decode_content(content(**changes).encode())


def test_bytes_after_the_content_are_refused() -> None:
    with pytest.raises(DecodeError):
        decode_content(content().encode() + b"\0")


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b"x" * (MAX_TEXT_BYTES + 1)], ids=["not UTF-8", "over the limit"]
)
def test_a_text_that_may_not_be_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        text_of(ContentKind.TEXT, body)


def test_a_kind_of_a_later_version_is_named_and_not_shown_as_text() -> None:
    shown, _ = text_of(9, b"SECRET")
    assert "newer version" in shown
    assert "SECRET" not in shown


def test_a_text_is_cleaned_at_the_decrypt_boundary() -> None:
    assert "\x1b" not in text_of(ContentKind.TEXT, b"\x1b[2Jgone")[0]


@pytest.mark.parametrize("size", [1, MAX_TEXT_BYTES])
def test_texts_up_to_the_limit_may_be_sent(size: int) -> None:
    assert len(check_text("x" * size)) == size


@pytest.mark.parametrize(
    "text",
    ["", "  \n", "\u200b", "x" * (MAX_TEXT_BYTES + 1), "\ud800"],
    ids=["empty", "blank", "invisible", "over the limit", "a lone surrogate"],
)
def test_what_cannot_be_sent_says_so(text: str) -> None:
    with pytest.raises(UsageError):
        check_text(text)


def test_the_chain_depends_on_epoch_index_and_every_byte() -> None:
    start = chain_start(b"epoch")
    one = chain_next(start, 5, b"envelope")
    assert start != chain_start(b"another epoch")
    assert len({one, chain_next(start, 6, b"envelope"), chain_next(start, 5, b"envelopf")}) == 3


def test_a_reply_names_what_it_answers_and_is_cleaned_as_well() -> None:
    body = Reply(target=b"t" * 16, text=b"yes\x1b[2J").encode()
    assert text_of(ContentKind.REPLY, body) == ("yes\ufffd[2J", b"t" * 16)
    with pytest.raises(DecodeError):
        text_of(ContentKind.REPLY, body[:-1])
    with pytest.raises(DecodeError):
        text_of(ContentKind.REPLY, Reply(target=bytes(16), text=b"x" * 12_001).encode())

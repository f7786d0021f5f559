"""What a message says, inside its encryption (architecture 3, flows C4)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.client.safe_text import safe_text
from cloister.codec import (
    UINT64,
    DecodeError,
    Struct,
    fixed,
    layout,
    nested,
    opaque,
    uint8,
    uint64,
    vector,
)
from cloister.crypto.hashing import sha256
from cloister.errors import UsageError
from cloister.limits import MAX_TEXT_BYTES

CONTENT_VERSION: Final = 1
_CHAIN_START: Final = b"Cloister 1.0 ChannelChainStart"
"""The chain of an epoch starts from what its members share and the relay does not know."""
_CHAIN_NEXT: Final = b"Cloister 1.0 ChannelChain"


class ContentKind(IntEnum):
    """Content types.  7 to 9 stay free (decision 42); an unknown one is shown as such."""

    TEXT = 1
    REPLY = 2
    EDIT = 3
    RETRACT = 4
    REACTION = 5
    RECEIPT = 6
    NOTICE = 10
    COVER = 11


COVER_BYTES: Final = 200
"""Body of a COVER, as of a text of a few lines; whatever it is, the envelope has 1,024."""

QUIET: Final = frozenset({ContentKind.RECEIPT, ContentKind.COVER})
"""Kinds that no person sees: they make no row, count as nothing unread, and get no receipt."""

TEXTS: Final = frozenset({ContentKind.TEXT, ContentKind.REPLY})
"""Kinds that make a row with a text."""

ANNOTATING: Final = frozenset({ContentKind.EDIT, ContentKind.RETRACT, ContentKind.REACTION})
"""Kinds that change how another message is shown, and make no row (``annotating``)."""

SAID: Final = TEXTS | ANNOTATING
"""Kinds that a person means: only who may post may send them."""


@layout
class Heads(Struct):
    """What the sender has seen: the log's newest settled head, and the channel's items before
    ``next_n``.

    Inside the encryption because the relay could read the authenticated data.  A difference means
    a split view or a dropped tail, and shows without any commit (C4).
    """

    log_size: int = uint64()
    log_root: bytes = fixed(32)
    next_n: int = uint64()
    chain: bytes = fixed(32)


@layout
class Content(Struct):
    """One message.  ``message_id`` is also the envelope's id; ``counter`` is the sender's in this
    channel and starts at 1; ``at`` is the sender's clock in s, a label only."""

    version: int = uint8()
    message_id: bytes = fixed(16)
    counter: int = uint64()
    at: int = uint64()
    heads: Heads = nested(Heads)
    kind: int = uint8()
    body: bytes = opaque()


@layout
class Reply(Struct):
    """Body of a REPLY: a text, and the id of the message of this channel that it answers."""

    target: bytes = fixed(16)
    text: bytes = opaque()


class NoticeType(IntEnum):
    """What a notice tells the other devices."""

    LEAVING = 1
    """The author's member leaves: any other member may take its devices out, in this epoch."""


@layout
class Notice(Struct):
    """Body of a NOTICE.  Types beyond ``NoticeType`` need a newer program."""

    type: int = uint8()


@layout
class Receipt(Struct):
    """Body of a RECEIPT: what of the others has arrived at its author, in the channel's indices."""

    from_n: int = uint64()
    until_n: int = uint64()
    """Texts from ``from_n`` on and below this index have arrived."""
    read_n: int = uint64()
    """Those below this index were read as well; 0: its author does not say."""
    missing: tuple[int, ...] = vector(UINT64)
    """Items in between that could not be read, ascending; at most ``MAX_RECEIPT_MISSING``."""


MAX_RECEIPT_MISSING: Final = 16
"""So that a receipt is always of the smallest size."""


def receipt_of(content: Content, n: int) -> Receipt:
    """Return a receipt that came as item ``n``.  Raises ``DecodeError``."""
    receipt = Receipt.decode(content.body)
    missing = receipt.missing
    if not receipt.from_n <= receipt.until_n <= n or receipt.read_n > receipt.until_n:
        raise DecodeError("a receipt names what its author cannot have")
    if len(missing) > MAX_RECEIPT_MISSING or list(missing) != sorted(set(missing)):
        raise DecodeError("the missing items of a receipt are too many, or in no order")
    return receipt


def notice_of(content: Content) -> NoticeType | None:
    """Return what a message announces: nothing when it is no notice, or one not known here."""
    if content.kind != ContentKind.NOTICE:
        return None
    found = Notice.decode(content.body).type
    return NoticeType(found) if found in set(NoticeType) else None


def decode_content(plaintext: bytes) -> Content:
    """Decode what a member sent.  Raises ``DecodeError``."""
    content = Content.decode(plaintext)
    if content.version != CONTENT_VERSION or content.counter == 0:
        raise DecodeError("a message of this form needs a newer version of the program")
    return content


def text_of(kind: int, body: bytes) -> tuple[str, bytes]:
    """Return the text to store and show, sanitised, and the id of what it answers, or nothing.

    Raises ``DecodeError``."""
    if kind == ContentKind.REPLY:
        reply = Reply.decode(body)
        return shown_text(reply.text), reply.target
    if kind != ContentKind.TEXT:
        return "(a message of a kind that needs a newer version of the program)", b""
    return shown_text(body), b""


def shown_text(body: bytes) -> str:
    """Return a text as it is shown.  Raises ``DecodeError`` when it is no text, or too long."""
    if len(body) > MAX_TEXT_BYTES:
        raise DecodeError("a text is over the limit")
    try:
        return safe_text(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise DecodeError("a text is not UTF-8") from None


def check_text(text: str) -> bytes:
    """Return the UTF-8 bytes of a text that may be sent.  Raises ``UsageError``."""
    try:
        body = text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the text holds characters that are not Unicode text") from None
    if len(body) > MAX_TEXT_BYTES:
        raise UsageError(
            f"the text has {len(body):,} bytes; a message may have {MAX_TEXT_BYTES:,}",
            hint="Send it in several messages.",
        )
    if not safe_text(text).strip():
        raise UsageError("the text is empty")
    return body


UNKNOWN_CHAIN: Final = bytes(32)
"""Of who has come into an epoch at a new home without what was before: nothing is compared."""


def chain_start(epoch_authenticator: bytes) -> bytes:
    """First value of an epoch's chain, 32 bytes; the same for members and for those who join."""
    return sha256(_CHAIN_START, epoch_authenticator)


def chain_next(chain: bytes, n: int, envelope: bytes) -> bytes:
    """Extend the chain by item ``n``, 32 bytes; what is unknown stays so."""
    if chain == UNKNOWN_CHAIN:
        return chain
    return sha256(_CHAIN_NEXT, chain, n.to_bytes(8, "big"), sha256(envelope))

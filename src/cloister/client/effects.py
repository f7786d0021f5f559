"""What the core asks the program to do, in this order and no other.

``Persist`` is one vault transaction and is durable before any later effect is carried out: what
is sent or shown has always been stored before.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from cloister.errors import CloisterError
from cloister.values import repr_without
from cloister.wire.commands import AnyRequest

# --- what is written ------------------------------------------------------------------------------


class MessageState(IntEnum):
    """Where a message of the timeline stands."""

    QUEUED = 1
    SENT = 2
    RECEIVED = 3
    FAILED = 4


class MessageKind(IntEnum):
    """What a row of the timeline is."""

    TEXT = 1
    NOTICE = 2


class AnnotationKind(IntEnum):
    """What may be said of a message, as ``content.ContentKind`` numbers it."""

    EDIT = 3
    RETRACTION = 4
    REACTION = 5


class Reaction(msgspec.Struct, frozen=True, kw_only=True):
    """A member's mark on a message: the newest of each member counts."""

    name: str
    own: bool
    mark: str
    member_id: bytes = b""


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """How the message begins that another one answers; both empty when it is not here."""

    name: str = ""
    text: str = ""
    sender: bytes = b""
    """did of its author."""
    bot: bool = False
    """Whether that is a bot, as of ``Message``."""


class Since(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a message since it was written, for who shows it."""

    edits: int = 0
    """How often its text was changed; ``text`` is the newest."""
    retracted: bool = False
    """Its author has taken it back: ``text`` is empty."""
    reactions: tuple[Reaction, ...] = ()
    quote: Quote | None = None
    """What it answers."""
    pending: tuple[str, ...] = ()
    """Own changes of it that the relay has not taken yet, or never will, in words."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a conversation's timeline, unique by (channel_id, message_id).

    ``text`` has passed ``safe_text``.  ``position`` orders the timeline and never changes; a
    later write of the same row changes ``n``, ``state``, ``reason`` and ``expires_at`` only.
    """

    channel_id: bytes
    message_id: bytes
    position: int
    sender: bytes
    """did of the author."""
    sender_name: str
    own: bool
    kind: MessageKind
    state: MessageState
    counter: int
    """The author's counter in this channel, from 1: nothing missing, nothing twice."""
    n: int
    """The channel's index, 0 while queued."""
    at: int
    """The author's clock, s since the Unix epoch: a label only."""
    text: str
    reason: str = ""
    """Why it failed, in words."""
    envelope_hash: bytes = b""
    """SHA-256 of the envelope as sent or received; lets anyone compare with the relay."""
    reply_to: bytes = b""
    """Id of the message that it answers, or empty."""
    lifetime_s: int = 0
    """How long it is kept from when it was read here (an own one: sent); 0: for good."""
    expires_at: int = 0
    """When it is deleted, s since the Unix epoch; 0: not before it was read, or never."""
    since: Since = Since()
    """Filled by who reads it from the vault; nothing that is written."""
    bot: bool = False
    """Whether its author is a bot; not stored, but told by the roster (``client.bots``)."""


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """What a member says of a message of the same channel, unique by (channel_id, message_id)."""

    channel_id: bytes
    message_id: bytes
    """Its own id."""
    target: bytes
    """The message's."""
    kind: AnnotationKind
    member_id: bytes
    """Of its author."""
    name: str
    """Its author's, as shown."""
    dids: tuple[bytes, ...]
    """The devices of its author's member: only their texts can be edited and taken back."""
    own: bool
    state: MessageState
    n: int
    """The channel's index, which decides between two; 0 while queued."""
    at: int
    """The author's clock, s since the Unix epoch: a label only."""
    text: str
    """The new text, or the mark; it has passed ``safe_text``."""
    reason: str = ""
    """Why it failed, in words."""


class PutRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Insert or replace a record of the core's own state."""

    table: str
    key: bytes
    value: bytes

    def __repr__(self) -> str:
        return repr_without(self, "value")


class DeleteRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Delete a record; absent is fine."""

    table: str
    key: bytes


class PutMessage(msgspec.Struct, frozen=True, kw_only=True):
    """Insert or replace a row of the timeline by (channel_id, message_id)."""

    message: Message


class PutAnnotation(msgspec.Struct, frozen=True, kw_only=True):
    """Insert an annotation, or change its state; one that stands in the channel takes effect."""

    annotation: Annotation


class PutReadTo(msgspec.Struct, frozen=True, kw_only=True):
    """Move the read marker of a channel forward, to the last text of others below an index."""

    channel_id: bytes
    below_n: int
    at: int
    """When that was heard of, s: what is kept for a time runs from here."""


class PutEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Store entry ``seq`` of the roster log."""

    seq: int
    entry: bytes


Write = PutRecord | DeleteRecord | PutMessage | PutAnnotation | PutReadTo | PutEntry


# --- what the program's user is told --------------------------------------------------------------


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An act is done, or cannot be: then ``error`` says why and what to do."""

    ref: int
    text: str = ""
    """What the act gives: a code, sixty digits, an id; in words for people otherwise."""
    error: CloisterError | None = None

    def __repr__(self) -> str:
        return repr_without(self, "text")


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A message entered the timeline, or its state changed."""

    message: Message


class Revised(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the timeline is shown otherwise now, if it is there: read it again."""

    channel_id: bytes
    message_id: bytes


NEWS: Final = "news"
"""``Changed``: an act of power that the person is told of, and nothing is to be done about."""
BACK_IN: Final = "back in"
"""``Changed``: this device belongs to the circle again."""
FOLLOWING: Final = "following"
"""``Changed``: what came before may not have been told, and from here on all of it is."""
RESTORED: Final = "restored"
"""``Alarm``: the home relay goes on from a backup."""
UNKNOWN_EPOCH: Final = "unknown"
"""``Alarm``: the home relay does not know an epoch: perhaps it goes on from a backup of before."""
OUT: Final = "out"
"""``Alarm``: this device is out of the circle for a time."""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Circle, members, requests or conversations changed; ``what`` names it in a word.

    ``NEWS`` and ``BACK_IN`` are told aloud, in the words of ``text``.
    """

    what: str
    text: str = ""


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a person must see, and do something about: a hole, a fork, a changed key.

    What is only to be known is ``Changed``.
    """

    code: str
    text: str


Notice = Answer | Shown | Revised | Changed | Alarm


# --- effects --------------------------------------------------------------------------------------


class Persist(msgspec.Struct, frozen=True, kw_only=True):
    """Commit all writes in one durable transaction."""

    writes: tuple[Write, ...]


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Send a request to the home relay; dropped when the link is down (it is planned anew)."""

    request: AnyRequest


class Notify(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the program's user."""

    notice: Notice


class Disconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Close the link; the program reconnects along ``Core.routes`` with full-jitter backoff."""

    reason: str


Effect = Persist | Send | Notify | Disconnect


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One way to the home relay: TLS to the entry, CONNECT, TLS inside to the home.

    A certificate (DER) is the only trust anchor of its TLS.  ``None`` appears only while a
    newcomer fetches the letter, which needs no authentication but the invitation's seed.
    """

    entry_host: str
    entry_port: int
    entry_certificate: bytes | None
    home_host: str
    home_port: int
    home_certificate: bytes | None

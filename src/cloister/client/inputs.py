"""What drives the core: the link, the relay's events, time, and the person's wishes."""

from __future__ import annotations

import msgspec

from cloister.values import repr_without
from cloister.wire.events import AnyEvent


class LinkUp(msgspec.Struct, frozen=True, kw_only=True):
    """The WebSocket to the home relay stands; its ``Challenge`` follows as ``Received``."""


class LinkDown(msgspec.Struct, frozen=True, kw_only=True):
    """The link is gone: outstanding requests are forgotten, their work is planned anew."""


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the home relay, decoded but otherwise unverified."""

    event: AnyEvent


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """``Core.wake_at`` has come (or any other moment; a tick too early does nothing)."""


class ErrandDone(msgspec.Struct, frozen=True, kw_only=True):
    """A relay answered an errand of ``Core.errands`` on a connection of its own."""

    errand_id: bytes
    event: AnyEvent
    """Decoded but otherwise unverified."""


class ErrandRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A relay refused an errand.  While the core goes on naming it, it is run again later."""

    errand_id: bytes
    code: int
    """A value of ``wire.codes.Refusal``."""
    detail: int = 0


# --- the person's wishes; each is answered by an ``Answer`` with the same ``ref`` -----------------


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the person's wishes.  ``ref`` is chosen by the program and lives in memory only."""

    ref: int


class FoundCircle(Act, frozen=True, kw_only=True):
    """Found a circle (flows 3.1).  Answered when size 1 of the log is settled."""

    name: str
    """The founder's name in the circle."""
    home_card: bytes
    entry_cards: tuple[bytes, ...]
    """Encoded ``RelayCard`` of the home relay and of one or more entry relays."""
    activation_code: str
    test_circle: bool = False
    single_operator: bool = False
    unlock_shares: bool = True
    """Whether every device enrols at the share relays; test circles alone may do without."""
    cool_off_s: int = 86_400
    """From an approved erase to its execution; shorter in test circles only."""
    change_delay_s: int = 86_400
    """From an approved change of stewards or relays to its effect; shorter in test circles."""

    def __repr__(self) -> str:
        return repr_without(self, "activation_code")


class Invite(Act, frozen=True, kw_only=True):
    """Invite one person (flows 3.2).  Answered with the code when the letter is in its box."""

    lifetime_s: int = 7 * 86_400
    kind: str = "member"
    """``member``; ``device``: one more device of one's own; ``return``: a member on a new device,
    who has no other any more."""
    member: str = ""
    """Who returns."""
    steward: bool = False
    """Whether the newcomer is to be a steward; only while the circle is forming."""


class ShowInvitation(Act, frozen=True, kw_only=True):
    """Show the code of the newest own invitation again that is open and that nobody has used."""


class Join(Act, frozen=True, kw_only=True):
    """Ask to be let in (flows 3.3).  Answered with the 60 digits when the request is in the box."""

    code: str
    name: str
    """How the person is to be called in the circle; empty with ``own``."""
    own: bool = False
    """Whether this is to be one more device of the person: then they have a name there already,
    and a code for anything else is refused."""
    bot: bool = False
    """Whether a program, not a person, is to read here: it stands on the device's card for good."""

    def __repr__(self) -> str:
        return repr_without(self, "code")


class Vouch(Act, frozen=True, kw_only=True):
    """Vouch for an open request.  Answered when the vouch is settled in the log."""

    request: str
    """The newcomer's name, or the start of the fingerprint's digits."""
    how: int
    """1 met in person, 2 know the voice, 3 neither."""


class Remove(Act, frozen=True, kw_only=True):
    """Propose a removal, or approve the open one (flows 3.8).  Answered when settled."""

    member: str
    reason: int = 1
    """1 departure, 2 misconduct, 3 compromise."""
    since: int = 0
    """With 3: the position in the log from which on the member's entries are not trusted."""


class Leave(Act, frozen=True, kw_only=True):
    """Leave the circle.  Answered when settled."""


class OpenConversation(Act, frozen=True, kw_only=True):
    """Open a conversation with members by name.  Answered when all of them have been added."""

    title: str
    members: tuple[str, ...]
    admins_only: bool = False
    """Whether only admins bring members in, take them out and rename; the opener is one."""
    announcements: bool = False
    """Whether only admins post."""
    lifetime_s: int = 0
    """How long texts are kept after they were read; 0: for good."""


class ChangeConversation(Act, frozen=True, kw_only=True):
    """Change a conversation; members by name.  Answered when a commit has made it so.

    ``add`` goes without the others.
    """

    conversation: str
    title: str = ""
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    admins_named: tuple[str, ...] = ()
    admins_unnamed: tuple[str, ...] = ()
    changing: int = 0
    """A value of ``binding.Who``, 0: as it is.  Who brings members in, takes out, renames."""
    posting: int = 0
    """The same for whose texts are shown."""
    lifetime_s: int | None = None
    """How long texts are kept after they were read, 0: for good; nothing: as it is."""


class LeaveConversation(Act, frozen=True, kw_only=True):
    """Leave a conversation.  Answered when another member's device has taken this one out."""

    conversation: str


class SendText(Act, frozen=True, kw_only=True):
    """Queue a text.  Answered at once, when it is durable here; ``Sent`` follows."""

    conversation: str
    text: str
    reply_to: bytes = b""
    """Id of the message that it answers, or empty."""


class Annotate(Act, frozen=True, kw_only=True):
    """Queue what is said of a message.  Answered at once, when it is durable here.

    That the message is there, and one's own where it has to be, is for the program to see.
    """

    conversation: str
    message_id: bytes
    kind: int
    """A value of ``effects.AnnotationKind``."""
    text: str = ""
    """The new text, or the mark; an empty mark takes one's own back."""


class SetReceipts(Act, frozen=True, kw_only=True):
    """Say what the others of a conversation are told about their texts.  Answered at once."""

    conversation: str
    level: int
    """A value of ``receipt_records.ReceiptLevel``."""


class MarkRead(Act, frozen=True, kw_only=True):
    """Everything up to item ``n`` of a conversation's channel was read.  Answered at once."""

    conversation: str
    n: int


class SetCover(Act, frozen=True, kw_only=True):
    """Send so many cover messages a day in the mean; 0: none.  Answered at once."""

    per_day: int


class LogRead(msgspec.Struct, frozen=True, kw_only=True):
    """The log as the vault holds it, from the genesis on: what ``Core.wants_log`` asks for."""

    entries: tuple[bytes, ...]

    def __repr__(self) -> str:
        return repr_without(self, "entries")


AnyInput = LinkUp | LinkDown | Received | Tick | LogRead | ErrandDone | ErrandRefused | Act

"""One turn of the core: the draft that a flow edits while it handles one input.

A turn starts from a frozen state and ends in another, with the writes that lead from one to the
other.  When a flow raises, the draft is thrown away and the old state stands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from cloister.client.effects import (
    Alarm,
    Annotation,
    Answer,
    Changed,
    Message,
    Notice,
    PutAnnotation,
    PutEntry,
    PutMessage,
    PutReadTo,
    Revised,
    Shown,
)
from cloister.client.records import Intent
from cloister.client.state import Channel, Purpose, Session, State, with_item, without
from cloister.crypto.entropy import Entropy
from cloister.errors import CloisterError
from cloister.roster.events import Event as RosterEvent
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import AnyRequest

RETRY_S: Final = 2
"""Wait before the same request goes out again after a refusal that time may mend."""


class SettledEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that became part of the roster in this turn, and what it did."""

    seq: int
    entry: bytes
    events: tuple[RosterEvent, ...]


class Turn:
    """A mutable draft of the state; lives for one call of ``Core.handle``."""

    def __init__(self, state: State, now: int, entropy: Entropy) -> None:
        self.state = state
        self.now = now
        self.entropy = entropy
        self.messages: list[PutMessage | PutAnnotation | PutReadTo] = []
        self.entries: list[PutEntry] = []
        self.requests: list[AnyRequest] = []
        self.notices: list[Notice] = []
        self.settled: list[SettledEntry] = []
        self.finished: list[tuple[Intent, CloisterError | None]] = []
        self.release = False
        """Whether items that were held may go on now."""
        self.looked_at: set[bytes] = set()
        """Duties that some flow still wants done."""
        self.disconnect: str | None = None

    # --- state ------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The present connection's state."""
        return self.state.session

    def change(self, **fields: Any) -> None:
        """Replace fields of the state."""
        self.state = replace(self.state, **fields)

    def change_session(self, **fields: Any) -> None:
        """Replace fields of the session."""
        self.state = replace(self.state, session=replace(self.state.session, **fields))

    def put_channel(self, channel: Channel) -> None:
        """Insert or replace a channel."""
        self.change(channels=with_item(self.state.channels, channel.channel_id, channel))

    # --- what leaves ------------------------------------------------------------------------------

    def store_message(self, message: Message) -> None:
        """Write a row of the timeline and show it."""
        self.messages.append(PutMessage(message=message))
        self.notices.append(Shown(message=message))

    def store_annotation(self, annotation: Annotation) -> None:
        """Write what is said of a message, and have it shown."""
        self.messages.append(PutAnnotation(annotation=annotation))
        notice = Revised(channel_id=annotation.channel_id, message_id=annotation.target)
        self.notices.append(notice)

    def store_entry(self, seq: int, entry: bytes) -> None:
        """Write a settled log entry."""
        self.entries.append(PutEntry(seq=seq, entry=entry))

    def alarm(self, code: str, text: str) -> None:
        """Tell the person about something that must be seen."""
        self.notices.append(Alarm(code=code, text=text))

    def changed(self, what: str, text: str = "") -> None:
        """Tell the program that a view changed."""
        self.notices.append(Changed(what=what, text=text))

    def answer(self, owed: bytes, text: str = "", error: CloisterError | None = None) -> None:
        """Answer the act that is owed one under this key, if the program still waits."""
        if owed not in self.state.owed:
            return  # asked with every input, of every conversation
        for ref in self.state.owed[owed]:
            self.notices.append(Answer(ref=ref, text=text, error=error))
        self.change(owed=without(self.state.owed, owed))

    def owe(self, key: bytes, ref: int) -> None:
        """Remember that the act ``ref`` is answered when ``key`` is done."""
        refs = (*self.state.owed.get(key, ()), ref)
        self.change(owed=with_item(self.state.owed, key, refs))

    def is_current(self, channel_id: bytes) -> bool:
        """Whether this session has proved the epoch in which the relay says the channel is."""
        proved = self.session.proven.get((int(ObjectKind.CHANNEL), channel_id))
        return proved is not None and proved == self.session.current.get(channel_id)

    # --- requests ---------------------------------------------------------------------------------

    @property
    def is_linked(self) -> bool:
        """Whether requests can be sent: the relay's challenge has been accepted."""
        return bool(self.session.nonce) and self.disconnect is None

    def may_ask(self, purpose: Purpose) -> bool:
        """Whether a request for this purpose may go out now."""
        session = self.session
        return (
            self.is_linked
            and purpose not in session.asked
            and session.not_before.get(purpose, 0) <= self.now
        )

    def ask(self, purpose: Purpose, make: Callable[[int], AnyRequest]) -> bool:
        """Send ``make(rid)`` unless this purpose is outstanding or delayed."""
        if not self.may_ask(purpose):
            return False
        session = self.session
        rid = session.next_rid
        self.change_session(
            next_rid=rid + 1,
            outstanding=with_item(session.outstanding, rid, purpose),
            asked=session.asked | {purpose},
        )
        self.requests.append(make(rid))
        return True

    def take_outstanding(self, rid: int) -> Purpose | None:
        """Return what the request ``rid`` was for, and forget it."""
        session = self.session
        purpose = session.outstanding.get(rid)
        if purpose is not None:
            self.change_session(
                outstanding=without(session.outstanding, rid), asked=session.asked - {purpose}
            )
        return purpose

    def ask_once(self, purpose: Purpose, make: Callable[[int], AnyRequest]) -> bool:
        """Like ``ask``, but never again on this connection once it is done."""
        return purpose not in self.session.done and self.ask(purpose, make)

    def mark_done(self, purpose: Purpose) -> None:
        """Note that a one-time request of this connection has been carried out."""
        self.change_session(done=self.session.done | {purpose})

    def delay(self, purpose: Purpose, seconds: int = RETRY_S) -> None:
        """Do not ask for this again before ``seconds`` have passed."""
        self.change_session(
            not_before=with_item(self.session.not_before, purpose, self.now + max(seconds, 1))
        )

    def drop_link(self, reason: str) -> None:
        """Close the connection at the end of this turn."""
        self.disconnect = reason

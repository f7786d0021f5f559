"""What a device can be asked: the one surface for commands, bots, screens and the demo.

:class:`Facade` is implemented by :class:`~cloister.device.local.Device`, which holds the vault,
and by :class:`~cloister.device.agent_client.RemoteDevice`, which asks the process that does.
Views are plain JSON values, made by ``cloister.client.views``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final, Protocol

from cloister.client.effects import Alarm, AnnotationKind, Changed, Message, Revised, Shown
from cloister.client.inputs import Act

View = dict[str, Any]
"""A JSON object."""

FollowedNotice = Shown | Revised | Changed | Alarm
"""What :meth:`Facade.follow` yields."""

DEFAULT_TIMEOUT_S: Final = 60.0
BEFORE_ALL: Final = -(2**53)
"""A position before that of every row."""


class Facade(Protocol):
    """A device.  Every method raises ``CloisterError`` and nothing else on purpose."""

    async def act(
        self, act: Act, timeout_s: float = DEFAULT_TIMEOUT_S, *, impatient: bool = False
    ) -> str:
        """Do an act and return its answer's text.  ``act.ref`` may be anything.

        Raises the answer's error, or ``NotAnswered`` (exit 4) after ``timeout_s``; ``impatient``
        gives up as soon as every way to the relay has failed some times.
        """
        ...

    async def send(
        self, conversation: str, text: str, wait_s: float, *, reply_to: str = ""
    ) -> Message:
        """Queue a text and return its row, ``SENT`` or ``FAILED`` if that happens in ``wait_s``.

        ``reply_to``: the id of the message that it answers, in hex.
        """
        ...

    async def message(self, conversation: str, name: str) -> Message:
        """Return one message, named by the beginning of its id in hex, or "last" or "mine" for
        the newest text, or the newest own one.  Raises ``NotFoundError``, ``UsageError``."""
        ...

    async def annotate(
        self, conversation: str, message_id: str, kind: AnnotationKind, text: str = ""
    ) -> None:
        """Edit one's own message or take it back, or react to anybody's: queued when this returns.

        Raises ``NotFoundError``, ``PolicyError`` when it is not there or not one's own.
        """
        ...

    async def versions(self, conversation: str, message_id: str) -> list[View]:
        """Return the texts that a message has had, oldest first: ``at`` and ``text`` of each."""
        ...

    async def settle(self, timeout_s: float, *, required: bool = False) -> bool:
        """Wait until the device has caught up with its relay; tell whether it has.

        Caught up: connected, nothing asked is unanswered, and nothing has come for a moment.
        ``required``: a device that has a relay and cannot catch up raises why.
        """
        ...

    async def status(self) -> View:
        """Return the state of circle, link and vault."""
        ...

    async def circle(self) -> View:
        """Return the circle: ids, policy, relays."""
        ...

    async def members(self) -> list[View]:
        """Return the members."""
        ...

    async def requests(self) -> list[View]:
        """Return the open join requests with their digits."""
        ...

    async def conversations(self) -> list[View]:
        """Return the conversations with ``unread``, a count, and ``read_to``, a position or -1;
        ``muted``: now, by this clock."""
        ...

    async def governance(self, what: str, about: str = "") -> list[View]:
        """Return a view of governance by its name: see ``client.governance_views``."""
        ...

    async def exposure(self, device: str) -> View:
        """Return what a device could have read: see ``client.exposure``."""
        ...

    async def log(self, start: int, limit: int) -> list[View]:
        """Return entries of the circle's log in words: see ``client.log_words``."""
        ...

    async def verify_log(self) -> View:
        """Derive the log anew from the vault: see ``client.verify_log``.  Raises ``LogDiffers``."""
        ...

    async def history(
        self,
        conversation: str,
        limit: int = 100,
        after: int | None = None,
        before: int | None = None,
    ) -> list[Message]:
        """Return messages in order: the last ``limit`` (before a position, where one is given),
        or the first after a position; each under its author's present name on this device.

        Raises ``NotFoundError`` for an unknown conversation.
        """
        ...

    async def newest(self) -> list[Message]:
        """Return the last row of every timeline, for lists of conversations."""
        ...

    async def search(self, words: str, limit: int = 100) -> list[Message]:
        """Return the newest texts of all conversations that hold every word, newest first."""
        ...

    async def drafts(self) -> dict[str, str]:
        """Return what has been begun and not sent: channel id in hex -> text."""
        ...

    async def keep_draft(self, conversation: str, text: str) -> None:
        """Keep what has been begun in a conversation; an empty text forgets it."""
        ...

    async def mark_read(self, conversation: str, position: int) -> None:
        """Note that everything up to a position has been read; never takes anything back.

        Other devices of the person follow, where cover is sent or receipts of reading are given.
        """
        ...

    async def receipts(self, conversation: str) -> View:
        """Return how far the others have come, by what they tell: see ``client.receipt_views``.

        Raises ``NotFoundError`` for an unknown conversation.
        """
        ...

    async def comparison(self, member: str) -> View:
        """Return what this person and another compare: digits, words, a code, a fingerprint.

        Raises ``NotFoundError`` for an unknown member, ``UsageError`` for oneself.
        """
        ...

    def backup(
        self, path: str, passphrase: str, *, force: bool = False
    ) -> AsyncGenerator[View, None]:
        """Seal the whole history into a file; yield how far it is, and at the end what it holds.

        The process that holds the vault writes the file, so ``path`` is absolute.  Where the
        circle's policy wants it told, an entry of the log is settled first.  Raises
        ``PolicyError`` where it cannot be told, and what ``device.archive`` raises.
        """
        ...

    def restore(self, path: str, passphrase: str) -> AsyncGenerator[View, None]:
        """Read such a file of the same member as history; yield how far it is.

        Nothing is written before all of it has been found to be right.  Raises what
        ``device.archive`` raises.
        """
        ...

    def follow(self) -> AsyncGenerator[FollowedNotice, None]:
        """Yield notices from now on: first ``Changed`` "following", for whoever read something
        before; "link" among them when the relay comes or goes, and "read" when a conversation was
        read on another device of the person: its id is the text.

        Raises ``FellBehind`` when they are not taken in time.
        """
        ...

    async def change_pin(self, old: str, new: str) -> None:
        """Put another PIN (or passphrase) in the place of the one in force.

        Raises ``LockedError`` when ``old`` is another, ``UsageError`` when ``new`` is too easy.
        """
        ...

    async def check_shares(self) -> None:
        """Ask the relays for the unlock shares of this vault, and make new ones where one has lost
        its own; what stands in the way is ``vault_trouble`` of the status."""
        ...

    async def lock(self) -> None:
        """Close the vault; the process that holds it ends."""
        ...

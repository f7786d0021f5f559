"""Requests that wait because their connection does not take its answers.

One frame may ask for a hundred megabytes of entries and parts.  So requests are handled only while
the connection's outbox has room in this turn of the loop; the rest wait here, are handled in their
order as soon as there is room, and nothing more is read meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloister.relay.session import Session
    from cloister.wire.commands import AnyRequest

Handle = Callable[["Session", "deque[AnyRequest]"], None]


class Backlog:
    """What waits of one connection; it stands among what its outbox has to catch up with."""

    __slots__ = ("_handle", "_session", "requests")

    is_closed: Final = False
    """It never waits for credit (``delivery.Behind``)."""

    def __init__(self, session: Session, requests: deque[AnyRequest], handle: Handle) -> None:
        self._session = session
        self._handle = handle
        self.requests = requests

    def pump(self) -> None:
        """Handle as many as there is room for; what is left makes a new backlog."""
        session = self._session
        session.outbox.behind.pop(self, None)
        session.backlog = None
        self._handle(session, self.requests)

"""The home's side of its fronts: connections that another process holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cloister.relay.garbage import collector
from cloister.relay.listener import Sessions
from cloister.relay.processes import front
from cloister.relay.processes.pipe import Pipe
from cloister.relay.session import Session

_HALF_CREDIT: Final = front.CREDIT_BYTES // 2


class Fronts:
    """What all fronts share: the sessions, and whether there is room for one more."""

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self._all: set[FrontOf] = set()
        self._is_full = False

    def make(self, pipe: Pipe) -> FrontOf:
        """Hold the connections of one front."""
        made = FrontOf(self, pipe)
        self._all.add(made)
        if self._is_full:
            pipe.post(front.FULL, 0)
        return made

    def forget(self, lost: FrontOf) -> None:
        """A front has ended."""
        self._all.discard(lost)
        self.look_for_room()

    def look_for_room(self) -> None:
        """Tell all fronts when the last place is taken, and when one is free again."""
        if self.sessions.is_full is not self._is_full:
            self._is_full = not self._is_full
            for one in self._all:
                one.pipe.post(front.FULL if self._is_full else front.ROOM, 0)


class FrontOf:
    """One front, as the home sees it."""

    def __init__(self, fronts: Fronts, pipe: Pipe) -> None:
        self.fronts = fronts
        self.sessions = fronts.sessions
        self.pipe = pipe
        self.connections: dict[int, DistantSocket] = {}
        self._do: dict[int, Callable[[DistantSocket, bytes], None]] = {
            front.GARBAGE: lambda one, _: one.took_garbage(),
            front.GONE: lambda one, _: one.end(),
            front.BLOCKED: lambda one, _: one.blocked(True),
            front.UNBLOCKED: lambda one, _: one.blocked(False),
            front.TAKEN: DistantSocket.taken,
        }

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """A front tells something of a connection; of one that was cut meanwhile: nothing."""
        connection = self.connections.get(number)
        if connection is not None:
            if kind == front.FRAME:
                connection.took(payload)
            else:
                self._do[kind](connection, payload)
        elif kind == front.CONNECTED:
            if self.sessions.is_full:
                # The front did not know yet.
                self.pipe.post(front.CUT, number)
                return
            made = self.connections[number] = DistantSocket(self, number, speaks=not payload)
            made.begin()
            self.fronts.look_for_room()

    def on_blocked(self, is_blocked: bool) -> None:
        """The front takes nothing: nor do its connections, and their requests wait there."""
        self.pipe.hold(is_blocked)
        for connection in tuple(self.connections.values()):
            connection.tell()

    def on_lost(self) -> None:
        """All its connections are gone."""
        connections, self.connections = self.connections, {}
        for connection in connections.values():
            connection.forget()
        self.fronts.forget(self)


class DistantSocket:
    """A connection that a front holds, and the session that it carries."""

    __slots__ = ("_front", "_given", "_has_credit", "_is_blocked", "_number", "_session", "speaks")

    def __init__(self, of: FrontOf, number: int, *, speaks: bool) -> None:
        self.speaks = speaks
        self._front = of
        self._number = number
        self._session: Session | None = None
        self._given = 0
        """Bytes that the device has not taken, as far as is known here."""
        self._has_credit = True
        self._is_blocked = False

    @property
    def waiting_bytes(self) -> int:
        """What it was given and the front has not reported as taken."""
        return self._given

    # --- what the session does with it ------------------------------------------------------

    def transmit(self, frame: bytes) -> None:
        """Send one frame."""
        self._front.pipe.post(front.SEND, self._number, frame)
        self._given += len(frame)
        if self._given >= front.CREDIT_BYTES and self._has_credit:
            self._has_credit = False
            self.tell()

    def hold(self, is_held: bool) -> None:
        """Read nothing more, or read on."""
        self._front.pipe.post(front.HOLD if is_held else front.UNHOLD, self._number)

    def close(self) -> None:
        """Close politely."""
        self._front.pipe.post(front.CLOSE, self._number)

    def cut(self) -> None:
        """End the connection at once."""
        self._front.pipe.post(front.CUT, self._number)
        self.end()

    def proved(self) -> None:
        """Let the front's door know."""
        self._front.pipe.post(front.PROVED, self._number)

    # --- what the front tells ---------------------------------------------------------------

    def begin(self) -> None:
        """Begin the session."""
        self._session = self._front.sessions.on_connected(self)
        collector.on_connection()
        if self._front.pipe.is_blocked:
            self.tell()

    def took(self, payload: bytes) -> None:
        """Hand a frame to the session."""
        if self._session is not None and not self._front.sessions.on_frame(self._session, payload):
            self.cut()

    def took_garbage(self) -> None:
        """Count it; the front cuts."""
        self._front.sessions.on_garbage()

    def blocked(self, is_blocked: bool) -> None:
        """The device takes nothing at present, or takes something again."""
        self._is_blocked = is_blocked
        self.tell()

    def taken(self, count: bytes) -> None:
        """The device's socket has taken bytes."""
        self._given -= int.from_bytes(count, "big")
        if self._given < _HALF_CREDIT and not self._has_credit:
            self._has_credit = True
            self.tell()

    def tell(self) -> None:
        """Tell the session whether anything may be pushed."""
        session = self._session
        if session is None:
            return
        is_blocked = self._is_blocked or not self._has_credit or self._front.pipe.is_blocked
        if is_blocked is not session.outbox.is_blocked:
            self._front.sessions.on_blocked(session, is_blocked)

    def end(self) -> None:
        """The connection is gone."""
        self._front.connections.pop(self._number, None)
        self.forget()
        self._front.fronts.look_for_room()

    def forget(self) -> None:
        """End the session."""
        session, self._session = self._session, None
        if session is not None:
            self._front.sessions.on_disconnected(session)

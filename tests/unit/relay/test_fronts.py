"""The home's side of a front: what one connection may have under way, and what the dead leave."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable

from cloister.crypto.entropy import SystemEntropy
from cloister.relay.listener import Sessions
from cloister.relay.logsafe import Log
from cloister.relay.processes import front
from cloister.relay.processes.fronts import DistantSocket, FrontOf, Fronts
from cloister.wire import commands
from cloister.wire.events import Challenge, Done
from cloister.wire.frame import decode_events, encode_frame
from unit.relay.home_core import HomeCore, settle


class HeldPipe:
    """The pipe to a front: notes what is posted, and is blocked when it is told so."""

    def __init__(self) -> None:
        self.posted: list[tuple[int, int, bytes]] = []
        self.is_blocked = False
        self.is_held = False

    def post(self, kind: int, number: int, payload: bytes = b"") -> None:
        self.posted.append((kind, number, payload))

    def hold(self, is_held: bool) -> None:
        self.is_held = is_held

    def take(self, kind: int) -> list[tuple[int, bytes]]:
        """Return what was posted of a kind since the last time."""
        found = [(number, payload) for one, number, payload in self.posted if one == kind]
        self.posted = [one for one in self.posted if one[0] != kind]
        return found


class World:
    def __init__(self, most: int) -> None:
        self.core = HomeCore()
        log = Log(lambda: 0, io.StringIO())
        self.sessions = Sessions(
            self.core.context,
            self.core.dispatch,
            entropy=SystemEntropy(),
            log=log,
            max_connections=most,
        )
        self.fronts = Fronts(self.sessions)
        self.pipe = HeldPipe()
        self.front: FrontOf = self.fronts.make(self.pipe)  # type: ignore[arg-type]

    def connect(self, number: int) -> DistantSocket:
        self.front.on_message(front.CONNECTED, number, b"")
        return self.front.connections[number]


def run(scenario: Callable[[World], Awaitable[None]], most: int = 10) -> None:
    async def main() -> None:
        world = World(most)
        await world.core.found()
        await scenario(world)

    asyncio.run(main())


def is_blocked(connection: DistantSocket) -> bool:
    session = connection._session
    assert session is not None
    return session.outbox.is_blocked


def test_a_device_behind_a_front_is_greeted_and_answered() -> None:
    async def scenario(world: World) -> None:
        world.connect(7)
        await settle()
        (sent,) = world.pipe.take(front.SEND)
        assert sent[0] == 7
        assert isinstance(decode_events(sent[1])[0], Challenge)
        world.front.on_message(front.FRAME, 7, encode_frame([commands.Ping(5)]))
        await settle()
        ((_, frame),) = world.pipe.take(front.SEND)
        (done,) = decode_events(frame)
        assert isinstance(done, Done)
        assert done.rid == 5
        world.front.on_message(front.FRAME, 7, b"\xc1")
        assert world.pipe.take(front.CUT) == [(7, b"")]
        assert world.core.metrics.connections == 0
        # What was under way of it already is nobody's.
        world.front.on_message(front.FRAME, 7, encode_frame([commands.Ping(6)]))

    run(scenario)


def test_what_a_device_has_not_taken_is_at_most_a_window() -> None:
    async def scenario(world: World) -> None:
        connection, other = world.connect(1), world.connect(2)
        frame = bytes(front.CREDIT_BYTES // 4)
        for _ in range(3):
            connection.transmit(frame)
            assert not is_blocked(connection)
        connection.transmit(frame)
        assert is_blocked(connection)
        assert not is_blocked(other)
        taken = len(frame).to_bytes(4, "big")
        world.front.on_message(front.TAKEN, 1, taken)
        world.front.on_message(front.TAKEN, 1, taken)
        assert is_blocked(connection)
        world.front.on_message(front.TAKEN, 1, taken)
        assert not is_blocked(connection)
        # A socket that takes nothing blocks with credit left, and until both are there again.
        world.front.on_message(front.BLOCKED, 1, b"")
        assert is_blocked(connection)
        for _ in range(4):
            connection.transmit(frame)
        world.front.on_message(front.UNBLOCKED, 1, b"")
        assert is_blocked(connection)
        world.front.on_message(front.TAKEN, 1, (4 * len(frame)).to_bytes(4, "big"))
        assert not is_blocked(connection)

    run(scenario)


def test_a_front_that_takes_nothing_blocks_its_devices_and_is_not_read() -> None:
    async def scenario(world: World) -> None:
        early = world.connect(1)
        world.pipe.is_blocked = True
        world.front.on_blocked(True)
        late = world.connect(2)
        assert (world.pipe.is_held, is_blocked(early), is_blocked(late)) == (True, True, True)
        world.pipe.is_blocked = False
        world.front.on_blocked(False)
        assert (world.pipe.is_held, is_blocked(early), is_blocked(late)) == (False, False, False)

    run(scenario)


def test_too_many_are_cut_and_all_fronts_are_told_when_there_is_room() -> None:
    async def scenario(world: World) -> None:
        other = HeldPipe()
        world.fronts.make(other)  # type: ignore[arg-type]
        world.connect(1)
        world.connect(2)
        assert [bool(pipe.take(front.FULL)) for pipe in (world.pipe, other)] == [True, True]
        world.front.on_message(front.CONNECTED, 3, b"")
        assert world.pipe.take(front.CUT) == [(3, b"")]
        assert world.core.metrics.connections == 2
        young = HeldPipe()
        world.fronts.make(young)  # type: ignore[arg-type]
        assert young.take(front.FULL)
        world.front.on_lost()
        assert world.core.metrics.connections == 0
        assert other.take(front.ROOM)
        assert young.take(front.ROOM)

    run(scenario, most=2)

"""Connections that have proved nothing, and answers that nobody takes: both are bounded."""

from __future__ import annotations

import asyncio
import io
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.limits import (
    DELIVERY_WINDOW_BYTES,
    IDLE_TIMEOUT_S,
    MAX_UNPROVEN_REQUESTS,
    STALLED_SESSION_S,
    UNPROVEN_S,
    UNPROVEN_SILENT_S,
)
from cloister.relay.listener import SWEEP_S, SWEPT_AT_ONCE, UNPROVEN_SHARE, Sessions
from cloister.relay.logsafe import Log
from cloister.relay.services.context import WRONG_PROOF
from cloister.relay.session import Session, State, TooManyRequests
from cloister.relay.way_out import SHARE
from cloister.wire import commands
from cloister.wire.events import Item, Part
from cloister.wire.frame import decode_events, encode_frame
from unit.relay.home_core import CHANNEL, COMMONS, HomeCore, put, settle

PART = 256 * 1024


class Line:
    """What carries a session here: no socket."""

    speaks = True
    waiting_bytes = 0

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.got: list[bytes] = []
        self.is_held = False
        self.is_cut = False
        self.proofs = 0
        self.session = sessions.on_connected(self)

    def transmit(self, frame: bytes) -> None:
        self.got.append(frame)

    def proved(self) -> None:
        self.proofs += 1

    def hold(self, is_held: bool) -> None:
        self.is_held = is_held

    def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        self.is_cut = True
        self.sessions.on_disconnected(self.session)

    def ask(self, *requests: commands.AnyRequest) -> bool:
        return self.sessions.on_frame(self.session, encode_frame(requests))

    def prove(self, core: HomeCore) -> None:
        assert self.ask(core.proof(self.session, 0))
        assert self.session.state is State.PROVEN


def run(
    scenario: Callable[[HomeCore, Sessions], Awaitable[None]], *, max_connections: int = 100
) -> None:
    async def main() -> None:
        core = HomeCore()
        await core.found()
        log = Log(lambda: core.now, io.StringIO())
        sessions = Sessions(
            core.context,
            core.dispatch,
            entropy=SystemEntropy(),
            log=log,
            max_connections=max_connections,
        )
        await scenario(core, sessions)

    asyncio.run(main())


async def pass_time(core: HomeCore, sessions: Sessions, seconds: float) -> None:
    """Move the clock on as the relay's own sweeps see it: every second, and every fifth."""
    for number in range(1, int(seconds) + 1):
        core.time += 1
        sessions.sweep_unproven(core.time)
        if number % SWEEP_S == 0:
            await sessions.sweep(core.time)


def test_silence_without_a_proof_is_cut_and_with_one_it_is_not() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        stranger, device = Line(sessions), Line(sessions)
        device.prove(core)
        await pass_time(core, sessions, UNPROVEN_SILENT_S)
        assert core.metrics.sessions_cut == 0
        await pass_time(core, sessions, 1)
        assert stranger.is_cut
        await pass_time(core, sessions, UNPROVEN_S)
        assert not device.is_cut
        assert IDLE_TIMEOUT_S > UNPROVEN_S + UNPROVEN_SILENT_S
        assert core.metrics.sessions_cut == 1
        assert core.metrics.connections == 1

    run(scenario)


def test_who_keeps_talking_without_a_proof_is_cut_in_the_end() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        stranger = Line(sessions)
        for _ in range(UNPROVEN_S // 5):
            assert stranger.ask(commands.Ping(1))
            await pass_time(core, sessions, 5)
        assert not stranger.is_cut
        assert stranger.ask(commands.Ping(1))
        await pass_time(core, sessions, 1)
        assert stranger.is_cut

    run(scenario)


def test_requests_before_a_proof_are_counted_and_after_it_they_are_not() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        stranger, device = Line(sessions), Line(sessions)
        pings = [commands.Ping(1)] * MAX_UNPROVEN_REQUESTS
        assert stranger.ask(*pings)
        assert not stranger.ask(commands.Ping(1))
        assert core.metrics.frames_refused == 1
        assert device.ask(*pings[1:], core.proof(device.session, 0), *pings)
        assert device.ask(*pings)

    run(scenario)


def test_who_brings_a_log_with_a_code_may_take_his_time() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        steward = Line(sessions)
        for _ in range(2 * UNPROVEN_S // 5):
            assert steward.ask(*[commands.Ping(1)] * 10)
            steward.session.grant_time(core.time)
            await pass_time(core, sessions, 5)
        assert not steward.is_cut

    run(scenario)


def test_wrong_proofs_are_no_proofs() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        stranger = Line(sessions)
        wrong = core.proof(stranger.session, 0, name="another")
        assert stranger.ask(*[wrong] * (MAX_UNPROVEN_REQUESTS // (1 + WRONG_PROOF)))
        assert not stranger.ask(wrong)
        assert stranger.session.state is State.GREETED

    run(scenario)


def test_of_too_many_without_a_proof_the_oldest_goes() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        most = 100 // UNPROVEN_SHARE
        device = Line(sessions)
        device.prove(core)
        strangers = [Line(sessions) for _ in range(3 * most)]
        late = Line(sessions)
        assert sum(not one.is_cut for one in strangers) == most - 1
        assert all(one.is_cut for one in strangers[: 2 * most + 1])
        assert not device.is_cut
        late.prove(core)
        assert not sessions.is_full

    run(scenario)


def test_one_place_is_enough_for_one_connection() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        device = Line(sessions)
        device.prove(core)
        assert sessions.is_full
        assert not device.is_cut

    run(scenario, max_connections=1)


@pytest.mark.parametrize("begins_after", range(int(SWEEP_S)))
def test_a_stalled_reader_is_cut_within_its_time_and_loses_nothing(begins_after: int) -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        reader, writer = Line(sessions), Line(sessions)
        for line in (reader, writer):
            line.prove(core)
        assert reader.ask(commands.Follow(2, CHANNEL, COMMONS, 0))
        seconds = 0
        while not reader.is_cut:
            if seconds == begins_after:
                sessions.on_blocked(reader.session, True)
            core.time += 1
            seconds += 1
            if seconds % SWEEP_S == 0:
                await sessions.sweep(core.time)
        assert STALLED_SESSION_S - 2 * SWEEP_S <= seconds - begins_after <= STALLED_SESSION_S
        assert writer.ask(*[put(number) for number in range(20)])
        await settle()
        again = Line(sessions)
        again.prove(core)
        assert again.ask(commands.Follow(2, CHANNEL, COMMONS, 0))
        await settle()
        got = [event for frame in again.got for event in decode_events(frame)]
        assert [event.n for event in got if isinstance(event, Item)] == list(range(20))

    run(scenario)


def test_who_waits_for_a_turn_among_many_is_not_taken_for_stalled() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        reader, writer = Line(sessions), Line(sessions)
        for line in (reader, writer):
            line.prove(core)
        assert writer.ask(*[put(number, size=16 * 1024) for number in range(20)])
        assert reader.ask(commands.Follow(2, CHANNEL, COMMONS, 0))
        async with asyncio.timeout(60):
            while not reader.session.outbox.is_stuck:  # noqa: ASYNC110  turns rest by the clock
                await asyncio.sleep(0.001)

        async def is_cut_after_sweeps() -> bool:
            for _ in range(round(STALLED_SESSION_S / SWEEP_S)):
                core.time += SWEEP_S
                await sessions.sweep(core.time)
            return reader.is_cut

        # Its credit is not read while it is held for what waits before.
        core.context.wait_with(reader.session, deque([commands.Ping(3)]))
        assert not await is_cut_after_sweeps()
        async with asyncio.timeout(60):
            while reader.is_held:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
        assert await is_cut_after_sweeps()

    run(scenario)


def test_who_takes_nothing_is_cut_also_with_requests_that_wait() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        reader = Line(sessions)
        reader.prove(core)
        sessions.on_blocked(reader.session, True)
        core.context.wait_with(reader.session, deque([commands.Ping(3)]))
        for _ in range(round(STALLED_SESSION_S / SWEEP_S)):
            core.time += SWEEP_S
            reader.session.heard_at = core.time
            await sessions.sweep(core.time)
        assert reader.is_cut

    run(scenario)


def test_a_reader_on_a_slow_line_is_not_cut_while_it_moves() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        reader = Line(sessions)
        reader.prove(core)
        assert reader.ask(commands.Follow(2, CHANNEL, COMMONS, 0))
        reader.waiting_bytes = 200_000
        sessions.on_blocked(reader.session, True)

        async def pass_sweeps(count: int, taken: int) -> None:
            for _ in range(count):
                core.time += SWEEP_S
                reader.waiting_bytes -= taken
                # Its ping, which is not read, keeps no connection that takes nothing.
                reader.session.heard_at = core.time
                await sessions.sweep(core.time)

        await pass_sweeps(20, 1000)
        assert not reader.is_cut
        await pass_sweeps(round(STALLED_SESSION_S / SWEEP_S) - 2, 0)
        assert not reader.is_cut
        await pass_sweeps(2, 0)
        assert reader.is_cut

    run(scenario)


async def stage_tree(core: HomeCore, line: Line) -> commands.ReadPart:
    """A large item, and the request that reads a part of it."""
    part = bytes(PART)
    name = sha256(part)
    assert line.ask(commands.Stage(2, CHANNEL, COMMONS, name, 0, 1, part))
    commit = core.commit(line.session, 0, 7, envelope=b"", staged=name)
    await settle()
    assert line.ask(commit)
    await settle()
    return commands.ReadPart(3, CHANNEL, COMMONS, 0, 0)


def answers(line: Line) -> int:
    return sum(isinstance(one, Part) for frame in line.got for one in decode_events(frame))


def test_answers_that_nobody_takes_are_not_made() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        line = Line(sessions)
        line.prove(core)
        request = await stage_tree(core, line)
        sessions.on_blocked(line.session, True)
        line.got.clear()
        # Read before the socket was full, and worth 75 MB.
        assert line.ask(*[request] * 200)
        assert line.ask(*[request] * 100)
        await settle()
        assert sum(map(len, line.got)) == 0
        assert line.is_held
        sessions.on_blocked(line.session, False)
        assert sum(map(len, line.got)) < DELIVERY_WINDOW_BYTES + 2 * PART
        for _ in range(100):
            await settle()
        assert answers(line) == 300
        assert max(map(len, line.got)) < DELIVERY_WINDOW_BYTES + 2 * PART
        assert not line.is_held

    run(scenario)


def test_reading_goes_on_only_when_neither_answers_nor_writes_wait() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        line = Line(sessions)
        line.prove(core)
        sessions.on_blocked(line.session, True)
        assert line.ask(commands.Ping(1))
        assert line.is_held
        core.context.begin_write(line.session, 5 * 1024 * 1024)
        core.context.end_write(line.session, 5 * 1024 * 1024)
        assert line.is_held
        core.context.begin_write(line.session, 5 * 1024 * 1024)
        sessions.on_blocked(line.session, False)
        assert line.session.backlog is None
        assert line.is_held
        core.context.end_write(line.session, 5 * 1024 * 1024)
        assert not line.is_held

    run(scenario)


def test_what_waits_of_a_closed_connection_is_forgotten() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        line = Line(sessions)
        line.prove(core)
        sessions.on_blocked(line.session, True)
        assert line.ask(put(1))
        line.cut()
        assert line.session.backlog is None
        line.session.outbox.catch_up()
        await settle()
        assert core.metrics.messages_accepted == 0

    run(scenario)


def test_a_stranger_whose_requests_have_waited_is_cut_for_too_many() -> None:
    async def scenario(_core: HomeCore, sessions: Sessions) -> None:
        line = Line(sessions)
        sessions.on_blocked(line.session, True)
        assert line.ask(*[commands.Ping(1)] * (MAX_UNPROVEN_REQUESTS + 1))
        assert not line.is_cut
        sessions.on_blocked(line.session, False)
        assert line.is_cut

    run(scenario)


def test_the_count_says_so_where_no_socket_is() -> None:
    async def scenario(core: HomeCore, _sessions: Sessions) -> None:
        session: Session = core.connect()
        with pytest.raises(TooManyRequests):
            core.dispatch.take(session, [commands.Ping(1)] * (MAX_UNPROVEN_REQUESTS + 1))

    run(scenario)


def test_a_sweep_lets_others_in_between() -> None:
    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        lines = [Line(sessions) for _ in range(10 * SWEPT_AT_ONCE)]
        for line in lines:
            line.prove(core)
        core.time += IDLE_TIMEOUT_S + 1
        sweep = asyncio.create_task(sessions.sweep(core.time))
        cut = [0]
        async with asyncio.timeout(60):
            while cut[-1] < len(lines) - 1:
                await asyncio.sleep(0)
                cut.append(sum(line.is_cut for line in lines))
                if len(cut) == 3:
                    # Who goes meanwhile is not looked for any more.
                    sessions.on_disconnected(lines[-1].session)
        await sweep
        assert not lines[-1].is_cut
        most_in_a_beat = -(-len(lines) // SHARE)
        assert max(later - before for before, later in pairwise(cut)) <= most_in_a_beat

    run(scenario, max_connections=1000)


async def catching_up(core: HomeCore, sessions: Sessions) -> list[Line]:
    """Twelve who follow a channel with more in it than a turn gives to all of them."""
    lines = [Line(sessions) for _ in range(12)]
    for line in lines:
        line.prove(core)
    for number in range(16):
        assert lines[0].ask(put(number, size=16 * 1024))
        await settle()
    for line in lines:
        assert line.ask(commands.Follow(2, CHANNEL, COMMONS, 0))
    return lines


def test_who_cannot_catch_up_is_cut_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is wrong with one connection, or one read of the disk, keeps nobody else waiting."""

    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        lines = await catching_up(core, sessions)
        flusher = sessions.flusher
        assert len(flusher._waiting) > 2
        broken = next(iter(flusher._waiting))
        read = core.store.envelopes

        def failing(*what: object) -> object:
            monkeypatch.setattr(core.store, "envelopes", read)
            raise OSError("a read of the disk")

        monkeypatch.setattr(core.store, "envelopes", failing)
        while flusher._waiting or not any(one.is_cut for one in lines):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        for line in lines:
            follow = line.session.follows.get((CHANNEL, COMMONS))
            is_broken = line.session.outbox is broken
            assert line.is_cut is is_broken
            assert is_broken or (follow is not None and follow.next_n == 16)

    run(lambda core, sessions: asyncio.wait_for(scenario(core, sessions), 20))


def test_when_nobody_can_catch_up_they_are_cut_a_few_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that cannot be read fails for a whole fleet, and the loop has other things to do."""

    async def scenario(core: HomeCore, sessions: Sessions) -> None:
        lines = await catching_up(core, sessions)

        def failing(*_what: object) -> object:
            raise OSError("a read of the disk")

        monkeypatch.setattr(core.store, "envelopes", failing)
        flusher = sessions.flusher
        before = len(flusher._waiting)
        assert before > 4
        flusher._serve()
        assert len(flusher._waiting) >= before - 2
        while flusher._waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        assert sum(line.is_cut for line in lines) >= before - 1

    run(lambda core, sessions: asyncio.wait_for(scenario(core, sessions), 20))

"""The engine: stored before sent, few transactions, nothing after a failed commit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from cloister.client.effects import (
    Answer,
    Changed,
    Disconnect,
    Notify,
    Persist,
    PutEntry,
    PutRecord,
    Route,
    Send,
    Write,
)
from cloister.client.inputs import Act, Leave, LinkDown, LinkUp, LogRead, Received, Tick
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.engine import PAUSE_ABOVE, Engine
from cloister.device.errors import DeviceClosed
from cloister.device.link import Link, OnEvents
from cloister.device.ticks import Ticks
from cloister.device.vault import Cost, Vault, VaultWriteFailed
from cloister.errors import CloisterError, NetworkError
from cloister.wire.commands import AnyRequest, Ping
from cloister.wire.events import AnyEvent, Done, Failed
from unit.device.scripted import ROUTE, Script, ScriptedCore, kinds, obedient


class RecordingVault(Vault):
    """A real vault that notes when it commits what."""

    trace: list[tuple[str, object]]

    def commit(self, writes: Any) -> None:
        kept: list[Write] = list(writes)
        super().commit(kept)
        self.trace.append(("commit", tuple(w.key for w in kept if isinstance(w, PutRecord))))


class FakeLink:
    """The network in memory: a test says what arrives, and reads what was sent."""

    def __init__(self, trace: list[tuple[str, object]], on_events: OnEvents) -> None:
        self.trace = trace
        self.on_events = on_events
        self.closed: asyncio.Future[CloisterError | None] = asyncio.Future()
        self.paused = False

    def start(self) -> None:
        self.trace.append(("start", None))

    def send(self, requests: Sequence[AnyRequest]) -> None:
        self.trace.append(("send", tuple(request.rid for request in requests)))

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False

    def close(self, reason: CloisterError | None = None) -> None:
        if not self.closed.done():
            self.closed.set_result(reason)

    async def wait_closed(self) -> CloisterError | None:
        return await asyncio.shield(self.closed)


class World:
    """An engine over a real vault and an imagined network."""

    def __init__(
        self,
        folder: Path,
        core: ScriptedCore,
        uniform: Callable[[float, float], float] = lambda low, high: 0.0,
    ) -> None:
        self.trace: list[tuple[str, object]] = []
        self.links: list[FakeLink] = []
        self.attempts: list[Route] = []
        self.refuse: CloisterError | None = None
        self.now = 1_800_000_000.0
        self.vault = RecordingVault.create(
            folder, Secret(b"pw"), entropy=SystemEntropy(), cost=Cost(64, 1, 1)
        )
        self.vault.trace = self.trace
        self.engine = Engine(
            self.vault,
            core,
            entropy=SystemEntropy(),
            clock=lambda: self.now,
            open_link=self._open,
            uniform=uniform,
        )
        self.linked = asyncio.Event()

    async def _open(self, route: Route, on_events: OnEvents) -> Link:
        self.attempts.append(route)
        if self.refuse is not None:
            await asyncio.sleep(0)
            raise self.refuse
        link = FakeLink(self.trace, on_events)
        self.links.append(link)
        self.linked.set()
        return cast("Link", link)

    @property
    def core(self) -> ScriptedCore:
        return cast("ScriptedCore", self.engine.core)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self.engine.changed:
            await self.engine.changed.wait_for(condition)


def play(
    folder: Path,
    core: ScriptedCore,
    story: Callable[[World], Coroutine[Any, Any, None]],
    uniform: Callable[[float, float], float] = lambda low, high: 0.0,
) -> None:
    """Run a story in a world whose engine runs beside it; the engine's error is raised."""

    async def main() -> None:
        world = World(folder, core, uniform)
        running = asyncio.create_task(world.engine.run())
        try:
            telling = asyncio.create_task(story(world))
            await asyncio.wait({running, telling}, return_when=asyncio.FIRST_COMPLETED)
            if running.done() and not telling.done():
                telling.cancel()
                await asyncio.gather(telling, return_exceptions=True)
                running.result()
            await telling
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await world.engine.close()

    asyncio.run(main())


def event(rid: int = 0) -> AnyEvent:
    return Done(rid=rid, n=1)


def test_an_act_is_answered_after_its_writes_are_on_disk(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        answer = await world.engine.submit(Leave(ref=0))
        assert (answer.ref, answer.text) == (1, "Leave")
        assert world.trace == [("commit", (b"\0",))]
        assert world.vault.records() == {"seen": {b"\0": b"x"}}

    play(tmp_path, ScriptedCore(), story)


def test_nothing_is_sent_before_the_commit_although_the_core_said_send_first(
    tmp_path: Path,
) -> None:
    async def story(world: World) -> None:
        await world.linked.wait()
        await world.until(lambda: kinds(world.core) == ["LinkUp"])
        world.links[0].on_events([event()])
        await world.until(lambda: len(world.core.seen) == 2)
        assert world.trace == [
            ("start", None),
            ("commit", (b"\0",)),
            ("commit", (b"\1",)),
            ("send", (2,)),
        ]

    play(tmp_path, ScriptedCore(routes=(ROUTE,)), story)


def test_many_inputs_share_one_transaction_and_one_frame(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) == 1)
        world.links[0].on_events([event() for _ in range(40)])
        await world.until(lambda: len(world.core.seen) == 41)
        assert [what for what, _ in world.trace] == ["start", "commit", "commit", "send"]
        assert world.trace[-1] == ("send", tuple(range(2, 42)))

    play(tmp_path, ScriptedCore(routes=(ROUTE,)), story)


def test_a_failed_commit_sends_nothing_answers_nothing_and_stops_the_engine(
    tmp_path: Path,
) -> None:
    worlds: list[World] = []

    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        if isinstance(given, Act):
            too_large = PutRecord(table="t", key=b"big", value=bytes(500_000))
            return (
                Persist(writes=(too_large,)),
                Send(request=Ping(rid=99)),
                Notify(notice=Answer(ref=given.ref, text="done")),
            )
        return ()

    async def story(world: World) -> None:
        worlds.append(world)
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) == 1)
        world.vault._connection.execute("PRAGMA max_page_count = 20")
        with pytest.raises(VaultWriteFailed):
            await world.engine.submit(Leave(ref=0))
        await asyncio.Event().wait()

    with pytest.raises(VaultWriteFailed):
        play(tmp_path, ScriptedCore(script=script, routes=(ROUTE,)), story)
    assert not any(what == "send" for what, _ in worlds[0].trace)
    assert not any(isinstance(given, Act) for given in worlds[0].core.seen), "the old core stays"


def test_the_core_ticks_when_its_time_has_come_and_not_twice_in_a_second(tmp_path: Path) -> None:
    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        return ()

    async def story(world: World) -> None:
        await world.until(lambda: "Tick" in kinds(world.core))
        assert isinstance(world.core.seen[0], Tick)

    play(tmp_path, ScriptedCore(script=script, wake_at=1_800_000_000), story)


def test_a_tick_may_come_at_any_place_within_its_second() -> None:
    drawn = iter([0.25, 0.75, 0.5])
    ticks = Ticks(lambda low, high: low + (high - low) * next(drawn))
    assert ticks.due(None) is None
    assert ticks.due(100) == 100.25
    ticks.ticked(100.3)
    assert (ticks.due(90), ticks.due(100), ticks.due(200)) == (101.75, 101.75, 200.75)


def test_the_place_within_the_second_is_that_of_the_engines_chance(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(0.05)
        assert "Tick" not in kinds(world.core)
        world.now += 0.5
        await world.until(lambda: "Tick" in kinds(world.core))

    core = ScriptedCore(script=lambda core, given, now: (), wake_at=1_800_000_000)
    play(tmp_path, core, story, uniform=lambda low, high: (low + high) / 2)


def test_a_core_that_wants_the_log_gets_it_from_the_vault_once(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.vault.commit([PutEntry(seq=0, entry=b"genesis"), PutEntry(seq=1, entry=b"next")])
        await world.until(lambda: any(isinstance(one, LogRead) for one in world.core.seen))
        await world.linked.wait()
        read = [one for one in world.core.seen if isinstance(one, LogRead)]
        assert [one.entries for one in read] == [(b"genesis", b"next")]

    play(tmp_path, ScriptedCore(wants_log=True, wake_at=1_800_000_000, routes=(ROUTE,)), story)


def test_a_lost_link_is_told_and_made_anew(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.linked.wait()
        world.linked.clear()
        world.links[0].close(NetworkError("gone"))
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) >= 3)
        assert kinds(world.core)[:3] == ["LinkUp", "LinkDown", "LinkUp"]
        assert len(world.links) == 2

    play(tmp_path, ScriptedCore(routes=(ROUTE,)), story)


def test_what_a_lost_link_still_had_to_say_is_dropped(tmp_path: Path) -> None:
    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        if isinstance(given, Received):
            return (Send(request=Ping(rid=5)), Disconnect(reason="enough"))
        return ()

    async def story(world: World) -> None:
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) == 1)
        world.links[0].on_events([event(), event(), event()])
        await world.until(lambda: len(world.links) == 2 and len(world.core.seen) >= 4)
        assert kinds(world.core) == ["LinkUp", "Received", "LinkDown", "LinkUp"]
        assert world.links[0].closed.done()
        assert ("send", (5,)) in world.trace

    play(tmp_path, ScriptedCore(script=script, routes=(ROUTE,)), story)


def test_requests_for_a_link_that_went_are_not_sent_on_the_next(tmp_path: Path) -> None:
    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        match given:
            case Act():
                return (Send(request=Ping(rid=77)),)
            case _:
                return ()

    async def story(world: World) -> None:
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) == 1)
        asking = asyncio.ensure_future(world.engine.submit(Leave(ref=0)))
        await asyncio.sleep(0)  # the act is queued, the turn has not begun
        world.engine._drop_link(cast("Link", world.links[0]))
        await world.until(lambda: len(world.core.seen) >= 4)
        asking.cancel()
        assert kinds(world.core)[:3] == ["LinkUp", "Leave", "LinkDown"]
        assert not any(what == "send" for what, _ in world.trace)

    play(tmp_path, ScriptedCore(script=script, routes=(ROUTE,)), story)


def test_a_flood_of_events_pauses_reading_until_it_is_worked_off(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) == 1)
        world.links[0].on_events([event() for _ in range(PAUSE_ABOVE + 1)])
        assert world.links[0].paused
        await world.until(lambda: len(world.core.seen) == PAUSE_ABOVE + 2)
        assert not world.links[0].paused

    play(tmp_path, ScriptedCore(routes=(ROUTE,)), story)


def test_routes_are_tried_in_turn_and_trouble_is_kept(tmp_path: Path) -> None:
    second = Route(
        entry_host="127.0.0.2",
        entry_port=1,
        entry_certificate=None,
        home_host="127.0.0.1",
        home_port=2,
        home_certificate=None,
    )

    async def story(world: World) -> None:
        world.refuse = NetworkError("connection refused")
        await world.until(lambda: world.engine.trouble.hopeless(2) is not None)
        assert world.attempts[:4] == [ROUTE, second, ROUTE, second]
        assert str(world.engine.trouble.error) == "connection refused"
        world.refuse = None
        await world.linked.wait()
        world.links[0].on_events([event()])
        assert world.engine.trouble.error is None

    play(tmp_path, ScriptedCore(routes=(ROUTE, second)), story)


def test_without_routes_nobody_is_called(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.engine.submit(Leave(ref=0))
        assert world.attempts == []

    play(tmp_path, ScriptedCore(), story)


def test_a_relay_that_has_said_nothing_is_not_quiet_but_silent(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.until(lambda: kinds(world.core) == ["LinkUp"])
        assert world.engine.is_connected
        assert not world.engine.is_quiet
        world.links[0].on_events([event()])
        await world.until(lambda: world.engine.is_quiet)
        world.links[0].close(NetworkError("gone"))
        await world.until(lambda: len(world.links) == 2 and world.engine.is_connected)
        assert not world.engine.is_quiet

    core = ScriptedCore(script=lambda core, given, now: (), routes=(ROUTE,))
    play(tmp_path, core, story)


def test_quiet_means_connected_and_every_request_answered(tmp_path: Path) -> None:
    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        return (Send(request=Ping(rid=9)),) if isinstance(given, LinkUp) else ()

    async def story(world: World) -> None:
        await world.until(lambda: kinds(world.core) == ["LinkUp"])
        assert not world.engine.is_quiet
        world.links[0].on_events([event(9)])
        await world.until(lambda: world.engine.is_quiet)

    play(tmp_path, ScriptedCore(script=script, routes=(ROUTE,)), story)


def test_a_draining_relay_is_left_alone_for_as_long_as_it_asks(tmp_path: Path) -> None:
    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        return ()

    async def story(world: World) -> None:
        await world.linked.wait()
        await world.until(lambda: len(world.core.seen) == 1)
        world.links[0].on_events([Failed(rid=0, code=16, detail=20)])
        await world.until(lambda: len(world.core.seen) == 2)
        assert world.engine._backoff.next_delay() == 20

    play(tmp_path, ScriptedCore(script=script, routes=(ROUTE,)), story)


def test_listeners_hear_notices_but_no_answers(tmp_path: Path) -> None:
    heard: list[object] = []

    class Ear:
        def take(self, notice: object) -> None:
            heard.append(notice)

    def script(core: ScriptedCore, given: Any, now: int) -> tuple[Any, ...]:
        if isinstance(given, Act):
            return (
                Notify(notice=Changed(what="members")),
                Notify(notice=Answer(ref=given.ref, text="ok")),
            )
        return ()

    async def story(world: World) -> None:
        ear = Ear()
        world.engine.listen(ear)
        await world.engine.submit(Leave(ref=0))
        world.engine.unlisten(ear)
        await world.engine.submit(Leave(ref=0))
        assert heard == [Changed(what="members")]

    play(tmp_path, ScriptedCore(script=script), story)


def test_closing_tells_whoever_waits(tmp_path: Path) -> None:
    silent: Script = lambda core, given, now: ()  # noqa: E731

    async def main() -> None:
        world = World(tmp_path, ScriptedCore(script=silent))
        running = asyncio.create_task(world.engine.run())
        waiting = asyncio.create_task(world.engine.submit(Leave(ref=0)))
        await world.until(lambda: len(world.core.seen) == 1)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        with pytest.raises(DeviceClosed):
            await waiting
        with pytest.raises(DeviceClosed):
            await world.engine.submit(Leave(ref=0))
        await world.engine.close()

    asyncio.run(main())


def test_cancelled_while_the_disk_works_the_commit_is_whole_and_nothing_leaves(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        world = World(tmp_path, ScriptedCore(script=obedient))
        started, release = asyncio.Event(), __import__("threading").Event()
        loop = asyncio.get_running_loop()
        commit = world.vault.commit

        def slow(writes: Any) -> None:
            loop.call_soon_threadsafe(started.set)
            release.wait()
            commit(writes)

        world.vault.commit = slow  # type: ignore[method-assign]
        running = asyncio.create_task(world.engine.run())
        waiting = asyncio.create_task(world.engine.submit(Leave(ref=0)))
        await started.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        release.set()
        with pytest.raises(DeviceClosed):
            await waiting
        await world.engine.close()
        again = Vault.open(tmp_path, Secret(b"pw"))
        assert again.records() == {"seen": {b"\0": b"x"}}
        again.close()

    asyncio.run(main())


def test_link_down_comes_once_for_each_link_up(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        for expected in range(3):
            await world.until(lambda expected=expected: len(world.links) > expected)  # type: ignore[misc]
            link = world.links[expected]
            world.engine._drop_link(cast("Link", link))
            world.engine._drop_link(cast("Link", link))
        await world.until(lambda: kinds(world.core).count("LinkDown") == 3)
        inputs = [type(given) for given in world.core.seen if not isinstance(given, Tick)]
        assert inputs[:6] == [LinkUp, LinkDown] * 3

    play(tmp_path, ScriptedCore(routes=(ROUTE,)), story)

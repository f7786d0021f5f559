"""A restored home and what its mirror tells it: what it had signed itself, and nothing else."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from cloister.errors import CloisterError, TrustError
from cloister.relay.adopting import Adopting
from cloister.relay.folder import Folder, Identity
from cloister.relay.logsafe import Log
from cloister.relay.metrics import Metrics
from cloister.relay.mirror_wire import MirrorTrouble, MirrorWire
from cloister.relay.services.context import Context
from cloister.relay.services.log import Logs
from cloister.relay.storage.memory import MemoryStore
from cloister.relay.storage.writes import Accepted, BindCode, OpenCircle, Outcome
from cloister.roster.relay_card import RelayCard
from cloister.roster.relay_fold import RelayFold
from cloister.wire.mirror import MirrorFetch, MirrorPage
from unit.relay.test_mirror import ORIGIN, TS, World, hybrid

Change = Callable[[MirrorPage], MirrorPage]


class Wire:
    """The connection to the mirror, without sockets; ``change`` is what a liar makes of pages."""

    def __init__(self, world: World, home: RelayCard, change: Change) -> None:
        self._world = world
        self._home = home
        self._change = change
        self._asked: list[MirrorFetch] = []

    def send(self, message: MirrorFetch) -> None:
        self._asked.append(message)

    async def receive(self) -> MirrorPage:
        page = self._world.mirror.fetch(self._home, self._asked.pop())
        return self._change(page)


class Restored:
    """A home with the genesis alone, whose mirror has three entries more."""

    def __init__(self) -> None:
        self.world = World()
        self.entries = [self.world.genesis]
        for _ in range(3):
            self.entries.append(self.world.tick(self.entries))
        self.store = MemoryStore()
        context = Context(
            relay_id=self.world.home.relay_id,
            store=self.store,
            metrics=Metrics(),
            now=lambda: TS,
            monotonic=lambda: 0.0,
        )
        self.logs = Logs(context, "home", self.world.home_key)
        self.clocks: list[int] = []
        self.adopting = Adopting(
            Folder(Path("/nonexistent")),
            Identity(self.world.home_key, self.world.home),
            self.store,
            self.logs,
            cast("Any", None),
            Log(lambda: TS, io.StringIO()),
            self.clocks.append,
        )

    async def begin(self) -> None:
        await self.world.push(self.entries, 0)
        fold = RelayFold.found(self.entries[0])
        done: list[Any] = []
        self.store.submit(BindCode(b"h" * 32, b"s" * 32, ORIGIN), done.append)
        self.store.submit(
            OpenCircle(
                code_hash=b"h" * 32,
                setup_key=b"s" * 32,
                origin=ORIGIN,
                genesis=self.entries[0],
                fold=fold.encode(),
                root=fold.root,
                note=self.world.note(self.entries[:1]),
                commons_id=b"c" * 16,
                commons_key=b"k" * 32,
                inbox_id=b"i" * 16,
                inbox_key=b"k" * 32,
            ),
            done.append,
        )
        await asyncio.sleep(0)

    async def take_over(self, change: Change = lambda page: page) -> int:
        wire = Wire(self.world, self.world.home, change)
        return await self.adopting._take_over(cast("MirrorWire", wire), ORIGIN)

    def held(self) -> list[bytes]:
        return self.store.entries(ORIGIN, 0, 99, 10**6)


def run(scenario: Callable[[Restored], Awaitable[None]]) -> None:
    async def main() -> None:
        restored = Restored()
        await restored.begin()
        await scenario(restored)

    asyncio.run(main())


def paged(page: MirrorPage, count: int) -> MirrorPage:
    return MirrorPage(
        page.origin, page.from_seq, page.entries[:count], page.size, page.note, page.at
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_the_mirror_holds_is_taken_over_page_by_page_and_once(count: int) -> None:
    async def scenario(restored: Restored) -> None:
        assert await restored.take_over(lambda page: paged(page, count)) == 3
        assert restored.held() == restored.entries
        live = restored.logs.get(ORIGIN)
        assert live is not None
        assert live.size == live.tree.size == 4
        # It says again what it had said: the same text, so no second history.
        assert (
            live.note.split(b"\n\n")[0] == restored.world.note(restored.entries).split(b"\n\n")[0]
        )
        assert restored.clocks[0] == TS
        assert await restored.take_over() == 0

    run(scenario)


def test_an_entry_that_the_home_never_signed_is_not_taken() -> None:
    async def scenario(restored: Restored) -> None:
        forged = restored.world.tick(restored.entries)
        longer = [*restored.entries, forged]
        for signer in (restored.world.entry_key, hybrid()):
            note = restored.world.note(longer, signer)

            def lie(page: MirrorPage, note: bytes = note) -> MirrorPage:
                return MirrorPage(ORIGIN, page.from_seq, (*page.entries, forged), 5, note, page.at)

            with pytest.raises(CloisterError):
                await restored.take_over(lie)
        # The home's own note, with one entry more than it is of.
        with pytest.raises(TrustError):
            await restored.take_over(
                lambda page: MirrorPage(
                    ORIGIN, page.from_seq, (*page.entries, forged), 5, page.note, page.at
                )
            )
        assert restored.held() == restored.entries[:1]

    run(scenario)


def test_a_mirror_that_gives_less_than_it_says_is_asked_again_later() -> None:
    async def scenario(restored: Restored) -> None:
        with pytest.raises(MirrorTrouble):
            await restored.take_over(lambda page: paged(page, 0))
        assert restored.held() == restored.entries[:1]

    run(scenario)


def test_a_mirror_tells_no_log_to_another_home() -> None:
    async def scenario(restored: Restored) -> None:
        page = restored.world.mirror.fetch(restored.world.entry, MirrorFetch(ORIGIN, 0))
        assert (page.entries, page.size, page.note) == ((), 0, b"")

    run(scenario)


def test_a_relay_that_stops_meanwhile_is_not_kept_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was being stored is stored, and nobody waits for the answers any more."""

    async def scenario(restored: Restored) -> None:
        answers: list[Callable[[Outcome], None]] = []
        monkeypatch.setattr(restored.store, "submit", lambda _write, done: answers.append(done))
        taking = asyncio.ensure_future(restored.take_over())
        while len(answers) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        for done in answers:
            done(Accepted())

    run(scenario)

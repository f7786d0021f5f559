"""A person's device: its disk, its clock, and the lives of the real program on it."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import picows

from cloister.client.core import Core
from cloister.client.effects import (
    Alarm,
    Effect,
    MessageKind,
    MessageState,
    Notice,
    Route,
    Shown,
)
from cloister.client.inputs import Act, AnyInput
from cloister.client.state import State
from cloister.crypto.entropy import Entropy
from cloister.device.engine import Engine
from cloister.device.link import Link
from cloister.testing.simulation.chance import SeededEntropy, stream
from cloister.testing.simulation.device_disk import SimulatedDisk, SimulatedVault
from cloister.testing.simulation.loop import Process
from cloister.values import replace

if TYPE_CHECKING:
    from cloister.testing.simulation.world import World


def _unseen(_before: State, _after: State) -> None:
    """Nobody observes."""


class ObservedCore(Core, frozen=True, kw_only=True):
    """The real core; whoever observes is shown every state that it goes through."""

    observe: Callable[[State, State], None] = _unseen

    def handle(
        self, given: AnyInput, now: int, entropy: Entropy
    ) -> tuple[Self, tuple[Effect, ...]]:
        """Take one input."""
        core, effects = Core.handle(self, given, now, entropy)
        self.observe(self.state, core.state)
        return replace(core, observe=self.observe), effects


class Screen:
    """What the person was shown and warned of, over all lives of the program."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self.shown: dict[tuple[bytes, bytes], int] = {}
        """(channel, message) -> how often it was announced as received."""
        self.alarms: list[Alarm] = []

    def take(self, notice: Notice) -> None:
        """Take a notice (``device.engine.Listener``)."""
        match notice:
            case Shown(message=row) if row.kind is MessageKind.TEXT:
                self._note(f"shows {row.text} {row.state.name}")
                if row.state is MessageState.RECEIVED:
                    key = (row.channel_id, row.message_id)
                    self.shown[key] = self.shown.get(key, 0) + 1
            case Alarm():
                self._note(f"alarm {notice.code}")
                self.alarms.append(notice)
            case _:
                pass


class Machine:
    """One device."""

    def __init__(self, world: World, name: str, vault: SimulatedVault) -> None:
        self.name: Final = name
        self.vault: Final = vault
        self._world = world
        self._random: Final[random.Random] = stream(world.seed, f"machine {name}")
        self._entropy = SeededEntropy(world.seed, f"keys {name}")
        self.screen: Final = Screen(partial(world.trace.note, name))
        self.clock_off_s = 0.0
        self.process = Process(name)
        self.engine: Engine | None = None
        self.crashes = 0

    @property
    def state(self) -> State:
        """What the running program, or the disk of one that is not running, knows."""
        if self.engine is not None:
            core = self.engine.core
            if isinstance(core, ObservedCore):
                return core.state
        return Core.load(self.vault.records(), self.vault.entries()).state

    @property
    def is_up(self) -> bool:
        """Whether the program runs."""
        return self.engine is not None and self.process.is_alive

    def clock(self) -> float:
        """Return what the device takes the time to be, s since the Unix epoch."""
        return self._world.now() + self.clock_off_s

    def boot(self) -> None:
        """Start the program from its disk."""
        self.process = Process(self.name)
        self._world.processes.append(self.process)
        self._world.trace.note(self.name, "starts")
        loaded = replace(
            ObservedCore.load(self.vault.records(), self.vault.entries()),
            observe=partial(self._world.history.observe, self.name),
        )
        self._world.history.begin(self.name, loaded.state)
        disk = SimulatedDisk(self._random, lambda: self._world.faults, self.crash)

        async def open_link(route: Route, on_events: Callable[..., None]) -> Link:
            return await Link.open(route, on_events, self._dial)

        self.engine = self.process.context.run(
            partial(
                self._world.engine_class,
                self._world.vault_of(self),
                loaded,
                entropy=self._entropy,
                clock=self.clock,
                open_link=open_link,
                disk=disk,
                uniform=self._random.uniform,
            )
        )
        self.engine.listen(self.screen)
        self.process.spawn(self._run(self.engine))

    async def _run(self, engine: Engine) -> None:
        try:
            await engine.run()
        except Exception as error:  # noqa: BLE001  whatever it is, the run has found something
            self._world.history.fail(f"{self.name}: the program ended with {error!r}")

    async def _dial(
        self, _route: Route, make_listener: Callable[[], picows.WSListener]
    ) -> Any:  # an End, which is used like the library's transport
        return await self._world.dial_home(self.process, make_listener)

    def crash(self, why: str) -> None:
        """End the program at once; it comes back after a while."""
        if not self.is_up:
            return
        self.crashes += 1
        self._world.trace.note(self.name, f"crashes {why}")
        self.process.kill()
        self.engine = None
        self._world.network.forget(self.process)
        self._world.later(self._random.uniform(0.1, 15.0), self.boot)

    def act(self, act: Act, done: Callable[[str, Exception | None], None]) -> None:
        """Have the person do something; ``done`` is told the answer, if the program lives."""
        engine = self.engine
        if engine is None:
            return

        async def ask() -> None:
            answer = await engine.submit(act)
            self._world.trace.note(
                self.name, f"answered {type(act).__name__} {type(answer.error).__name__}"
            )
            done(answer.text, answer.error)

        self.process.spawn(ask())

"""Devices, relays, network and time, put together out of one seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import picows

from cloister.device.disk import StoredState
from cloister.device.engine import Engine
from cloister.relay.folder import Identity
from cloister.relay.storage.api import Store
from cloister.relay.storage.memory import MemoryStore
from cloister.roster.relay_card import RelayCard
from cloister.testing.simulation.chance import SeededEntropy, stream
from cloister.testing.simulation.circle import Founded
from cloister.testing.simulation.device_disk import SimulatedVault
from cloister.testing.simulation.devices import Machine
from cloister.testing.simulation.faults import QUIET, Faults, draw_bounds, draw_faults
from cloister.testing.simulation.history import History
from cloister.testing.simulation.loop import Process, VirtualLoop
from cloister.testing.simulation.network import End, Network
from cloister.testing.simulation.relay_disk import SimulatedStore
from cloister.testing.simulation.relays import RunningEntry, RunningHome, WatchedLog
from cloister.testing.simulation.trace import Trace


class World:
    """Everything in one run.  Subclasses plant bugs: each part is made by a method of its own."""

    engine_class: type[Engine] = Engine
    store_class: type[SimulatedStore] = SimulatedStore

    def __init__(self, seed: int, loop: VirtualLoop, founded: Founded, trace: Trace) -> None:
        self.seed: Final = seed
        self.loop: Final = loop
        self.trace: Final = trace
        self.faults: Faults = draw_faults(stream(seed, "faults"), stream(seed, "sleep"))
        self._drawn = self.faults
        self._bounds = draw_bounds(stream(seed, "bounds"))
        self._founded = founded
        self._random = stream(seed, "world")
        self.processes: Final[list[Process]] = []
        self.network: Final = Network(loop, stream(seed, "network"), trace, self.faults)
        self.history: Final = History()
        self.log: Final = WatchedLog(lambda: int(self.now()))
        self.home_rows = founded.home_rows()
        self.entry_rows = founded.entry_rows()
        self.home: RunningHome | None = None
        self.entry: RunningEntry | None = None
        self.machines: Final[list[Machine]] = []
        self._entropy = SeededEntropy(seed, "relays")

    def now(self) -> float:
        """Return the true time, s since the Unix epoch."""
        return self._founded.now + self.loop.time()

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        """Let the world do something after a while, whoever asked and dies meanwhile."""
        self.loop.call_later(seconds, work, context=_NOBODY.context)

    # --- parts ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start both relays and every device."""
        self.start_entry()
        self.start_home()
        for name, vault in self._founded.vaults():
            machine = self.add(name, vault)
            off = self.faults.clock_off_s
            machine.clock_off_s = self._random.uniform(-off, off)
            machine.boot()

    def add(self, name: str, vault: SimulatedVault) -> Machine:
        """Add a device that does not run yet."""
        machine = Machine(self, name, vault)
        self.machines.append(machine)
        return machine

    def vault_of(self, machine: Machine) -> StoredState:
        """Return what a device's program takes for its vault."""
        return machine.vault

    def start_home(self) -> None:
        """Start the home relay over what its disk holds."""
        process = Process("home")
        self.processes.append(process)
        self.trace.note("home", "starts")
        store = self.make_store(self.store_class, self.home_rows, "home", self.crash_home)
        self.home = process.context.run(partial(self._make_home, process, store))

    def _make_home(self, process: Process, store: Store) -> RunningHome:
        return RunningHome(
            self._founded.home,
            self._founded.entry.card,
            store,
            process=process,
            entropy=self._entropy,
            rng=stream(self.seed, f"home {self.loop.time()}"),
            log=self.log,
            now=lambda: int(self.now()),
            monotonic=self.loop.time,
            dial=partial(self._dial_mirror, process),
            bounds=self._bounds,
        )

    def start_entry(self) -> None:
        """Start the entry relay over what its disk holds."""
        process = Process("entry")
        self.processes.append(process)
        self.trace.note("entry", "starts")
        store = self.make_store(SimulatedStore, self.entry_rows, "entry", self.crash_entry)
        identity: Identity = self._founded.entry
        self.entry = process.context.run(
            lambda: RunningEntry(
                identity,
                self._founded.home.card,
                store,
                process=process,
                entropy=self._entropy,
                log=self.log,
                now=lambda: int(self.now()),
            )
        )

    def make_store(
        self,
        kind: type[SimulatedStore],
        rows: MemoryStore,
        name: str,
        crash: Callable[[str], None],
    ) -> Store:
        """Return a relay's access to its disk."""
        rng = stream(self.seed, f"disk {name} {self.loop.time()}")
        return kind(rows, rng, lambda: self.faults, crash, self.history.asked_to_store)

    # --- crashes ----------------------------------------------------------------------------------

    def crash_home(self, why: str) -> None:
        """Kill the home relay; it comes back after a while."""
        if self.home is not None:
            self.trace.note("home", f"crashes {why}")
            self.home.process.kill()
            self.network.forget(self.home.process)
            self.home = None
            self.later(self._random.uniform(0.2, 8.0), self.start_home)

    def crash_entry(self, why: str) -> None:
        """Kill the entry relay, and with it all that it forwards."""
        if self.entry is not None:
            self.trace.note("entry", f"crashes {why}")
            self.entry.process.kill()
            self.network.forget(self.entry.process)
            self.network.cut_all()
            self.entry = None
            self.later(self._random.uniform(0.2, 8.0), self.start_entry)

    def heal(self) -> None:
        """Let nothing fail any more; what is broken already is found out in time."""
        self.trace.note("world", "heals")
        self.faults = self.network.faults = QUIET
        self.network.heal()

    # --- dialling ---------------------------------------------------------------------------------

    async def dial_home(
        self, process: Process, make_listener: Callable[[], picows.WSListener]
    ) -> End:
        """Open a device's connection to the home relay, through the entry.  Raises OSError."""
        return await self.network.connect(process, self._find_home, "home", make_listener)

    def _find_home(self) -> tuple[Process, Callable[[], Any]] | None:
        if self.home is None or self.entry is None:
            return None
        return self.home.process, self.home.accept

    async def _dial_mirror(
        self, process: Process, _card: RelayCard, make_listener: Callable[[], picows.WSListener]
    ) -> End:
        return await self.network.connect(process, self._find_entry, "entry", make_listener)

    def _find_entry(self) -> tuple[Process, Callable[[], Any]] | None:
        return None if self.entry is None else (self.entry.process, self.entry.accept)


_NOBODY: Final = Process("nobody")

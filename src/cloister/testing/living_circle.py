"""``circle()``: people and bots in one circle, for the tests of scripts and bots.

Everything is real but the way between: cores, vaults, MLS, the services of both relays, cosigning.
It opens in a fraction of a second because founding is done once in each process, with the
schedule of ``simulated_circle``; each circle begins with a copy of what was stored then.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import picows

from cloister.client.effects import Route, Write
from cloister.client.inputs import OpenConversation
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.app import run_device
from cloister.device.bot import Bot
from cloister.device.link import Link
from cloister.device.local import Device
from cloister.device.sdk import Client, Received
from cloister.device.vault import Cost, Vault
from cloister.errors import LocalError, NetworkError, UsageError
from cloister.relay.folder import Identity
from cloister.relay.storage.memory import MemoryStore
from cloister.roster.relay_card import RelayCard
from cloister.testing.instant_network import InstantNetwork
from cloister.testing.simulated_circle import SimulatedCircle
from cloister.testing.simulated_shares import MEMORY
from cloister.testing.simulation.loop import Process
from cloister.testing.simulation.relays import RunningEntry, RunningHome, WatchedLog
from cloister.testing.standing_circle import stored_by

NAMES: Final = ("Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gro", "Hana", "Ivo", "Jun")
CHEAP: Final = Cost(64, 1, 1)
"""Of a vault's passphrase: there is nothing to protect."""
CALM_S: Final = 10.0
"""The longest wait for devices to come to rest; they need a fraction of a second."""
ANSWER_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Founded:
    """What was stored when a circle had been founded."""

    home: Identity
    entry: Identity
    home_rows: MemoryStore
    entry_rows: MemoryStore
    now: int
    devices: tuple[tuple[str, tuple[Write, ...]], ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """A device that runs."""

    client: Client
    device: Device
    process: Process


class Circle:
    """A circle that runs in this process.  Made by ``circle``."""

    def __init__(self, founded: _Founded, title: str, bots: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        self.title: Final = title
        """The conversation that everybody is in, beside the commons."""
        self._bots = bots
        self._founded = founded
        self._began = loop.time()
        self._ahead = 0.0
        self._members: dict[str, _Member] = {}
        self._network = InstantNetwork(loop)
        self._log = WatchedLog(lambda: int(self.now))
        self._entry = RunningEntry(
            founded.entry,
            founded.home.card,
            deepcopy(founded.entry_rows),
            process=Process("entry"),
            entropy=SystemEntropy(),
            log=self._log,
            now=lambda: int(self.now),
        )
        process = Process("home")
        self._home = RunningHome(
            founded.home,
            founded.entry.card,
            deepcopy(founded.home_rows),
            process=process,
            entropy=SystemEntropy(),
            rng=random.Random(0),
            log=self._log,
            now=lambda: int(self.now),
            monotonic=loop.time,
            dial=partial(self._dial_mirror, process),
        )

    # --- what a test uses -------------------------------------------------------------------------

    @property
    def people(self) -> tuple[Client, ...]:
        """The devices of people, the founder's first."""
        return tuple(one.client for name, one in self._members.items() if name not in self._bots)

    @property
    def bots(self) -> tuple[Client, ...]:
        """The devices of bots, in the order in which they were named."""
        return tuple(self._members[name].client for name in self._bots)

    def __getitem__(self, name: str) -> Client:
        """Return somebody's device.  Raises ``KeyError``."""
        return self._members[name].client

    @property
    def now(self) -> float:
        """The time in the circle, s since the Unix epoch: it runs, and ``advance`` sets it on."""
        return self._founded.now + self._ahead + asyncio.get_running_loop().time() - self._began

    async def advance(self, seconds: float) -> None:
        """Set every clock on, at once, and wait until all that was due then is done."""
        if seconds < 0:
            raise UsageError("a circle's clock does not go back")
        self._ahead += seconds
        self._home.logs.on_grown("")  # a head that has grown old meanwhile is signed anew
        for member in self._members.values():
            member.device._engine.look_at_the_clock()
        await self.rest()

    async def rest(self) -> None:
        """Wait until every device that is not cut off has nothing to do or to hear.

        Raises ``NetworkError`` after ten seconds.
        """
        here = [one for one in self._members.values() if not self._network.is_cut(one.process)]
        rested = await asyncio.gather(*(one.device.settle(CALM_S) for one in here))
        if not all(rested):
            raise NetworkError(f"the circle did not come to rest within {CALM_S:.0f} s")

    async def cut(self, client: Client) -> None:
        """Take a device's way to the relays away; return when it knows."""
        member = self._member(client)
        self._network.cut(member.process)
        async with asyncio.timeout(CALM_S):
            while (await member.device.status())["link"] == "up":  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def mend(self, client: Client) -> None:
        """Give it back, and wait until the device has caught up."""
        self._network.mend(self._member(client).process)
        await self.rest()

    @asynccontextmanager
    async def serving(self, bot: Bot, client: Client) -> AsyncIterator[None]:
        """Let a bot serve while the body runs, and finish what it has begun.

        What ends it early is raised.
        """
        serving = asyncio.ensure_future(bot.serve(client))
        try:
            yield
            await self.rest()
            if serving.done():
                serving.result()
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    async def ask(self, client: Client, text: str, *, timeout_s: float = ANSWER_S) -> Received:
        """Say something in the conversation of everybody; return the next text of another there.

        Raises ``NetworkError`` when nobody answers in time.
        """
        conversation = await client.conversation(self.title)
        try:
            async with asyncio.timeout(timeout_s):
                before = await conversation.history(1)
                await conversation.send(text, wait_s=timeout_s)
                position = before[-1].row.position if before else -1
                async with aclosing(client.messages(unread=True)) as messages:
                    async for one in messages:
                        is_here = one.conversation.conversation_id == conversation.conversation_id
                        if is_here and one.row.position > position:
                            return one
        except TimeoutError:
            pass
        raise NetworkError(f"nobody answered within {timeout_s:.0f} s")

    def device(self, client: Client) -> Device:
        """Return the program behind a client, for what the facade does not have."""
        return self._member(client).device

    # --- parts ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[None]:
        """Run every device over a vault in ``folder`` while the body runs."""
        try:
            async with AsyncExitStack() as stack:
                for number, (name, writes) in enumerate(self._founded.devices):
                    process = Process(name)
                    device = await stack.enter_async_context(
                        run_device(
                            partial(_make_vault, folder / str(number), writes),
                            clock=lambda: self.now,
                            open_link=partial(self._open_link, process),
                            errand_delay_s=0,
                        )
                    )
                    self._members[name] = _Member(Client(device), device, process)
                await self.rest()
                yield
                if self._log.complaints:
                    raise LocalError("a relay complained: " + self._log.complaints[0])
        finally:
            for relay in (self._home, self._entry):
                await relay.process.end()

    def _member(self, client: Client) -> _Member:
        return next(one for one in self._members.values() if one.client is client)

    async def _open_link(
        self, process: Process, route: Route, on_events: Callable[..., None]
    ) -> Link:
        async def dial(_: Route, make_listener: Callable[[], picows.WSListener]) -> Any:
            return await self._network.connect(
                process, lambda: (self._home.process, self._home.accept), "home", make_listener
            )

        return await Link.open(route, on_events, dial)

    async def _dial_mirror(
        self, process: Process, _card: RelayCard, make_listener: Callable[[], picows.WSListener]
    ) -> Any:
        return await self._network.connect(
            process, lambda: (self._entry.process, self._entry.accept), "entry", make_listener
        )


@asynccontextmanager
async def circle(
    n: int = 3, *, bots: Sequence[str] = (), title: str = "Desk"
) -> AsyncIterator[Circle]:
    """Run ``n`` people, each with a device, and a device for each of the ``bots``, by their names.

    All are in one circle and in one conversation.  Nothing outlasts the body.  Raises
    ``UsageError`` for a circle that cannot be.
    """
    if not 1 <= n <= len(NAMES) or n + len(bots) < 2:
        raise UsageError(f"a circle here has 1 to {len(NAMES)} people, and two devices or more")
    if len({*NAMES[:n], *bots}) < n + len(bots):
        raise UsageError(f"no name comes twice; people are called {', '.join(NAMES[:n])}")
    key = (n, tuple(bots), title)
    if key not in _founded:
        _founded[key] = await _found(NAMES[:n], tuple(bots), title)
    # Vaults flush; in memory that costs nothing, and what is here outlasts nothing anyway.
    with tempfile.TemporaryDirectory(prefix="cloister-circle-", dir=MEMORY) as folder:
        living = Circle(_founded[key], title, tuple(bots))
        async with living.running(Path(folder)):
            yield living


_founded: Final[dict[tuple[int, tuple[str, ...], str], _Founded]] = {}


async def _found(people: Sequence[str], bots: Sequence[str], title: str) -> _Founded:
    simulated = SimulatedCircle()
    simulated.bots.update(bots)
    founder = await simulated.found(people[0], test_circle=True)
    for name in (*people[1:], *bots):
        vouchers = simulated.devices[:2] if len(simulated.devices) > 2 else [founder]
        await simulated.admit(name, founder, vouchers)
    opening = OpenConversation(ref=simulated.ref(), title=title, members=(*people[1:], *bots))
    await simulated.act(founder, opening)
    relays = simulated.relays
    home_key, entry_key = relays.keys
    return _Founded(
        home=Identity(card=relays.home_card, key=home_key),
        entry=Identity(card=relays.entry_card, key=entry_key),
        home_rows=deepcopy(relays.store),
        entry_rows=deepcopy(relays.mirrored),
        now=simulated.now,
        devices=tuple((one.name, tuple(stored_by(one))) for one in simulated.devices),
    )


async def _make_vault(folder: Path, writes: Sequence[Write]) -> Vault:
    folder.mkdir(mode=0o700)  # noqa: ASYNC240  (a test may wait for it)
    vault = Vault.create(folder, Secret(b"circle"), entropy=SystemEntropy(), cost=CHEAP)
    vault.commit(writes)
    return vault

"""What the people of a circle do during a run, and what goes wrong around them meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from cloister.client.binding import dids_of
from cloister.client.inputs import (
    Act,
    ChangeConversation,
    Invite,
    Join,
    LeaveConversation,
    OpenConversation,
    SendText,
    Vouch,
)
from cloister.client.records import COMMONS_NAME, ChannelKind, ChannelState
from cloister.client.state import Channel, State
from cloister.client.views import phase_of
from cloister.relay.cosigning import RENEW_S
from cloister.testing.simulation.chance import stream
from cloister.testing.simulation.device_disk import SimulatedVault
from cloister.testing.simulation.devices import Machine
from cloister.testing.simulation.history import Said, unsettled
from cloister.testing.simulation.world import World

OPERATIONS: Final = 60
BETWEEN_S: Final = 2.0
"""Mean time between two operations."""
ADMISSION_CHANCE: Final = 0.1
SKEW_S: Final = 600.0
"""Relays take no entry from a device whose clock is further off: nobody is admitted then."""
REST_S: Final = 3.0
MOST_REST_S: Final = 2.0 * RENEW_S
"""A circle that is not at rest by then does not come to rest.  A device whose clock is nearly a day
ahead adds nobody before the next signed head: to it the one of half an hour ago is too old."""


class Workload:
    """The people and the fates of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._random = stream(world.seed, "people")
        self._fate = stream(world.seed, "fate")
        self._count = 0
        self.admitted = 0

    async def run(self) -> None:
        """Do everything, then let the circle come to rest."""
        world = self._world
        world.start()
        fates = [asyncio.ensure_future(one) for one in self._fates()]
        if self._random.random() < ADMISSION_CHANCE and world.faults.clock_off_s < SKEW_S:
            fates.append(asyncio.ensure_future(self._admit("Finn")))
        for _ in range(OPERATIONS):
            await asyncio.sleep(self._random.expovariate(1 / BETWEEN_S))
            self._operate()
        await asyncio.sleep(self._random.uniform(0, 20))
        for fate in fates:
            fate.cancel()
        await asyncio.gather(*fates, return_exceptions=True)
        world.heal()
        await self._rest()

    async def _rest(self) -> None:
        world = self._world
        until = world.loop.time() + MOST_REST_S
        quiet = 0
        while quiet < 2 and world.loop.time() < until:
            await asyncio.sleep(REST_S)
            quiet = quiet + 1 if next(unsettled(world), None) is None else 0
        world.trace.note("world", "rests" if quiet else "does not rest")

    # --- people -----------------------------------------------------------------------------------

    def _operate(self) -> None:
        rng = self._random
        up = [machine for machine in self._world.machines if machine.is_up]
        if not up:
            return
        machine = rng.choice(up)
        state = machine.state
        rooms = [
            channel
            for channel in state.channels.values()
            if channel.state is ChannelState.ACTIVE and not channel.leaving
        ]
        if not rooms:
            return
        chance = rng.random()
        talks = [one for one in rooms if one.kind is ChannelKind.CONVERSATION]
        if chance < 0.05:
            self._open(machine, state)
        elif chance < 0.13 and talks:
            self._change(machine, state, rng.choice(talks))
        elif chance < 0.145 and talks:
            room = rng.choice(talks)
            self._act(machine, LeaveConversation(ref=0, conversation=room.channel_id.hex()))
        else:
            self._say(machine, rng.choice(talks if talks and rng.random() < 0.93 else rooms))

    def _say(self, machine: Machine, channel: Channel) -> None:
        self._count += 1
        said = Said(f"text {self._count}", machine.name, channel.channel_id)
        self._world.history.said[said.text] = said

        def done(answer: str, error: Exception | None) -> None:
            if error is None:
                said.message_id = bytes.fromhex(answer)
            else:
                said.refused = str(error)

        act = SendText(ref=0, conversation=_name(channel), text=said.text)
        self._act(machine, act, done)

    def _open(self, machine: Machine, state: State) -> None:
        self._count += 1
        others = [name for name in self._names(state) if name != machine.name]
        members = self._random.sample(others, self._random.choice((1, 2, 2, 3)))
        self._act(
            machine,
            OpenConversation(ref=0, title=f"talk {self._count}", members=tuple(sorted(members))),
        )

    def _change(self, machine: Machine, state: State, channel: Channel) -> None:
        roster = state.roster
        if roster is None:
            return
        conversation = channel.channel_id.hex()
        inside = [
            roster.members[roster.devices[did].member_id].name
            for did in dids_of(channel.group).values()
        ]
        outside = [name for name in self._names(state) if name not in inside]
        others = [name for name in inside if name != machine.name]
        if outside and (self._random.random() < 0.6 or not others):
            who = self._random.choice(outside)
            act = ChangeConversation(ref=0, conversation=conversation, add=(who,))
        elif others:
            who = self._random.choice(others)
            act = ChangeConversation(ref=0, conversation=conversation, remove=(who,))
        else:
            return
        self._act(machine, act)

    def _names(self, state: State) -> list[str]:
        roster = state.roster
        return [] if roster is None else [one.name for one in roster.members.values()]

    def _act(
        self,
        machine: Machine,
        act: Act,
        done: Callable[[str, Exception | None], None] = lambda _text, _error: None,
    ) -> None:
        self._world.trace.note(machine.name, f"does {type(act).__name__}")
        machine.act(act, done)

    # --- an admission -----------------------------------------------------------------------------

    async def _admit(self, name: str) -> None:
        """Invite, join and vouch; what a crash swallows is done again."""
        world = self._world
        await asyncio.sleep(self._random.uniform(0, 30))
        code = await self._ask(world.machines[0], lambda: Invite(ref=0))
        newcomer = world.add(name, SimulatedVault())
        newcomer.boot()
        digits = await self._ask(newcomer, lambda: Join(ref=0, code=code, name=name))
        for voucher in world.machines[:2]:
            await self._ask(voucher, lambda: Vouch(ref=0, request=digits[:11], how=1))
        while phase_of(newcomer.state) != "member":  # noqa: ASYNC110  a person looks again
            await asyncio.sleep(2)
        self.admitted += 1

    async def _ask(self, machine: Machine, make: Callable[[], Act]) -> str:
        """Have an act done that may be repeated; return its answer."""
        while True:
            answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

            def done(
                text: str, error: Exception | None, future: asyncio.Future[str] = answered
            ) -> None:
                if not future.done() and error is None:
                    future.set_result(text)

            self._act(machine, make(), done)
            try:
                async with asyncio.timeout(20):
                    return await answered
            except TimeoutError:
                await asyncio.sleep(1)

    # --- fates ------------------------------------------------------------------------------------

    def _fates(self) -> list[Coroutine[Any, Any, None]]:
        faults = self._world.faults
        return [
            self._now_and_then(faults.crash_every_s, self._crash),
            self._now_and_then(faults.relay_crash_every_s, self._crash_relay),
            self._now_and_then(faults.partition_every_s, self._part),
            self._now_and_then(faults.jump_every_s, self._set_clock),
        ]

    async def _now_and_then(self, mean_s: float, happen: Callable[[], None]) -> None:
        if mean_s > 1e6:
            return
        while True:
            await asyncio.sleep(self._fate.expovariate(1 / mean_s))
            happen()

    def _crash(self) -> None:
        self._fate.choice(self._world.machines).crash("at some moment")

    def _crash_relay(self) -> None:
        if self._fate.random() < 0.7:
            self._world.crash_home("at some moment")
        else:
            self._world.crash_entry("at some moment")

    def _part(self) -> None:
        who = self._fate.choice([machine.name for machine in self._world.machines] + ["entry"])
        until = self._world.loop.time() + self._fate.choice((2.0, 15.0, 60.0))
        pair = (who, "home") if self._fate.random() < 0.5 else ("home", who)
        self._world.network.part(*pair, until, both_ways=self._fate.random() < 0.5)

    def _set_clock(self) -> None:
        off = self._world.faults.clock_off_s
        machine = self._fate.choice(self._world.machines)
        machine.clock_off_s = self._fate.uniform(-off, off)
        self._world.trace.note(machine.name, f"sets its clock by {machine.clock_off_s:.1f}")


def _name(channel: Channel) -> str:
    return COMMONS_NAME if channel.kind is ChannelKind.COMMONS else channel.channel_id.hex()

"""Devices in one process: real cores over simulated relays, crashed and cut off at will.

A device's vault is a dictionary that takes whole transactions.  A crash drops the core and comes
back from the vault, at any point between two effects: what was persisted is there, what was to be
sent after it is not.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Final

from cloister.client.core import Core
from cloister.client.effects import (
    BACK_IN,
    NEWS,
    Alarm,
    Answer,
    Changed,
    Disconnect,
    Effect,
    Notify,
    Persist,
    Send,
)
from cloister.client.errands import Errand
from cloister.client.inputs import (
    Act,
    AnyInput,
    FoundCircle,
    Invite,
    Join,
    LinkDown,
    LinkUp,
    LogRead,
    Received,
    Tick,
    Vouch,
)
from cloister.client.views import phase_of
from cloister.crypto.entropy import Entropy, SystemEntropy
from cloister.ids import RelayId
from cloister.relay.session import Session, TooManyRequests
from cloister.testing.simulated_errand import SimulatedErrand
from cloister.testing.simulated_relays import ACTIVATION_CODE, NO_BOOKS, SimulatedRelays
from cloister.testing.stored import Stored
from cloister.wire.commands import AnyRequest
from cloister.wire.events import AnyEvent, Event
from cloister.wire.frame import decode_events

START: Final = 1_800_000_000
ERRAND_RETRY_S: Final = 30
_QUIET_TURNS: Final = 3
Tamper = Callable[[AnyEvent], Iterable[AnyEvent]]
Hinder = Callable[[AnyRequest], Iterable[AnyRequest | AnyEvent]]
TamperShare = Callable[[RelayId, AnyEvent], Iterable[AnyEvent]]


def _faithfully(event: AnyEvent) -> tuple[AnyEvent, ...]:
    return (event,)


def _as_asked(request: AnyRequest) -> tuple[AnyRequest | AnyEvent, ...]:
    return (request,)


def _as_answered(_relay_id: RelayId, event: AnyEvent) -> tuple[AnyEvent, ...]:
    return (event,)


class SimulatedDevice(Stored):
    """One device: core, vault, connection, and a connection for each errand."""

    def __init__(self, circle: SimulatedCircle, name: str) -> None:
        super().__init__()
        self.name: Final = name
        self._circle = circle
        self._entropy = circle.entropy(name)
        self.core = Core()
        self.answers: dict[int, Answer] = {}
        self.alarms: list[Alarm] = []
        self.news: list[str] = []
        """What the person was told of, and need do nothing about."""
        self.is_offline = False
        self.crash_rate = 0.0
        """Chance that an input ends in a crash at a random place among its effects."""
        self.tamper: Tamper = _faithfully
        """What a lying home relay makes of each event on its way to this device."""
        self.hinder: Hinder = _as_asked
        """What it makes of each request of this device: requests are taken, events told at once."""
        self.tamper_share: TamperShare = _as_answered
        """What a lying share relay makes of each event on its way to an errand."""
        self._session: Session | None = None
        self._arrived: deque[AnyEvent] = deque()
        self._runs: dict[bytes, SimulatedErrand] = {}
        self._errand_not_before: dict[bytes, int] = {}
        self._wanted: dict[bytes, Errand] = {}
        self._wanted_by: Core | None = None

    # --- the program around the core --------------------------------------------------------------

    def feed(self, given: AnyInput) -> None:
        """Give the core an input and carry its effects out, or crash in the middle."""
        self.core, effects = self.core.handle(given, self._circle.now, self._entropy)
        rng = self._circle.rng
        crashes = rng.random() < self.crash_rate
        kept = effects[: rng.randrange(len(effects) + 1)] if crashes else effects
        for effect in kept:
            self._carry_out(effect)
        if crashes:
            self.crash()
        elif self.core.wants_log:
            self.feed(LogRead(entries=tuple(self.entries[seq] for seq in sorted(self.entries))))

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case Persist():
                self.store(effect.writes)
            case Send(request=request) if self._session is not None:
                self._ask(self._session, request)
            case Notify(notice=Answer() as answer):
                self.answers[answer.ref] = answer
            case Notify(notice=Alarm() as alarm):
                self.alarms.append(alarm)
            case Notify(notice=Changed(what=what, text=text)) if what in {NEWS, BACK_IN}:
                self.news.append(text)
            case Disconnect():
                self.drop_link()
            case _:
                pass

    def _ask(self, session: Session, request: AnyRequest) -> None:
        for made in self.hinder(request):
            if isinstance(made, Event):
                self._arrived.append(made)
                continue
            try:
                self._circle.relays.send(session, made)
            except TooManyRequests:
                self.drop_link()  # the relay cuts it (``relay.listener``)
                return

    def crash(self) -> None:
        """Lose everything but the vault."""
        self._hang_up()
        self._drop_errands()
        self.core = Core.load(
            self.records, tuple(self.entries[seq] for seq in sorted(self.entries))
        )

    def drop_link(self) -> None:
        """Lose the connection."""
        if self._session is not None:
            self._hang_up()
            self.feed(LinkDown())

    def _hang_up(self) -> None:
        if self._session is not None:
            self._circle.relays.disconnect(self._session)
            self._session = None
        self._arrived = deque()

    # --- steps ------------------------------------------------------------------------------------

    def step(self) -> bool:
        """Connect, or take one event that has arrived; return whether anything happened."""
        if self.is_offline:
            self._drop_errands()
            self.drop_link()
            return False
        return self._step_errands() or self._step_link()

    def _step_link(self) -> bool:
        if not any(map(self._circle.relays.answers, self.core.routes)):
            self.drop_link()
            return False
        if self._session is None:
            self.feed(LinkUp())
            if self.core.routes:
                self._connect()
            return True
        if not self._arrived:
            return False
        self.feed(Received(event=self._arrived.popleft()))
        return True

    def _connect(self) -> None:
        arrived: deque[AnyEvent] = deque()
        # Frames of an earlier connection end in its own queue, which nobody reads any more.
        self._arrived = arrived
        self._session = self._circle.relays.connect(
            lambda frame: arrived.extend(
                told for event in decode_events(frame) for told in self.tamper(event)
            ),
            next(one for one in self.core.routes if self._circle.relays.answers(one)).home_port,
        )

    # --- errands ----------------------------------------------------------------------------------

    def _step_errands(self) -> bool:
        """Start what the core wants done, or take one answer; return whether anything happened."""
        if self._wanted_by is not self.core:  # which is frozen: it wants what it wanted before
            self._wanted_by = self.core
            self._wanted = {errand.errand_id: errand for errand in self.core.errands}
        for errand_id, errand in self._wanted.items():
            is_time = self._errand_not_before.get(errand_id, 0) <= self._circle.now
            if errand_id not in self._runs and is_time:
                self._runs[errand_id] = SimulatedErrand(
                    errand, self._circle.relays, self.tamper_share
                )
                return True
        for errand_id, run in list(self._runs.items()):
            told = run.step()
            if told is not None:
                run.close()
                del self._runs[errand_id]
                # Whatever the answer: what the core still wants then is asked again later.
                self._errand_not_before[errand_id] = self._circle.now + ERRAND_RETRY_S
                self.feed(told)
                return True
        return False

    def _drop_errands(self) -> None:
        for run in self._runs.values():
            run.close()
        self._runs = {}

    @property
    def wake_at(self) -> int | None:
        """When this device next wants to do something by itself, s."""
        later = [self._errand_not_before.get(one.errand_id, 0) for one in self.core.errands]
        times = [one for one in (self.core.wake_at, *later) if one is not None]
        return min(times, default=None)

    @property
    def phase(self) -> str:
        """Where the device stands, in a word."""
        return phase_of(self.core.state)

    def texts(self, author: str) -> list[str]:
        """Return the texts of an author, in the order in which this device shows them."""
        rows = sorted(self.messages.values(), key=lambda one: (one.channel_id, one.position))
        return [row.text for row in rows if row.sender_name == author]


class SimulatedCircle:
    """Relays, devices, and a clock that moves when nothing else does."""

    def __init__(
        self,
        seed: int = 0,
        accounts: Path = NO_BOOKS,
        entropy: Callable[[str], Entropy] = lambda _name: SystemEntropy(),
    ) -> None:
        """``accounts``: the file that the home relay's books publish, if seats are sold.

        ``entropy``: a source for each device, by name, and for ``relays``.
        """
        self.entropy: Final = entropy
        self.rng: Final = random.Random(seed)
        self.now = START
        self._accounts = accounts
        self.devices: Final[list[SimulatedDevice]] = []
        self.bots: Final[set[str]] = set()
        """Names of devices that ask to be let in as bots."""
        self._next_ref = 0

    @cached_property
    def relays(self) -> SimulatedRelays:
        """Home and entry: made when somebody asks, for a copy of another circle has that one's."""
        return SimulatedRelays(lambda: self.now, self._accounts, entropy=self.entropy("relays"))

    def add(self, name: str) -> SimulatedDevice:
        """Add a device that belongs nowhere yet."""
        device = SimulatedDevice(self, name)
        self.devices.append(device)
        return device

    async def settle(self, turns: int = 20_000, within_s: int = 900) -> None:
        """Run until nothing happens and no device wants to be woken within a minute.

        Who tries again and again, as against a lying relay, is given ``within_s`` of the clock.
        """
        quiet = 0
        until = self.now + within_s
        for _ in range(turns):
            moved = sum(device.step() for device in self.devices) > 0
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            quiet = 0 if moved else quiet + 1
            if quiet < _QUIET_TURNS:
                continue
            wanted = [device.wake_at for device in self.devices if not device.is_offline]
            times = [one for one in wanted if one is not None]
            if not times or min(times) >= self.now + 59 or self.now >= until:
                return
            quiet = 0
            self.now = max(self.now + 1, min(times))
            for device in self.devices:
                if not device.is_offline:
                    device.feed(Tick())
        raise AssertionError("the circle does not come to rest")

    async def shake(self, steps: int) -> None:
        """Let random devices take random steps, some of them losing their connection."""
        for _ in range(steps):
            device = self.rng.choice(self.devices)
            if self.rng.random() < 0.15:
                device.drop_link()
            else:
                device.step()
            if self.rng.random() < 0.5:
                await asyncio.sleep(0)

    async def act(self, device: SimulatedDevice, act: Act) -> str:
        """Do an act and let the circle come to rest.  Raises the act's error."""
        device.feed(act)
        await self.settle()
        return self.result(device, act)

    def result(self, device: SimulatedDevice, act: Act) -> str:
        """Return what an act was answered with.  Raises its error."""
        answer = device.answers.get(act.ref)
        if answer is None:
            raise AssertionError(f"{device.name} was not answered: {device.alarms}")
        if answer.error is not None:
            raise answer.error
        return answer.text

    def ref(self) -> int:
        """Return a fresh number for an act."""
        self._next_ref += 1
        return self._next_ref

    async def found(
        self,
        name: str,
        *,
        test_circle: bool = False,
        unlock_shares: bool = False,
        cool_off_s: int = 86_400,
        change_delay_s: int = 86_400,
    ) -> SimulatedDevice:
        """Found the circle."""
        device = self.add(name)
        await self.act(
            device,
            FoundCircle(
                ref=self.ref(),
                name=name,
                home_card=self.relays.home_card.encode(),
                entry_cards=(self.relays.entry_card.encode(),),
                activation_code=ACTIVATION_CODE,
                test_circle=test_circle,
                unlock_shares=unlock_shares,
                cool_off_s=cool_off_s,
                change_delay_s=change_delay_s,
            ),
        )
        return device

    async def admit(
        self, name: str, inviter: SimulatedDevice, vouchers: Iterable[SimulatedDevice]
    ) -> SimulatedDevice:
        """Invite, join, vouch; return the new member's device."""
        return await self._bring_in(name, inviter, vouchers, Invite(ref=self.ref()))

    async def add_device(
        self, name: str, owner: SimulatedDevice, vouchers: Iterable[SimulatedDevice]
    ) -> SimulatedDevice:
        """Let the member of ``owner`` have one more device; return it."""
        return await self._bring_in(name, owner, vouchers, Invite(ref=self.ref(), kind="device"))

    async def bring_back(
        self, member: str, name: str, inviter: SimulatedDevice, vouchers: Iterable[SimulatedDevice]
    ) -> SimulatedDevice:
        """Let a member return on a new device that is called ``name``; return it."""
        invite = Invite(ref=self.ref(), kind="return", member=member)
        return await self._bring_in(name, inviter, vouchers, invite)

    async def _bring_in(
        self,
        name: str,
        inviter: SimulatedDevice,
        vouchers: Iterable[SimulatedDevice],
        invite: Invite,
    ) -> SimulatedDevice:
        code = await self.act(inviter, invite)
        device = self.add(name)
        digits = await self.act(
            device, Join(ref=self.ref(), code=code, name=name, bot=name in self.bots)
        )
        for voucher in vouchers:
            await self.act(voucher, Vouch(ref=self.ref(), request=digits[:11], how=1))
        return device

"""Second chapter: a device is lost.

A second steward takes office.  A device is stolen; one command locks it at both relays, every
group drops it, and a report says what it could have read.  The thief has its disk and its PIN, and
opens nothing.  A legal hold forbids to erase it; two stewards release the hold, two erase.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cloister.client.powers import (
    Approve,
    EraseDevice,
    LockDevice,
    OfferStewardKey,
    PlaceHold,
    ProposeStewards,
    ReleaseHold,
)
from cloister.demo.chapters import DAY_S, Chapters, Thief
from cloister.demo.children import Child, DemoFailed
from cloister.demo.folder import AFTER, BEFORE, FOUNDER, LEDGER, SECOND
from cloister.demo.person import Person
from cloister.demo.story import ACK_WAIT_S, Story
from cloister.device.facade import View
from cloister.errors import PolicyError
from cloister.roster.orders import EraseReason, HoldScope

BEFORE_THE_LOSS: Final = (
    (FOUNDER, "The ledger came in a plain envelope."),
    (SECOND, "Copies are in two places. I say no more here."),
    (FOUNDER, "Noor carries the only list of names."),
)
AFTER_THE_LOSS: Final = (
    (SECOND, "Her bag is gone. The device is locked."),
    (FOUNDER, "We go on without it."),
)
COOL_OFF_S: Final = DAY_S + 600
CHANGE_DELAY_S: Final = DAY_S + 600


@dataclass
class LostDevice:
    """The chapter."""

    story: Story
    chapters: Chapters
    thief: Thief
    lost: Person
    clerk: Person
    relays: Sequence[Child]

    async def play(self) -> None:
        """Everything in order."""
        tell = self.story.tell
        tell("Second chapter: a device is lost.")
        await self._newcomers()
        await self._second_steward()
        await self._steal()
        await self._lock()
        await self._speak(AFTER_THE_LOSS, AFTER, (self._founder, self._second, self.clerk))
        await self._thief("locked")
        await self._hold()
        await self._release()
        await self._erase()
        await self._thief("erased")

    @property
    def _founder(self) -> Person:
        return self.story.people[FOUNDER]

    @property
    def _second(self) -> Person:
        return self.story.people[SECOND]

    # --- offices and newcomers --------------------------------------------------------------------

    async def _second_steward(self) -> None:
        """Offer, propose, approve: three acts of two people."""
        founder, second = self._founder, self._second
        name = await self._shown(SECOND)

        async def offered() -> bool | None:
            views = await founder.device.governance("pending")
            return True if any(one["kind"] == "offer" for one in views) or await office() else None

        async def office() -> bool | None:
            views = await second.device.governance("stewards")
            return True if sum(one["office"] == "steward" for one in views) == 2 else None

        await founder.until(
            "an offer to hold an office", offered, lambda: second.act(OfferStewardKey(ref=0))
        )
        kind = "change of stewards"
        await self._propose(founder, kind, ProposeStewards(ref=0, add=(name,)))

        async def signed() -> bool | None:
            view = await _pending(second, kind)
            return (
                True if view is not None and view["waits_for"] == "the day that was set" else None
            )

        await self._approve(second, kind, signed)
        self.story.tell(
            f"{second.name} is to be a steward, by the signatures of both. A day later:"
        )
        self.chapters.skip(CHANGE_DELAY_S)
        everybody = (founder, second, self.lost, self.clerk)
        await self._speak(((SECOND, "Did anybody object?"),), BEFORE, everybody)
        await second.until("the second steward", office)
        self.story.tell(f"nobody refused, and {second.name} is a steward.")

    async def _newcomers(self) -> None:
        watchers = [self._founder, self._second]
        newcomers = (self.lost, self.clerk)
        await asyncio.gather(*(person.child.start() for person in newcomers))
        for person in newcomers:
            self.story.people.append(person)
            await person.ask(person.device.status)
            watchers.append(person)
            await self.story.let_in(person.number, FOUNDER, [FOUNDER, SECOND], watchers)
        numbers = [FOUNDER, SECOND, self.lost.number, self.clerk.number]
        await self.story.open(LEDGER, numbers)
        await self._speak(BEFORE_THE_LOSS, BEFORE, watchers)
        await self.lost.until("the unlock shares of the device to be lost", self._is_wrapped)

    async def _is_wrapped(self) -> bool | None:
        """Whether the relays take part in the key of that vault already."""
        status = await self.lost.device.status()
        return True if str(status["vault_key"]).startswith("PIN and unlock shares") else None

    # --- the loss ---------------------------------------------------------------------------------

    async def _steal(self) -> None:
        """The device goes out of reach, as it is: agent killed, disk copied."""
        await self.lost.child.stop(self.lost.child.kill)
        self.thief.copy_disk(self.lost.number)
        self.story.tell(f"The device of {self.lost.name} is stolen. The thief saw the PIN typed.")

    async def _lock(self) -> None:
        """One command; measure when each relay refuses and every group is rid of the device."""
        founder = self._founder
        name = await self._shown(self.lost.number)
        device = await self._device()
        involved = (*self.relays, founder.child, self._second.child, self.clerk.child)
        starts = sum(child.starts for child in involved)
        began = time.monotonic()

        async def ordered() -> View | None:
            views = await founder.device.governance("locks")
            return views[-1] if views else None

        async def at_relays() -> View | None:
            view = await ordered()
            return view if view is not None and len(view["locked_at"]) == 2 else None

        async def everywhere() -> View | None:
            view = await ordered()
            gone = not (await self._device())["in_commons"]
            return view if view is not None and view["done"] and gone else None

        await founder.until(
            "the lock at both relays",
            at_relays,
            lambda: founder.act(LockDevice(ref=0, device=name)),
        )
        relays_s = time.monotonic() - began
        view = await founder.until("every group dropping the device", everywhere)
        groups_s = time.monotonic() - began
        report = await founder.ask(lambda: founder.device.exposure(str(device["id"])))
        self.chapters.note("lost_device", device["id"])
        self.chapters.note("locked_at_relays_s", round(relays_s, 3))
        # Whoever kills a relay in this moment measures how long it takes to start.
        self.chapters.note("restarts_in_between", sum(one.starts for one in involved) - starts)
        self.chapters.note("dropped_from_groups_s", round(groups_s, 3))
        self.chapters.note("exposure", report)
        self.story.tell(
            f"{founder.name}: cloister lost {name}. Locked at both relays after {relays_s:.2f} s,"
            f" out of {view['groups']} groups after {groups_s:.2f} s."
        )
        self.story.tell(f"It could have read {report['messages']} messages, none after that.")

    async def _thief(self, when: str) -> None:
        attempt = await self.thief.open(when)
        self.chapters.note("thief", self.thief.attempts)
        words = " ".join(str(attempt["said"]).split())[:200]
        self.story.tell(f"The thief, with disk and PIN: status {attempt['status']}: {words}")

    # --- hold and erase ---------------------------------------------------------------------------

    async def _hold(self) -> None:
        """Place a hold, and see an erase refused."""
        founder, second = self._founder, self._second
        name = await self._shown(self.lost.number)

        async def held(person: Person) -> View | None:
            views = await person.device.governance("holds")
            return views[0] if views else None

        hold = PlaceHold(ref=0, scope=int(HoldScope.MEMBER), subject=name, note="case 12/26")
        await second.until("the hold", lambda: held(second), lambda: second.act(hold))
        await founder.until("the hold at the other steward", lambda: held(founder))
        try:
            await founder.act(self._erasing(name))
        except PolicyError as error:
            self.chapters.note("erase_under_hold", {"said": str(error)})
            self.story.tell(f"{founder.name} asks to erase it, and is refused: {error}")
        else:
            raise DemoFailed("a device under legal hold was to be erased")

    async def _release(self) -> None:
        founder, second = self._founder, self._second
        reference = str(
            (await founder.ask(lambda: founder.device.governance("holds")))[0]["reference"]
        )

        async def free() -> bool | None:
            return None if await founder.device.governance("holds") else True

        await self._propose(founder, "release of a hold", ReleaseHold(ref=0, reference=reference))
        await self._approve(second, "release of a hold", free)
        self.story.tell("Two stewards release the hold.")

    def _erasing(self, name: str) -> EraseDevice:
        return EraseDevice(ref=0, device=name, reason=int(EraseReason.STOLEN), note="stolen")

    async def _erase(self) -> None:
        """Asked, approved, cooled off, erased at both relays, receipts in the log."""
        founder, second = self._founder, self._second
        name = await self._shown(self.lost.number)

        async def state(person: Person, *wanted: str) -> View | None:
            views = await person.device.governance("erasures")
            return views[-1] if views and views[-1]["state"] in wanted else None

        later = ("approved", "due", "erased")
        await founder.until(
            "the proposal to erase",
            lambda: state(founder, "proposed", *later),
            lambda: founder.act(self._erasing(name)),
        )
        await second.until("the proposal arriving", lambda: state(second, "proposed", *later))
        view = (await second.ask(lambda: second.device.governance("erasures")))[-1]
        await second.until(
            "the approval to erase",
            lambda: state(second, *later),
            lambda: second.act(Approve(ref=0, reference=str(view["reference"]))),
        )
        self.story.tell("Asked by one steward, approved by another; now a day to cool off.")
        self.chapters.skip(COOL_OFF_S)
        # Something must happen for time to be noticed at once; else it would be within a minute.
        await self._speak(((SECOND, "A day later."),), AFTER, (founder, second, self.clerk))
        view = await founder.until("the receipts of both relays", lambda: state(founder, "erased"))
        self.chapters.note("erasure", view)
        for line in view["progress"]:
            self.story.tell(f"  {line}")

    # --- small steps ------------------------------------------------------------------------------

    async def _propose(self, person: Person, kind: str, act: ProposeStewards | ReleaseHold) -> None:
        async def waits() -> View | None:
            return await _pending(person, kind)

        await person.until(f"a proposed {kind}", waits, lambda: person.act(act))

    async def _approve(
        self, person: Person, kind: str, done: Callable[[], Awaitable[bool | None]]
    ) -> None:
        """Approve what waits under a kind, and wait until it is done."""
        view = await person.until(f"a {kind} arriving", lambda: _pending(person, kind))
        act = Approve(ref=0, reference=str(view["reference"]))
        await person.until(f"an approved {kind}", done, lambda: person.act(act))

    async def _speak(
        self, lines: tuple[tuple[int, str], ...], phase: str, readers: Sequence[Person]
    ) -> None:
        for number, text in lines:
            await self.story.say(number, LEDGER, text, phase, wait_s=ACK_WAIT_S)
        numbers = [person.number for person in readers]
        await self.story.everybody_has_everything(LEDGER, numbers)

    async def _shown(self, number: int) -> str:
        member = await self._founder.ask(
            lambda: self._founder.member(self.story.member_ids[number])
        )
        return str(member["name"]) if member else self.story.people[number].name

    async def _device(self) -> View:
        name = await self._shown(self.lost.number)
        founder = self._founder
        return (await founder.ask(lambda: founder.device.governance("devices", name)))[0]


async def _pending(person: Person, kind: str) -> View | None:
    for view in await person.device.governance("pending"):
        if view["kind"] == kind:
            return view
    return None

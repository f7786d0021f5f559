"""What happens in the demo, step by step."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from cloister.client.inputs import FoundCircle, Invite, Join, OpenConversation, Remove, Vouch
from cloister.demo.children import Child, DemoFailed
from cloister.demo.folder import (
    AFTER,
    BEFORE,
    FOUNDER,
    GROUP,
    LEDGER,
    ONE_TO_ONE,
    SECOND,
    THIRD,
    Cast,
    Folder,
    Said,
)
from cloister.demo.names import circle_names
from cloister.demo.person import STEP_S, Person
from cloister.demo.script import Script
from cloister.device.facade import View
from cloister.limits import MAX_NAME_BYTES

BURST: Final = 200
KILL_HOME_AFTER: Final = 70
KILL_DEVICE_AFTER: Final = 130
"""Texts of the burst that are queued when the home relay, and when a device, is killed."""
CANARY_BYTES: Final = 10
ACK_WAIT_S: Final = 5.0
"""How long a line waits for its acknowledgement before the next is said anyway."""
PER_LINE_S: Final = 0.1
"""Added to the time that a step may take, for each text in it."""
INVITATION_S: Final = 3600
SETTLE_S: Final = 10.0
MOST_SHOWN_ROWS: Final = 50
SHOWN_CHARACTERS: Final = 160
MET: Final = 1
DEPARTURE: Final = 1

Tell = Callable[[str], None]


EXTRAS: Final = ("Noor", "Tomas")


def make_cast(script: Script, names: tuple[str, ...]) -> Cast:
    """Name the conversations; random canaries go where people write."""
    canaries = tuple(secrets.token_hex(CANARY_BYTES) for _ in range(3))
    return Cast(
        script.names,
        names,
        circle_names((*names, *EXTRAS))[len(names) :],
        {
            ONE_TO_ONE: f"two {canaries[0]}"[:MAX_NAME_BYTES],
            GROUP: f"desk {canaries[1]}"[:MAX_NAME_BYTES],
            LEDGER: f"ledger {canaries[1]}"[:MAX_NAME_BYTES],
        },
        canaries,
    )


@dataclass
class Story:
    """The run of one demo: people, the home relay's process, and what was said so far."""

    folder: Folder
    cast: Cast
    people: list[Person]
    home: Child
    tell: Tell
    counts: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(person, conversation) -> texts said by that person there."""
    member_ids: dict[int, str] = field(default_factory=dict)
    shown: Counter[str] = field(default_factory=Counter)
    """conversation -> texts said by anybody there."""

    # --- the circle -----------------------------------------------------------------------------

    async def found(self, home_card: bytes, entry_card: bytes, activation_code: str) -> None:
        """Found the circle."""
        founder = self.people[FOUNDER]
        act = FoundCircle(
            ref=0,
            name=founder.name,
            home_card=home_card,
            entry_cards=(entry_card,),
            activation_code=activation_code,
        )

        async def is_member() -> View | None:
            status = await founder.device.status()
            return status if status["phase"] == "member" else None

        await founder.until("founding the circle", is_member, lambda: founder.act(act))
        circle = await founder.ask(founder.device.circle)
        members = await founder.ask(founder.device.members)
        self.member_ids[FOUNDER] = members[0]["member_id"]
        self.tell(f"{founder.name} founds the circle {circle['circle_id'][:16]}…")

    async def let_in(
        self,
        number: int,
        inviter: int,
        vouchers: Sequence[int],
        watchers: Sequence[Person] | None = None,
    ) -> None:
        """Bring one person in: code, request, digits compared, vouches, entering.

        ``watchers`` must see the newcomer inside before it goes on; by default all so far.
        """
        newcomer = self.people[number]
        code = await self._invite(self.people[inviter])
        digits = await self._ask(newcomer, code)
        for voucher in vouchers:
            await self._vouch(self.people[voucher], newcomer, digits)

        async def is_in() -> View | None:
            status = await newcomer.device.status()
            return status if status["phase"] == "member" else None

        status = await newcomer.until(f"{newcomer.name} entering", is_in)
        seen_by = self.people[: number + 1] if watchers is None else watchers
        for person in seen_by:
            self.member_ids[number] = await self._sees_inside(person, str(status["device"]))
        self.tell(f"{newcomer.name} is in, vouched for by {self._names(vouchers)}.")

    async def _invite(self, inviter: Person) -> str:
        """Return a code.  Only the answer holds it: if that is lost, another is issued."""
        codes: list[str] = []

        async def code() -> str | None:
            return codes[0] if codes else None

        async def inviting() -> None:
            codes.append(await inviter.act(Invite(ref=0, lifetime_s=INVITATION_S)))

        return await inviter.until(f"an invitation by {inviter.name}", code, inviting)

    async def _ask(self, newcomer: Person, code: str) -> str:
        async def digits() -> str | None:
            return plain((await newcomer.device.status())["digits"]) or None

        async def joining() -> None:
            if (await newcomer.device.status())["phase"] == "empty":
                await newcomer.act(Join(ref=0, code=code, name=newcomer.name))

        return await newcomer.until(f"the request of {newcomer.name}", digits, joining)

    async def _vouch(self, voucher: Person, newcomer: Person, digits: str) -> None:
        async def request() -> View | None:
            for view in await voucher.device.requests():
                if plain(view["fingerprint"])[:5] == digits[:5] or view["name"] == newcomer.name:
                    return view
            return None

        view = await voucher.until(f"the request of {newcomer.name} at {voucher.name}", request)
        theirs = plain(view["fingerprint"])
        self.tell(f"{newcomer.name} asks to be let in. The 60 digits, read from both sides:")
        self.tell(f"  {newcomer.name:>12}: {spaced(digits)}")
        self.tell(f"  {voucher.name:>12}: {spaced(theirs)}")
        if theirs != digits or len(digits) != 60:
            raise DemoFailed(f"the digits of {newcomer.name} and {voucher.name} differ")

        async def vouched() -> bool | None:
            for asked in await voucher.device.requests():
                if plain(asked["fingerprint"]) == digits:
                    # Names in views are safe text of shown names; a voucher counts once.
                    return True if voucher.name in asked["vouches"] else None
            return True  # admitted: requests of members are not listed

        act = Vouch(ref=0, request=digits, how=MET)
        await voucher.until(f"the vouch of {voucher.name}", vouched, lambda: voucher.act(act))

    async def _sees_inside(self, person: Person, did: str) -> str:
        """Wait until a person's device sees another one in the commons; return its member's id."""

        async def inside() -> str | None:
            for view in await person.device.members():
                if did in view["devices"] and view["in_commons"]:
                    return str(view["member_id"])
            return None

        return await person.until(f"{person.child.name} seeing the newcomer inside", inside)

    # --- conversations --------------------------------------------------------------------------

    async def open(self, conversation: str, numbers: Sequence[int]) -> None:
        """Open a conversation of the founder with others, and wait until all are in it."""
        title = self.cast.titles[conversation]
        founder = self.people[FOUNDER]
        members = await founder.ask(founder.device.members)
        shown = {view["member_id"]: str(view["name"]) for view in members}
        others = tuple(shown[self.member_ids[number]] for number in numbers if number != FOUNDER)

        async def is_open(person: Person) -> View | None:
            view = await person.conversation(title)
            ready = view is not None and view["state"] == "active"
            return view if ready and view and len(view["members"]) == len(numbers) else None

        async def opening() -> None:
            if await founder.conversation(title) is None:
                await founder.act(OpenConversation(ref=0, title=title, members=others))

        await founder.until("opening a conversation", lambda: is_open(founder), opening)
        for number in numbers:
            person = self.people[number]
            look = partial(is_open, person)
            await person.until(f"{person.name} entering a conversation", look)

    async def say(
        self, number: int, conversation: str, text: str, phase: str = BEFORE, *, wait_s: float
    ) -> None:
        """Write a text down, then let a person say it."""
        self.folder.add_said(Said(number, conversation, phase, text))
        self.counts[number, conversation] += 1
        self.shown[conversation] += 1
        count = self.counts[number, conversation]
        await self.people[number].say(self.cast.titles[conversation], text, count, wait_s=wait_s)

    async def play(self, script: Script, conversation: str) -> None:
        """Say the script's lines of a conversation, each after the one before."""
        lines = script.one_to_one if conversation == ONE_TO_ONE else script.group
        for line in lines:
            number = script.names.index(line.name)
            await self.say(number, conversation, line.text, wait_s=ACK_WAIT_S)

    async def everybody_has_everything(self, conversation: str, numbers: Sequence[int]) -> None:
        """Wait until each of them shows each text of a conversation."""
        count = self.shown[conversation]
        title = self.cast.titles[conversation]
        await asyncio.gather(
            *(
                self.people[number].wait_for_texts(
                    title, count, within_s=STEP_S + PER_LINE_S * count
                )
                for number in numbers
            )
        )

    async def show(self, conversation: str, reader: int) -> None:
        """Show to whoever watches how a conversation looks on one person's device."""
        person = self.people[reader]
        rows = await person.ask(lambda: person.rows(self.cast.titles[conversation]))
        self.tell(f"As it stands on the device of {person.name}:")
        for row in rows[:MOST_SHOWN_ROWS]:
            text = row.text if len(row.text) <= SHOWN_CHARACTERS else row.text[:SHOWN_CHARACTERS]
            self.tell(f"    {row.sender_name}: {' '.join(text.split())}")
        if len(rows) > MOST_SHOWN_ROWS:
            self.tell(f"    … and {len(rows) - MOST_SHOWN_ROWS} more")

    # --- the burst ------------------------------------------------------------------------------

    async def burst(self) -> None:
        """Say 200 texts at once, kill the home relay among them, and a device."""
        queued = 0

        async def speak(number: int) -> None:
            nonlocal queued
            for index in range(number, BURST, len(self.people)):
                text = f"{index + 1} of {BURST}: the presses do not stop ({self.cast.canaries[2]})"
                await self.say(number, GROUP, text, wait_s=0)
                queued += 1
                if queued == KILL_HOME_AFTER:
                    self.home.kill()
                    self.tell(f"  SIGKILL for the home relay after {queued} texts")
                elif queued == KILL_DEVICE_AFTER:
                    self.people[SECOND].child.kill()
                    self.tell(f"  SIGKILL for the device of {self.people[SECOND].name}")

        await asyncio.gather(*(speak(number) for number in range(len(self.people))))
        await self.everybody_has_everything(GROUP, range(len(self.people)))

    # --- removal --------------------------------------------------------------------------------

    async def remove_third(self) -> None:
        """Propose and approve the removal; wait until it is carried out everywhere."""
        founder, second, third = (self.people[one] for one in (FOUNDER, SECOND, THIRD))
        member_id = self.member_ids[THIRD]

        async def state_of(person: Person, *wanted: str) -> View | None:
            view = await person.member(member_id)
            if view is None:
                return None
            if view["state"] in wanted or ("proposed" in wanted and view["removal_proposed"]):
                return view
            return None

        shown = await founder.ask(lambda: founder.member(member_id))
        name = str(shown["name"]) if shown else third.name
        act = Remove(ref=0, member=name, reason=DEPARTURE)
        await founder.until(
            "the proposal of a removal",
            lambda: state_of(founder, "proposed", "removed"),
            lambda: founder.act(act),
        )
        await second.until("the proposal arriving", lambda: state_of(second, "proposed", "removed"))
        await second.until(
            "the approval of a removal",
            lambda: state_of(second, "removed"),
            lambda: second.act(act),
        )

        async def out() -> View | None:
            view = await founder.member(member_id)
            gone = view is not None and view["state"] == "removed" and not view["in_commons"]
            return view if gone else None

        await founder.until(f"the removal of {third.name}", out)
        self.tell(
            f"{third.name} is removed: proposed by {founder.name}, approved by {second.name}."
        )

    async def speak_without_third(self) -> None:
        """Say what must not reach the third, each of the others in turn."""
        staying = [number for number in range(len(self.people)) if number != THIRD]
        for number in staying:
            text = (
                f"Said after the removal, by {self.people[number].name} ({self.cast.canaries[2]})"
            )
            await self.say(number, GROUP, text, AFTER, wait_s=ACK_WAIT_S)
        await self.everybody_has_everything(GROUP, staying)

    async def everybody_is_caught_up(self, people: Sequence[Person] | None = None) -> None:
        """Wait until all who stay have the same log, and the third knows that it is out."""
        staying = [person for person in people or self.people if person.number != THIRD]

        async def same_log() -> bool | None:
            views = [await person.device.status() for person in staying]
            roots = {view["log_root"] for view in views}
            return True if len(roots) == 1 and not any(view["queued"] for view in views) else None

        async def knows() -> bool | None:
            phase = (await self.people[THIRD].device.status())["phase"]
            return True if phase == "removed" else None

        await staying[0].until("everybody catching up", same_log)
        await self.people[THIRD].until("the removed device learning of it", knows)
        await asyncio.gather(*(self._settled(person) for person in staying))

    async def _settled(self, person: Person) -> None:
        async def settled() -> bool | None:
            return True if await person.device.settle(SETTLE_S) else None

        await person.until(f"{person.child.name} catching up", settled)

    # --- small words ----------------------------------------------------------------------------

    def _names(self, numbers: Sequence[int]) -> str:
        return " and ".join(self.people[number].name for number in numbers)


def plain(digits: object) -> str:
    """Return the digits alone."""
    return "".join(character for character in str(digits) if character.isdigit())


def spaced(digits: str) -> str:
    """Return digits in groups of five."""
    return " ".join(digits[start : start + 5] for start in range(0, len(digits), 5))

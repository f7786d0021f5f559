"""Third chapter: a term ends.

The clock skips to the end of the half-year.  In grace all works; then the seat of the one member
without an office lapses: out of every group, with all that was read still there.  The circle pays,
the operator renews, and the device comes back by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloister.client.inputs import SendText
from cloister.demo import relays
from cloister.demo.chapters import Chapters
from cloister.demo.folder import AFTER, FOUNDER, LEDGER, SECOND
from cloister.demo.person import Person
from cloister.demo.story import ACK_WAIT_S, Story
from cloister.device.facade import View
from cloister.errors import CloisterError
from cloister.limits import SEAT_GRACE_S

AFTER_THE_END_S: Final = 3600


@dataclass
class TermEnds:
    """The chapter."""

    story: Story
    chapters: Chapters
    clerk: Person

    async def play(self) -> None:
        """Everything in order."""
        self.story.tell("Third chapter: a term ends.")
        await self._grace()
        await self._lapse()
        await self._renewal()

    @property
    def _founder(self) -> Person:
        return self.story.people[FOUNDER]

    @property
    def _everybody(self) -> list[Person]:
        return [self._founder, self.story.people[SECOND], self.clerk]

    async def _term_of(self, person: Person) -> View:
        term: View = (await person.ask(person.device.status))["term"]
        return term

    async def _until_term(self, person: Person, state: str) -> View:
        async def there() -> View | None:
            term = (await person.device.status())["term"]
            return term if term is not None and term["state"] == state else None

        return await person.until(f"the term of {person.name}: {state}", there)

    async def _grace(self) -> None:
        before = await self._until_term(self.clerk, "active")
        self.chapters.skip(int(before["ends_at"] - self.chapters.now()) + AFTER_THE_END_S)
        await self._say(self.clerk, "The term is over, and I can still write.", self._everybody)
        grace = await self._until_term(self.clerk, "grace")
        self.chapters.note("grace", {"before": before, "after": grace})
        self.story.tell("The half-year is over: 14 days of grace, in which all works.")

    async def _lapse(self) -> None:
        founder, clerk = self._founder, self.clerk
        self.chapters.skip(SEAT_GRACE_S)
        for person in self._everybody:
            # Who comes back from a restart looks at the clock at once.
            person.child.kill()

        async def lapsed() -> View | None:
            for view in await founder.device.governance("devices"):
                if view["member"] == clerk.name and view["seat"] == "lapsed":
                    return view if not view["in_commons"] else None
            return None

        await founder.until("the seat lapsing, and the device leaving the groups", lapsed)

        async def knows() -> View | None:
            status = await clerk.device.status()
            return status if status["phase"] == "lapsed" else None

        status = await clerk.until("the lapsed device learning of it", knows)
        title = self.story.cast.titles[LEDGER]
        rows = await clerk.ask(lambda: clerk.rows(title))
        refused = ""
        try:
            await clerk.act(SendText(ref=0, conversation=title, text="May I?"))
        except CloisterError as error:
            refused = str(error)
        self.chapters.note(
            "lapse", {"standing": status["standing"], "reads": len(rows), "refused": refused}
        )
        self.story.tell(
            f"Then the seat of {clerk.name} lapses: {len(rows)} texts can be read,"
            f" writing is refused: {refused}"
        )

    async def _renewal(self) -> None:
        founder, clerk = self._founder, self.clerk
        await relays.renew(self.story.folder)
        self.story.tell("The circle pays, the operator renews the term.")
        # A device asks its relay about the term when it connects, and once a day.
        founder.child.kill()

        async def back() -> bool | None:
            view = await clerk.conversation(self.story.cast.titles[LEDGER])
            inside = view is not None and view["state"] == "active"
            return True if inside and (await clerk.device.status())["phase"] == "member" else None

        await clerk.until("the device coming back by itself", back)
        term = await self._until_term(clerk, "active")
        self.chapters.note("renewal", term)
        await self._say(founder, "Welcome back.", self._everybody)
        await self._say(clerk, "Nothing is lost; I have it all.", self._everybody)
        self.story.tell(f"{clerk.name} is back in every group, and writes.")

    async def _say(self, person: Person, text: str, readers: list[Person]) -> None:
        await self.story.say(person.number, LEDGER, text, AFTER, wait_s=ACK_WAIT_S)
        await self.story.everybody_has_everything(LEDGER, [one.number for one in readers])

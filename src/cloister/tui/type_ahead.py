"""Keys that are pressed while a screen is coming wait for it.

Otherwise what is typed fast after Ctrl+K, or between two questions, would land in the conversation
behind, and its Enter would send it.  The other way round, a key that leads elsewhere waits for what
was typed before it: the application takes it at once, while a text and its Enter are still on their
way through the widgets, and they would arrive in the conversation that it has led to.
"""

from __future__ import annotations

import functools
import time
from typing import Any, Final

from textual import events

from cloister.tui.tamed import Tamed

LOOK_S: Final = 0.01
READY_S: Final = 2.0
"""A screen that is not ready after this long gets the keys all the same."""
BETWEEN_S: Final = 1.0
"""How long the next question of an action may take to come, while the action is under way."""
STILL_S: Final = 0.2
"""A program that has not looked for longer than this has stood still."""
OPENING_S: Final = 60.0
"""A conversation that is not open after this long is not waited for any more."""
CALLING_IN_TEXT: Final = frozenset({"enter", "slash"})
"""Keys that the composer takes and that end a text, or do something other than write."""


class TypeAhead(Tamed):
    """An application that holds keys back between screens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._held: list[events.Key | events.Paste] | None = None
        self._held_until = 0.0
        self._looked = 0.0
        self._is_passed_on = True
        """Whether all keys that were let go have arrived, with what they called for."""
        self._time = 0
        self._between_until = 0.0
        self.is_opening = False
        """Whether a conversation is just being opened: keys wait for its composer."""
        self.is_deaf = False
        """Whether keys are for nobody any more, but for those that wait for nothing."""
        self.never_held: frozenset[str] = frozenset()
        """Keys that wait for nothing, such as the one that locks."""
        self.calling: frozenset[str] = frozenset()
        """Keys that the application takes before what has the focus, and that lead elsewhere."""

    def touched(self) -> None:
        """Hear of every key and every paste, whoever takes it.  Overridden."""

    def is_writing(self) -> bool:
        """Tell whether keys go into a text that Enter sends.  Overridden."""
        return False

    def is_asking(self) -> bool:
        """Tell whether an action is under way, whose next question may come.  Overridden."""
        return False

    async def on_event(self, event: events.Event) -> None:
        """Hold a key or a paste back, or let it go on."""
        if not isinstance(event, (events.Key, events.Paste)):
            await super().on_event(event)
            return
        self.touched()
        is_never_held = isinstance(event, events.Key) and event.key in self.never_held
        if event.is_forwarded or is_never_held:
            await super().on_event(event)
        elif self._held is not None:
            self._held.append(event)
        elif self._overtakes(event):
            self._begin_to_hold()
            await self.on_event(event)
            self._when_passed_on(self._time, 0)
        else:
            await self._let_go(event)

    async def _let_go(self, event: events.Key | events.Paste) -> None:
        if self.is_deaf:
            return
        is_calling, self._is_passed_on = self._calls(event), False
        await super().on_event(event)
        if is_calling and self._held is None:
            # The toolkit passes such a key from one to the next; what follows must not overtake.
            self._when_passed_on(self._begin_to_hold(), 0)

    def _calls(self, event: events.Key | events.Paste) -> bool:
        """Tell whether what is typed after this may be for another screen or another text."""
        if not isinstance(event, events.Key):
            return False
        if self.is_writing():
            return event.key in self.calling or event.key in CALLING_IN_TEXT
        return not event.is_printable

    def _overtakes(self, event: events.Key | events.Paste) -> bool:
        """Tell whether this would be taken before what was typed before it has arrived."""
        is_in_line = self.is_writing() and getattr(event, "key", "") not in self.calling
        return self._calls(event) and not is_in_line and not self._is_passed_on

    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:
        """Show a screen; keys wait until it can take them."""
        pushed = super().push_screen(screen, *arguments, **options)
        self._between_until = 0.0
        self._look_after(LOOK_S, self._begin_to_hold())
        return pushed

    def pop_screen(self) -> Any:
        """Leave a screen; keys wait for the next question, if one may come."""
        popped = super().pop_screen()
        self._between_until = time.monotonic() + BETWEEN_S
        self._look_after(LOOK_S, self._begin_to_hold())
        return popped

    def _begin_to_hold(self) -> int:
        """Hold keys from now on; return the number of this time, which ends every other."""
        self._held = self._held or []
        self._looked = time.monotonic()
        self._held_until = self._looked + READY_S
        self._time += 1
        return self._time

    def _look_after(self, seconds: float, number: int) -> None:
        self.set_timer(seconds, functools.partial(self._look, number))

    def _when_passed_on(self, number: int, step: int) -> None:
        """Look when everybody on a key's way has done with it, and with what it called for."""
        focused = self.screen.focused
        way = [*(focused.ancestors_with_self if focused is not None else [self.screen]), self]
        for place in range(step, 2 * len(way)):
            if way[place % len(way)].call_later(self._when_passed_on, number, place + 1):
                return
        self.call_later(self._arrived, number)

    async def _arrived(self, number: int) -> None:
        self._is_passed_on = self._is_passed_on or number == self._time
        await self._look(number)

    async def _look(self, number: int) -> None:
        """Let the keys go when the screen in front has its focus."""
        if self._held is None or number != self._time:
            return
        now = self._count()
        screen = self.screen
        is_ready = screen.is_running and (screen.focused is not None or not screen.focus_chain)
        is_between = self.is_asking() and now < self._between_until
        is_ready = is_ready and not self.is_opening and not is_between
        until = self._held_until + (OPENING_S if self.is_opening else 0)
        if not is_ready and now < until:
            self._look_after(LOOK_S, number)
            return
        held, self._held = self._held, None
        while held:
            if self._overtakes(held[0]):
                self._when_passed_on(self._begin_to_hold(), 0)
            else:
                await self._let_go(held.pop(0))
            if self._takes_back(held):
                return

    def _count(self) -> float:
        """Return the time; a time for which the program stood still counts for nothing.

        Nothing could come in it, so what was waited for is waited for as long again."""
        now = time.monotonic()
        still = max(now - self._looked - STILL_S, 0.0)
        self._looked = now
        self._held_until += still
        self._between_until += still
        return now

    def _takes_back(self, rest: list[events.Key | events.Paste]) -> bool:
        """After a key that has called for another screen: the rest is for that one."""
        if self._held is None:
            return False
        self._held[:0] = rest
        return True

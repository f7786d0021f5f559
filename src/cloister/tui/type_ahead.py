"""Keys that are pressed while a screen is coming wait for it.

Otherwise what is typed fast after Ctrl+K, or between two questions, would land in the conversation
behind, and its Enter would send it.
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


class TypeAhead(Tamed):
    """An application that holds keys back between screens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._held: list[events.Key] | None = None
        self._held_until = 0.0
        self._time = 0
        self._between_until = 0.0
        self.is_opening = False
        """Whether a conversation is just being opened: keys wait for its composer."""
        self.never_held: frozenset[str] = frozenset()
        """Keys that wait for nothing, such as the one that locks."""

    def touched(self) -> None:
        """Hear of every key and every paste, whoever takes it.  Overridden."""

    def is_writing(self) -> bool:
        """Tell whether keys go into a text that Enter sends.  Overridden."""
        return False

    def is_asking(self) -> bool:
        """Tell whether an action is under way, whose next question may come.  Overridden."""
        return False

    async def on_event(self, event: events.Event) -> None:
        """Hold a key back, or let it go on."""
        if isinstance(event, (events.Key, events.Paste)):
            self.touched()
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if self._held is not None and event.key not in self.never_held:
            self._held.append(event)
            return
        await self._let_go(event)

    async def _let_go(self, event: events.Key) -> None:
        await super().on_event(event)
        if not event.is_printable and self._held is None and not self.is_writing():
            # The toolkit passes such a key from one to the next; printable ones must not overtake.
            self._when_passed_on(self._begin_to_hold(), 0)

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
        self._held_until = time.monotonic() + READY_S
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
        self.call_later(self._look, number)

    async def _look(self, number: int) -> None:
        """Let the keys go when the screen in front has its focus."""
        if self._held is None or number != self._time:
            return
        screen = self.screen
        is_ready = screen.is_running and (screen.focused is not None or not screen.focus_chain)
        is_between = self.is_asking() and time.monotonic() < self._between_until
        is_ready = is_ready and not self.is_opening and not is_between
        if not is_ready and time.monotonic() < self._held_until:
            self._look_after(LOOK_S, number)
            return
        held, self._held = self._held, None
        while held:
            await self._let_go(held.pop(0))
            if self._takes_back(held):
                return

    def _takes_back(self, rest: list[events.Key]) -> bool:
        """After a key that has called for another screen: the rest is for that one."""
        if self._held is None:
            return False
        self._held[:0] = rest
        return True

"""Keys that are pressed while a screen is coming wait for it.

Otherwise what is typed fast after Ctrl+K, or between two questions, would land in the conversation
behind, and its Enter would send it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from textual import events
from textual.app import App

if TYPE_CHECKING:
    from textual.screen import Screen

LOOK_S: Final = 0.01
READY_S: Final = 2.0
"""A screen that is not ready after this long gets the keys all the same."""
BETWEEN_S: Final = 0.3
"""How long the next question may take to come."""


class TypeAhead(App[str]):
    """An application that holds keys back between screens."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._held: list[events.Key] | None = None
        self._held_until = 0.0
        self.never_held: frozenset[str] = frozenset()
        """Keys that wait for nothing, such as the one that locks."""

    def is_home(self, screen: Screen[Any]) -> bool:
        """Tell whether a screen is where people write.  Overridden."""
        return False

    async def on_event(self, event: events.Event) -> None:
        """Hold a key back, or let it go on."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        if self._held is not None and event.key not in self.never_held:
            self._held.append(event)
            return
        await self._let_go(event)

    async def _let_go(self, event: events.Key) -> None:
        await super().on_event(event)
        if event.key == "enter" and self._held is None and not self.is_home(self.screen):
            self._hold(BETWEEN_S)

    def push_screen(self, screen: Any, *arguments: Any, **options: Any) -> Any:
        """Show a screen; keys wait until it can take them."""
        pushed = super().push_screen(screen, *arguments, **options)
        self._hold(LOOK_S)
        return pushed

    def _hold(self, look_again_s: float) -> None:
        if self._held is None:
            self._held = []
        self._held_until = time.monotonic() + READY_S
        self.set_timer(look_again_s, self._look)

    async def _look(self) -> None:
        """Let the keys go when the screen in front has its focus."""
        if self._held is None:
            return
        screen = self.screen
        is_ready = screen.is_running and (screen.focused is not None or not screen.focus_chain)
        if not is_ready and time.monotonic() < self._held_until:
            self.set_timer(LOOK_S, self._look)
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

"""How the interface ends: what is being written is kept, and nothing can hold the end up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from textual.screen import Screen

if TYPE_CHECKING:
    from cloister.tui.app import Interface
    from cloister.tui.screens.home import HomeScreen

KEEP_S: Final = 2.0
"""How long the end waits for a device to take what was just said and written."""
ENDING_S: Final = 5
"""How long the end may take once somebody outside has asked for it."""


class Ending:
    """The one end of an interface, however often it is asked for: none overtakes another's draft.

    A lock is a lock, also where somebody has asked to leave before it or after it."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._how = ""

    def begin(self, how: str) -> None:
        """End it as "locked" or "left"; keys are for nobody from now on."""
        is_first, self._how = not self._how, "locked" if "locked" in {how, self._how} else how
        self._interface.is_deaf = True
        if is_first:
            self._interface.run_worker(self._end(), group="locking")

    async def _end(self) -> None:
        interface = self._interface
        screens = tuple(interface.screen_stack)
        interface.push_screen(Screen())  # empty: nobody waits with the texts in sight
        await keep_what_is_begun(interface.home, screens)
        interface.exit(self._how)


async def keep_what_is_begun(home: HomeScreen | None, screens: Sequence[Screen[Any]]) -> None:
    """Have the device take the texts on their way and the draft; one that stands still is not
    waited for.  ``screens``: those over the conversation, a text may be begun on one of them."""
    if home is None:
        return
    from cloister.tui.screens.writing import unfinished

    draft_of, more = unfinished(screens)
    works = []
    if draft_of not in {"", home.conversation}:
        works.append(home.put_back(draft_of, more))
        more = ""
    keeping = asyncio.gather(home.keep_draft(more), *works)
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_S):
            await _all_sent(home)
            await home.keep_draft(more)  # once more, for what was sent or refused meanwhile
            await home.session.all_kept()  # also what was on its way before
            await keeping


async def _all_sent(home: HomeScreen) -> None:
    """Wait until the device has taken every text, also one whose Enter is just coming."""
    from cloister.tui.session import SENDING

    # Twice: whoever takes a key passes it on to itself first.
    for pump in 2 * home.query_one("#composer").ancestors_with_self:
        arrived = asyncio.Event()
        if pump.call_later(arrived.set):
            await arrived.wait()
    on_way = [worker.wait() for worker in home.workers if worker.group == SENDING]
    await asyncio.gather(*on_way, return_exceptions=True)


def when_told_to(end: Callable[[], None]) -> None:
    """End at SIGTERM and when the terminal is closed, so that no text is left on a screen.

    A terminal that is gone takes no last bytes, and the toolkit waits for it: the alarm does not.
    """

    def told() -> None:
        signal.alarm(ENDING_S)
        end()

    loop = asyncio.get_running_loop()
    with suppress(RuntimeError, ValueError):  # not the main thread: signals are somebody else's
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, told)

"""How the interface ends: what is being written is kept, and nothing can hold the end up."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from textual.screen import Screen

if TYPE_CHECKING:
    from cloister.tui.screens.home import HomeScreen

KEEP_S: Final = 2.0
"""How long the end waits for a device to take what was just said and written."""
ENDING_S: Final = 5
"""How long the end may take once somebody outside has asked for it."""


async def keep_what_is_begun(home: HomeScreen | None, screens: Sequence[Screen[Any]]) -> None:
    """Have the device take the texts on their way and the draft; one that stands still is not
    waited for.  ``screens``: those over the conversation, a text may be begun on one of them."""
    if home is None:
        return
    from cloister.tui.screens.writing import unfinished

    more = unfinished(screens)
    keeping = asyncio.ensure_future(home.keep_draft(more))
    with suppress(TimeoutError):
        async with asyncio.timeout(KEEP_S):
            async with home.sending:
                await home.keep_draft(more)  # once more, for what was refused meanwhile
            await keeping


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

"""What lives long is looked through by the garbage collector once, and not again and again.

A relay's connections leave nothing behind that only the collector finds, so it has hardly anything
to do (``tests/integration/test_garbage.py``).  But it looks, when there are so many objects more
than there were, at all that have come since its last look; and where connections come and go there
are hardly more while thousands have come, and everybody waits for that look.  Here it looks at
whatever is new after every few connections, and what it has found alive is put out of its sight.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

YOUNG: Final = 700
"""Objects more than there were before it looks by itself; the interpreter's own number."""
ROUNDS: Final = 5
"""After so many looks its next one counts as older, and after so many of these as the oldest: since
all else is out of sight they see no more than others do."""
CONNECTIONS: Final = 8
"""After so many new ones it looks: some five hundred objects, half a millisecond."""
_OLDEST: Final = 2
THAW_S: Final = 86_400.0
"""Once in so long it looks at everything: should there be something to find after all."""


class Collector:
    """The collector of this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._thaw_at = 0.0
        self._came = 0
        self._is_ours = False

    def begin(self) -> None:
        """Let it look at what is new, from now on."""
        self._is_ours = True
        self._thaw_at = self._now() + THAW_S
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, ROUNDS, ROUNDS)
        gc.callbacks.append(self._on_collection)

    def on_connection(self) -> None:
        """One more has come: look, if it is the last of a few."""
        self._came += 1
        if self._is_ours and self._came % CONNECTIONS == 0:
            gc.collect(_OLDEST if self._now() >= self._thaw_at else 0)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "stop":
            gc.freeze()
        elif info["generation"] == _OLDEST and self._now() >= self._thaw_at:
            self._thaw_at = self._now() + THAW_S
            gc.unfreeze()

    def end(self) -> None:
        """Let it do what it did before."""
        self._is_ours = False
        gc.callbacks.remove(self._on_collection)
        gc.unfreeze()


collector: Final = Collector()
"""The one of this process."""

"""What lives long is looked through by the garbage collector once, and not again and again.

A relay's connections leave nothing behind that only the collector finds, so it has hardly anything
to do (``tests/integration/test_garbage.py``).  But it looks: through all that twenty thousand
connections consist of, whenever a quarter more has come, and everybody waits for that.  Here what
it has found alive is put out of its sight, so that it never has more before it than what is new.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import Final

YOUNG: Final = 700
"""Objects that come before it looks; the interpreter's own number."""
ROUNDS: Final = 5
"""After so many looks it looks again at what those left, and after so many of these at all that is
in sight: some 17,000 objects, and two milliseconds."""
_OLDEST: Final = 2
THAW_S: Final = 86_400.0
"""Once in so long it looks at everything: should there be something to find after all."""


class Collector:
    """The collector of this process."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._thaw_at = now() + THAW_S

    def begin(self) -> None:
        """Let it look at what is new, from now on."""
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, ROUNDS, ROUNDS)
        gc.callbacks.append(self._on_collection)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] != _OLDEST:
            return
        if phase == "stop":
            gc.freeze()
        elif self._now() >= self._thaw_at:
            self._thaw_at = self._now() + THAW_S
            gc.unfreeze()

    def end(self) -> None:
        """Let it do what it did before."""
        gc.callbacks.remove(self._on_collection)
        gc.unfreeze()

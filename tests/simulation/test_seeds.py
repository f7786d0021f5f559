"""Exactly once on screen (R8): circles in a bad world, seed by seed.

A failure prints the command that plays the seed again, event for event.
"""

from __future__ import annotations

from typing import Final

import pytest

from cloister.testing.simulation.run import run
from counts import seeds

PLAIN: Final = 195
"""Seeds of every run."""
FOUND: Final = (428, 508, 603, 1953, 2028)
"""Seeds that found something once, with what was wrong then: a device that waited for the head of
entries it had, while the relay pushes heads only to those who have taken them up (428); one that
followed the log no more when its proof of the commons had lapsed before the next one came (508,
603); a rest that was none, with frames of a partition still under way (1953); a rest that was given
up before the next signed head, which a clock nearly a day ahead waits for (2028)."""


@pytest.mark.parametrize("seed", [*seeds(plain=PLAIN, nightly=2000), *FOUND])
def test_every_text_is_on_every_screen_once_and_in_order(seed: int) -> None:
    outcome = run(seed)
    assert not outcome.violations, outcome.report()

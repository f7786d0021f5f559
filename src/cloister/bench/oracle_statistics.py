"""How far two sets of times are apart: Welch's t, with outliers cropped as dudect does it.

Of all samples, and of those below some quantiles of both sets together, the largest |t| counts
(Reparaz, Balasch, Verbauwhede: Dude, is my code constant time?, 2017).
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

THRESHOLD: Final = 4.5
"""|t| above which two sets differ; by chance it is passed once in 150,000 comparisons."""
QUANTILES: Final = (1.0, 0.99, 0.95, 0.9, 0.75, 0.5)


@dataclass(frozen=True, slots=True)
class Distance:
    """``quantile``: at which |t| is largest; ``difference_us``: of the means there."""

    t: float
    quantile: float
    difference_us: float

    @property
    def is_told(self) -> bool:
        """Whether the two differ."""
        return abs(self.t) > THRESHOLD


def welch(one: Sequence[int], other: Sequence[int]) -> float:
    """Return Welch's t of two samples: positive when ``one`` is larger."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    difference = statistics.fmean(one) - statistics.fmean(other)
    return difference / spread**0.5 if spread else 0.0


def distance(known: Sequence[int], unknown: Sequence[int]) -> Distance:
    """Compare two sets of times (ns) of at least two each."""
    both = sorted((*known, *unknown))
    found: list[Distance] = []
    for quantile in QUANTILES:
        most = both[int(len(both) * quantile) - 1]
        kept = [[one for one in side if one <= most] for side in (known, unknown)]
        if min(map(len, kept)) > 1:
            difference = (statistics.fmean(kept[0]) - statistics.fmean(kept[1])) / 1000
            found.append(Distance(round(welch(*kept), 2), quantile, round(difference, 3)))
    return max(found, key=lambda one: abs(one.t))

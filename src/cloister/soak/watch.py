"""Memory and open files of every process over its life: does anything grow without end?"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cloister.soak.circle import Circle
from cloister.soak.nemesis import children_of

LOOK_S: Final = 2.0
WARM_UP_S: Final = 60.0
"""What a process loads and fills in the beginning is no trend."""
JUDGED_S: Final = 1800.0
"""Lives shorter than this show no trend worth a verdict."""
MOST_MIB_PER_H: Final = 1.0
MOST_FILES_PER_H: Final = 1.0


@dataclass(slots=True)
class Life:
    """What was seen of one process, by its number."""

    name: str
    pid: int
    samples: list[tuple[float, float, int]] = field(default_factory=list)
    """(s, resident MiB, open files)"""

    @property
    def seconds(self) -> float:
        """How long it was watched after its warm-up."""
        warm = self._warm()
        return warm[-1][0] - warm[0][0] if len(warm) > 1 else 0.0

    def trends(self) -> tuple[float, float]:
        """Return the slopes of memory (MiB/h) and of open files (1/h)."""
        warm = self._warm()
        times = [one[0] for one in warm]
        return (
            3600 * slope(times, [one[1] for one in warm]),
            3600 * slope(times, [float(one[2]) for one in warm]),
        )

    def _warm(self) -> list[tuple[float, float, int]]:
        if not self.samples:
            return []
        first = self.samples[0][0]
        return [one for one in self.samples if one[0] - first >= WARM_UP_S]


def slope(times: Sequence[float], values: Sequence[float]) -> float:
    """Return the slope of the line through the points, least squares; 0 for fewer than two."""
    count = len(times)
    if count < 2:
        return 0.0
    mean_time, mean_value = sum(times) / count, sum(values) / count
    spread = sum((time - mean_time) ** 2 for time in times)
    if spread == 0:
        return 0.0
    products = zip(times, values, strict=True)
    return sum((time - mean_time) * (value - mean_value) for time, value in products) / spread


@dataclass(slots=True)
class Watch:
    """Looks at all processes until cancelled."""

    circle: Circle
    lives: dict[int, Life] = field(default_factory=dict)

    async def run(self) -> None:
        """Look now and then."""
        loop = asyncio.get_running_loop()
        while True:
            self.look(loop.time())
            await asyncio.sleep(LOOK_S)

    def look(self, now: float) -> None:
        """Take one sample of every process."""
        for name, child in self.circle.children.items():
            pid = child.pid
            if pid is None:
                continue
            for place, one in enumerate((pid, *children_of(pid))):
                seen = look_at(one)
                if seen is not None:
                    label = name if place == 0 else f"{name} vault"
                    life = self.lives.setdefault(one, Life(label, one))
                    life.samples.append((now, *seen))

    def newest(self) -> list[Life]:
        """Return the newest life of each process."""
        found: dict[str, Life] = {}
        for life in self.lives.values():
            known = found.get(life.name)
            if life.samples and (known is None or life.samples[-1][0] >= known.samples[-1][0]):
                found[life.name] = life
        return [found[name] for name in sorted(found)]

    def growing(self) -> list[str]:
        """Say what grew in a life that was long enough to tell."""
        found = []
        for life in self.lives.values():
            if life.seconds < JUDGED_S:
                continue
            memory, files = life.trends()
            if memory > MOST_MIB_PER_H:
                found.append(f"{life.name} grew by {memory:.1f} MiB/h")
            if files > MOST_FILES_PER_H:
                found.append(f"{life.name} opened {files:.1f} files/h and did not close them")
        return found


def look_at(pid: int) -> tuple[float, int] | None:
    """Return resident MiB and open files of a process; ``None`` when it cannot be seen."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, files

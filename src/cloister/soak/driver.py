"""Runs a soak: stands the circle up, lets load and faults go on, and has the screens judged."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloister.client.effects import Message
from cloister.demo.children import LifeLine
from cloister.demo.driver import make_folder
from cloister.demo.folder import Folder
from cloister.soak.circle import Circle, prepare, stand_up
from cloister.soak.judge import Screens, Violation, judge
from cloister.soak.load import Load
from cloister.soak.nemesis import Nemesis
from cloister.soak.watch import Watch

PROGRESS_S: Final = 10.0
REST_S: Final = 240.0
"""How long the circle may take to come to rest after the last fault: stalled links are noticed
after two minutes."""
STEADY_LOOKS: Final = 3
REST_LOOK_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    minutes: float
    seed: int
    devices: int
    rate: float
    every_s: float
    keep: Path | None = None
    tell: Callable[[str], None] = lambda _line: None


async def run_soak(options: Options) -> dict[str, Any]:
    """Run it all; ``"ok"`` in the summary is the verdict.

    Raises ``DemoFailed`` when a process cannot be kept running.
    """
    root = make_folder(options.keep)
    life = LifeLine()
    circle = prepare(Folder(root), options.devices, life)
    try:
        options.tell(f"a circle of {options.devices} devices is set up; seed {options.seed}")
        await stand_up(circle, options.tell)
        return await _soak(circle, options)
    finally:
        children = circle.children.values()
        await asyncio.gather(*(child.stop(child.kill) for child in children))
        life.close()
        if options.keep is None:
            shutil.rmtree(root, ignore_errors=True)


async def _soak(circle: Circle, options: Options) -> dict[str, Any]:
    rng = random.Random(options.seed)
    load = Load(circle, options.rate, random.Random(rng.random()))
    nemesis = Nemesis(circle, options.every_s, random.Random(rng.random()), options.tell)
    watch = Watch(circle)
    began = time.monotonic()
    watching = asyncio.create_task(watch.run())
    harming = asyncio.create_task(nemesis.run())
    talking = asyncio.create_task(load.run())
    telling = asyncio.create_task(_tell(load, watch, options.tell))
    running = (harming, talking, telling, watching)
    try:
        end = began + options.minutes * 60
        await asyncio.wait(running, timeout=end - began, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            if task.done():
                task.result()  # it may not end by itself: this raises why it did
        harming.cancel()
        await asyncio.gather(harming, return_exceptions=True)
        options.tell("no more faults; the circle comes to rest")
        screens, rested_s = await _rest(circle, load, talking, options.tell)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    violations = judge(load.said, screens, circle.rooms, load.alarms)
    violations += [Violation("growing", one) for one in watch.growing()]
    return _summary(options, load, nemesis, watch, violations, rested_s)


async def _rest(
    circle: Circle, load: Load, talking: asyncio.Task[None], tell: Callable[[str], None]
) -> tuple[Screens, float]:
    """Stop talking, wait until no screen changes any more; return what they show."""
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    listening = Load(circle, 1.0, load.rng, load.said, load.alarms)
    hearing = [asyncio.create_task(listening.listen(person)) for person in circle.people]
    began = time.monotonic()
    try:
        before: dict[tuple[int, str], list[Message]] = {}
        steady = 0
        while steady < STEADY_LOOKS and time.monotonic() - began < REST_S:
            now = await _look(circle)
            missing = judge(load.said, now, circle.rooms)
            if missing:
                tell(f"not yet: {missing[0]} ({len(missing)} in all)")
            steady = steady + 1 if now == before and not missing else 0
            before = now
            await asyncio.sleep(REST_LOOK_S)
        return before, time.monotonic() - began
    finally:
        for task in hearing:
            task.cancel()
        await asyncio.gather(*hearing, return_exceptions=True)


async def _look(circle: Circle) -> dict[tuple[int, str], list[Message]]:
    found = {}
    for room, inside in circle.rooms.items():
        for number in inside:
            person = circle.people[number]
            found[number, room] = await person.ask(
                lambda person=person, room=room: person.rows(room, afresh=True)  # type: ignore[misc]
            )
    return found


async def _tell(load: Load, watch: Watch, tell: Callable[[str], None]) -> None:
    began = time.monotonic()
    while True:
        await asyncio.sleep(PROGRESS_S)
        seen = watch.newest()
        memory = sum(life.samples[-1][1] for life in seen)
        files = sum(life.samples[-1][2] for life in seen)
        tell(
            f"{time.monotonic() - began:6.0f} s  {len(load.said)} texts, {len(load.alarms)} alarms,"
            f" {len(seen)} processes with {memory:.0f} MiB and {files} files"
        )


def _summary(
    options: Options,
    load: Load,
    nemesis: Nemesis,
    watch: Watch,
    violations: list[Violation],
    rested_s: float,
) -> dict[str, Any]:
    return {
        "v": 1,
        "ok": not violations,
        "seed": options.seed,
        "minutes": options.minutes,
        "texts": len(load.said),
        "faults": dict(nemesis.done),
        "rested_s": round(rested_s, 1),
        "violations": [str(one) for one in violations],
        "processes": [
            {
                "name": life.name,
                "seconds": round(life.seconds),
                "rss_mib": round(life.samples[-1][1], 1),
                "rss_mib_per_h": round(life.trends()[0], 1),
                "files": life.samples[-1][2],
                "files_per_h": round(life.trends()[1], 1),
            }
            for life in watch.newest()
        ],
    }

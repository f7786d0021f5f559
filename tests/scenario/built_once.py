"""Circles that many tests begin with: built by the first that asks, copied for all others.

What a newcomer, a founder or a relay does on the way there is the subject of other tests, which
build their circles themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.testing.standing_circle import StandingCircle

Devices = TypeVar("Devices", bound=tuple[SimulatedDevice, ...])
Build = Callable[..., Coroutine[Any, Any, Devices]]


def built_once(
    build: Callable[..., Coroutine[Any, Any, Devices]],
) -> Callable[..., Coroutine[Any, Any, Devices]]:
    """Decorate a coroutine function that builds something in a new circle and returns devices.

    It is called once for each set of options, on a circle of its own.
    """
    built: dict[tuple[tuple[str, Any], ...], tuple[StandingCircle, list[int]]] = {}

    @functools.wraps(build)
    async def building(circle: SimulatedCircle, **options: Any) -> Devices:
        key = tuple(sorted(options.items()))
        if key not in built:
            first = SimulatedCircle()
            devices = await build(first, **options)
            built[key] = (StandingCircle(first), [first.devices.index(one) for one in devices])
        standing, places = built[key]
        await standing.go_on_in(circle)
        return tuple(circle.devices[place] for place in places)  # type: ignore[return-value]

    return building

"""A hostile relay: named lies, each a small change to what one device gets from its home.

    hostile = HostileRelay(circle, seed=7)
    hostile.against(ben, Drop(Item), Replay(Item))     # lies are told one after the other
    ...                                                # the circle goes on
    hostile.honest()                                   # and recovers

A lie sees each event on its way to the device and each request on its way from it, and says what
becomes of it: nothing, other events, more of them.  ``LIES`` names those that need no arguments,
so that a test can tell all of them to the same story.  Share relays lie by ``against_shares``, a
home to its mirror through ``SimulatedRelays.on_push``.

``silent_differences`` is the question that all of it is about: do two devices show different
things, and neither has said a word?
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from itertools import combinations
from typing import Final

from cloister.client.effects import Message
from cloister.testing.hostile_lies import (
    Delay,
    Drop,
    KeepInbox,
    Lie,
    Lose,
    OldKeyPackages,
    Redirect,
    Reorder,
    Replay,
)
from cloister.testing.hostile_log import Fork, RestartLog, RollBack
from cloister.testing.simulated_circle import (
    Hinder,
    SimulatedCircle,
    SimulatedDevice,
    Tamper,
    TamperShare,
)
from cloister.wire.commands import AnyRequest, Append, Put
from cloister.wire.events import AnyEvent, CommitItem, Entries, Event, Head, Item, Logged


class HostileRelay:
    """The home relay of a circle, as it lies to some of its devices."""

    def __init__(self, circle: SimulatedCircle, seed: int = 0) -> None:
        self._circle = circle
        self._rng = random.Random(seed)
        self._truth: dict[SimulatedDevice, tuple[Tamper, Hinder, TamperShare]] = {}

    def against(self, device: SimulatedDevice, *lies: Lie) -> None:
        """Lie to a device from now on, in the place of what it was told before."""
        for lie in lies:
            lie.rng = self._rng
        self._keep_truth(device)
        device.tamper = lambda event: _told(lies, event)
        device.hinder = lambda request: _taken(lies, request)

    def against_shares(self, device: SimulatedDevice, tamper: TamperShare) -> None:
        """Lie to the errands of a device, in the name of whichever share relay."""
        self._keep_truth(device)
        device.tamper_share = tamper

    def _keep_truth(self, device: SimulatedDevice) -> None:
        self._truth.setdefault(device, (device.tamper, device.hinder, device.tamper_share))

    def honest(self) -> None:
        """Tell everybody the truth again, over new connections."""
        for device, truth in self._truth.items():
            device.tamper, device.hinder, device.tamper_share = truth
            device.drop_link()
        self._truth = {}


def _told(lies: Iterable[Lie], event: AnyEvent) -> list[AnyEvent]:
    events = [event]
    for lie in lies:
        events = [told for one in events for told in lie.tell(one)]
    return events


def _taken(lies: Iterable[Lie], request: AnyRequest) -> list[AnyRequest | AnyEvent]:
    made: list[AnyRequest | AnyEvent] = [request]
    for lie in lies:
        # An answer that one lie has given is no business of the next.
        made = [
            other for one in made for other in ((one,) if isinstance(one, Event) else lie.take(one))
        ]
    return made


Make = Callable[[SimulatedCircle, SimulatedDevice], Lie]

LIES: Final[Mapping[str, Make]] = {
    "drops": lambda circle, device: Drop(rate=0.3),
    "drops messages": lambda circle, device: Drop(Item),
    "delays": lambda circle, device: Delay(),
    "replays": lambda circle, device: Replay(),
    "reorders": lambda circle, device: Reorder(),
    "redirects": lambda circle, device: Redirect(),
    "rolls back": lambda circle, device: RollBack(device),
    "rolls the log back": lambda circle, device: RollBack(device, by=2),
    "forks": lambda circle, device: Fork(circle, device, colludes=False),
    "withholds commits": lambda circle, device: Drop(CommitItem),
    "withholds the log": lambda circle, device: Drop(Logged, Entries, Head),
    "withholds the inbox": lambda circle, device: KeepInbox(),
    "answers old key packages": lambda circle, device: OldKeyPackages(),
    "restarts the log": lambda circle, device: RestartLog(circle, device, colludes=False),
    "takes and loses": lambda circle, device: Lose(Put, Append),
}
"""Lies to a member, by what the relay does."""


# --- what it is about -----------------------------------------------------------------------------


def silent_differences(circle: SimulatedCircle) -> list[str]:
    """Return where two members differ and neither was told.

    One is behind the other for as long as something is on its way, which is no difference: of two
    logs and two timelines, the shorter has to be a part of the longer.
    """
    members = [one for one in circle.devices if one.core.state.circle is not None]
    return [
        f"{one.name} and {other.name}: {what}"
        for one, other in combinations(members, 2)
        if not _has_said(one) and not _has_said(other)
        for what in _differences(one, other)
    ]


def _has_said(device: SimulatedDevice) -> bool:
    return any(alarm.code != "power" for alarm in device.alarms)


def _differences(one: SimulatedDevice, other: SimulatedDevice) -> Iterable[str]:
    first, second = one.core.state, other.core.state
    if first.roster is None or second.roster is None:
        return
    size = min(first.roster.size, second.roster.size)
    if first.root_at(size) != second.root_at(size):
        yield f"two logs of {size} entries"
    for channel_id in first.channels.keys() & second.channels.keys():
        for author in {one.name, other.name}:
            shown, theirs = (
                [row.text for row in _rows(device, channel_id) if row.sender_name == author]
                for device in (one, other)
            )
            if not (_is_part(shown, theirs) or _is_part(theirs, shown)):
                yield f"other messages of {author}: {shown} and {theirs}"


def _rows(device: SimulatedDevice, channel_id: bytes) -> list[Message]:
    rows = [row for row in device.messages.values() if row.channel_id == channel_id]
    return sorted(rows, key=lambda row: row.position)


def _is_part(some: list[str], more: list[str]) -> bool:
    return some == more[: len(some)] or some == more[len(more) - len(some) :]

"""The circle under load: two relays and some agents, set up by their own commands."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from cloister.demo import relays
from cloister.demo.children import Child, LifeLine
from cloister.demo.folder import Cast, Folder
from cloister.demo.person import Person
from cloister.demo.story import Story
from cloister.device.agent_client import RemoteDevice
from cloister.device.paths import socket_path

NAMES: Final = (
    "Anna", "Ben", "Cleo", "Dan", "Eve", "Finn", "Greta", "Hugo", "Ida", "Jon", "Kim", "Lea",
)  # fmt: skip
EVERYBODY: Final = "everybody"
PAIR: Final = "pair"

Tell = Callable[[str], None]


@dataclass(slots=True)
class Circle:
    """The running circle."""

    folder: Folder
    entry: Child
    home: Child
    people: list[Person]
    rooms: Mapping[str, tuple[int, ...]]
    """title -> numbers of the people in it"""

    @property
    def children(self) -> dict[str, Child]:
        """All processes by name."""
        found = {"entry": self.entry, "home": self.home}
        return found | {person.child.name: person.child for person in self.people}


def prepare(folder: Folder, devices: int, life: LifeLine) -> Circle:
    """Make the folders, and the processes that are not started yet."""
    folder.make(devices)
    people = [_person(folder, life, number, name) for number, name in enumerate(NAMES[:devices])]
    return Circle(
        folder,
        relays.relay_child(relays.ENTRY, folder, life),
        relays.relay_child(relays.HOME, folder, life),
        people,
        {EVERYBODY: tuple(range(devices)), PAIR: (0, 1)},
    )


def _person(folder: Folder, life: LifeLine, number: int, name: str) -> Person:
    passphrase = secrets.token_urlsafe(24).encode("ascii")
    profile = folder.profile(number)
    child = Child(
        f"device-{number}",
        ["agent", "run", "--json", "--profile", str(profile), "--passphrase-fd", "{fd}"],
        folder=folder,
        life=life,
        secret=passphrase,
    )
    return Person(number, name, RemoteDevice(socket_path(profile)), child)


async def stand_up(circle: Circle, tell: Tell) -> None:
    """Start everything, found the circle, let everybody in, open the conversations."""
    folder, people = circle.folder, circle.people
    code = await relays.set_up(folder)
    await asyncio.gather(*(child.start() for child in circle.children.values()))
    await relays.ready(relays.ENTRY, folder, circle.entry)
    await relays.ready(relays.HOME, folder, circle.home)
    names = tuple(person.name for person in people)
    cast = Cast(names, names, (), {title: title for title in circle.rooms}, ())
    story = Story(folder, cast, people, circle.home, lambda _line: None)
    cards = [(folder.relay(role) / "relay.card").read_bytes() for role in ("home", "entry")]
    await story.found(cards[0], cards[1], code)
    for number in range(1, len(people)):
        await story.let_in(number, 0, [0] if number < 3 else [0, 1])
        tell(f"{people[number].name} is in")
    for title, numbers in circle.rooms.items():
        await story.open(title, numbers)

"""The history checker: what was said, against what stands on every screen in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cloister.client.effects import Alarm, Message, MessageState
from cloister.soak.load import Fate, Said

Screens = Mapping[tuple[int, str], Sequence[Message]]
"""(person, conversation) -> the texts that this device shows, in its order."""

CAUSES = frozenset({"power"})
"""Alarms of a circle in which people act; none of these is about a message."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One promise that was broken, and how: lost, doubled, reordered, unexpected, alarmed."""

    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def judge(
    said: Sequence[Said],
    screens: Screens,
    rooms: Mapping[str, Sequence[int]],
    alarms: Sequence[tuple[int, Alarm]] = (),
) -> list[Violation]:
    """Return every broken promise.

    Every text that a vault accepted stands once on every screen of its conversation, each
    author's in the author's order, and all screens agree on the items' order.
    """
    found = [
        Violation("alarmed", f"device {number}: {alarm.code}, {alarm.text}")
        for number, alarm in alarms
        if alarm.code not in CAUSES
    ]
    for room, inside in rooms.items():
        here = [one for one in said if one.room == room]
        vaults = {number: _own(screens[number, room]) for number in inside}
        for number in inside:
            found.extend(_screen(number, room, here, screens[number, room], vaults))
        found.extend(_agree(room, inside, screens))
    return found


def _own(rows: Sequence[Message]) -> dict[str, Message]:
    """Return the first row of each text that the device itself has said: an hour has thousands."""
    own: dict[str, Message] = {}
    for row in rows:
        if row.own:
            own.setdefault(row.text, row)
    return own


def _screen(
    number: int,
    room: str,
    said: Sequence[Said],
    rows: Sequence[Message],
    vaults: Mapping[int, Mapping[str, Message]],
) -> Iterator[Violation]:
    where = f"on screen {number} of “{room}”"
    count = Counter(row.text for row in rows)
    for text, times in count.items():
        if times > 1:
            yield Violation("doubled", f"{text}, {times} times {where}")
    known = {one.text for one in said}
    for text in count:
        if text not in known:
            yield Violation("unexpected", f"{text} {where}")
    for one in said:
        in_vault = vaults[one.author].get(one.text)
        if one.fate is Fate.ACCEPTED and in_vault is None:
            yield Violation("lost", f"{one.text} from the vault that accepted it")
        elif in_vault is not None and in_vault.state is not MessageState.SENT:
            yield Violation("lost", f"{one.text} is {in_vault.state.name.lower()}")
        elif in_vault is not None and one.text not in count:
            yield Violation("lost", f"{one.text} {where}")
        elif in_vault is None and one.text in count:
            yield Violation("unexpected", f"{one.text} {where}, and in no author's vault")
    newest: dict[bytes, Message] = {}
    for row in rows:
        before = newest.get(row.sender)
        if before is not None and row.counter <= before.counter:
            yield Violation("reordered", f"{row.text} after {before.text} {where}")
        newest[row.sender] = row


def _agree(room: str, inside: Sequence[int], screens: Screens) -> Iterator[Violation]:
    """All devices have the same text at the same index, and others' texts stand by index."""
    items: dict[int, tuple[str, int]] = {}
    for number in inside:
        newest = -1
        for row in screens[number, room]:
            if row.state not in (MessageState.SENT, MessageState.RECEIVED):
                continue
            text, first = items.setdefault(row.n, (row.text, number))
            if text != row.text:
                yield Violation(
                    "reordered",
                    f"item {row.n} of “{room}” is {text} at {first} and {row.text} at {number}",
                )
            if not row.own:
                if row.n <= newest:
                    yield Violation("reordered", f"{row.text} on screen {number} of “{room}”")
                newest = row.n

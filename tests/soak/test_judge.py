"""The history checker of the soak: each kind of broken promise is named."""

from __future__ import annotations

import pytest

from cloister.client.effects import Alarm, Message, MessageKind, MessageState
from cloister.soak.judge import judge
from cloister.soak.load import Fate, Said
from cloister.soak.watch import Life, slope
from cloister.values import replace

ROOM = "room"
ROOMS = {ROOM: (0, 1)}
SAID = [
    Said(0, ROOM, "0/1", Fate.ACCEPTED),
    Said(1, ROOM, "1/1", Fate.ACCEPTED),
    Said(0, ROOM, "0/2", Fate.ACCEPTED),
]


def row(text: str, n: int, *, reader: int) -> Message:
    """Return a row as the reader's screen shows it."""
    author, counter = (int(one) for one in text.split("/"))
    own = author == reader
    return Message(
        channel_id=b"c",
        message_id=text.encode(),
        position=n + 1,
        sender=bytes([author]),
        sender_name=str(author),
        own=own,
        kind=MessageKind.TEXT,
        state=MessageState.SENT if own else MessageState.RECEIVED,
        counter=counter,
        n=n,
        at=0,
        text=text,
    )


def screens() -> dict[tuple[int, str], list[Message]]:
    """Return what both see when all is well."""
    order = ["0/1", "1/1", "0/2"]
    return {
        (reader, ROOM): [row(text, n, reader=reader) for n, text in enumerate(order)]
        for reader in ROOMS[ROOM]
    }


def kinds(shown: dict[tuple[int, str], list[Message]], said: list[Said] = SAID) -> set[str]:
    """Return the kinds of what is wrong."""
    return {one.kind for one in judge(said, shown, ROOMS)}


def test_a_history_in_which_all_is_well() -> None:
    assert judge(SAID, screens(), ROOMS) == []


@pytest.mark.parametrize("reader", [0, 1])
def test_a_text_that_is_nowhere_or_not_there_is_lost(reader: int) -> None:
    shown = screens()
    del shown[reader, ROOM][0]
    assert kinds(shown) & {"lost", "unexpected"}
    queued = screens()
    queued[0, ROOM][0] = replace(queued[0, ROOM][0], state=MessageState.QUEUED)
    assert kinds(queued) == {"lost"}


def test_a_text_that_is_there_twice_is_doubled() -> None:
    shown = screens()
    shown[1, ROOM].append(row("0/2", 3, reader=1))
    assert "doubled" in kinds(shown)


def test_texts_of_one_author_or_of_two_in_another_order_are_reordered() -> None:
    shown = screens()
    first, second, third = shown[1, ROOM]
    shown[1, ROOM] = [third, second, first]
    assert "reordered" in kinds(shown)
    shown[1, ROOM] = [replace(first, n=1), replace(second, n=0), third]
    assert "reordered" in kinds(shown)


def test_a_text_that_nobody_said_is_unexpected() -> None:
    shown = screens()
    shown[1, ROOM].append(row("0/9", 3, reader=1))
    assert "unexpected" in kinds(shown)


def test_a_text_whose_answer_was_lost_is_there_for_all_or_for_nobody() -> None:
    unknown = [*SAID, Said(0, ROOM, "0/3", Fate.UNKNOWN)]
    assert kinds(screens(), unknown) == set()
    everywhere = screens()
    for reader in ROOMS[ROOM]:
        everywhere[reader, ROOM].append(row("0/3", 3, reader=reader))
    assert kinds(everywhere, unknown) == set()
    half = screens()
    half[0, ROOM].append(row("0/3", 3, reader=0))
    assert kinds(half, unknown) == {"lost"}


def test_an_alarm_is_a_violation() -> None:
    alarm = Alarm(code="hole", text="number 3 is missing")
    assert [one.kind for one in judge(SAID, screens(), ROOMS, [(1, alarm)])] == ["alarmed"]


def test_a_trend_is_the_slope_after_the_warm_up() -> None:
    assert slope([0, 1, 2], [5, 7, 9]) == pytest.approx(2)
    assert slope([1], [5]) == slope([1, 1], [5, 6]) == 0
    samples = [(second, 100 + second / 36, 20) for second in range(0, 7200, 60)]
    memory, files = Life("home", 1, [(0, 50, 1), *samples]).trends()
    assert memory == pytest.approx(100)
    assert files == pytest.approx(0)

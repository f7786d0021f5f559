"""Groups of up to 64 members through loss, disorder, conflict, crash and restore.

After every step: members in one epoch agree, whoever is out reads nothing more, nothing is read
twice, no key that left was used twice, what is refused has changed nothing, and no secret that
RFC 9420 9.2 calls consumed is in any stored state.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from properties.mls_life import WITNESS, Device, Life, group_of
from unit.mls.members import ENTROPY

PICK = st.integers(0, 10_000)
MOST_AWAKE = 6


@pytest.fixture(autouse=True, scope="module")
def witness() -> Iterator[None]:
    with WITNESS.watching():
        yield


class GroupMachine(RuleBasedStateMachine):
    """One life."""

    def __init__(self) -> None:
        super().__init__()
        # hypothesis repeats beginnings of lives, and demands that they go on alike.
        self.before = ENTROPY.place
        ENTROPY.place = (b"a life", 0)

    @initialize(size=st.sampled_from([1, 2, 5, 17, 64]), picks=st.lists(PICK, max_size=3))
    def found(self, size: int, picks: list[int]) -> None:
        self.life = Life(size)
        for pick in picks:
            self.wake(pick)

    def choose(self, pick: int) -> Device:
        awake = self.life.awake()
        return awake[pick % len(awake)]

    def chosen_up_to_date(self, pick: int) -> Device | None:
        device = self.choose(pick)
        self.life.catch_up(device)
        return None if device.is_out else device

    @rule(pick=PICK)
    def wake(self, pick: int) -> None:
        asleep = self.life.asleep()
        if asleep and len(self.life.awake()) < MOST_AWAKE:
            self.life.wake(asleep[pick % len(asleep)])

    @rule(pick=PICK, adds=st.integers(0, 3), takes_up=st.booleans(), is_lost=st.booleans())
    def commit(self, pick: int, adds: int, takes_up: bool, is_lost: bool) -> None:
        device = self.chosen_up_to_date(pick)
        if device is None:
            return
        references = self.life.open_proposals(device) if takes_up else []
        made = self.life.stage(device, adds=adds, references=references)
        if is_lost:
            device.crash()
        else:
            assert self.life.submit(device, made)

    @rule(pick=PICK, other=PICK, adds=st.integers(0, 1))
    def two_commit_at_once(self, pick: int, other: int, adds: int) -> None:
        # In the order of choice: a set has another in every life.
        devices = dict.fromkeys((self.chosen_up_to_date(pick), self.chosen_up_to_date(other)))
        made = [(one, self.life.stage(one, adds=adds)) for one in devices if one is not None]
        accepted = [self.life.submit(one, staged) for one, staged in made]
        assert accepted == [number == 0 for number in range(len(made))]

    @rule(pick=PICK, victim=PICK)
    def remove(self, pick: int, victim: int) -> None:
        device = self.chosen_up_to_date(pick)
        if device is None:
            return
        group = group_of(device)
        others = [one.leaf_index for one in group.members() if one.leaf_index != group.own_leaf]
        if others:
            made = self.life.stage(device, removes=[others[victim % len(others)]])
            assert self.life.submit(device, made)

    @rule(pick=PICK, is_lost=st.booleans())
    def propose(self, pick: int, is_lost: bool) -> None:
        device = self.chosen_up_to_date(pick)
        if device is not None:
            self.life.propose_update(device, is_lost=is_lost)

    @rule(pick=PICK, are_lost=st.lists(st.booleans(), min_size=1, max_size=3))
    def say(self, pick: int, are_lost: list[bool]) -> None:
        for is_lost in are_lost:
            self.life.say(self.choose(pick), is_lost=is_lost)

    @precondition(lambda self: self.life.texts)
    @rule(pick=PICK, numbers=st.lists(PICK, min_size=1, max_size=4))
    def hear(self, pick: int, numbers: list[int]) -> None:
        device = self.choose(pick)
        for number in numbers:
            self.life.hear(device, number % len(self.life.texts))

    @precondition(lambda self: self.life.texts)
    @rule(pick=PICK, order=st.permutations(range(6)))
    def hear_this_epoch_in_disorder(self, pick: int, order: list[int]) -> None:
        device = self.choose(pick)
        epoch = group_of(device).epoch
        numbers = [n for n, text in enumerate(self.life.texts) if text.epoch == epoch][-6:]
        for position in order:
            if position < len(numbers):
                self.life.hear(device, numbers[position])
        for number in numbers:
            self.life.hear(device, number)  # every one is a repetition now

    @precondition(lambda self: self.life.texts and self.life.out())
    @rule(pick=PICK, number=PICK)
    def listen_from_outside(self, pick: int, number: int) -> None:
        out = self.life.out()
        device = out[pick % len(out)]
        text = self.life.texts[number % len(self.life.texts)]
        if text.epoch > group_of(device).epoch:
            self.life.refuse(device, text.message)
        for handshake in self.life.log[device.position :]:
            self.life.refuse(device, handshake.message)

    @precondition(lambda self: self.life.texts)
    @rule(pick=PICK, number=PICK, position=st.integers(-16, 400), bit=st.integers(0, 7))
    def damage(self, pick: int, number: int, position: int, bit: int) -> None:
        """At the end of a message the sender data still open, and the content does not."""
        message = bytearray(self.life.texts[-1 - number % len(self.life.texts)].message)
        message[position if position < len(message) else -1] ^= 1 << bit
        self.life.refuse(self.choose(pick), bytes(message))

    @rule(pick=PICK, steps=st.integers(1, 3))
    def follow(self, pick: int, steps: int) -> None:
        device = self.choose(pick)
        for _ in range(steps):
            if not device.is_out:
                self.life.follow(device)

    @rule(pick=PICK)
    def crash(self, pick: int) -> None:
        self.choose(pick).crash()

    @rule(pick=PICK)
    def back_up(self, pick: int) -> None:
        device = self.choose(pick)
        device.backups.append((device.position, device.disk))

    @rule(pick=PICK, backup=PICK)
    def restore(self, pick: int, backup: int) -> None:
        device = self.choose(pick)
        if device.backups:
            self.life.restore(device, backup % len(device.backups))

    def teardown(self) -> None:
        ENTROPY.place = self.before
        if hasattr(self, "life"):
            for device in self.life.awake():
                self.life.catch_up(device)
                self.life.check(device)


TestGroups = GroupMachine.TestCase
TestGroups.settings = settings(max_examples=15, stateful_step_count=25)

"""A story in which chance decides who does what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloister.mls import Add, GroupContextExtensions, Remove
from vectors.known_answers.generator.story import Story

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloister.mls import KeyPackageSecrets
    from cloister.mls.suite import Suite


def random_story(
    suite: Suite, *, epochs: int, most: int, purpose: str = "passive-client-random"
) -> Story:
    """A group of at most ``most`` members over some epochs; ``purpose`` seeds the chance."""
    story = Story(suite, purpose)
    listener = story.newcomer()
    added = story.commit(0, adds=[story.newcomer(), listener])
    story.begin_case(listener, added)
    for _ in range(epochs):
        Turn(story, most).play()
    return story


class Turn:
    """One epoch: some proposals, and a commit that takes them up and adds its own.

    Now and then the commit has no path, or comes from somebody new.
    """

    def __init__(self, story: Story, most: int) -> None:
        self.story = story
        self.room = most - len(story.members)
        self.committer = self.pick(story.speakers)
        self.touched = {self.committer}
        self.joining: list[KeyPackageSecrets] = []
        self.has_extensions = False

    def chance(self, one_in: int) -> bool:
        return self.story.draw.number(16) % one_in == 0

    def pick(self, choices: Sequence[int]) -> int:
        return choices[self.story.draw.number(16) % len(choices)]

    def untouched(self) -> list[int]:
        """The speakers that no proposal changes yet, as long as somebody is left to act."""
        return [leaf for leaf in self.story.speakers if leaf not in self.touched]

    def play(self) -> None:
        story = self.story
        if self.chance(9):
            self.join_from_outside()
            return
        for _ in range(story.draw.number(2)):
            self.propose()
        adds, removes, psks = [], [], []
        if self.room > 0 and self.chance(2):
            adds = [story.newcomer()]
        if self.touched == {self.committer} and not self.has_extensions and self.chance(4):
            psk_count = 0 if adds else 1
            story.commit_without_path(
                self.committer, adds=adds, psks=psk_count, joining=self.joining
            )
            return
        free = self.untouched()
        if len(free) > 1 and self.chance(3):
            removes = [self.pick(free)]
        if self.chance(5):
            psks = [story.new_psk()]
        extensions = None
        if not self.has_extensions and self.chance(6):
            extensions = [story.notice()]
        story.commit(
            self.committer,
            adds=adds,
            removes=removes,
            psks=psks,
            extensions=extensions,
            joining=self.joining,
            public=self.chance(3),
        )

    def join_from_outside(self) -> None:
        """Somebody new comes, or a member in a new form."""
        story = self.story
        if self.room > 0 and self.chance(2):
            story.join_from_outside()
        else:
            story.join_from_outside(replaces=self.pick(story.speakers), psks=[story.new_psk()])

    def propose(self) -> None:
        """Somebody proposes something that goes with what has been proposed already."""
        story, kind = self.story, self.story.draw.number(16) % 5
        public, by = self.chance(2), self.pick(story.speakers)
        free = self.untouched()
        if kind == 0 and self.room > 0:
            newcomer = story.newcomer()
            self.room -= 1
            self.joining.append(newcomer)
            story.propose(by, Add(key_package=newcomer.parsed()), public=public)
        elif kind == 1 and len(free) > 2:
            removed = self.pick(free)
            self.touched.add(removed)
            story.propose(by, Remove(removed=removed), public=public)
        elif kind == 2:
            story.propose(by, story.psk_proposal(), public=public)
        elif kind == 3 and not self.has_extensions:
            self.has_extensions = True
            body = GroupContextExtensions(extensions=(story.notice(),))
            story.propose(by, body, public=public)
        elif free:
            updating = self.pick(free)
            self.touched.add(updating)
            story.propose(updating, None, public=public)

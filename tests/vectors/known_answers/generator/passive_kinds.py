"""passive-client-welcome, -handling-commit, -random: groups as a listener follows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cloister.mls import Add, GroupContextExtensions, ReInit, Remove
from cloister.mls.registry import CipherSuite, ProtocolVersion
from vectors.known_answers.generator.random_story import random_story
from vectors.known_answers.generator.story import Story

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloister.mls.suite import Suite

SMALL = CipherSuite.X25519_AES128GCM_SHA256_ED25519
LARGE = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519


# With PSKs, with the tree inside the Welcome, for two joiners.
ALL_WAYS_IN = (
    (False, True, False),
    (True, False, False),
    (True, True, True),
    (False, False, True),
)
FEW_WAYS_IN = ((True, True, False), (False, False, True))
LARGE_WAYS_IN = ((True, False, False),)


def passive_welcome(suite: Suite) -> Iterator[dict[str, Any]]:
    """Joining: with and without PSKs, the tree inside and beside, with and without a path."""
    ways = {SMALL: ALL_WAYS_IN, LARGE: LARGE_WAYS_IN}.get(CipherSuite(suite.code), FEW_WAYS_IN)
    for number, (with_psks, tree_in_welcome, for_two) in enumerate(ways):
        story = Story(suite, f"passive-client-welcome {number}")
        story.commit(0, adds=[story.newcomer()])
        listener = story.newcomer()
        added = story.commit(
            1,
            adds=[story.newcomer(), listener] if for_two else [listener],
            psks=[story.new_psk(), story.new_psk()] if with_psks else [],
            tree_in_welcome=tree_in_welcome,
        )
        story.begin_case(listener, added, tree_in_welcome=tree_in_welcome)
        yield story.case()
    story = Story(suite, "passive-client-welcome without a path")
    listener = story.newcomer()
    added = story.commit_without_path(0, adds=[listener], psks=1)
    story.begin_case(listener, added)
    yield story.case()
    if suite.code == SMALL:
        yield _welcome_into_a_worn_tree(suite)


def _welcome_into_a_worn_tree(suite: Suite) -> dict[str, Any]:
    """The joiner takes a blank leaf; there are others, and unmerged leaves."""
    story = Story(suite, "passive-client-welcome worn")
    story.commit(0, adds=[story.newcomer() for _ in range(6)])
    for leaf in (1, 3, 5):
        story.commit(leaf)
    story.commit(6, removes=[1, 2, 4])
    story.commit(3)
    listener = story.newcomer()
    added = story.commit_without_path(5, adds=[listener, story.newcomer()])
    story.begin_case(listener, added)
    return story.case()


def passive_handling_commit(suite: Suite) -> Iterator[dict[str, Any]]:
    """Following commits of every sort."""
    for plot in ALL_PLOTS if suite.code == SMALL else FEW_PLOTS:
        story = Story(suite, plot.__name__, outsider=plot in OUTSIDER_PLOTS)
        plot(story)
        yield story.case()


def _enter(story: Story, others: int = 3) -> None:
    """A group of the founder, others, and a listener at the last leaf."""
    listener = story.newcomer()
    added = story.commit(0, adds=[*(story.newcomer() for _ in range(others)), listener])
    story.begin_case(listener, added)


def by_value(story: Story) -> None:
    """Adds and Removes in one commit, which is private, and a commit of nothing."""
    _enter(story)
    story.commit(1, adds=[story.newcomer(), story.newcomer()], removes=[2])
    story.commit(3)


def by_reference(story: Story) -> None:
    """An Update, an Add and a Remove of three members, proposed in both forms."""
    _enter(story)
    newcomer = story.newcomer()
    story.propose(1, None)
    story.propose(2, Add(key_package=newcomer.parsed()), public=True)
    story.propose(0, Remove(removed=2), public=True)
    story.commit(3, joining=[newcomer])
    story.propose(0, None, public=True)
    story.commit(1, public=True)


def by_both(story: Story) -> None:
    """Proposals by reference and by value in one commit; two Updates at once."""
    _enter(story, others=5)
    story.propose(1, None, public=True)
    story.propose(4, None)
    story.propose(2, story.psk_proposal())
    story.commit(3, adds=[story.newcomer()], removes=[2], psks=[story.new_psk()])
    story.commit(0, public=True)


def context_extensions(story: Story) -> None:
    """The group's extensions change by value, by reference, together with an Add."""
    _enter(story, others=2)
    story.commit(1, extensions=[story.notice()])
    newcomer = story.newcomer()
    story.propose(2, GroupContextExtensions(extensions=(story.notice(), story.external_senders())))
    story.propose(2, Add(key_package=newcomer.parsed()))
    story.commit(0, joining=[newcomer])
    story.commit(2, extensions=[], public=True)


def shared_keys(story: Story) -> None:
    """External PSKs and resumption PSKs of epochs in which the listener was there."""
    _enter(story, others=2)
    first = story.members[0].epoch
    story.commit(2, psks=[story.new_psk(), story.new_psk()])
    story.propose(1, story.psk_proposal(), public=True)
    story.commit(0, resumption_epochs=[first, first + 1], public=True)


def without_path(story: Story) -> None:
    """Commits without a path leave unmerged leaves, which paths then encrypt to one by one."""
    _enter(story)
    story.commit(2)
    story.commit_without_path(1, adds=[story.newcomer(), story.newcomer()], psks=1)
    newcomer = story.newcomer()
    story.propose(2, Add(key_package=newcomer.parsed()))
    story.commit_without_path(5, public=True, joining=[newcomer])
    story.commit(0)
    story.commit_without_path(3, psks=2)


def growing_and_shrinking(story: Story) -> None:
    """The tree is extended and truncated, and the listener's half runs empty."""
    _enter(story, others=4)
    story.commit(0, adds=[story.newcomer() for _ in range(4)])
    story.commit(8, removes=[0, 1, 2, 3])
    story.commit(6)
    story.commit(4, removes=[6, 7, 8])
    story.commit(4, adds=[story.newcomer()])


def from_outside(story: Story) -> None:
    """Proposals of an external sender, and of somebody who asks to be added."""
    _enter(story, others=2)
    story.propose_from_outside(Remove(removed=2))
    newcomer = story.newcomer()
    story.propose_from_outside(Add(key_package=newcomer.parsed()))
    story.commit(1, joining=[newcomer])
    asked = story.ask_to_be_added()
    story.commit(0, joining=[asked], public=True)


def joining_from_outside(story: Story) -> None:
    """External commits: into a new leaf, with a PSK, in place of a former self."""
    _enter(story)
    story.join_from_outside()
    story.commit(5)
    story.join_from_outside(psks=[story.new_psk()], replaces=2)
    story.commit(1, removes=[5])


def the_end(story: Story) -> None:
    """A ReInit, after which nothing is sent."""
    _enter(story, others=1)
    story.commit(
        1,
        reinit=ReInit(
            group_id=b"what comes after",
            version=ProtocolVersion.MLS10,
            cipher_suite=story.suite.code,
            extensions=(story.notice(),),
        ),
    )


def small_group(story: Story) -> None:
    """Three members: an Update by reference, a Remove together with an Add and PSKs."""
    _enter(story, others=1)
    first = story.members[0].epoch
    story.propose(0, None)
    story.propose(1, story.psk_proposal(), public=True)
    story.commit(1, extensions=[story.notice()], resumption_epochs=[first])
    newcomer = story.newcomer()
    story.propose(1, Add(key_package=newcomer.parsed()))
    story.commit(0, removes=[1], joining=[newcomer], psks=[story.new_psk()], public=True)


def small_group_from_outside(story: Story) -> None:
    """Three members: one comes back with an external commit, after one without a path."""
    _enter(story, others=1)
    story.commit_without_path(1, psks=1)
    story.join_from_outside(replaces=1, psks=[story.new_psk()])


ALL_PLOTS: tuple[Callable[[Story], None], ...] = (
    by_value,
    by_reference,
    by_both,
    context_extensions,
    shared_keys,
    without_path,
    growing_and_shrinking,
    from_outside,
    joining_from_outside,
    the_end,
)
FEW_PLOTS = (small_group, small_group_from_outside)
OUTSIDER_PLOTS = {from_outside}


def passive_random(suite: Suite) -> Iterator[dict[str, Any]]:
    """A life of many epochs."""
    epochs, most = {SMALL: (24, 9), LARGE: (2, 3)}.get(CipherSuite(suite.code), (3, 5))
    yield random_story(suite, epochs=epochs, most=most).case()

"""Random lives of small groups: whatever happens, members agree and outsiders cannot read."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.codec import DecodeError
from cloister.mls import Group, MLSError
from cloister.mls.message import MLSMessage
from cloister.mls.ratchet_tree import RatchetTree
from counts import examples
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    agree,
    founder,
    group_of,
    join,
    package,
    take_commit,
    take_text,
)


@dataclass
class Life:
    """The members of one group by name, and those who are out with what they last knew."""

    members: dict[int, Group] = field(default_factory=lambda: {0: founder(CLASSICAL)})
    out: list[Group] = field(default_factory=list)
    born: int = 1

    def commit(self, by: int, adds: int, removes: set[int]) -> None:
        names = sorted(self.members)
        author = names[by % len(names)]
        gone = {names[n % len(names)] for n in removes} - {author}
        packages = [package(f"{self.born + n}", CLASSICAL) for n in range(adds)]
        staged = self.members[author].commit(
            adds=[one.key_package for one in packages],
            removes=sorted(self.members[name].own_leaf for name in gone),
            now=NOW,
            entropy=ENTROPY,
        )
        for name in names:
            group = self.members.pop(name)
            if name in gone:
                received = group.process(staged.message, now=NOW)
                assert received.next is None
                self.out.append(group)
            elif name == author:
                self.members[name] = staged.next
            else:
                self.members[name] = take_commit(group, staged.message)
        for one in packages:
            self.members[self.born] = join(staged, one)
            self.born += 1

    def check(self) -> None:
        groups = list(self.members.values())
        assert agree(groups)
        assert len({group.own_leaf for group in groups}) == len(groups)
        assert len(groups[0].members()) == len(groups)
        tree = groups[0].state.tree
        assert RatchetTree.decode(tree.suite, tree.encode()).tree_hash() == tree.tree_hash()
        message, _ = groups[0].encrypt(b"secret", entropy=ENTROPY)
        for group in groups[1:]:
            assert take_text(group, message)[0] == b"secret"
        for group in self.out:
            with pytest.raises(MLSError):
                group.process(message, now=NOW)


STEPS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 3), st.sets(st.integers(0, 30), max_size=2)),
    min_size=1,
    max_size=8,
)


@given(STEPS)
@settings(max_examples=examples(25))
def test_members_agree_through_any_sequence_of_commits(
    steps: list[tuple[int, int, set[int]]],
) -> None:
    life = Life()
    for by, adds, removes in steps:
        life.commit(by, adds, removes)
        life.check()


SENDER, RECEIVER = group_of(2, CLASSICAL)
TEXT, _ = SENDER.encrypt(b"text", authenticated_data=b"data", entropy=ENTROPY)
COMMIT = add(SENDER, package("newcomer", CLASSICAL))
MATERIAL = (TEXT, COMMIT.message, COMMIT.welcome or b"")


@given(st.sampled_from(MATERIAL), st.integers(0, 10_000), st.integers(0, 255), st.integers(-3, 3))
@settings(max_examples=examples(300))
def test_whatever_decodes_re_encodes_and_whatever_does_not_is_refused(
    message: bytes, position: int, value: int, longer: int
) -> None:
    position %= len(message)
    changed = message[:position] + bytes([value]) + message[position + 1 :]
    changed = changed + b"\x00" * longer if longer > 0 else changed[: len(changed) + longer]
    try:
        decoded = MLSMessage.decode(changed)
    except DecodeError:
        pass
    else:
        assert decoded.encode() == changed
    if changed == message:
        return
    before = RECEIVER.encode()
    with pytest.raises(MLSError):
        RECEIVER.process(changed, now=NOW)
    assert RECEIVER.encode() == before


@given(st.binary(max_size=300))
@settings(max_examples=examples(200))
def test_arbitrary_bytes_raise_our_own_errors_only(data: bytes) -> None:
    with pytest.raises(MLSError):
        RECEIVER.process(data, now=NOW)
    with pytest.raises(MLSError):
        Group.decode(data)


@given(st.permutations(range(12)))
@settings(max_examples=examples(25))
def test_texts_of_one_epoch_arrive_in_any_order_each_once(order: list[int]) -> None:
    sender, receiver = SENDER, RECEIVER
    messages = []
    for number in range(12):
        message, sender = sender.encrypt(b"%d" % number, entropy=ENTROPY)
        messages.append(message)
    for number in order:
        text, receiver = take_text(receiver, messages[number])
        assert text == b"%d" % number
    for message in messages:
        with pytest.raises(MLSError):
            receiver.process(message, now=NOW)

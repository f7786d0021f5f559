"""External commits that succeed: join, resync, and that the product refuses them (12.4.3.2)."""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    CommitReceived,
    Group,
    Operations,
    RuleViolation,
    UnknownPsk,
    Unsupported,
    join_externally,
)
from cloister.mls.rules import Rule
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    NOW,
    agree,
    group_of,
    package,
    settle,
    take_text,
    update,
)

PSK = {b"shared": Secret(b"key")}


def follow(group: Group, message: bytes) -> CommitReceived:
    received = group.process(message, now=NOW, psks=PSK, allow=Operations.EXTERNAL_COMMIT)
    assert isinstance(received, CommitReceived)
    return received


@pytest.mark.parametrize("suite", list(CipherSuite))
@pytest.mark.parametrize("with_tree", [True, False], ids=["tree inside", "tree beside"])
def test_newcomer_adds_himself_and_talks(suite: CipherSuite, with_tree: bool) -> None:
    groups = group_of(3, suite)
    made = join_externally(
        groups[1].group_info(with_tree=with_tree),
        package("newcomer", suite),
        ratchet_tree=None if with_tree else groups[0].ratchet_tree(),
        external_psks=PSK,
        entropy=ENTROPY,
    )
    received = [follow(one, made.message) for one in groups]
    assert {(one.committer, one.is_external, one.removes) for one in received} == {(3, True, ())}
    following = [one.next for one in received if one.next is not None]
    assert agree([*following, made.next])
    text, newcomer = made.next.encrypt(b"here I am", entropy=ENTROPY)
    assert take_text(following[0], text)[0] == b"here I am"
    # And he has what it takes to follow, and to be followed.
    groups = settle([*following, newcomer], 0, update(following[0]))
    assert agree(settle(groups, 3, update(groups[3])))


def test_newcomer_takes_the_leftmost_blank_leaf_or_widens_the_tree() -> None:
    groups = group_of(4, CLASSICAL)
    made = join_externally(groups[0].group_info(), package("fifth", CLASSICAL), entropy=ENTROPY)
    assert made.next.own_leaf == 4
    assert made.next.state.tree.leaf_count == 8
    groups = settle(
        groups[:1] + groups[2:], 0, groups[0].commit(removes=[1], now=NOW, entropy=ENTROPY)
    )
    made = join_externally(groups[0].group_info(), package("again", CLASSICAL), entropy=ENTROPY)
    assert made.next.own_leaf == 1
    assert agree([made.next, *(follow(one, made.message).next for one in groups)])  # type: ignore[list-item]


def test_resync_replaces_a_former_self() -> None:
    groups = group_of(3, CLASSICAL)
    again = package("member 2", CLASSICAL, signature_seed=groups[2].state.signature_key.seed)
    made = join_externally(groups[0].group_info(), again, replaces=2, entropy=ENTROPY)
    received = follow(groups[0], made.message)
    assert [one.leaf_index for one in received.removes] == [2]
    assert received.next is not None
    assert agree([made.next, received.next])
    former = follow(groups[2], made.message)
    assert former.removed_self
    with pytest.raises(RuleViolation) as caught:
        join_externally(groups[0].group_info(), again, entropy=ENTROPY)
    assert caught.value.rule is Rule.UNIQUE_SIGNATURE_KEY


def test_members_who_do_not_allow_it_refuse() -> None:
    groups = group_of(2, CLASSICAL)
    made = join_externally(groups[0].group_info(), package("n", CLASSICAL), entropy=ENTROPY)
    before = groups[1].encode()
    for allow in (Operations.NONE, Operations.EXTERNAL_PROPOSAL | Operations.REINIT):
        with pytest.raises(Unsupported):
            groups[1].process(made.message, now=NOW, allow=allow)
    assert groups[1].encode() == before


def test_pre_shared_key_must_be_known() -> None:
    groups = group_of(2, CLASSICAL)
    made = join_externally(
        groups[0].group_info(), package("n", CLASSICAL), external_psks=PSK, entropy=ENTROPY
    )
    with pytest.raises(UnknownPsk):
        groups[1].process(made.message, now=NOW, allow=Operations.ALL)

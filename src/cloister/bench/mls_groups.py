"""Groups for the measurement: two members of one group, in a full tree and in a sparse one.

Full: all parent nodes are filled, as in a group whose members have all committed. Sparse: one
member has just added all others in one commit, the worst case for the next commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.mls import (
    ApplicationReceived,
    CipherSuite,
    CommitReceived,
    Group,
    KeyPackageSecrets,
    Lifetime,
    StagedCommit,
    basic_credential,
    make_key_package,
    open_welcome,
)
from cloister.mls.joining import take_place

SUITE: Final = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519
NOW: Final = 1_800_000_000
ENTROPY: Final = SystemEntropy()


@dataclass(frozen=True, slots=True)
class Pair:
    """Two members of one group in one epoch, and what the second joined from."""

    committer: Group
    joiner: Group
    welcome: bytes
    ratchet_tree: bytes
    secrets: KeyPackageSecrets


def package(name: int) -> KeyPackageSecrets:
    """A fresh KeyPackage."""
    return make_key_package(
        SUITE,
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"%d" % name),
        lifetime=Lifetime(not_before=NOW, not_after=NOW + 30 * 86_400),
        entropy=ENTROPY,
    )


def founder() -> Group:
    """A group of one."""
    return Group.create(
        SUITE,
        b"bench",
        signature_seed=Secret(ENTROPY.random(32)),
        credential=basic_credential(b"0"),
        entropy=ENTROPY,
    )


def add(group: Group, packages: Sequence[KeyPackageSecrets]) -> StagedCommit:
    """A commit that adds these; the tree goes beside the Welcome, as in the product."""
    return group.commit(
        adds=[one.key_package for one in packages],
        tree_in_welcome=False,
        now=NOW,
        entropy=ENTROPY,
    )


def welcome_of(staged: StagedCommit) -> bytes:
    """The Welcome of a commit that adds."""
    if staged.welcome is None:
        raise RuntimeError("a commit that adds has a Welcome")
    return staged.welcome


def next_of(received: object) -> Group:
    """The group after a message that was processed."""
    if isinstance(received, ApplicationReceived | CommitReceived) and received.next is not None:
        return received.next
    raise RuntimeError("the bench's own messages are valid")


def sparse_group(size: int) -> Pair:
    """One commit adds everybody."""
    packages = [package(number) for number in range(1, size)]
    staged = add(founder(), packages)
    welcome, tree = welcome_of(staged), staged.ratchet_tree
    joiner = open_welcome(welcome, packages[-1]).join(tree, now=NOW)
    return Pair(staged.next, joiner, welcome, tree, packages[-1])


def full_group(size: int) -> Pair:
    """Every second member commits once, adding the next two, so every parent node is filled."""
    group = founder()
    count = 1
    while True:
        packages = [package(count + n) for n in range(min(2, size - count))]
        staged = add(group, packages)
        count += len(packages)
        opened = open_welcome(welcome_of(staged), packages[-1])
        if count == size:
            tree = staged.ratchet_tree
            joiner = opened.join(tree, now=NOW)
            return Pair(staged.next, joiner, welcome_of(staged), tree, packages[-1])
        # The tree is our own a moment ago: checking it at each step would only cost time here.
        state, secret_tree = take_place(opened.opened, staged.next.state.tree)
        group = Group(state=state, secret_tree=secret_tree)


def with_a_member_far_away(group: Group, neighbour: Group) -> tuple[Group, Group, Group]:
    """Replace the member at leaf 1 by a newcomer, who commits: he is in the other half.

    Returns the three in one epoch, the tree as full as before. With two members there is no
    other half.
    """
    newcomer = package(1)
    staged = group.commit(
        removes=[1],
        adds=[newcomer.key_package],
        tree_in_welcome=False,
        now=NOW,
        entropy=ENTROPY,
    )
    far = open_welcome(welcome_of(staged), newcomer).join(staged.ratchet_tree, now=NOW)
    neighbour = next_of(neighbour.process(staged.message, now=NOW))
    update = far.commit(now=NOW, entropy=ENTROPY)
    group = next_of(staged.next.process(update.message, now=NOW))
    return group, next_of(neighbour.process(update.message, now=NOW)), update.next

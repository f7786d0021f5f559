"""Every place where a leaf can come into a group, and a lie told about it there.

The group requires an extension, a proposal and a credential type beyond those of the RFC, so that a
leaf can lack one of each. Of each there is another that all support and nothing requires.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import pytest

from cloister.crypto.scheme import SignatureKey
from cloister.crypto.secret import Secret
from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    KeyPackage,
    KeyPackageSecrets,
    Operations,
    RuleViolation,
)
from cloister.mls.extension import RequiredCapabilities
from cloister.mls.framing import Sender
from cloister.mls.leaf_node import Capabilities, LeafNode
from cloister.mls.proposal import Add, Proposal, ProposalBody, Update
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.registry import CredentialType, LeafNodeSource, SenderType
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf, resigned_package, send
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_tree import OwnedTree
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    founder,
    join,
    package,
    settle,
    take_commit,
    take_proposal,
    update,
)
from unit.mls.rules.ways_in import Host, Way

REQUIRED_EXTENSION, OTHER_EXTENSION = 0xF101, 0xF102
REQUIRED_PROPOSAL, OTHER_PROPOSAL = 0xF201, 0xF202
REQUIRED_CREDENTIAL, OTHER_CREDENTIAL = 0xF301, 0xF302
ABLE: Final = Capabilities(
    versions=(1,),
    cipher_suites=(CLASSICAL,),
    extensions=(CHECKPOINT, REQUIRED_EXTENSION, OTHER_EXTENSION),
    proposals=(REQUIRED_PROPOSAL, OTHER_PROPOSAL),
    credentials=(CredentialType.BASIC, REQUIRED_CREDENTIAL, OTHER_CREDENTIAL),
)


def requiring(
    extensions: tuple[int, ...], proposals: tuple[int, ...], credentials: tuple[int, ...]
) -> Extension:
    required = RequiredCapabilities(
        extension_types=extensions, proposal_types=proposals, credential_types=credentials
    )
    return Extension(extension_type=ExtensionType.REQUIRED_CAPABILITIES, data=required.encode())


USED: Final = Extension(extension_type=CHECKPOINT, data=b"")
CONTEXT: Final = (
    USED,
    requiring((REQUIRED_EXTENSION,), (REQUIRED_PROPOSAL,), (REQUIRED_CREDENTIAL,)),
)


def able_package(
    name: str, seed: Secret | None = None, capabilities: Capabilities = ABLE
) -> KeyPackageSecrets:
    secrets = package(name, CLASSICAL, signature_seed=seed)
    changed = resigned_package(
        secrets, leaf=lambda leaf: change_leaf(leaf, capabilities=capabilities)
    )
    return replace(secrets, key_package=changed.encode())


def _able_founder() -> Group:
    group = founder(CLASSICAL)
    state = group.state
    leaf = change_leaf(state.own_leaf_node, capabilities=ABLE)
    leaf = leaf.signed(state.suite, state.signature_key, b"", 0)
    tree = RatchetTree.of_one(state.suite, leaf)
    context = replace(state.context, tree_hash=tree.tree_hash(), extensions=CONTEXT)
    return replace(group, state=replace(state, tree=tree, context=context))


def _able_group(size: int) -> list[Group]:
    """All have committed once, so that there are parent nodes."""
    joiners = [able_package(f"member {n}") for n in range(1, size)]
    staged = add(_able_founder(), *joiners)
    groups = [staged.next, *(join(staged, one) for one in joiners)]
    for n in range(size):
        groups = settle(groups, n, update(groups[n]))
    return groups


GROUPS: Final = _able_group(4)
LIAR, VICTIM, PROPOSER, BYSTANDER = GROUPS
SUITE: Final = VICTIM.suite
JOINER: Final = able_package("joiner")
HOST: Final = Host.of(LIAR, JOINER, able_package("stranger"))
TREE: Final = OwnedTree.of(GROUPS).add(JOINER)


def honestly(leaf: LeafNode) -> LeafNode:
    return leaf


def sign(leaf: LeafNode, key: SignatureKey, group_id: bytes, index: int) -> LeafNode:
    return leaf.signed(SUITE, key, group_id, index)


@dataclass(frozen=True)
class Tale:
    """What is told about a leaf.

    Attributes:
        change: lies before the leaf is signed.
        seed: the signature key that the leaf has, and is signed with, if not one of its own.
        sign: signs it with its key, for the group and the place where it is to stand.
    """

    change: Callable[[LeafNode], LeafNode] = honestly
    seed: Secret | None = None
    sign: Callable[[LeafNode, SignatureKey, bytes, int], LeafNode] = sign

    def told(self, leaf: LeafNode, own: SignatureKey, index: int) -> LeafNode:
        """An honest leaf with the lie in it, signed."""
        key = own if self.seed is None else SUITE.signature_key(self.seed)
        changed = self.change(change_leaf(leaf, signature_key=key.public))
        return self.sign(changed, key, VICTIM.group_id, index)


TRUTH: Final = Tale()
Place = Callable[[Tale], object]


def newcomer(tale: Tale, secrets: KeyPackageSecrets | None = None) -> KeyPackage:
    secrets = secrets or able_package("newcomer", tale.seed)
    key = SUITE.signature_key(secrets.signature_key)
    return resigned_package(
        secrets,
        leaf=tale.change,
        change=lambda one: replace(one, leaf_node=tale.sign(one.leaf_node, key, b"", 0)),
    )


def updated(tale: Tale) -> LeafNode:
    """A leaf for an Update by the proposer."""
    state = PROPOSER.state
    leaf = change_leaf(
        state.own_leaf_node,
        encryption_key=SUITE.generate_key_pair(ENTROPY).public,
        source=LeafNodeSource.UPDATE,
        lifetime=None,
        parent_hash=b"",
    )
    return tale.told(leaf, state.signature_key, PROPOSER.own_leaf)


def _alone(body: ProposalBody) -> tuple[bytes, Group]:
    return take_proposal(VICTIM, send(PROPOSER, Proposal(body=body)))


def _by_reference(body: ProposalBody) -> Group:
    """The proposal has arrived; a commit refers to it. The victim is as the proposal left it."""
    message = send(PROPOSER, Proposal(body=body))
    _, victim = take_proposal(VICTIM, message)
    reference, liar = take_proposal(LIAR, message)
    before = victim.encode()
    try:
        return take_commit(victim, forge_commit(liar, [reference]))
    finally:
        assert victim.encode() == before


def add_alone(tale: Tale) -> object:
    return _alone(Add(key_package=newcomer(tale)))


def add_of_himself(tale: Tale) -> object:
    """A newcomer asks to be added (12.1.8)."""
    secrets = able_package("newcomer", tale.seed)
    message = send(
        LIAR,
        Proposal(body=Add(key_package=newcomer(tale, secrets))),
        public=True,
        sender=Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL),
        key=SUITE.signature_key(secrets.signature_key),
    )
    return VICTIM.process(message, now=NOW, allow=Operations.EXTERNAL_PROPOSAL)


def add_in_a_commit(tale: Tale) -> object:
    return take_commit(VICTIM, forge_commit(LIAR, [Add(key_package=newcomer(tale))]))


def add_by_reference(tale: Tale) -> object:
    return _by_reference(Add(key_package=newcomer(tale)))


def add_of_our_own(tale: Tale) -> object:
    """A KeyPackage that was fetched, before it is used."""
    return VICTIM.commit(adds=[newcomer(tale).encode()], now=NOW, entropy=ENTROPY)


def proposal_of_our_own(tale: Tale) -> object:
    return VICTIM.propose(Add(key_package=newcomer(tale)), now=NOW, entropy=ENTROPY)


def update_alone(tale: Tale) -> object:
    return _alone(Update(leaf_node=updated(tale)))


def update_by_reference(tale: Tale) -> object:
    return _by_reference(Update(leaf_node=updated(tale)))


def path_of_a_member(tale: Tale) -> object:
    state = LIAR.state
    how = Forgery(change_signed_leaf=lambda one: tale.told(one, state.signature_key, LIAR.own_leaf))
    return take_commit(VICTIM, forge_commit(LIAR, [], how))


def path_of_a_newcomer(tale: Tale) -> object:
    secrets = able_package("newcomer", tale.seed)
    key = SUITE.signature_key(secrets.signature_key)
    how = Forgery(change_signed_leaf=lambda one: tale.told(one, key, len(GROUPS)))
    message = forge_external_commit(LIAR, secrets, how=how)
    return VICTIM.process(message, now=NOW, allow=Operations.EXTERNAL_COMMIT)


def _seen(way: Way) -> Place:
    """The leaf of a KeyPackage in a tree that a joiner gets to see."""

    def place(tale: Tale) -> object:
        tree = TREE.edit(lambda draft: draft.add_leaf(newcomer(tale).leaf_node)).tree
        return HOST.lets_in(way, tree)

    place.__name__ = f"tree_{way.value.replace(' ', '_')}"
    return place


PATHS: Final[list[Place]] = [path_of_a_member, path_of_a_newcomer]
TREES: Final[list[Place]] = [_seen(way) for way in Way]
# Where a leaf is judged by itself: as soon as it shows.
AT_SIGHT: Final[list[Place]] = [
    add_alone,
    add_of_himself,
    add_in_a_commit,
    add_of_our_own,
    proposal_of_our_own,
    update_alone,
    *PATHS,
    *TREES,
]
# Where it is judged with all others: the proposals of one commit may still remove a member or
# change what the group requires, so a proposal that arrives alone is kept.
IN_COMPANY: Final[list[Place]] = [
    add_in_a_commit,
    add_by_reference,
    add_of_our_own,
    update_by_reference,
    *PATHS,
    *TREES,
]


def _name(value: object) -> str | None:
    return getattr(value, "__name__", None)


at_sight = pytest.mark.parametrize("place", AT_SIGHT, ids=_name)
in_company = pytest.mark.parametrize("place", IN_COMPANY, ids=_name)


def places(some: Sequence[Place]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("place", some, ids=_name)


@cache
def accepts_the_truth(place: Place) -> bool:
    return place(TRUTH) is not None


def refuses(rule: Rule, place: Place, tale: Tale) -> None:
    """Demand that the lie is refused for this rule and changes nothing, and the truth is not."""
    before = VICTIM.encode()
    with pytest.raises(RuleViolation) as caught:
        place(tale)
    assert caught.value.rule is rule
    assert rule.rule_id in str(caught.value)
    assert VICTIM.encode() == before
    assert accepts_the_truth(place)

"""What the checks behind the decoders cost on input made to be expensive, at half size and at full.

Twice the size should cost twice as much: a factor well above two is a door for whoever wants to
keep a device busy. Signatures are most of what is left, and nobody can do without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cloister.bench.codec_messages import ENTROPY, NOW, SUITE, make_package, settled
from cloister.crypto.secret import Secret
from cloister.mls import Group, MLSError, basic_credential
from cloister.mls.commit import Commit
from cloister.mls.framing import AuthenticatedContent, ContentAuth, member_content, sign
from cloister.mls.group_check import check_tree
from cloister.mls.leaf_node import LeafNode, make_capabilities
from cloister.mls.limits import MAX_LEAVES, MAX_PROPOSALS
from cloister.mls.private_message import seal_private_message
from cloister.mls.proposal import Add, PreSharedKey, Proposal, ProposalBody, ProposalOrRef
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.ratchet_tree import ParentNode, RatchetTree
from cloister.mls.registry import LeafNodeSource, PskType, WireFormat
from cloister.mls.suite import suite_of
from cloister.mls.tree_hash import check_unmerged_leaves
from cloister.mls.tree_math import leaves_below


@dataclass(frozen=True, slots=True)
class Check:
    """A check on hostile input of a size, twice: of half the largest size, and of the largest."""

    name: str
    half: Callable[[], object]
    full: Callable[[], object]


def hostile_checks() -> Iterator[Check]:
    """The checks that lists in hostile input could make expensive."""
    sizes = MAX_LEAVES // 2, MAX_LEAVES
    half, full = (tree_with_unmerged(size, only_root=True) for size in sizes)
    yield Check(
        "join: everybody unmerged at the root",
        _refused(partial(check_tree, half, b"", ())),
        _refused(partial(check_tree, full, b"", ())),
    )
    half, full = (tree_with_unmerged(size) for size in sizes)
    yield Check(
        "join: everybody unmerged everywhere",
        partial(check_unmerged_leaves, half),
        partial(check_unmerged_leaves, full),
    )
    attacker, victim = settled(2)
    names = [
        PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_nonce=n.to_bytes(32, "big"))
        for n in range(MAX_PROPOSALS)
    ]
    psks = {b"": Secret(b"known")}
    proposals: list[ProposalBody] = [PreSharedKey(psk=name) for name in names]
    yield _commits("commit: pre-shared keys", attacker, victim, proposals, psks)
    proposals = [Add(key_package=make_package(n).parsed()) for n in range(MAX_PROPOSALS)]
    yield _commits("commit: Adds, each with two signatures", attacker, victim, proposals, {})


def _refused(check: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        try:
            check()
        except MLSError:
            return
        raise RuntimeError("hostile input was accepted")

    return run


def _commits(
    name: str,
    attacker: Group,
    victim: Group,
    proposals: Sequence[ProposalBody],
    psks: Mapping[bytes, Secret],
) -> Check:
    def processing(count: int) -> Callable[[], None]:
        message = _signed_commit(attacker, proposals[:count])
        return _refused(partial(victim.process, message, now=NOW, psks=psks))

    return Check(name, processing(len(proposals) // 2), processing(len(proposals)))


def _signed_commit(group: Group, proposals: Sequence[ProposalBody]) -> bytes:
    """A commit without a path that is authentic but for its confirmation tag, checked last."""
    state = group.state
    commit = Commit(
        proposals=tuple(ProposalOrRef(proposal=Proposal(body=body)) for body in proposals),
        path=None,
    )
    content = member_content(group.group_id, group.epoch, group.own_leaf, b"", commit)
    wire_format = WireFormat.PRIVATE_MESSAGE
    signature = sign(state.suite, state.signature_key, wire_format, content, state.context.encode())
    key, _ = group.secret_tree.take_next(group.own_leaf, is_application=False)
    return seal_private_message(
        state.suite,
        AuthenticatedContent(
            wire_format=wire_format,
            content=content,
            auth=ContentAuth(signature=signature, confirmation_tag=bytes(32)),
        ),
        sender_data_secret=state.secrets.sender_data,
        key=key,
        pad_to=(),
        entropy=ENTROPY,
    )


def tree_with_unmerged(size: int, *, only_root: bool = False) -> RatchetTree:
    """A tree in which all leaves but the first are unmerged, at the root or at every node."""
    suite = suite_of(SUITE)
    parents = [size - 1] if only_root else range(1, 2 * size - 1, 2)
    nodes: list[LeafNode | ParentNode | None] = [None] * (2 * size - 1)
    for index in range(size):
        nodes[2 * index] = LeafNode(
            encryption_key=b"e" + index.to_bytes(31, "big"),
            signature_key=b"s" + index.to_bytes(31, "big"),
            credential=basic_credential(b"%d" % index),
            capabilities=make_capabilities(suite, ()),
            source=LeafNodeSource.COMMIT,
            parent_hash=bytes(32),
            signature=bytes(64),
        )
    for index in parents:
        nodes[index] = ParentNode(
            encryption_key=b"p" + index.to_bytes(31, "big"),
            parent_hash=b"",
            unmerged_leaves=tuple(leaf for leaf in leaves_below(index) if leaf),
        )
    return RatchetTree.decode(suite, RatchetTree(suite, nodes).encode())

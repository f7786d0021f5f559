"""Commits of an attacker that are right in everything but what an input changed.

They are signed and tagged with his keys after the change, so that they are accepted where no check
refuses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from cloister.codec import Reader
from cloister.errors import CloisterError, RemoteError
from cloister.mls import Group, KeyPackage
from cloister.mls.commit import Commit
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    Proposal,
    ProposalBody,
    ProposalOrRef,
)
from cloister.testing.forge import resigned_package
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.values import replace
from fuzz.targets.decoders import proposals, proposed
from fuzz.targets.edits import edited
from fuzz.targets.processing import process, target_of
from fuzz.targets.target import Finding, decoded
from fuzz.targets.world import world


def _commit(found: Sequence[ProposalBody | bytes], forgery: Forgery) -> None:
    """Let the victim process a commit of these proposals."""
    try:
        message = forge_commit(world().attacker, found, forgery)
    except (CloisterError, LookupError):
        return  # what is not signed cannot be, or the forger cannot apply it either
    received = process(message)
    if received is not None and received.next is not None:
        _check_next(received.next)


@cache
def proposal_lists() -> tuple[bytes, ...]:
    """Lists of proposals that a commit may have, by value and by reference."""
    add_one, _, remove, psk, _, reinit, *_ = proposals()
    extensions = Proposal(
        body=GroupContextExtensions(extensions=world().victim.group_context.extensions)
    )
    by_value = [
        [],
        [remove],
        [add_one],
        [extensions, remove, add_one],
        [psk],
        [reinit],
    ]
    entries = [[ProposalOrRef(proposal=one) for one in some] for some in by_value]
    waiting = [ProposalOrRef(reference=one) for one in world().references]
    entries += [*([one] for one in waiting), [*waiting, *entries[2]]]
    return tuple(b"".join(entry.encode() for entry in some) for some in entries)


def _listed(script: bytes) -> list[ProposalBody | bytes] | None:
    """A changed list of proposals, or None where it is none any more."""
    reader = Reader(edited(script, proposal_lists()))
    found: list[ProposalBody | bytes] = []
    try:
        while not reader.at_end:
            entry = ProposalOrRef.read(reader)
            found.append(entry.reference if entry.proposal is None else entry.proposal.body)
    except RemoteError:
        return None
    return found


def process_forged(script: bytes) -> None:
    """Change the list of proposals."""
    found = _listed(script)
    if found is not None:
        _commit(found, Forgery(public=bool(script) and script[0] >= 0x80))


def process_external_commit(script: bytes) -> None:
    """Change the list of proposals beside the ExternalInit of a newcomer's commit."""
    found = _listed(script)
    if found is None:
        return
    try:
        message = forge_external_commit(
            world().attacker, world().newcomer, lambda init: [init, *found]
        )
    except (CloisterError, LookupError):
        return
    received = process(message)
    if received is not None and received.next is not None:
        _check_next(received.next)


@cache
def own_leaves() -> tuple[bytes, ...]:
    """The leaf of the path of an update, as the attacker made it."""
    path = Commit.decode(world().commit(world().updating)).path
    if path is None:
        raise TypeError("an update has a path")
    return (path.leaf_node.encode(),)


def process_forged_leaf(script: bytes) -> None:
    """Change the leaf of the path but for its key and parent hash, which have to fit the path."""
    leaf = decoded(LeafNode.decode, edited(script, own_leaves()))
    if leaf is None:
        return
    changed = leaf

    def change(honest: LeafNode) -> LeafNode:
        return replace(
            changed,
            encryption_key=honest.encryption_key,
            parent_hash=honest.parent_hash if changed.source is honest.source else b"",
            signature=b"",
        )

    _commit((), Forgery(change_leaf=change))


@cache
def packages() -> tuple[bytes, ...]:
    """The KeyPackage of somebody who is to be added."""
    return (proposed().key_package,)


def process_forged_package(script: bytes) -> None:
    """Change a KeyPackage, sign leaf and all again with its own key, and commit to adding it."""
    package = decoded(KeyPackage.decode, edited(script, packages()))
    if package is None:
        return
    changed = package
    try:
        signed = resigned_package(
            proposed(),
            leaf=lambda honest: replace(
                changed.leaf_node, signature_key=honest.signature_key, signature=b""
            ),
            change=lambda honest: replace(changed, leaf_node=honest.leaf_node, signature=b""),
        )
    except CloisterError:
        return
    _commit([Add(key_package=signed)], Forgery())


def _check_next(group: Group) -> None:
    if group.epoch != world().victim.epoch + 1:
        raise Finding("an accepted commit leads to another epoch than the next")


FORGING = (
    target_of("process-forged-commit", process_forged, proposal_lists),
    target_of("process-external-commit", process_external_commit, proposal_lists),
    target_of("process-forged-leaf", process_forged_leaf, own_leaves),
    target_of("process-forged-package", process_forged_package, packages),
)

"""A member who sends anything at all, well encrypted and signed: only our own errors, no change.

The bytes are mutated below the encryption and the signature, so that they reach the decoders and
checks behind them, which bytes mutated on the wire never do.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.bench.mutation import mutate
from cloister.crypto.secret import Secret
from cloister.errors import RemoteError
from cloister.mls import Extension, Group, MLSError
from cloister.mls.commit import Commit
from cloister.mls.group_check import check_tree
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage, open_content, open_sender_data
from cloister.mls.proposal import Add, Proposal
from cloister.mls.ratchet_tree import RatchetTree
from cloister.testing.forge import send
from counts import examples
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    group_of,
    package,
    settle,
    update,
)

PSKS = {b"psk": Secret(b"key")}


def _settled() -> list[Group]:
    groups = group_of(5, CLASSICAL)
    for committer in range(5):
        groups = settle(groups, committer, update(groups[committer]))
    return groups


ATTACKER, VICTIM = _settled()[:2]
STAGED = ATTACKER.commit(
    adds=[package("added", CLASSICAL).key_package],
    removes=[3],
    extensions=[Extension(extension_type=CHECKPOINT, data=b"checkpoint")],
    external_psks=PSKS,
    now=NOW,
    entropy=ENTROPY,
)


def _opened_commit() -> bytes:
    body = MLSMessage.decode(STAGED.message).body
    assert isinstance(body, PrivateMessage)
    sender = open_sender_data(VICTIM.suite, VICTIM.state.secrets.sender_data, body)
    key, _ = VICTIM.secret_tree.take(0, sender.generation, is_application=False, now=NOW)
    commit = open_content(VICTIM.suite, body, sender, key).content.body
    assert isinstance(commit, Commit)
    return commit.encode()


COMMIT = _opened_commit()
PROPOSAL = Proposal(body=Add(key_package=package("proposed", CLASSICAL).parsed())).encode()
STATE = VICTIM.encode()
TREE = ATTACKER.ratchet_tree()


def _raw(kind: type[Commit | Proposal], encoding: bytes) -> Commit | Proposal:
    value = object.__new__(kind)
    object.__setattr__(value, "_encoded", encoding)
    return value


def _commit(data: bytes) -> None:
    message = send(ATTACKER, _raw(Commit, data), tag=bytes(32))
    VICTIM.process(message, now=NOW, psks=PSKS)


def _public_commit(data: bytes) -> None:
    message = send(ATTACKER, _raw(Commit, data), tag=bytes(32), public=True)
    VICTIM.process(message, now=NOW, psks=PSKS)


def _proposal(data: bytes) -> None:
    received = VICTIM.process(send(ATTACKER, _raw(Proposal, data)), now=NOW)
    assert received.next is not None
    assert Group.decode(received.next.encode()).encode() == received.next.encode()


def _tree(data: bytes) -> None:
    tree = RatchetTree.decode(ATTACKER.suite, data)
    assert tree.encode() == data
    check_tree(tree, ATTACKER.group_id, ATTACKER.extensions)


def _state(data: bytes) -> None:
    group = Group.decode(data)
    assert group.encode() == data
    group.process(STAGED.message, now=NOW, psks=PSKS)


@pytest.mark.parametrize(
    ("data", "use"),
    [
        (COMMIT, _commit),
        (COMMIT, _public_commit),
        (PROPOSAL, _proposal),
        (TREE, _tree),
        (STATE, _state),
    ],
    ids=["commit", "public commit", "proposal", "tree", "stored state"],
)
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=examples(300))
def test_mutated_structures_raise_our_own_errors_only_and_soon(
    data: bytes, use: Callable[[bytes], None], seed: int
) -> None:
    # Processor time: others use the machine too.
    started = time.process_time()
    with contextlib.suppress(RemoteError):
        use(mutate(data, seed))
    assert time.process_time() - started < 2
    assert VICTIM.encode() == STATE


def test_without_mutation_the_material_is_good() -> None:
    _proposal(PROPOSAL)
    _tree(TREE)
    _state(STATE)
    with pytest.raises(MLSError):
        _commit(COMMIT)  # but for its confirmation tag

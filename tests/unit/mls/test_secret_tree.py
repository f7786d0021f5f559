"""Deletion per RFC 9420 section 9.2, and what taking a key does and does not change."""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls.errors import ConsumedGeneration, Misuse
from cloister.mls.pending import PendingProposals
from cloister.mls.ratchet_records import Ratchets
from cloister.mls.registry import CipherSuite
from cloister.mls.secret_tree import MessageKey, SecretTree
from cloister.mls.suite import suite_of

SUITE = suite_of(CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519)
ROOT_SECRET = Secret(bytes(range(48)))
TAG = bytes(48)


def new(leaves: int = 8) -> SecretTree:
    return SecretTree.new(SUITE, leaves, ROOT_SECRET)


def records(tree: SecretTree) -> dict[bytes, bytes]:
    return Ratchets(TAG, tree, PendingProposals()).records()


def stored(tree: SecretTree) -> bytes:
    return b"".join(key + value for key, value in sorted(records(tree).items()))


def every_secret_on_the_way(leaf: int) -> list[bytes]:
    """The secrets 9.2 says are consumed by the first key of ``leaf``, derived independently."""
    found = [ROOT_SECRET]
    node, low, high = ROOT_SECRET, 0, 8
    while high - low > 1:
        middle = (low + high) // 2
        side = b"left" if leaf < middle else b"right"
        low, high = (low, middle) if leaf < middle else (middle, high)
        node = SUITE.expand_with_label(node, b"tree", side, 48)
        found.append(node)
    return [one.expose() for one in found]


@pytest.mark.parametrize("leaf", range(8))
def test_first_use_deletes_everything_above_the_leaf(leaf: int) -> None:
    key, tree = new().take(leaf, 0, is_application=True, now=0)
    chain = SUITE.expand_with_label(
        Secret(every_secret_on_the_way(leaf)[-1]), b"application", b"", 48
    )
    gone = [*every_secret_on_the_way(leaf), chain.expose(), key.key.expose(), key.nonce.expose()]
    kept = stored(tree)
    assert not [secret for secret in gone if secret in kept]
    assert ROOT_SECRET.expose() in stored(new())


def test_used_and_skipped_keys() -> None:
    tree = new()
    keys: list[MessageKey] = []
    for _ in range(5):
        key, tree = tree.take_next(3, is_application=True)
        keys.append(key)
    receiver = new()
    taken, receiver = receiver.take(3, 4, is_application=True, now=0)
    assert taken == keys[4]
    kept = stored(receiver)
    assert all(key.key.expose() in kept for key in keys[:4])
    assert keys[4].key.expose() not in kept
    taken, receiver = receiver.take(3, 1, is_application=True, now=0)
    assert taken == keys[1]
    assert keys[1].key.expose() not in stored(receiver)
    for generation in (1, 4):
        with pytest.raises(ConsumedGeneration):
            receiver.take(3, generation, is_application=True, now=0)


def test_all_leaves_opened_leaves_no_node_secret() -> None:
    tree = new()
    for leaf in (5, 0, 7, 1, 3, 2, 6, 4):
        _, tree = tree.take_next(leaf, is_application=False)
    assert not tree.nodes
    assert len(tree.senders) == 8


def test_order_of_opening_does_not_change_keys() -> None:
    forwards, backwards = new(), new()
    first: dict[int, MessageKey] = {}
    for leaf in range(8):
        first[leaf], forwards = forwards.take_next(leaf, is_application=True)
    for leaf in reversed(range(8)):
        key, backwards = backwards.take_next(leaf, is_application=True)
        assert key == first[leaf]
    assert stored(forwards) == stored(backwards)


def test_taking_a_key_changes_the_returned_tree_only() -> None:
    tree = new()
    before = stored(tree)
    key, following = tree.take_next(0, is_application=True)
    again, _ = tree.take_next(0, is_application=True)
    assert key == again
    assert stored(tree) == before != stored(following)


def test_handshake_and_application_chains_are_apart() -> None:
    one, tree = new().take_next(0, is_application=True)
    other, _ = tree.take_next(0, is_application=False)
    assert one.generation == other.generation == 0
    assert one.key != other.key
    assert one.nonce != other.nonce


def test_stored_form_is_canonical_and_complete() -> None:
    _, tree = new().take(6, 9, is_application=True, now=77)
    _, tree = tree.take_next(2, is_application=False)
    restored = Ratchets.restore(SUITE, TAG, records(tree)).secret_tree
    assert stored(restored) == stored(tree)
    key, _ = restored.take(6, 4, is_application=True, now=78)
    assert key == tree.take(6, 4, is_application=True, now=78)[0]


def test_leaf_outside_the_tree_is_misuse() -> None:
    for leaf in (-1, 8):
        with pytest.raises(Misuse):
            new().take_next(leaf, is_application=True)

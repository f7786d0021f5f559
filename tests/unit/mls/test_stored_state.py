"""The two stored parts of a group: small and large, canonical, and never mixed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cloister.codec import Writer
from cloister.crypto.secret import Secret
from cloister.mls import Extension, Group, KeyPackageSecrets, Malformed, MLSError
from cloister.mls.epoch import StoredEpoch
from cloister.mls.framing import AuthenticatedContent, ContentAuth, member_content
from cloister.mls.registry import WireFormat
from cloister.mls.secret_tree import SecretTree
from cloister.mls.stored_ratchets import StoredRatchets
from unit.mls.members import (
    CHECKPOINT,
    ENTROPY,
    NOW,
    agree,
    group_of,
    package,
    settle,
    take_commit,
    take_text,
    update,
)


def test_group_goes_on_from_its_stored_form() -> None:
    groups = group_of(4)
    for committer in range(4):
        extension = Extension(extension_type=CHECKPOINT, data=bytes([committer]))
        staged = groups[committer].commit(extensions=[extension], now=NOW, entropy=ENTROPY)
        groups = [Group.decode(group.encode()) for group in settle(groups, committer, staged)]
        assert agree(groups)
    message, sender = groups[2].encrypt(b"after restoring", entropy=ENTROPY)
    sender = Group.decode(sender.encode())
    text, receiver = take_text(groups[0], message)
    assert text == b"after restoring"
    receiver = Group.decode(receiver.encode())
    second, _ = sender.encrypt(b"next", entropy=ENTROPY)
    assert take_text(receiver, second)[0] == b"next"
    with pytest.raises(MLSError):
        receiver.process(message, now=NOW)


def test_encoding_is_canonical() -> None:
    for group in group_of(3):
        assert Group.decode(group.encode()).encode() == group.encode()


def test_parts_are_the_whole() -> None:
    group = group_of(3)[1]
    restored = Group.restore(group.epoch_state(), group.ratchet_state())
    assert restored.encode() == group.encode()


def test_a_message_changes_the_small_part_only() -> None:
    sender, receiver = group_of(2)
    epoch, ratchet = receiver.epoch_state(), receiver.ratchet_state()
    message, after = sender.encrypt(b"text", entropy=ENTROPY)
    _, receiver = take_text(receiver, message)
    assert receiver.epoch_state() == epoch
    assert receiver.ratchet_state() != ratchet
    assert after.epoch_state() == sender.epoch_state()
    assert after.ratchet_state() != sender.ratchet_state()


def test_the_small_part_stays_small_in_a_large_group() -> None:
    packages = [package(f"many {n}") for n in range(200)]
    founder = group_of(2)[0]
    staged = founder.commit(
        adds=[one.key_package for one in packages],
        tree_in_welcome=False,
        now=NOW,
        entropy=ENTROPY,
    )
    group = staged.next
    for _ in range(100):
        _, group = group.encrypt(b"text", entropy=ENTROPY)
    assert len(group.ratchet_state()) < 4096
    for leaf in range(8, 168, 8):  # twenty senders
        _, tree = group.secret_tree.take(leaf, 3, is_application=True, now=NOW)
        group = Group(state=group.state, secret_tree=tree)
    assert len(group.ratchet_state()) < 16_384
    assert len(group.epoch_state()) > 100_000


def test_parts_of_different_epochs_or_groups_do_not_go_together() -> None:
    groups = group_of(2)
    moved = settle(groups, 0, update(groups[0]))
    with pytest.raises(Malformed):
        Group.restore(moved[1].epoch_state(), groups[1].ratchet_state())
    with pytest.raises(Malformed):
        Group.restore(groups[1].epoch_state(), group_of(2)[1].ratchet_state())


def test_damaged_state_is_refused_without_other_errors() -> None:
    group = group_of(2)[0]
    data = group.encode()
    for length in range(0, len(data), 97):
        with pytest.raises(MLSError):
            Group.decode(data[:length])
    with pytest.raises(MLSError):
        Group.decode(data + b"\x00")
    for position in range(0, len(data), 13):
        broken = data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :]
        try:
            decoded = Group.decode(broken)
        except MLSError:
            continue
        assert decoded.encode() == broken


def test_other_versions_of_the_stored_form_are_refused() -> None:
    group = group_of(2)[0]
    epoch, ratchet = group.epoch_state(), group.ratchet_state()
    with pytest.raises(Malformed):
        Group.restore(b"\x01" + epoch[1:], ratchet)
    with pytest.raises(Malformed):
        Group.restore(epoch, b"\x01" + ratchet[1:])


def test_key_package_secrets_have_a_stored_form() -> None:
    secrets = package("stored")
    again = KeyPackageSecrets.decode(secrets.encode())
    assert again == secrets
    assert again.reference == secrets.reference
    assert secrets.init_key.expose().hex() not in repr(secrets)


def test_old_epochs_keys_are_not_in_the_state_of_the_next() -> None:
    groups = group_of(3)
    before = groups[1]
    after = take_commit(groups[1], update(groups[0]).message)
    data = after.encode()
    secrets = before.state.secrets
    gone = [secrets.init, secrets.exporter, secrets.sender_data, secrets.membership]
    gone += list(before.secret_tree.nodes.values())
    replaced = [n for n, key in before.state.private_keys.items() if n not in {2}]
    gone += [before.state.private_keys[node].seed for node in replaced]
    assert not [one for one in gone if one.expose() in data]


def _with_ratchets(group: Group, change: Callable[[StoredRatchets], StoredRatchets]) -> bytes:
    return change(StoredRatchets.decode(group.ratchet_state())).encode()


def test_stored_message_that_is_no_proposal_is_refused() -> None:
    group = group_of(2)[0]
    content = AuthenticatedContent(
        wire_format=WireFormat.PRIVATE_MESSAGE,
        content=member_content(group.group_id, group.epoch, 1, b"", b"text"),
        auth=ContentAuth(signature=b""),
    )
    broken = _with_ratchets(group, lambda one: replace(one, pending=(content.encode(),)))
    with pytest.raises(Malformed):
        Group.restore(group.epoch_state(), broken)


@pytest.mark.parametrize("nodes", [{}, {0: 1}, {1: 1, 0: 1}, {9: 1}, {3: 1}], ids=str)
def test_secret_tree_that_leaves_out_a_leaf_is_refused(nodes: dict[int, int]) -> None:
    """Looking for a secret above a leaf that has none would never end."""
    group = group_of(2)[0]
    secrets = {node: Secret(bytes(48)) for node in nodes}
    tree = SecretTree(group.suite, 2, secrets, {})
    writer = Writer()
    tree.write(writer)
    broken = _with_ratchets(group, lambda one: replace(one, secret_tree=writer.getvalue()))
    with pytest.raises(Malformed):
        Group.restore(group.epoch_state(), broken)


@pytest.mark.parametrize("leaf_count", [0, 1, 3, 4, 2**31])
def test_secret_tree_of_another_size_is_refused(leaf_count: int) -> None:
    group = group_of(2)[0]
    tree = SecretTree(group.suite, leaf_count, {max(leaf_count - 1, 0): Secret(bytes(48))}, {})
    writer = Writer()
    tree.write(writer)
    broken = _with_ratchets(group, lambda one: replace(one, secret_tree=writer.getvalue()))
    with pytest.raises(Malformed):
        Group.restore(group.epoch_state(), broken)


def test_epoch_state_that_names_no_member_as_its_own_is_refused() -> None:
    group = group_of(3)[0]
    stored = StoredEpoch.decode(group.epoch_state())
    short = Secret(bytes(31))
    for broken in (
        replace(stored, own_leaf=3),
        replace(stored, own_leaf=2**32 - 1),
        replace(stored, signature_seed=short),
        replace(stored, private_keys=(replace(stored.private_keys[0], seed=short),)),
    ):
        with pytest.raises(Malformed):
            Group.restore(broken.encode(), group.ratchet_state())


@pytest.mark.parametrize("order", [(0, 2), (2, 0), (0, 0)])
def test_stored_indices_have_one_order(order: tuple[int, int]) -> None:
    """Two encodings of one state would make comparing states meaningless."""
    group = group_of(2)[0]
    writer = Writer()
    writer.uint32(2)
    nodes = Writer()
    for node in order:
        nodes.uint32(node)
        nodes.opaque(bytes([node]) * 48)
    writer.opaque(nodes.getvalue())
    writer.opaque(b"")
    changed = _with_ratchets(group, lambda one: replace(one, secret_tree=writer.getvalue()))
    if order == (0, 2):
        assert Group.restore(group.epoch_state(), changed).ratchet_state() == changed
    else:
        with pytest.raises(Malformed):
            Group.restore(group.epoch_state(), changed)

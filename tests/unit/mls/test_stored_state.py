"""The two stored parts of a group: small and large, canonical, and never mixed up."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from itertools import pairwise

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Extension,
    Group,
    KeyPackageSecrets,
    Malformed,
    MLSError,
)
from cloister.mls.epoch import StoredEpoch
from cloister.mls.framing import AuthenticatedContent, ContentAuth, member_content
from cloister.mls.proposal import Proposal, Remove
from cloister.mls.ratchet_records import RecordKey, RecordKind, StoredHead
from cloister.mls.registry import WireFormat
from cloister.mls.stored_group import StoredGroup
from cloister.testing.forge import send
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    agree,
    group_of,
    package,
    settle,
    take_commit,
    take_proposal,
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
    restored = Group.restore(group.epoch_state(), group.ratchet_records())
    assert restored.encode() == group.encode()


def test_a_message_changes_the_small_part_only() -> None:
    sender, receiver = group_of(2)
    epoch, ratchet = receiver.epoch_state(), receiver.ratchet_records()
    message, after = sender.encrypt(b"text", entropy=ENTROPY)
    _, receiver = take_text(receiver, message)
    assert receiver.epoch_state() == epoch
    assert receiver.ratchet_records() != ratchet
    assert after.epoch_state() == sender.epoch_state()
    assert after.ratchet_records() != sender.ratchet_records()


def test_a_message_writes_little_in_a_large_group_whose_members_all_have_sent() -> None:
    packages = [package(f"many {n}") for n in range(200)]
    founder = group_of(2)[0]
    staged = founder.commit(
        adds=[one.key_package for one in packages],
        tree_in_welcome=False,
        now=NOW,
        entropy=ENTROPY,
    )
    group = staged.next
    assert size_of(group.ratchet_changes(founder)) < 1024
    for leaf in range(1, 190):
        for is_application in (False, True):
            _, tree = group.secret_tree.take(leaf, 65, is_application=is_application, now=NOW)
            group = Group(state=group.state, secret_tree=tree)
    assert len(group.epoch_state()) > 100_000
    assert size_of(group.ratchet_records()) > 1_000_000
    _, sent = group.encrypt(b"text", entropy=ENTROPY)
    assert size_of(sent.ratchet_changes(group)) < 1024
    _, tree = group.secret_tree.take(100, 66, is_application=True, now=NOW)
    assert size_of(Group(state=group.state, secret_tree=tree).ratchet_changes(group)) < 1024
    _, tree = group.secret_tree.take(200, 0, is_application=True, now=NOW)
    assert size_of(Group(state=group.state, secret_tree=tree).ratchet_changes(group)) < 1024


def size_of(changes: Mapping[bytes, bytes | None]) -> int:
    return sum(len(key) + len(value or b"") for key, value in changes.items())


def applied(before: Group | None, after: Group) -> dict[bytes, bytes]:
    """The records of ``before`` with the changes that lead to ``after``."""
    records = {} if before is None else before.ratchet_records()
    for key, value in after.ratchet_changes(before).items():
        if value is None:
            del records[key]  # what is deleted was there
        else:
            records[key] = value
    return records


def test_changes_lead_from_the_records_of_one_group_to_those_of_the_next() -> None:
    sender, receiver, third = group_of(3, CLASSICAL)
    steps = [receiver]
    messages = []
    for _ in range(5):
        message, sender = sender.encrypt(b"text", entropy=ENTROPY)
        messages.append(message)
    for number in (0, 3, 1, 4):  # ahead, a late one, on
        _, receiver = take_text(steps[-1], messages[number])
        steps.append(receiver)
    message, _ = third.encrypt(b"text", entropy=ENTROPY)
    steps.append(take_text(steps[-1], message)[1])
    steps.append(steps[-1].encrypt(b"text", entropy=ENTROPY)[1])
    proposal = send(third, Proposal(body=Remove(removed=0)))
    steps.append(take_proposal(steps[-1], proposal)[1])
    steps.append(take_commit(steps[-1], update(sender).message))
    assert applied(None, steps[0]) == steps[0].ratchet_records()
    for before, after in pairwise(steps):
        assert applied(before, after) == after.ratchet_records()
        restored = Group.restore(after.epoch_state(), after.ratchet_records())
        assert restored.encode() == after.encode()
        # A store may be ahead of memory only by a mistake; the way back is a way too.
        assert applied(after, before) == before.ratchet_records()


def test_consumed_keys_are_in_no_record() -> None:
    """RFC 9420 9.2: chain secrets passed, keys used, node secrets above a leaf in use."""
    sender, receiver = group_of(2, CLASSICAL)
    records = receiver.ratchet_records()
    gone = list(receiver.secret_tree.nodes.values())
    messages = []
    for _ in range(3):
        message, sender = sender.encrypt(b"text", entropy=ENTROPY)
        messages.append(message)
    for number in (0, 2, 1):
        before = receiver
        _, receiver = take_text(before, messages[number])
        for key, value in receiver.ratchet_changes(before).items():
            if value is None:
                del records[key]
            else:
                records[key] = value
        stored = b"".join(records.values())
        assert not [one for one in gone if one.expose() in stored]
        chain = receiver.secret_tree.senders[0].application
        gone += [chain.secret] if number == 0 else []
        gone += [one.message_key.key for one in chain.retained]
    assert len(gone) == 3


def test_parts_of_different_epochs_or_groups_do_not_go_together() -> None:
    groups = group_of(2)
    moved = settle(groups, 0, update(groups[0]))
    with pytest.raises(Malformed):
        Group.restore(moved[1].epoch_state(), groups[1].ratchet_records())
    with pytest.raises(Malformed):
        Group.restore(groups[1].epoch_state(), group_of(2)[1].ratchet_records())


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
    epoch, ratchet = group.epoch_state(), group.ratchet_records()
    with pytest.raises(Malformed):
        Group.restore(b"\x01" + epoch[1:], ratchet)
    with pytest.raises(Malformed):
        _restore(group, _head(group, version=1))


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


def _parsed(group: Group) -> dict[RecordKey, bytes]:
    return {RecordKey.decode(key): value for key, value in group.ratchet_records().items()}


def _restore(group: Group, records: Mapping[RecordKey, bytes]) -> Group:
    return Group.restore(
        group.epoch_state(), {key.encode(): value for key, value in records.items()}
    )


def _head(group: Group, **changes: object) -> dict[RecordKey, bytes]:
    records = _parsed(group)
    [key] = [one for one in records if one.kind is RecordKind.HEAD]
    head = StoredHead.decode(records[key])
    return records | {key: replace(head, **changes).encode()}  # type: ignore[arg-type]


def _talked() -> tuple[Group, Group]:
    """A receiver before and after a text for which he skipped two."""
    sender, receiver = group_of(2, CLASSICAL)
    for _ in range(3):
        message, sender = sender.encrypt(b"text", entropy=ENTROPY)
    return receiver, take_text(receiver, message)[1]


def test_stored_message_that_is_no_proposal_is_refused() -> None:
    group = group_of(2, CLASSICAL)[0]
    content = AuthenticatedContent(
        wire_format=WireFormat.PRIVATE_MESSAGE,
        content=member_content(group.group_id, group.epoch, 1, b"", b"text"),
        auth=ContentAuth(signature=b""),
    )
    with pytest.raises(Malformed):
        _restore(group, _head(group, pending=(content.encode(),)))


@pytest.mark.parametrize("nodes", [(), (0,), (1, 0), (9,), (3,)], ids=str)
def test_secret_tree_that_leaves_out_a_leaf_is_refused(nodes: tuple[int, ...]) -> None:
    """Looking for a secret above a leaf that has none would never end."""
    group = group_of(2, CLASSICAL)[0]
    records = {key: value for key, value in _parsed(group).items() if key.kind is RecordKind.HEAD}
    [head] = records
    for node in nodes:
        records[replace(head, kind=RecordKind.NODE, index=node)] = bytes(32)
    with pytest.raises(Malformed):
        _restore(group, records)


@pytest.mark.parametrize("leaf_count", [0, 1, 3, 4, 2**31])
def test_secret_tree_of_another_size_is_refused(leaf_count: int) -> None:
    group = group_of(2, CLASSICAL)[0]
    records = _head(group, leaf_count=leaf_count)
    [node] = [key for key in records if key.kind is RecordKind.NODE]
    records[replace(node, index=max(leaf_count - 1, 0))] = records.pop(node)
    with pytest.raises(Malformed):
        _restore(group, records)


def test_a_record_that_is_missing_or_of_another_state_is_refused() -> None:
    before, after = _talked()
    old, new = _parsed(before), _parsed(after)
    assert {one.kind for one in new} == set(RecordKind)
    for key, value in new.items():
        with pytest.raises(Malformed):
            _restore(after, {one: new[one] for one in new if one != key})
        with pytest.raises(MLSError):
            _restore(after, new | {key: value + b"\x00"})
    for key in old.keys() - new.keys():
        with pytest.raises(Malformed):
            _restore(after, new | {key: old[key]})
    assert old.keys() - new.keys()


def test_a_skipped_key_that_was_not_skipped_is_refused() -> None:
    _, after = _talked()
    records = _parsed(after)
    last = max(
        (one for one in records if one.kind is RecordKind.SKIPPED), key=lambda k: k.generation
    )
    records[replace(last, generation=3)] = records.pop(last)
    with pytest.raises(Malformed):
        _restore(after, records)


@pytest.mark.parametrize("unused", [{"chain": 1}, {"generation": 1}, {"chain": 2}], ids=str)
def test_a_record_has_one_key(unused: dict[str, int]) -> None:
    group = group_of(2, CLASSICAL)[0]
    records = _parsed(group)
    [node] = [key for key in records if key.kind is RecordKind.NODE]
    key = bytearray(node.encode())
    key[13] = unused.get("chain", 0)
    key[17] = unused.get("generation", 0)
    changed = {one.encode(): value for one, value in records.items() if one != node}
    with pytest.raises(MLSError):
        Group.restore(group.epoch_state(), {**changed, bytes(key): records[node]})


def test_a_whole_shows_no_secret_while_it_is_in_memory_and_is_not_pickled() -> None:
    _, group = _talked()
    stored = StoredGroup.decode(group.encode())
    secrets = (group.state.secrets.init, group.secret_tree.senders[0].application.secret)
    for secret in secrets:
        assert secret.expose() in stored.encode()
        assert repr(secret.expose())[2:-1] not in repr(stored)
    with pytest.raises(TypeError):
        pickle.dumps(stored)


def test_records_of_a_whole_have_one_order() -> None:
    """Two encodings of one state would make comparing states meaningless."""
    group = group_of(2, CLASSICAL)[0]
    stored = StoredGroup.decode(group.encode())
    assert stored.encode() == group.encode()
    for records in (stored.ratchet_records[::-1], stored.ratchet_records + stored.ratchet_records):
        with pytest.raises(Malformed):
            Group.decode(replace(stored, ratchet_records=records).encode())


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
            Group.restore(broken.encode(), group.ratchet_records())


def test_damaged_keys_are_found_when_a_group_is_restored_and_not_when_they_are_used() -> None:
    sender, group = group_of(2, CLASSICAL)
    _, sender = sender.encrypt(b"skipped", entropy=ENTROPY)
    text, _ = sender.encrypt(b"taken", entropy=ENTROPY)
    _, group = take_text(group, text)
    tree = group.secret_tree
    chain = tree.senders[0].application
    kept = chain.retained[0]
    short = Secret(b"short")
    for broken in (
        replace(chain, secret=short),
        replace(chain, retained=(replace(kept, message_key=replace(kept.message_key, key=short)),)),
        replace(
            chain, retained=(replace(kept, message_key=replace(kept.message_key, nonce=short)),)
        ),
    ):
        changed = replace(tree.senders[0], application=broken)
        damaged = replace(group, secret_tree=replace(tree, senders={**tree.senders, 0: changed}))
        with pytest.raises(Malformed):
            Group.decode(damaged.encode())


@pytest.mark.parametrize("scalar", [b"", bytes(32), b"\xff" * 32, bytes(33) + b"\x01"])
def test_scalars_out_of_range_are_no_private_keys(scalar: bytes) -> None:
    group = group_of(2, CipherSuite.P256_AES128GCM_SHA256_P256)[1]
    stored = StoredEpoch.decode(group.epoch_state())
    key = replace(stored.private_keys[0], seed=Secret(scalar))
    damaged = replace(stored, private_keys=(key, *stored.private_keys[1:]))
    with pytest.raises(Malformed):
        Group.restore(damaged.encode(), group.ratchet_records())


def test_a_public_key_that_was_damaged_in_the_vault_is_refused_as_malformed() -> None:
    group = group_of(2, CipherSuite.P256_AES128GCM_SHA256_P256)[0]
    leaf = group.state.tree.leaf(1)
    assert leaf is not None
    damaged = group.epoch_state().replace(leaf.encryption_key, bytes(len(leaf.encryption_key)))
    restored = Group.restore(damaged, group.ratchet_records())
    with pytest.raises(Malformed):
        restored.commit(now=NOW, entropy=ENTROPY)

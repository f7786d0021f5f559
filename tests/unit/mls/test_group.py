"""Positive flows: what honest members do works, and they agree."""

from __future__ import annotations

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    CommitReceived,
    ConsumedGeneration,
    Extension,
    Group,
    Misuse,
    NotForUs,
    OwnMessage,
    RuleViolation,
    TooFarAhead,
    Undecryptable,
    UnknownPsk,
    Unsupported,
    WrongEpoch,
    WrongGroup,
    basic_credential,
    make_key_package,
    open_welcome,
    suite_of,
)
from cloister.mls.limits import FORWARD_LIMIT, MAX_RETAINED_KEYS, RETAINED_KEY_LIFETIME_S
from cloister.mls.message import MLSMessage
from cloister.mls.private_message import PrivateMessage, open_sender_data
from cloister.mls.rules import Rule
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    LIFETIME,
    NOW,
    PRODUCT,
    add,
    agree,
    founder,
    group_of,
    join,
    package,
    settle,
    take_text,
    update,
    welcome_of,
)


def _generation(group: Group, message: bytes) -> int:
    body = MLSMessage.decode(message).body
    assert isinstance(body, PrivateMessage)
    return open_sender_data(group.suite, group.state.secrets.sender_data, body).generation


both_suites = pytest.mark.parametrize("suite", [CLASSICAL, PRODUCT], ids=["suite1", "product"])
every_suite = pytest.mark.parametrize(
    "suite", [*CipherSuite, 0x0008, 0x004E], ids=lambda suite: f"0x{suite:04x}"
)


@both_suites
def test_creator_is_alone_in_epoch_0(suite: int) -> None:
    group = founder(suite)
    assert (group.epoch, group.own_leaf, len(group.members())) == (0, 0, 1)
    assert group.members()[0].leaf.credential.data == b"member 0"
    moved = update(group).next
    assert moved.epoch == 1
    assert moved.epoch_authenticator != group.epoch_authenticator


@both_suites
@pytest.mark.parametrize("size", [2, 3, 5, 8, 9])
def test_all_added_in_one_commit_agree_and_can_each_commit(suite: int, size: int) -> None:
    groups = group_of(size, suite)
    assert agree(groups)
    assert [group.own_leaf for group in groups] == list(range(size))
    for committer in range(size):
        groups = settle(groups, committer, update(groups[committer]))
        assert agree(groups)


@every_suite
def test_members_added_one_by_one_agree(suite: int) -> None:
    groups = [founder(suite)]
    for number in range(6):
        secrets = package(f"late {number}", suite)
        committer = number % len(groups)
        staged = add(groups[committer], secrets)
        groups = [*settle(groups, committer, staged), join(staged, secrets)]
        assert agree(groups)
        assert groups[-1].own_leaf == number + 1


def test_tree_outside_the_welcome_gives_the_same_group() -> None:
    secrets = package("outside")
    staged = add(founder(), secrets, tree_in_welcome=False)
    opened = open_welcome(welcome_of(staged), secrets)
    with pytest.raises(RuleViolation) as caught:
        opened.join(None, now=NOW)
    assert caught.value.rule is Rule.MISSING_TREE
    assert agree([staged.next, opened.join(staged.ratchet_tree, now=NOW)])


def test_opened_welcome_exports_what_the_joined_group_exports() -> None:
    secrets = package("exporter")
    extension = Extension(extension_type=0xF200, data=b"where the tree is")
    staged = founder().commit(
        adds=[secrets.key_package], group_info_extensions=[extension], now=NOW, entropy=ENTROPY
    )
    opened = open_welcome(welcome_of(staged), secrets)
    assert extension in opened.extensions
    assert (opened.group_id, opened.epoch) == (b"the group", 1)
    exported = opened.export("Cloister tree", b"context", 32)
    assert exported == staged.next.export(b"Cloister tree", b"context", 32)
    assert exported == opened.join(None, now=NOW).export("Cloister tree", b"context", 32)
    assert exported != staged.next.export("Cloister tree", b"other", 32)


def test_removed_member_learns_it_and_can_follow_no_further() -> None:
    groups = group_of(4)
    staged = groups[0].commit(removes=[2], now=NOW, entropy=ENTROPY)
    told = groups[2].process(staged.message, now=NOW)
    assert isinstance(told, CommitReceived)
    assert told.removed_self
    assert told.next is None
    assert told.committer == 0
    assert [member.leaf_index for member in told.removes] == [2]
    assert told.removes[0].leaf.credential.data == b"member 2"
    rest = settle([groups[0], groups[1], groups[3]], 0, staged)
    assert agree(rest)
    message, _ = rest[0].encrypt(b"without you", entropy=ENTROPY)
    with pytest.raises(WrongEpoch):
        groups[2].process(message, now=NOW)
    later = update(rest[0])
    with pytest.raises(WrongEpoch):
        groups[2].process(later.message, now=NOW)


def test_freed_leaf_is_taken_by_the_next_member() -> None:
    groups = group_of(5)
    staged = groups[0].commit(removes=[1, 3], now=NOW, entropy=ENTROPY)
    groups = settle([groups[0], groups[2], groups[4]], 0, staged)
    secrets = package("again")
    staged = add(groups[1], secrets)
    groups = [*settle(groups, 1, staged), join(staged, secrets)]
    assert agree(groups)
    assert groups[-1].own_leaf == 1


def test_a_member_may_bring_extensions_of_his_leaf_and_of_his_key_package() -> None:
    own = (Extension(extension_type=CHECKPOINT, data=b"his leaf's"),)
    beside = (Extension(extension_type=CHECKPOINT + 1, data=b"his KeyPackage's"),)
    secrets = make_key_package(
        PRODUCT,
        signature_seed=suite_of(PRODUCT).generate_signature_seed(ENTROPY),
        credential=basic_credential(b"extended"),
        lifetime=LIFETIME,
        leaf_extensions=own,
        extensions=beside,
        entropy=ENTROPY,
    )
    assert secrets.parsed().extensions == beside
    staged = add(founder(), secrets)
    leaf = staged.next.state.tree.leaf(1)
    assert leaf is not None
    assert leaf.extensions == own
    assert {CHECKPOINT, CHECKPOINT + 1} <= set(leaf.capabilities.extensions)
    assert agree([staged.next, join(staged, secrets)])


def test_the_path_is_not_encrypted_to_a_newcomer_left_of_a_receiver() -> None:
    """Under a blank parent both stand in the resolution, and only the receiver has a ciphertext."""
    groups = group_of(4)
    staged = groups[0].commit(removes=[2], now=NOW, entropy=ENTROPY)
    first, second, fourth = settle([groups[0], groups[1], groups[3]], 0, staged)
    secrets = package("again")
    staged = add(first, secrets)
    groups = settle([first, second, fourth], 0, staged)
    assert agree([*groups, join(staged, secrets)])


def test_removing_the_right_half_shrinks_the_tree() -> None:
    groups = group_of(5)
    assert groups[0].state.tree.leaf_count == 8
    staged = groups[0].commit(removes=[4], now=NOW, entropy=ENTROPY)
    groups = settle(groups[:4], 0, staged)
    assert groups[0].state.tree.leaf_count == 4
    assert agree(groups)


def test_add_and_remove_in_one_commit() -> None:
    groups = group_of(3)
    secrets = package("replacement")
    staged = groups[1].commit(adds=[secrets.key_package], removes=[2], now=NOW, entropy=ENTROPY)
    received = groups[0].process(staged.message, now=NOW)
    assert isinstance(received, CommitReceived)
    assert received.committer == 1
    assert received.adds == (2,)
    assert [member.leaf_index for member in received.removes] == [2]
    assert received.next is not None
    assert agree([received.next, staged.next, join(staged, secrets)])
    told = groups[2].process(staged.message, now=NOW)
    assert isinstance(told, CommitReceived)
    assert (told.removed_self, told.committer, told.adds) == (True, 1, (2,))


def test_group_context_extensions_reach_everybody() -> None:
    groups = group_of(3)
    checkpoint = Extension(extension_type=CHECKPOINT, data=b"size and root")
    staged = groups[0].commit(extensions=[checkpoint], now=NOW, entropy=ENTROPY)
    groups = settle(groups, 0, staged)
    assert agree(groups)
    assert all(group.extensions == (checkpoint,) for group in groups)
    groups = settle(groups, 1, update(groups[1]))
    assert all(group.extensions == (checkpoint,) for group in groups)


def test_authenticated_data_of_a_commit_is_delivered() -> None:
    groups = group_of(2)
    staged = groups[0].commit(authenticated_data=b"an order", now=NOW, entropy=ENTROPY)
    received = groups[1].process(staged.message, now=NOW)
    assert isinstance(received, CommitReceived)
    assert received.authenticated_data == b"an order"


@every_suite
def test_messages_arrive_with_sender_and_authenticated_data(suite: int) -> None:
    groups = group_of(3, suite)
    message, groups[1] = groups[1].encrypt(
        b"hello", authenticated_data=b"readable", entropy=ENTROPY
    )
    received = groups[2].process(message, now=NOW)
    assert (received.sender, received.plaintext) == (1, b"hello")  # type: ignore[union-attr]
    assert received.authenticated_data == b"readable"


def test_own_echo_is_told_apart() -> None:
    groups = group_of(2)
    message, after = groups[0].encrypt(b"mine", entropy=ENTROPY)
    with pytest.raises(OwnMessage):
        after.process(message, now=NOW)
    with pytest.raises(OwnMessage):
        groups[0].process(update(groups[0]).message, now=NOW)


def test_messages_may_come_in_any_order_but_only_once() -> None:
    sender, receiver = group_of(2)
    messages = []
    for number in range(6):
        message, sender = sender.encrypt(b"%d" % number, entropy=ENTROPY)
        messages.append(message)
    for number in (3, 0, 5, 1, 4, 2):
        text, receiver = take_text(receiver, messages[number])
        assert text == b"%d" % number
    for message in messages:
        with pytest.raises(ConsumedGeneration):
            receiver.process(message, now=NOW)


def test_forward_limit_is_exact() -> None:
    sender, receiver = group_of(2)
    for _ in range(FORWARD_LIMIT):
        _, sender = sender.encrypt(b"", entropy=ENTROPY)
    last_allowed, sender = sender.encrypt(b"at the limit", entropy=ENTROPY)
    too_far, sender = sender.encrypt(b"beyond", entropy=ENTROPY)
    with pytest.raises(TooFarAhead):
        receiver.process(too_far, now=NOW)
    text, receiver = take_text(receiver, last_allowed)
    assert text == b"at the limit"
    assert take_text(receiver, too_far)[0] == b"beyond"


def test_skipped_keys_are_bounded_in_number_and_age() -> None:
    sender, receiver = group_of(2)
    messages = []
    for number in range(MAX_RETAINED_KEYS + 3):
        message, sender = sender.encrypt(b"%d" % number, entropy=ENTROPY)
        messages.append(message)
    _, receiver = take_text(receiver, messages[-1])
    with pytest.raises(ConsumedGeneration):
        receiver.process(messages[1], now=NOW)
    assert take_text(receiver, messages[2])[0] == b"2"
    receiver.process(messages[3], now=NOW + RETAINED_KEY_LIFETIME_S)
    with pytest.raises(ConsumedGeneration):
        receiver.process(messages[3], now=NOW + RETAINED_KEY_LIFETIME_S + 1)


def test_skipped_keys_of_who_has_fallen_silent_expire_too() -> None:
    """A relay that holds one message back must not keep its key in every vault for ever."""
    silent, receiver, talker, other = group_of(4, CLASSICAL)
    _, receiver = take_text(receiver, other.encrypt(b"once", entropy=ENTROPY)[0])
    held_back, silent = silent.encrypt(b"held back", entropy=ENTROPY)
    last, _ = silent.encrypt(b"last words", entropy=ENTROPY)
    _, receiver = take_text(receiver, last)
    (kept,) = receiver.secret_tree.senders[0].retained
    receiver = Group.decode(receiver.encode())
    for after_s in (RETAINED_KEY_LIFETIME_S, RETAINED_KEY_LIFETIME_S + 1):
        assert kept.message_key.key.expose() in receiver.encode()
        message, talker = talker.encrypt(b"later", entropy=ENTROPY)
        following = receiver.process(message, now=NOW + after_s).next
        assert following is not None
        changes = following.ratchet_changes(receiver)
        receiver = following
    # His record and the talker's are written again, and not those of all who ever sent.
    assert (len(changes), list(changes.values()).count(None)) == (3, 1)
    assert kept.message_key.key.expose() not in receiver.encode()
    with pytest.raises(ConsumedGeneration):
        receiver.process(held_back, now=NOW)


def test_message_of_another_epoch_or_group_is_told_apart() -> None:
    groups = group_of(2)
    message, _ = groups[0].encrypt(b"early", entropy=ENTROPY)
    moved = settle(groups, 0, update(groups[0]))
    with pytest.raises(WrongEpoch) as caught:
        moved[1].process(message, now=NOW)
    assert (caught.value.message_epoch, caught.value.group_epoch) == (1, 2)
    stranger = Group.create(
        PRODUCT,
        b"another group",
        signature_seed=Secret(bytes(32)),
        credential=groups[0].members()[0].leaf.credential,
        entropy=ENTROPY,
    )
    with pytest.raises(WrongGroup):
        stranger.process(message, now=NOW)


def test_a_loser_of_a_race_follows_the_winner_with_the_state_it_sent_from() -> None:
    groups = group_of(3)
    winner, loser = update(groups[0]), update(groups[1])
    after = settle([groups[0], loser.sent, groups[2]], 0, winner)
    assert agree(after)
    again = update(loser.sent)
    # A second commit in one epoch, should there be one, never shares a key with the first.
    assert [_generation(groups[2], one.message) for one in (loser, again)] == [0, 1]
    assert agree(settle(after, 1, update(after[1])))


def test_external_psk_is_needed_by_all() -> None:
    groups = group_of(3)
    psk = {b"shared": Secret(b"s3cret")}
    staged = groups[0].commit(external_psks=psk, now=NOW, entropy=ENTROPY)
    received = groups[1].process(staged.message, now=NOW, psks=psk)
    assert isinstance(received, CommitReceived)
    assert received.next is not None
    assert received.next.epoch_authenticator == staged.next.epoch_authenticator
    with pytest.raises(UnknownPsk):
        groups[2].process(staged.message, now=NOW)
    with pytest.raises(RuleViolation) as caught:
        groups[2].process(staged.message, now=NOW, psks={b"shared": Secret(b"wrong")})
    assert caught.value.rule is Rule.CONFIRMATION_TAG


def test_joiner_of_a_commit_with_psk_needs_it_too() -> None:
    secrets = package("psk joiner")
    psk = {b"shared": Secret(b"s3cret")}
    staged = founder().commit(
        adds=[secrets.key_package], external_psks=psk, now=NOW, entropy=ENTROPY
    )
    joined = open_welcome(welcome_of(staged), secrets, psk).join(None, now=NOW)
    assert agree([staged.next, joined])
    with pytest.raises(UnknownPsk):
        open_welcome(welcome_of(staged), secrets)
    with pytest.raises(Undecryptable):
        open_welcome(welcome_of(staged), secrets, {b"shared": Secret(b"wrong")})


def test_welcome_for_somebody_else_is_told_apart() -> None:
    staged = add(founder(), package("invited"))
    with pytest.raises(NotForUs):
        open_welcome(welcome_of(staged), package("stranger"))


def test_exporter_separates_labels_contexts_and_epochs() -> None:
    groups = group_of(2)
    first = groups[0].export("a", b"x", 48)
    assert first == groups[1].export("a", b"x", 48)
    others = [groups[0].export("b", b"x", 48), groups[0].export("a", b"y", 48)]
    others.append(update(groups[0]).next.export("a", b"x", 48))
    assert all(first != other for other in others)


def test_a_plan_that_breaks_a_rule_is_refused_before_anything_is_sent() -> None:
    group = group_of(2)[0]
    with pytest.raises(RuleViolation) as caught:
        group.commit(removes=[0], now=NOW, entropy=ENTROPY)
    assert caught.value.rule is Rule.COMMITTER_REMOVE
    with pytest.raises(RuleViolation) as caught:
        group.commit(removes=[7], now=NOW, entropy=ENTROPY)
    assert caught.value.rule is Rule.REMOVED_LEAF
    with pytest.raises(Misuse):
        group.commit(pad_to=[64], now=NOW, entropy=ENTROPY)


def test_group_is_not_created_with_extensions_its_creator_does_not_support() -> None:
    with pytest.raises(RuleViolation) as caught:
        founder(extensions=[Extension(extension_type=0xF300, data=b"")])
    assert caught.value.rule is Rule.CONTEXT_EXTENSIONS
    twice = [Extension(extension_type=CHECKPOINT, data=b"")] * 2
    with pytest.raises(RuleViolation) as caught:
        founder(extensions=twice)
    assert caught.value.rule is Rule.DUPLICATE_EXTENSION


def test_suite_that_is_not_there_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        founder(0x0A0A)


def test_group_does_not_grow_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    group = group_of(2)[0]
    monkeypatch.setattr("cloister.mls.leaf_check.MAX_LEAVES", 2)
    with pytest.raises(RuleViolation) as caught:
        add(group, package("one too many"))
    assert caught.value.rule is Rule.TREE_SIZE

"""Defects seen running in another implementation of MLS, each tried against this one.

The published vectors pass in spite of all of them: vectors prove arithmetic, not security.
"""

from __future__ import annotations

from operator import itemgetter

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    ConsumedGeneration,
    Lifetime,
    MLSError,
    RuleViolation,
    UnknownPsk,
    Unsupported,
    open_welcome,
)
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Add, ReInit
from cloister.mls.rules import Rule
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.values import replace
from unit.mls.members import (
    ENTROPY,
    NOW,
    add,
    agree,
    founder,
    group_of,
    package,
    settle,
    take_commit,
    take_text,
    update,
    welcome_of,
)


def test_defect_1_a_message_does_not_decrypt_twice() -> None:
    sender, receiver = group_of(2)
    message, _ = sender.encrypt(b"once", entropy=ENTROPY)
    _, receiver = take_text(receiver, message)
    with pytest.raises(ConsumedGeneration):
        receiver.process(message, now=NOW)


def test_defect_1_a_consumed_key_cannot_be_derived_from_the_state() -> None:
    sender, receiver = group_of(2)
    key, _ = sender.secret_tree.take_next(0, is_application=True)
    message, _ = sender.encrypt(b"once", entropy=ENTROPY)
    root = receiver.secret_tree.nodes[1]
    _, receiver = take_text(receiver, message)
    kept = receiver.encode()
    assert key.key.expose() not in kept
    assert root.expose() not in kept


def test_defect_2_application_messages_are_signed_and_the_signature_counts() -> None:
    from unit.mls.test_refused_messages import ALICE, BOB, CAROL, _from

    with pytest.raises(RuleViolation) as caught:
        BOB.process(_from(CAROL, ALICE.own_leaf), now=NOW)
    assert caught.value.rule is Rule.CONTENT_SIGNATURE


def test_defect_3_an_unknown_psk_is_never_replaced() -> None:
    groups = group_of(2)
    staged = groups[0].commit(external_psks={b"secret": Secret(b"k")}, now=NOW, entropy=ENTROPY)
    before = groups[1].encode()
    with pytest.raises(UnknownPsk):
        groups[1].process(staged.message, now=NOW)
    assert groups[1].encode() == before


def test_defect_4_every_commit_renews_the_committers_keys_and_is_accepted() -> None:
    groups = group_of(4)
    old = groups[0].state.own_leaf_node
    for staged in (
        update(groups[0]),
        groups[0].commit(removes=[3], now=NOW, entropy=ENTROPY),
        add(groups[0], package("renewing")),
    ):
        new = staged.next.state.own_leaf_node
        assert new.encryption_key != old.encryption_key
        assert new.signature != old.signature
        assert agree([staged.next, *(take_commit(one, staged.message) for one in groups[1:3])])


def test_defect_5_a_rejected_commit_blocks_and_changes_nothing() -> None:
    groups = group_of(3)
    before = groups[1].encode()
    forged = forge_commit(groups[0], [], Forgery(change_tag=lambda tag: bytes(len(tag))))
    with pytest.raises(RuleViolation):
        groups[1].process(forged, now=NOW)
    assert groups[1].encode() == before
    message, _ = groups[1].encrypt(b"I can still speak", entropy=ENTROPY)
    assert take_text(groups[2], message)[0] == b"I can still speak"
    # The genuine commit has the same sender, epoch and generation as the forged one.
    assert agree(settle(groups, 0, update(groups[0])))


def test_defect_6_group_info_of_another_member_is_not_accepted() -> None:
    from unit.mls.test_refused_joins import BASE, Remade

    with pytest.raises(RuleViolation) as caught:
        Remade(signer=BASE[3], signer_index=0).join()
    assert caught.value.rule is Rule.GROUP_INFO_SIGNATURE


def test_defect_6_the_whole_tree_is_checked_whoever_joins() -> None:
    secrets = package("joiner")
    staged = add(founder(), secrets, tree_in_welcome=False)
    other = add(founder(), package("elsewhere"), tree_in_welcome=False)
    with pytest.raises(RuleViolation) as caught:
        open_welcome(welcome_of(staged), secrets).join(other.ratchet_tree, now=NOW)
    assert caught.value.rule is Rule.TREE_HASH


def test_defect_7_expired_key_packages_are_refused_on_both_sides() -> None:
    expired = package("expired", lifetime=Lifetime(not_before=0, not_after=9))
    attacker, victim = group_of(2)
    with pytest.raises(RuleViolation) as caught:
        add(attacker, expired)
    assert caught.value.rule is Rule.LIFETIME
    with pytest.raises(RuleViolation) as caught:
        victim.process(forge_commit(attacker, [Add(key_package=expired.parsed())]), now=NOW)
    assert caught.value.rule is Rule.LIFETIME


def test_defect_8_trailing_bytes_are_refused_everywhere() -> None:
    sender, receiver = group_of(2)
    secrets = package("trailing")
    staged = add(sender, secrets)
    text, _ = sender.encrypt(b"text", entropy=ENTROPY)
    for message in (text, staged.message):
        with pytest.raises(MLSError):
            receiver.process(message + b"\x00", now=NOW)
    with pytest.raises(MLSError):
        open_welcome(welcome_of(staged) + b"\x00", secrets)
    with pytest.raises(MLSError):
        open_welcome(welcome_of(staged), replace(secrets, key_package=secrets.key_package + b"\0"))


def test_defect_9_secrets_show_in_no_representation() -> None:
    group = group_of(2)[0]
    shown = repr(group) + repr(group.state.secrets) + repr(group.secret_tree)
    for secret in (
        group.state.secrets.init,
        group.state.signature_key.seed,
        *group.secret_tree.nodes.values(),
        *(key.seed for key in group.state.private_keys.values()),
    ):
        assert secret.expose().hex() not in shown
        assert repr(secret.expose()) not in shown


def test_defect_10_reinit_does_not_change_the_old_group() -> None:
    attacker, victim = group_of(2)
    reinit = ReInit(group_id=b"new", version=1, cipher_suite=1, extensions=())
    before = victim.encode()
    with pytest.raises(Unsupported):
        victim.process(forge_commit(attacker, [reinit]), now=NOW)
    assert victim.encode() == before


def test_defect_10_an_add_of_a_present_key_is_an_error_not_a_silence() -> None:
    groups = group_of(2)
    again = package("again", signature_seed=groups[1].state.signature_key.seed)
    with pytest.raises(RuleViolation) as caught:
        add(groups[0], again)
    assert caught.value.rule is Rule.UNIQUE_SIGNATURE_KEY


def test_empty_authentication_code_is_not_a_prefix_match() -> None:
    """Seen in a further implementation: codes compared over the shorter of the two."""
    groups = group_of(2)
    for length in (0, 1, 47):
        forged = forge_commit(groups[0], [], Forgery(change_tag=itemgetter(slice(length))))
        with pytest.raises(RuleViolation) as caught:
            groups[1].process(forged, now=NOW)
        assert caught.value.rule is Rule.CONFIRMATION_TAG


def test_key_package_message_is_what_others_add() -> None:
    secrets = package("wire")
    message = MLSMessage(body=secrets.parsed()).encode()
    assert MLSMessage.decode(message).body == secrets.parsed()

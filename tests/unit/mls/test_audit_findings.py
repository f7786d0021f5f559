"""Findings of audits and advisories about other implementations, each tried against this one.

The name of a test begins with where the finding was published; what it was stands below. Faults of
a further implementation, seen by running it, are in test_known_defects.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from operator import itemgetter
from unittest.mock import patch

import pytest

from cloister.codec import DecodeError, Reader, Struct, encode_opaque
from cloister.crypto.errors import BadPublicKey
from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret
from cloister.mls import (
    ConsumedGeneration,
    Extension,
    ExtensionType,
    Group,
    KeyPackage,
    Malformed,
    MLSError,
    Remove,
    RuleViolation,
    WrongEpoch,
    join_externally,
    open_welcome,
)
from cloister.mls.extension import ExternalPub, ExternalSenders, RequiredCapabilities
from cloister.mls.joining import decrypt_welcome
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import GroupContextExtensions, Proposal
from cloister.mls.public_message import PublicMessage
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.rules import Rule
from cloister.mls.suite import suite_of
from cloister.testing.forge import change_leaf, send
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import (
    CLASSICAL,
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

ALICE, BOB, CAROL = group_of(3, CLASSICAL)


def refuses(rule: Rule, action: Callable[[], object]) -> None:
    with pytest.raises(RuleViolation) as caught:
        action()
    assert caught.value.rule is rule


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33])
def test_openmls_ghsa_8x3w_qj7j_gqhf_a_code_of_another_length_never_passes(length: int) -> None:
    """Codes were compared over the shorter of the two, so an empty one fitted."""
    change = itemgetter(slice(length)) if length < 32 else lambda tag: tag + b"\x00"
    forged = forge_commit(ALICE, [], Forgery(change_tag=change))
    refuses(Rule.CONFIRMATION_TAG, lambda: BOB.process(forged, now=NOW))
    body = MLSMessage.decode(send(ALICE, Proposal(body=Remove(removed=2)), public=True)).body
    assert isinstance(body, PublicMessage)
    assert body.membership_tag is not None
    changed = MLSMessage(body=replace(body, membership_tag=change(body.membership_tag))).encode()
    refuses(Rule.MEMBERSHIP_TAG, lambda: BOB.process(changed, now=NOW))


def test_openmls_ghsa_qr9h_x63w_vqfm_used_keys_are_gone_from_what_is_stored() -> None:
    """The secret tree was not stored, so that used keys came back with a restart."""
    message, sender = ALICE.encrypt(b"once", entropy=ENTROPY)
    _, receiver = take_text(BOB, message)
    with pytest.raises(ConsumedGeneration):
        Group.decode(receiver.encode()).process(message, now=NOW)
    second, _ = Group.decode(sender.encode()).encrypt(b"twice", entropy=ENTROPY)
    assert take_text(receiver, second)[0] == b"twice"


def _structures() -> list[tuple[type[Struct], bytes]]:
    staged = add(ALICE, package("cut", CLASSICAL))
    text, _ = ALICE.encrypt(b"cut", entropy=ENTROPY)
    public = send(ALICE, Proposal(body=Remove(removed=2)), public=True)
    return [
        (MLSMessage, staged.message),
        (MLSMessage, welcome_of(staged)),
        (MLSMessage, text),
        (MLSMessage, public),
        (MLSMessage, ALICE.group_info()),
        (KeyPackage, package("cut too", CLASSICAL).key_package),
    ]


def test_openmls_ghsa_rrmv_c79f_cf5r_no_decoder_reads_past_its_end() -> None:
    """A decoder trusted a length and went out of bounds."""
    for structure, data in _structures():
        for end in range(len(data)):
            with pytest.raises(DecodeError):
                structure.decode(data[:end])
    tree = ALICE.ratchet_tree()
    for end in range(len(tree)):
        with pytest.raises((DecodeError, RuleViolation)):
            RatchetTree.decode(ALICE.suite, tree[:end])


def test_openmls_1944_a_past_epoch_is_not_judged_by_todays_leaves() -> None:
    """Messages of past epochs were shown with the credential of the current one."""
    message, _ = ALICE.encrypt(b"late", entropy=ENTROPY)
    later = take_commit(BOB, update(CAROL).message)
    with pytest.raises(WrongEpoch):
        later.process(message, now=NOW)


def test_openmls_2143_a_group_info_counts_under_the_key_in_its_own_tree() -> None:
    """After a change of signature key the Welcome was signed with the old one."""
    secrets = package("joiner", CLASSICAL)
    alone = founder(CLASSICAL)
    staged = add(alone, secrets)
    group = staged.next
    opened = decrypt_welcome(welcome_of(staged), secrets, {}, {}, None)
    new_seed = Secret(ENTROPY.random(32))
    new_key = suite_of(CLASSICAL).signature_key(new_seed)
    leaf = change_leaf(group.state.own_leaf_node, signature_key=new_key.public).signed(
        group.suite, new_key, group.group_id, 0
    )
    tree = RatchetTree(group.suite, [leaf, *group.state.tree.nodes[1:]])
    inside = [Extension(extension_type=ExtensionType.RATCHET_TREE, data=tree.encode())]
    renewed = Group(
        state=replace(group.state, signature_key=new_key), secret_tree=group.secret_tree
    )
    for signer, accepted in ((group, False), (renewed, True)):
        how = WelcomeForgery(signer=signer, tree=tree, extensions=inside)
        welcome = as_message(forge_welcome(opened, group, secrets, how))
        if accepted:
            assert open_welcome(welcome, secrets).join(None, now=NOW).epoch == 1
        else:
            refuses(
                Rule.GROUP_INFO_SIGNATURE,
                lambda message=welcome: open_welcome(message, secrets).join(None, now=NOW),  # type: ignore[misc]
            )


@pytest.mark.parametrize(
    ("length", "prefix"), [(0x3F, 1), (0x40, 2), (0x3FFF, 2), (0x4000, 4), (0x10000, 4)]
)
def test_openmls_2147_length_prefixes_at_their_limits(length: int, prefix: int) -> None:
    """A vector of exactly 0x3fff bytes got the wrong prefix."""
    encoded = encode_opaque(bytes(length))
    assert len(encoded) == prefix + length
    reader = Reader(encoded)
    assert reader.opaque() == bytes(length)
    reader.finish()
    text, _ = ALICE.encrypt(bytes(length), entropy=ENTROPY)
    assert take_text(BOB, text)[0] == bytes(length)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (
            ExtensionType.REQUIRED_CAPABILITIES,
            RequiredCapabilities(extension_types=(), proposal_types=(), credential_types=()),
        ),
        (ExtensionType.EXTERNAL_SENDERS, ExternalSenders(senders=())),
    ],
)
def test_openmls_2134_nothing_follows_the_data_of_an_extension(
    kind: ExtensionType, data: Struct
) -> None:
    """Bytes behind what an extension holds were passed over."""
    for extra, refused in ((b"", False), (b"\x00", True)):
        extension = Extension(extension_type=kind, data=data.encode() + extra)
        message = forge_commit(ALICE, [GroupContextExtensions(extensions=(extension,))])
        if refused:
            with pytest.raises(Malformed):
                BOB.process(message, now=NOW)
        else:
            take_commit(BOB, message)


def test_openmls_2134_nothing_follows_a_tree_or_an_external_key() -> None:
    with pytest.raises(DecodeError):
        RatchetTree.decode(ALICE.suite, ALICE.ratchet_tree() + b"\x00")
    with pytest.raises(DecodeError):
        ExternalPub.decode(ExternalPub(external_pub=b"key").encode() + b"\x00")


def test_mls_rs_320_codes_are_compared_in_constant_time() -> None:
    """Tags were compared byte by byte; so they were in ts-mls, and in two further libraries."""
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return original(one, other)

    original = hmac.compare_digest
    staged = ALICE.commit(as_public=True, now=NOW, entropy=ENTROPY)
    body = MLSMessage.decode(staged.message).body
    assert isinstance(body, PublicMessage)
    with patch.object(hmac, "compare_digest", compare):
        take_commit(BOB, staged.message)
    assert body.membership_tag in compared
    assert body.auth.confirmation_tag in compared


@pytest.mark.parametrize("index", range(4))
def test_mls_rs_328_joiners_check_every_leaf_wherever_they_stand(index: int) -> None:
    """Which leaves a joiner validated depended on its own place."""
    groups = group_of(4, CLASSICAL)
    secrets = package("joiner", CLASSICAL)
    adder = groups[3] if index == 0 else groups[0]
    staged = adder.commit(
        adds=[secrets.key_package], tree_in_welcome=False, now=NOW, entropy=ENTROPY
    )
    opened = decrypt_welcome(welcome_of(staged), secrets, {}, {}, None)
    nodes = list(staged.next.state.tree.nodes)
    leaf = staged.next.state.tree.leaf(index)
    assert leaf is not None
    nodes[2 * index] = replace(leaf, signature=bytes(64))
    tree = RatchetTree(adder.suite, nodes)
    welcome = as_message(forge_welcome(opened, staged.next, secrets, WelcomeForgery(tree=tree)))
    with pytest.raises(RuleViolation) as caught:
        open_welcome(welcome, secrets).join(tree.encode(), now=NOW)
    assert caught.value.rule in {Rule.LEAF_SIGNATURE, Rule.PARENT_HASH}


@pytest.mark.parametrize("kem", [Kem.X25519, Kem.X448, Kem.MLKEM768_X25519])
def test_vodozemac_2026_02_keys_without_a_contribution_are_refused(kem: Kem) -> None:
    """Public keys that make every shared secret zero were accepted."""
    _, public = kem.parse_private(Secret(bytes(range(kem.seed_length))))
    half = 56 if kem is Kem.X448 else 32
    for low_order in (bytes(half), b"\x01" + bytes(half - 1)):
        with pytest.raises(BadPublicKey):
            kem.parse_public(public[:-half] + low_order)


def test_wire_loose_ends_a_stolen_state_is_of_no_use_after_the_next_commits() -> None:
    """No recovery from a compromise: keys were not renewed by commits."""
    stolen = Group.decode(BOB.encode())
    groups = [ALICE, BOB, CAROL]
    groups = settle(groups, 1, update(groups[1]))
    groups = settle(groups, 0, update(groups[0]))
    message, _ = groups[0].encrypt(b"healed", entropy=ENTROPY)
    with pytest.raises(MLSError):
        stolen.process(message, now=NOW)
    # Nor does it follow: Bob's commit is the thief's own for the engine, and its path is not his.
    assert not [
        key
        for key in stolen.state.private_keys.values()
        if key.public in groups[1].state.tree.encryption_keys()
    ]
    assert agree(groups)


def test_openmls_external_join_is_not_an_automatic_answer_to_a_bad_commit() -> None:
    """A server that sends a bad commit could have a victim rejoin a group of its choice."""
    made = join_externally(ALICE.group_info(), package("mallory", CLASSICAL), entropy=ENTROPY)
    before = BOB.encode()
    with pytest.raises(MLSError):
        BOB.process(made.message, now=NOW)
    assert BOB.encode() == before

"""External commits: what newcomers get wrong, or wrongly want (RFC 9420 8.3, 12.2, 12.4.3.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret
from cloister.mls import Group, Operations
from cloister.mls.framing import sign
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import PskType, WireFormat
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf, update_leaf
from cloister.testing.forge_commit import HONEST, Forgery, forge_external_commit
from cloister.testing.forge_proposal import forge_proposal, keeping
from cloister.values import replace
from unit.mls.members import CLASSICAL, ENTROPY, NOW, PRODUCT, agree, group_of, package, settle
from unit.mls.rules.verdicts import follows, keeps, refuses

# A blank leaf inside the tree: leaves 0, 1, 3 and 4 are taken.
_FIVE = group_of(5, CLASSICAL)
GROUPS = settle([*_FIVE[:2], *_FIVE[3:]], 0, _FIVE[0].commit(removes=[2], now=NOW, entropy=ENTROPY))
PRODUCT_GROUP = group_of(3, PRODUCT)
INSIDER, VICTIM = GROUPS[0], GROUPS[1]
NEWCOMER = package("newcomer", CLASSICAL)
PSK = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"shared", psk_nonce=ENTROPY.random(32))
PSKS = {b"shared": Secret(b"key")}
WITH_KEY = Forgery(psks={PSK: PSKS[b"shared"]})
ALLOWED = Operations.EXTERNAL_COMMIT

Proposals = Callable[[ProposalBody], Sequence[ProposalBody | bytes]]


def refused(rule: Rule, proposals: Proposals, how: Forgery = HONEST, by: Group = INSIDER) -> None:
    """Every member refuses an external commit of these proposals."""
    commit = forge_external_commit(by, NEWCOMER, proposals, how)
    for group in GROUPS[1:]:
        refuses(rule, group, commit, allow=ALLOWED, psks=PSKS)


def accepted(proposals: Proposals, how: Forgery = HONEST) -> None:
    commit = forge_external_commit(INSIDER, NEWCOMER, proposals, how)
    follows(VICTIM, commit, allow=ALLOWED, psks=PSKS)


@pytest.mark.parametrize("suite", [CLASSICAL, PRODUCT])
def test_honest_newcomer_is_let_in_by_all(suite: int) -> None:
    groups = GROUPS if suite == CLASSICAL else PRODUCT_GROUP
    commit = forge_external_commit(groups[0], package("newcomer", suite))
    received = [follows(one, commit, allow=ALLOWED) for one in groups]
    assert all(one.is_external for one in received)
    # The leftmost blank leaf, or the first of a wider tree.
    assert {one.committer for one in received} == ({2} if suite == CLASSICAL else {3})
    assert agree([one.next for one in received if one.next is not None])


@pytest.mark.parametrize(
    "proposals",
    [
        lambda init: [init, Remove(removed=3)],
        lambda init: [Remove(removed=3), init],
        lambda init: [PreSharedKey(psk=PSK), init, Remove(removed=3)],
        lambda init: [
            init,
            PreSharedKey(psk=PSK),
            PreSharedKey(psk=replace(PSK, psk_nonce=bytes(32))),
        ],
    ],
    ids=["remove", "in any order", "all kinds", "two keys"],
)
def test_what_an_external_commit_may_hold_is_accepted(proposals: Proposals) -> None:
    keys = dict.fromkeys((PSK, replace(PSK, psk_nonce=bytes(32))), PSKS[b"shared"])
    accepted(proposals, Forgery(psks=keys))


def test_attack_commit_in_a_newcomers_name_MLS_029() -> None:
    """By who knows the group: it is the leaf in the path that must have signed."""
    message = MLSMessage.decode(forge_external_commit(INSIDER, NEWCOMER)).body
    assert isinstance(message, PublicMessage)
    for key, rule in (
        (INSIDER.state.signature_key, Rule.CONTENT_SIGNATURE),
        (INSIDER.suite.signature_key(NEWCOMER.signature_key), None),
    ):
        signature = sign(
            INSIDER.suite,
            key,
            WireFormat.PUBLIC_MESSAGE,
            message.content,
            INSIDER.group_context.encode(),
        )
        again = replace(message, auth=replace(message.auth, signature=signature))
        commit = MLSMessage(body=again).encode()
        if rule is None:
            follows(VICTIM, commit, allow=ALLOWED)
        else:
            refuses(rule, VICTIM, commit, allow=ALLOWED)


# -- the list of proposals ------------------------------------------------------------------------


def test_attack_newcomer_without_a_path_MLS_141() -> None:
    """He would have no leaf, and nothing to verify his signature with."""
    refused(Rule.EXTERNAL_PATH, lambda init: [init], Forgery(with_path=False))
    refused(Rule.EXTERNAL_PATH, lambda _: [], Forgery(with_path=False))


@pytest.mark.parametrize(
    "body",
    [Remove(removed=3), PreSharedKey(psk=PSK), Add(key_package=package("x", CLASSICAL).parsed())],
    ids=lambda body: type(body).__name__,
)
def test_attack_newcomer_refers_to_a_members_proposal_MLS_142(body: ProposalBody) -> None:
    """All members have it; but he cannot know whether it is valid."""
    made = forge_proposal(INSIDER, body)
    reference, victim = keeps(VICTIM, made.message)
    commit = forge_external_commit(
        keeping(INSIDER, made), NEWCOMER, lambda init: [init, reference], WITH_KEY
    )
    refuses(Rule.EXTERNAL_REFERENCE, victim, commit, allow=ALLOWED, psks=PSKS)
    commit = forge_external_commit(keeping(INSIDER, made), NEWCOMER)
    follows(victim, commit, allow=ALLOWED)


def test_attack_newcomer_refers_to_what_nobody_sent_MLS_142() -> None:
    refused(Rule.EXTERNAL_REFERENCE, lambda init: [init, bytes(32)])


@pytest.mark.parametrize(
    "proposals",
    [
        lambda _: [],
        lambda _: [Remove(removed=3)],
        lambda init: [init, init],
        lambda init: [init, Remove(removed=3), ExternalInit(kem_output=bytes(32))],
    ],
    ids=["none", "none but a remove", "twice the same", "two"],
)
def test_attack_newcomer_with_no_or_two_external_inits_MLS_143(proposals: Proposals) -> None:
    refused(Rule.ONE_EXTERNAL_INIT, proposals)


@pytest.mark.parametrize("second", [3, 4], ids=["the same", "another"])
def test_attack_newcomer_removes_two_MLS_144(second: int) -> None:
    """One may be his former self; a second is somebody else."""
    refused(
        Rule.ONE_EXTERNAL_REMOVE, lambda init: [init, Remove(removed=3), Remove(removed=second)]
    )


@pytest.mark.parametrize(
    "body",
    [
        Add(key_package=package("friend", CLASSICAL).parsed()),
        Update(leaf_node=update_leaf(INSIDER)),
        GroupContextExtensions(extensions=()),
        ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=()),
    ],
    ids=lambda body: type(body).__name__,
)
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
def test_attack_newcomer_does_what_members_do_MLS_145(body: ProposalBody, is_first: bool) -> None:
    refused(Rule.EXTERNAL_PROPOSALS, lambda init: [body, init] if is_first else [init, body])


@pytest.mark.parametrize("index", [2, 5, 8, 2**32 - 1])
def test_attack_newcomer_removes_nobody_MLS_120(index: int) -> None:
    refused(Rule.REMOVED_LEAF, lambda init: [init, Remove(removed=index)])


def test_attack_newcomer_names_a_key_twice_MLS_112() -> None:
    named = PreSharedKey(psk=PSK)
    refused(Rule.DUPLICATE_PSK, lambda init: [init, named, named], WITH_KEY)


def test_attack_newcomer_names_a_key_with_a_short_nonce_MLS_110() -> None:
    short = replace(PSK, psk_nonce=bytes(31))
    how = Forgery(psks={short: PSKS[b"shared"]})
    refused(Rule.PSK_NONCE, lambda init: [init, PreSharedKey(psk=short)], how)


def test_attack_newcomer_names_a_key_that_members_lack_MLS_113() -> None:
    commit = forge_external_commit(
        INSIDER, NEWCOMER, lambda init: [init, PreSharedKey(psk=PSK)], WITH_KEY
    )
    refuses(Rule.PSK_KNOWN, VICTIM, commit, allow=ALLOWED)
    follows(VICTIM, commit, allow=ALLOWED, psks=PSKS)


def test_attack_newcomer_without_the_key_that_he_names_MLS_115() -> None:
    """Naming it is not having it."""
    refused(Rule.CONFIRMATION_TAG, lambda init: [init, PreSharedKey(psk=PSK)])


# -- the encapsulation ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kem_output", [b"", bytes(31), bytes(33), bytes(32)], ids=["empty", "short", "long", "zeros"]
)
def test_attack_kem_output_that_does_not_decapsulate_MLS_147(kem_output: bytes) -> None:
    refused(Rule.EXTERNAL_INIT_SECRET, lambda _: [ExternalInit(kem_output=kem_output)])


@pytest.mark.parametrize(
    "change",
    [
        lambda output: output[:-1],
        lambda output: output + b"\x00",
        lambda output: output[:-32] + bytes(32),
    ],
    ids=["short", "long", "of low order"],
)
def test_attack_kem_output_of_the_products_suite_MLS_147(change: Callable[[bytes], bytes]) -> None:
    def proposals(init: ProposalBody) -> Sequence[ProposalBody]:
        assert isinstance(init, ExternalInit)
        assert len(init.kem_output) == Kem.MLKEM768_X25519.encapsulation_length
        return [ExternalInit(kem_output=change(init.kem_output))]

    commit = forge_external_commit(PRODUCT_GROUP[0], package("newcomer"), proposals)
    refuses(Rule.EXTERNAL_INIT_SECRET, PRODUCT_GROUP[1], commit, allow=ALLOWED)


def test_attack_kem_output_for_another_secret_MLS_115() -> None:
    """It decapsulates, as anything of its length may; the new epoch is then not the newcomer's."""
    other = INSIDER.suite.generate_key_pair(ENTROPY).public
    refused(Rule.CONFIRMATION_TAG, lambda _: [ExternalInit(kem_output=other)])


# -- in the stead of a member ---------------------------------------------------------------------


def test_attack_resync_keeps_the_key_that_may_be_known_MLS_146() -> None:
    """He replaces himself because something was lost; the old key may be what was."""
    former = GROUPS[2]
    again = package("member 3", CLASSICAL, signature_seed=former.state.signature_key.seed)
    kept = former.state.own_leaf_node.encryption_key

    def resync(how: Forgery) -> bytes:
        return forge_external_commit(
            INSIDER, again, lambda init: [init, Remove(removed=former.own_leaf)], how
        )

    lie = Forgery(change_leaf=lambda leaf: change_leaf(leaf, encryption_key=kept))
    for group in GROUPS:
        refuses(Rule.RESYNC_KEY, group, resync(lie), allow=ALLOWED)
    follows(VICTIM, resync(HONEST), allow=ALLOWED)


def test_resync_is_reported_with_the_former_and_the_new_leaf() -> None:
    former = GROUPS[2]
    again = package("member 3", CLASSICAL, signature_seed=former.state.signature_key.seed)
    commit = forge_external_commit(
        INSIDER, again, lambda init: [init, Remove(removed=former.own_leaf)]
    )
    received = follows(VICTIM, commit, allow=ALLOWED)
    assert (received.is_external, received.committer) == (True, 2)
    assert [(one.leaf_index, one.leaf) for one in received.removes] == [
        (3, former.state.own_leaf_node)
    ]
    assert received.next is not None
    replacement = received.next.state.tree.leaf(received.committer)
    assert replacement is not None
    assert replacement.credential == former.state.own_leaf_node.credential
    removed = former.process(commit, now=NOW, allow=ALLOWED)
    assert removed.next is None


def test_a_member_replaced_by_somebody_else_is_reported_and_for_the_application_to_judge() -> None:
    """Whether two leaves are one client the engine cannot know (12.2). It tells both."""
    commit = forge_external_commit(INSIDER, NEWCOMER, lambda init: [init, Remove(removed=4)])
    received = follows(VICTIM, commit, allow=ALLOWED)
    (removed,) = received.removes
    assert received.next is not None
    newcomer = received.next.state.tree.leaf(received.committer)
    assert newcomer is not None
    assert removed.leaf.credential.data == b"member 4"
    assert newcomer.credential.data == b"newcomer"
    assert received.is_external


def test_attack_resync_removes_another_and_keeps_the_former_self_MLS_072() -> None:
    """With the key of member 3 he takes the place of member 4: then there would be two of him."""
    former = GROUPS[2]
    again = package("member 3", CLASSICAL, signature_seed=former.state.signature_key.seed)
    commit = forge_external_commit(INSIDER, again, lambda init: [init, Remove(removed=4)])
    refuses(Rule.UNIQUE_SIGNATURE_KEY, VICTIM, commit, allow=ALLOWED)
    commit = forge_external_commit(INSIDER, again, lambda init: [init, Remove(removed=3)])
    follows(VICTIM, commit, allow=ALLOWED)


def test_attack_newcomer_makes_the_tree_too_large_MLS_092(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = group_of(2, CLASSICAL)
    commit = forge_external_commit(groups[0], NEWCOMER)
    follows(groups[1], commit, allow=ALLOWED)
    monkeypatch.setattr("cloister.mls.leaf_check.MAX_LEAVES", 2)
    refuses(Rule.TREE_SIZE, groups[1], commit, allow=ALLOWED)

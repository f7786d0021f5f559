"""Commits of a dishonest member: each breaks one rule, and everything about it is authentic.

Whatever is refused leaves the receiver's state byte for byte as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloister.crypto.kem import Kem
from cloister.crypto.secret import Secret
from cloister.mls import (
    CipherSuite,
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    Lifetime,
    RuleViolation,
    UnknownProposal,
    Unsupported,
)
from cloister.mls.extension import RequiredCapabilities
from cloister.mls.leaf_node import LeafNode
from cloister.mls.limits import LIFETIME_SLACK_S, MAX_LIFETIME_S
from cloister.mls.proposal import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ProposalBody,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import LeafNodeSource, PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.mls.update_path import UpdatePath, UpdatePathNode
from cloister.testing.forge import change_leaf, resigned_package, send
from cloister.testing.forge_commit import Forgery, forge_commit
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    ENTROPY,
    LIFETIME,
    NOW,
    PRODUCT,
    agree,
    group_of,
    package,
    take_commit,
    take_proposal,
)

GROUPS = group_of(4)
ATTACKER, VICTIM, THIRD = GROUPS[0], GROUPS[1], GROUPS[2]
LOW_ORDER = Kem.MLKEM768_X25519.parse_private(Secret(bytes(32)))[1][:1184] + bytes(32)


def refuses(rule: Rule, message: bytes, victim: Group = VICTIM) -> None:
    before = victim.encode()
    with pytest.raises(RuleViolation) as caught:
        victim.process(message, now=NOW)
    assert caught.value.rule is rule
    assert victim.encode() == before


def test_the_forge_makes_valid_commits_when_nothing_is_wrong() -> None:
    newcomer = Add(key_package=package("honest").parsed())
    gone = Remove(removed=3)
    lists: list[list[ProposalBody]] = [[], [newcomer], [gone], [newcomer, gone]]
    for proposals in lists:
        assert take_commit(VICTIM, forge_commit(ATTACKER, proposals)).epoch == 2
    message = forge_commit(ATTACKER, [newcomer], Forgery(public=True))
    assert agree([take_commit(one, message) for one in GROUPS[1:]])
    message = forge_commit(ATTACKER, [newcomer], Forgery(with_path=False))
    assert agree([take_commit(one, message) for one in GROUPS[1:]])


# -- the list of proposals ------------------------------------------------------------------

KEY_PACKAGE = package("twice")
PSK = PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=b"id", psk_nonce=bytes(48))
NO_EXTENSIONS = GroupContextExtensions(extensions=())


@pytest.mark.parametrize(
    ("rule", "proposals"),
    [
        (Rule.COMMITTER_REMOVE, [Remove(removed=0)]),
        (Rule.REMOVED_LEAF, [Remove(removed=4)]),
        (Rule.REMOVED_LEAF, [Remove(removed=2**32 - 1)]),
        (Rule.ONE_CHANGE_PER_LEAF, [Remove(removed=3), Remove(removed=3)]),
        (
            Rule.DUPLICATE_ADD,
            [Add(key_package=KEY_PACKAGE.parsed()), Add(key_package=KEY_PACKAGE.parsed())],
        ),
        (Rule.DUPLICATE_PSK, [PreSharedKey(psk=PSK), PreSharedKey(psk=PSK)]),
        (Rule.PSK_NONCE, [PreSharedKey(psk=replace(PSK, psk_nonce=bytes(47)))]),
        (
            Rule.PSK_USAGE,
            [
                PreSharedKey(
                    psk=PreSharedKeyId(
                        psk_type=PskType.RESUMPTION,
                        usage=ResumptionPskUsage.REINIT,
                        psk_group_id=b"the group",
                        psk_epoch=1,
                        psk_nonce=bytes(48),
                    )
                )
            ],
        ),
        (Rule.ONE_CONTEXT_EXTENSIONS, [NO_EXTENSIONS, NO_EXTENSIONS]),
        (
            Rule.REINIT_ALONE,
            [
                ReInit(group_id=b"x", version=1, cipher_suite=PRODUCT, extensions=()),
                Remove(removed=3),
            ],
        ),
        (Rule.EXTERNAL_INIT, [ExternalInit(kem_output=b"x")]),
        (
            Rule.DUPLICATE_EXTENSION,
            [
                GroupContextExtensions(
                    extensions=(Extension(extension_type=CHECKPOINT, data=b""),) * 2
                )
            ],
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_proposal_list_that_breaks_a_rule_is_refused(
    rule: Rule, proposals: Sequence[ProposalBody]
) -> None:
    refuses(rule, forge_commit(ATTACKER, proposals))


def test_reinit_alone_is_unsupported_and_changes_nothing() -> None:
    reinit = ReInit(group_id=b"x", version=1, cipher_suite=PRODUCT, extensions=())
    before = VICTIM.encode()
    with pytest.raises(Unsupported):
        VICTIM.process(forge_commit(ATTACKER, [reinit]), now=NOW)
    assert VICTIM.encode() == before


def test_removing_and_updating_one_leaf_is_refused() -> None:
    proposer = GROUPS[1]
    leaf = update_leaf(proposer)
    message = send(proposer, Proposal(body=Update(leaf_node=leaf)))
    reference, attacker = take_proposal(ATTACKER, message)
    _, third = take_proposal(THIRD, message)
    commit = forge_commit(attacker, [reference, Remove(removed=1)])
    refuses(Rule.ONE_CHANGE_PER_LEAF, commit, third)


def test_unknown_reference_is_refused() -> None:
    proposer = GROUPS[1]
    message = send(proposer, Proposal(body=Update(leaf_node=update_leaf(proposer))))
    reference, attacker = take_proposal(ATTACKER, message)
    before = THIRD.encode()
    with pytest.raises(UnknownProposal):
        THIRD.process(forge_commit(attacker, [reference]), now=NOW)
    assert THIRD.encode() == before


def test_one_proposal_named_twice_is_refused() -> None:
    message = send(GROUPS[1], Proposal(body=Add(key_package=package("named twice").parsed())))
    reference, attacker = take_proposal(ATTACKER, message)
    _, third = take_proposal(THIRD, message)
    refuses(Rule.PROPOSAL_TWICE, forge_commit(attacker, [reference, reference]), third)


# -- Updates by reference --------------------------------------------------------------------


def update_leaf(group: Group, **changes: object) -> LeafNode:
    old = group.state.own_leaf_node
    fresh = group.suite.private_key(Secret(ENTROPY.random(32)))
    fields: dict[str, object] = {
        "encryption_key": fresh.public,
        "source": LeafNodeSource.UPDATE,
        "lifetime": None,
        "parent_hash": b"",
    }
    leaf = change_leaf(old, **(fields | changes))
    return leaf.signed(group.suite, group.state.signature_key, group.group_id, group.own_leaf)


def test_update_by_reference_is_taken_over() -> None:
    proposer = GROUPS[1]
    leaf = update_leaf(proposer)
    message = send(proposer, Proposal(body=Update(leaf_node=leaf)))
    reference, attacker = take_proposal(ATTACKER, message)
    _, third = take_proposal(THIRD, message)
    after = take_commit(third, forge_commit(attacker, [reference]))
    assert after.members()[1].leaf == leaf


def test_update_that_keeps_its_key_is_refused_at_once() -> None:
    leaf = update_leaf(GROUPS[1], encryption_key=GROUPS[1].state.own_leaf_node.encryption_key)
    message = send(GROUPS[1], Proposal(body=Update(leaf_node=leaf)))
    refuses(Rule.UPDATE_KEY, message, THIRD)


def test_update_signed_for_another_place_is_refused_at_once() -> None:
    leaf = update_leaf(GROUPS[2])
    message = send(GROUPS[1], Proposal(body=Update(leaf_node=leaf)))
    refuses(Rule.LEAF_SIGNATURE, message, GROUPS[3])


@pytest.mark.parametrize(
    ("rule", "body"),
    [
        (Rule.REMOVED_LEAF, Remove(removed=9)),
        (Rule.PSK_NONCE, PreSharedKey(psk=replace(PSK, psk_nonce=b""))),
        (Rule.EXTERNAL_INIT, ExternalInit(kem_output=b"")),
        (
            Rule.CIPHER_SUITE,
            Add(key_package=package("x", CipherSuite.X25519_AES128GCM_SHA256_ED25519).parsed()),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Rule) else "",
)
def test_proposal_that_is_wrong_by_itself_is_refused_at_once(
    rule: Rule, body: ProposalBody
) -> None:
    refuses(rule, send(ATTACKER, Proposal(body=body)))


def test_reinit_proposal_is_kept_but_never_committed() -> None:
    reinit = ReInit(group_id=b"x", version=1, cipher_suite=PRODUCT, extensions=())
    message = send(GROUPS[1], Proposal(body=reinit))
    reference, attacker = take_proposal(ATTACKER, message)
    _, third = take_proposal(THIRD, message)
    with pytest.raises(Unsupported):
        third.process(forge_commit(attacker, [reference]), now=NOW)


def test_update_by_the_committer_is_refused() -> None:
    message = send(ATTACKER, Proposal(body=Update(leaf_node=update_leaf(ATTACKER))))
    reference, victim = take_proposal(VICTIM, message)
    # The attacker cannot process its own proposal; it commits to the reference all the same.
    _, sent = ATTACKER.secret_tree.take_next(0, is_application=False)
    attacker = replace(ATTACKER, pending=victim.pending, secret_tree=sent)
    refuses(Rule.COMMITTER_UPDATE, forge_commit(attacker, [reference]), victim)


def test_update_with_the_wrong_source_is_refused_at_once() -> None:
    leaf = update_leaf(GROUPS[1], source=LeafNodeSource.KEY_PACKAGE, lifetime=LIFETIME)
    message = send(GROUPS[1], Proposal(body=Update(leaf_node=leaf)))
    refuses(Rule.SOURCE_UPDATE, message, THIRD)


# -- Adds --------------------------------------------------------------------------------------


def refuses_add(rule: Rule, secrets: KeyPackageSecrets, **how: object) -> None:
    added = Add(key_package=resigned_package(secrets, **how))  # type: ignore[arg-type]
    refuses(rule, forge_commit(ATTACKER, [added]))
    # The same KeyPackage is refused by an honest committer before it is sent.
    with pytest.raises(RuleViolation) as caught:
        VICTIM.commit(adds=[added.key_package.encode()], now=NOW, entropy=ENTROPY)
    assert caught.value.rule is rule


def test_key_package_of_another_version_is_refused() -> None:
    refuses_add(Rule.VERSION, package("v"), change=lambda one: replace(one, version=2))


def test_key_package_of_another_suite_is_refused() -> None:
    classical = CipherSuite.X25519_AES128GCM_SHA256_ED25519
    refuses_add(
        Rule.CIPHER_SUITE, package("s"), change=lambda p: replace(p, cipher_suite=classical)
    )


def test_key_package_with_one_key_for_two_purposes_is_refused() -> None:
    refuses_add(
        Rule.INIT_KEY,
        package("k"),
        change=lambda one: replace(one, init_key=one.leaf_node.encryption_key),
    )


def test_key_package_with_a_leaf_for_a_commit_is_refused() -> None:
    refuses_add(
        Rule.SOURCE_KEY_PACKAGE,
        package("l"),
        leaf=lambda leaf: change_leaf(leaf, source=LeafNodeSource.COMMIT, lifetime=None),
    )


LATE, EARLY = NOW - 500, NOW + 500


@pytest.mark.parametrize(
    "lifetime",
    [
        Lifetime(not_before=LATE - 9, not_after=LATE),
        Lifetime(not_before=EARLY, not_after=EARLY + 9),
    ],
    ids=["expired", "not yet valid"],
)
def test_key_package_out_of_its_lifetime_is_not_added_but_tolerated_for_a_while(
    lifetime: Lifetime,
) -> None:
    """A receiver may come to the commit when a KeyPackage that was good has run out."""
    secrets = package("t", lifetime=lifetime)
    with pytest.raises(RuleViolation) as caught:
        VICTIM.commit(adds=[secrets.key_package], now=NOW, entropy=ENTROPY)
    assert caught.value.rule is Rule.LIFETIME
    commit = forge_commit(ATTACKER, [Add(key_package=secrets.parsed())])
    latest, earliest = (
        lifetime.not_after + LIFETIME_SLACK_S,
        lifetime.not_before - LIFETIME_SLACK_S,
    )
    for now in (earliest, NOW, latest):
        assert VICTIM.process(commit, now=now).next is not None
    for now in (earliest - 1, latest + 1):
        with pytest.raises(RuleViolation) as caught:
            VICTIM.process(commit, now=now)
        assert caught.value.rule is Rule.LIFETIME


def test_key_package_with_too_long_a_lifetime_is_refused() -> None:
    for length in (MAX_LIFETIME_S + 1, 2**63):
        endless = Lifetime(not_before=NOW, not_after=NOW + length)
        refuses_add(Rule.LIFETIME_LENGTH, package("t", lifetime=endless))
    longest = package("t", lifetime=Lifetime(not_before=NOW, not_after=NOW + MAX_LIFETIME_S))
    assert VICTIM.commit(adds=[longest.key_package], now=NOW, entropy=ENTROPY).next.epoch == 2


def test_key_package_with_an_extension_it_does_not_support_is_refused() -> None:
    strange = Extension(extension_type=0xF300, data=b"")
    refuses_add(
        Rule.LEAF_EXTENSIONS,
        package("e"),
        leaf=lambda leaf: change_leaf(leaf, extensions=(strange,)),
    )


def test_key_package_of_a_member_who_cannot_read_the_credentials_is_refused() -> None:
    refuses_add(
        Rule.CREDENTIAL_TYPES,
        package("c"),
        leaf=lambda leaf: change_leaf(
            leaf, capabilities=replace(leaf.capabilities, credentials=(0x0F0F,))
        ),
    )


def test_key_package_with_an_extension_twice_is_refused() -> None:
    twice = (Extension(extension_type=0xF300, data=b""),) * 2
    refuses_add(
        Rule.DUPLICATE_EXTENSION, package("d"), change=lambda p: replace(p, extensions=twice)
    )


@pytest.mark.parametrize("poisoned", ["init_key", "encryption_key"])
def test_low_order_key_in_a_key_package_is_refused(poisoned: str) -> None:
    if poisoned == "init_key":
        refuses_add(
            Rule.ENCRYPTION_KEY, package("p"), change=lambda p: replace(p, init_key=LOW_ORDER)
        )
    else:
        refuses_add(
            Rule.ENCRYPTION_KEY,
            package("p"),
            leaf=lambda leaf: change_leaf(leaf, encryption_key=LOW_ORDER),
        )


def test_small_order_signature_key_is_refused() -> None:
    # Under this key the signature below fits any message.
    weak = b"\x01" + bytes(31)
    honest = package("w").parsed()
    leaf = replace(honest.leaf_node, signature_key=weak, signature=weak + bytes(32))
    weak_package = replace(honest, leaf_node=leaf, signature=weak + bytes(32))
    refuses(Rule.SIGNATURE_KEY, forge_commit(ATTACKER, [Add(key_package=weak_package)]))


def test_key_package_with_a_wrong_signature_is_refused() -> None:
    honest, other = package("a").parsed(), package("b").parsed()
    for broken in (
        replace(honest, signature=other.signature),
        replace(honest, leaf_node=replace(honest.leaf_node, signature=other.leaf_node.signature)),
    ):
        refuses(Rule.KEY_PACKAGE_SIGNATURE, forge_commit(ATTACKER, [Add(key_package=broken)]))


def test_leaf_with_a_wrong_signature_in_a_signed_key_package_is_refused() -> None:
    secrets = package("leaf signature")
    foreign = package("other").parsed().leaf_node.signature
    broken = resigned_package(
        secrets,
        change=lambda one: replace(one, leaf_node=replace(one.leaf_node, signature=foreign)),
    )
    refuses(Rule.LEAF_SIGNATURE, forge_commit(ATTACKER, [Add(key_package=broken)]))


def test_signature_key_already_in_the_tree_is_refused() -> None:
    secrets = package("same key", signature_seed=GROUPS[3].state.signature_key.seed)
    refuses_add(Rule.UNIQUE_SIGNATURE_KEY, secrets)


def test_encryption_key_already_in_the_tree_is_refused() -> None:
    taken = GROUPS[3].state.own_leaf_node.encryption_key
    refuses_add(
        Rule.UNIQUE_ENCRYPTION_KEY,
        package("same"),
        leaf=lambda leaf: change_leaf(leaf, encryption_key=taken),
    )


# -- group context extensions --------------------------------------------------------------------


def test_extension_that_a_member_does_not_support_is_refused() -> None:
    strange = GroupContextExtensions(extensions=(Extension(extension_type=0xF300, data=b""),))
    refuses(Rule.CONTEXT_EXTENSIONS, forge_commit(ATTACKER, [strange]))


def test_capability_that_a_member_lacks_cannot_be_required() -> None:
    required = RequiredCapabilities(
        extension_types=(CHECKPOINT,), proposal_types=(0x0F0F,), credential_types=()
    )
    extension = Extension(
        extension_type=ExtensionType.REQUIRED_CAPABILITIES, data=required.encode()
    )
    refuses(
        Rule.REQUIRED_PROPOSALS,
        forge_commit(ATTACKER, [GroupContextExtensions(extensions=(extension,))]),
    )


def test_newcomer_without_the_required_capabilities_is_refused() -> None:
    required = RequiredCapabilities(
        extension_types=(CHECKPOINT,), proposal_types=(), credential_types=()
    )
    extension = Extension(
        extension_type=ExtensionType.REQUIRED_CAPABILITIES, data=required.encode()
    )
    staged = ATTACKER.commit(extensions=[extension], now=NOW, entropy=ENTROPY)
    victim = take_commit(VICTIM, staged.message)
    poor = Add(key_package=package("poor", supported=()).parsed())
    refuses(Rule.REQUIRED_EXTENSIONS, forge_commit(staged.next, [poor]), victim)
    able = Add(key_package=package("able").parsed())
    assert take_commit(victim, forge_commit(staged.next, [able])).epoch == 3


# -- the path ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "proposals", [[], [Remove(removed=3)], [NO_EXTENSIONS]], ids=["empty", "remove", "extensions"]
)
def test_commit_that_needs_a_path_is_refused_without(proposals: Sequence[ProposalBody]) -> None:
    refuses(Rule.PATH_REQUIRED, forge_commit(ATTACKER, proposals, Forgery(with_path=False)))


def _shorter(path: UpdatePath) -> UpdatePath:
    return replace(path, nodes=path.nodes[:-1])


def _longer(path: UpdatePath) -> UpdatePath:
    return replace(path, nodes=(*path.nodes, path.nodes[0]))


def _fewer_ciphertexts(path: UpdatePath) -> UpdatePath:
    """Not for the victim, who can decrypt: two others are left out of the last node."""
    last = path.nodes[-1]
    assert len(last.encrypted_path_secret) == 2
    changed = replace(last, encrypted_path_secret=last.encrypted_path_secret[:1])
    return replace(path, nodes=(*path.nodes[:-1], changed))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (_shorter, Rule.PATH_LENGTH),
        (_longer, Rule.PATH_LENGTH),
        (_fewer_ciphertexts, Rule.PATH_CIPHERTEXTS),
    ],
)
def test_path_of_the_wrong_shape_is_refused_by_those_who_could_decrypt_it(change, rule) -> None:  # type: ignore[no-untyped-def]
    refuses(rule, forge_commit(ATTACKER, [], Forgery(change_path=change)))


def _with_key(number: int, key: bytes):  # type: ignore[no-untyped-def]
    def change(path: UpdatePath) -> UpdatePath:
        nodes: list[UpdatePathNode] = list(path.nodes)
        nodes[number] = replace(nodes[number], encryption_key=key)
        return replace(path, nodes=tuple(nodes))

    return change


def test_path_key_of_low_order_is_refused() -> None:
    refuses(
        Rule.ENCRYPTION_KEY,
        forge_commit(ATTACKER, [], Forgery(change_path=_with_key(0, LOW_ORDER))),
    )


def test_path_key_that_is_in_the_tree_already_is_refused() -> None:
    taken = GROUPS[3].state.own_leaf_node.encryption_key
    change = _with_key(1, taken)
    refuses(Rule.PATH_KEYS_NEW, forge_commit(ATTACKER, [], Forgery(change_path=change)))


def test_path_leaf_that_keeps_its_key_is_refused() -> None:
    kept = ATTACKER.state.own_leaf_node.encryption_key
    change = Forgery(change_leaf=lambda leaf: change_leaf(leaf, encryption_key=kept))
    refuses(Rule.PATH_LEAF_KEY, forge_commit(ATTACKER, [], change))


def test_path_leaf_with_another_source_is_refused() -> None:
    change = Forgery(change_leaf=lambda leaf: change_leaf(leaf, source=LeafNodeSource.UPDATE))
    refuses(Rule.SOURCE_COMMIT, forge_commit(ATTACKER, [], change))


def test_path_leaf_with_a_wrong_parent_hash_is_refused() -> None:
    change = Forgery(change_leaf=lambda leaf: change_leaf(leaf, parent_hash=bytes(48)))
    refuses(Rule.PATH_PARENT_HASH, forge_commit(ATTACKER, [], change))


def test_path_leaf_with_the_signature_key_of_another_is_refused() -> None:
    taken = GROUPS[3].state.own_leaf_node.signature_key
    change = Forgery(change_leaf=lambda leaf: change_leaf(leaf, signature_key=taken))
    refuses(Rule.UNIQUE_SIGNATURE_KEY, forge_commit(ATTACKER, [], change))


def test_path_leaf_signed_by_another_key_is_refused() -> None:
    fresh = package("fresh").parsed().leaf_node.signature_key
    change = Forgery(change_leaf=lambda leaf: change_leaf(leaf, signature_key=fresh))
    refuses(Rule.LEAF_SIGNATURE, forge_commit(ATTACKER, [], change))


def test_path_leaf_that_drops_what_the_group_needs_is_refused() -> None:
    checkpoint = Extension(extension_type=CHECKPOINT, data=b"")
    staged = ATTACKER.commit(extensions=[checkpoint], now=NOW, entropy=ENTROPY)
    victim = take_commit(VICTIM, staged.message)
    poor = Forgery(
        change_leaf=lambda leaf: change_leaf(
            leaf, capabilities=replace(leaf.capabilities, extensions=())
        )
    )
    refuses(Rule.CONTEXT_EXTENSIONS, forge_commit(staged.next, [], poor), victim)


def test_path_leaf_that_can_no_longer_read_the_credentials_is_refused() -> None:
    blind = Forgery(
        change_leaf=lambda leaf: change_leaf(
            leaf, capabilities=replace(leaf.capabilities, credentials=(0x0F0F,))
        )
    )
    refuses(Rule.CREDENTIAL_TYPES, forge_commit(ATTACKER, [], blind))


def test_path_secret_that_does_not_give_the_public_key_is_refused() -> None:
    """A committer who publishes keys nobody can use would split or stop the group."""
    stranger = Kem.MLKEM768_X25519.parse_private(Secret(ENTROPY.random(32)))[1]
    forgery = Forgery(change_keys=lambda keys: [*keys[:-1], stranger])
    refuses(Rule.PATH_KEYS, forge_commit(ATTACKER, [], forgery))


# -- confirmation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda tag: b"",
        lambda tag: tag[:-1],
        lambda tag: tag + b"\x00",
        lambda tag: bytes([tag[0] ^ 1]) + tag[1:],
    ],
    ids=["empty", "short", "long", "different"],
)
def test_wrong_confirmation_tag_is_refused(change) -> None:  # type: ignore[no-untyped-def]
    refuses(Rule.CONFIRMATION_TAG, forge_commit(ATTACKER, [], Forgery(change_tag=change)))

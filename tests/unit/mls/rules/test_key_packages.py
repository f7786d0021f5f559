"""KeyPackages that break section 10.1 of RFC 9420, from others and before we use them ourselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.mls import CipherSuite, Group, KeyPackage, RuleViolation, labels
from cloister.mls.proposal import Add, Proposal, ProposalBody
from cloister.mls.rules import Rule
from cloister.testing.forge import resigned_package, send
from cloister.testing.forge_commit import forge_commit
from cloister.values import replace
from unit.mls.members import (
    CLASSICAL,
    ENTROPY,
    NOW,
    PRODUCT,
    group_of,
    package,
    take_commit,
    take_proposal,
)

LIAR, VICTIM, PROPOSER = group_of(3, CLASSICAL)
SUITE = VICTIM.suite
SECRETS = package("newcomer", CLASSICAL)
HONEST = SECRETS.parsed()
KEY = SUITE.signature_key(SECRETS.signature_key)
OTHER_KEY = SUITE.signature_key(SUITE.generate_signature_seed(ENTROPY))
Place = Callable[[KeyPackage], object]


def add_alone(key_package: KeyPackage) -> object:
    return VICTIM.process(send(LIAR, Proposal(body=Add(key_package=key_package))), now=NOW)


def add_in_a_commit(key_package: KeyPackage) -> object:
    return take_commit(VICTIM, forge_commit(LIAR, [Add(key_package=key_package)]))


def add_of_our_own(key_package: KeyPackage) -> object:
    return VICTIM.commit(adds=[key_package.encode()], now=NOW, entropy=ENTROPY)


def proposal_of_our_own(key_package: KeyPackage) -> object:
    return VICTIM.propose(Add(key_package=key_package), now=NOW, entropy=ENTROPY)


everywhere = pytest.mark.parametrize(
    "place",
    [add_alone, add_in_a_commit, add_of_our_own, proposal_of_our_own],
    ids=lambda place: place.__name__,
)


def refuses(rule: Rule, place: Place, key_package: KeyPackage) -> None:
    before = VICTIM.encode()
    with pytest.raises(RuleViolation) as caught:
        place(key_package)
    assert caught.value.rule is rule
    assert rule.rule_id in str(caught.value)
    assert VICTIM.encode() == before
    assert place(HONEST)


def lying(**fields: object) -> KeyPackage:
    """The KeyPackage with other fields, signed again as a whole."""
    return resigned_package(SECRETS, change=lambda one: replace(one, **fields))  # type: ignore[arg-type]


@everywhere
@pytest.mark.parametrize("version", [0, 2, 0xFFFF])
def test_key_package_of_another_version_is_refused_MLS_080(place: Place, version: int) -> None:
    refuses(Rule.VERSION, place, lying(version=version))


@everywhere
@pytest.mark.parametrize("code", [0, CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519, 0x0A0A])
def test_key_package_that_names_another_suite_is_refused_MLS_081(place: Place, code: int) -> None:
    """Also one of the same keys and hash."""
    refuses(Rule.CIPHER_SUITE, place, lying(cipher_suite=code))


@everywhere
def test_key_package_made_for_another_suite_is_refused_MLS_081(place: Place) -> None:
    refuses(Rule.CIPHER_SUITE, place, package("of the product", PRODUCT).parsed())


@everywhere
def test_key_package_with_one_key_for_two_purposes_is_refused_MLS_082(place: Place) -> None:
    refuses(Rule.INIT_KEY, place, lying(init_key=HONEST.leaf_node.encryption_key))


def signed(key_package: KeyPackage, label: bytes, signer: object = KEY) -> KeyPackage:
    signature = SUITE.sign_with_label(signer, label, key_package.to_be_signed())  # type: ignore[arg-type]
    return replace(key_package, signature=signature)


@everywhere
def test_key_package_signed_by_another_key_is_refused_MLS_083(place: Place) -> None:
    refuses(Rule.KEY_PACKAGE_SIGNATURE, place, signed(HONEST, labels.KEY_PACKAGE_TBS, OTHER_KEY))


@everywhere
def test_key_package_signed_under_another_label_is_refused_MLS_083(place: Place) -> None:
    refuses(Rule.KEY_PACKAGE_SIGNATURE, place, signed(HONEST, labels.LEAF_NODE_TBS))


@everywhere
@pytest.mark.parametrize("length", [0, 63, 65])
def test_key_package_with_a_signature_of_another_length_is_refused_MLS_083(
    place: Place, length: int
) -> None:
    cut = replace(HONEST, signature=(HONEST.signature + b"\x00")[:length])
    refuses(Rule.KEY_PACKAGE_SIGNATURE, place, cut)


@everywhere
def test_key_package_with_an_exchanged_init_key_is_refused_MLS_083(place: Place) -> None:
    """What a relay would do to read the Welcome in the newcomer's place."""
    own = SUITE.generate_key_pair(ENTROPY).public
    refuses(Rule.KEY_PACKAGE_SIGNATURE, place, replace(HONEST, init_key=own))


@everywhere
def test_key_package_with_another_leaf_of_its_device_is_refused_MLS_083(place: Place) -> None:
    """Both are signed by one key; the halves of two KeyPackages make no third."""
    other = package("newcomer", CLASSICAL, signature_seed=SECRETS.signature_key).parsed()
    refuses(Rule.KEY_PACKAGE_SIGNATURE, place, replace(HONEST, leaf_node=other.leaf_node))


def with_init_key(init_key: bytes) -> ProposalBody:
    changed = resigned_package(
        package("one of two", CLASSICAL), change=lambda one: replace(one, init_key=init_key)
    )
    return Add(key_package=changed)


def referred(*bodies: ProposalBody) -> tuple[Group, Group, list[bytes]]:
    """Liar and victim when these proposals have arrived, and their references."""
    liar, victim, proposer, references = LIAR, VICTIM, PROPOSER, []
    for body in bodies:
        made = proposer.propose(body, now=NOW, entropy=ENTROPY)
        proposer = made.next
        reference, liar = take_proposal(liar, made.message)
        _, victim = take_proposal(victim, made.message)
        references.append(reference)
    return liar, victim, references


@pytest.mark.parametrize("known", [0, 1, 2], ids=["by value", "mixed", "by reference"])
def test_two_adds_with_one_init_key_are_refused_MLS_084(known: int) -> None:
    shared = SUITE.generate_key_pair(ENTROPY).public
    twins = [with_init_key(shared), with_init_key(shared)]
    liar, victim, references = referred(*twins[:known])
    before = victim.encode()
    with pytest.raises(RuleViolation) as caught:
        victim.process(forge_commit(liar, [*references, *twins[known:]]), now=NOW)
    assert caught.value.rule is Rule.UNIQUE_INIT_KEY
    assert "MLS-084" in str(caught.value)
    assert victim.encode() == before
    other = with_init_key(SUITE.generate_key_pair(ENTROPY).public)
    one = (references or twins)[0]
    assert len(take_commit(victim, forge_commit(liar, [one, other])).members()) == 5


def test_two_adds_with_one_init_key_are_not_sent_MLS_084() -> None:
    shared = SUITE.generate_key_pair(ENTROPY).public
    _, victim, references = referred(with_init_key(shared), with_init_key(shared))
    with pytest.raises(RuleViolation) as caught:
        victim.commit(references=references, now=NOW, entropy=ENTROPY)
    assert caught.value.rule is Rule.UNIQUE_INIT_KEY
    assert victim.commit(references=references[:1], now=NOW, entropy=ENTROPY).next.epoch == 2

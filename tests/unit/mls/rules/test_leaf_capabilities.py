"""A leaf that does not support what the group uses or requires, in every place (RFC 9420 7.3).

And a group that comes to use or require what a member does not support (12.1.7).
"""

from __future__ import annotations

import pytest

from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    GroupContextExtensions,
    Remove,
    RuleViolation,
)
from cloister.mls.credential import Credential
from cloister.mls.leaf_node import Capabilities
from cloister.mls.proposal import Add, Proposal, ProposalBody
from cloister.mls.registry import CredentialType
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf, send
from cloister.testing.forge_commit import forge_commit
from cloister.testing.forge_tree import OwnedTree
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    founder,
    take_commit,
    take_proposal,
)
from unit.mls.rules.leaf_places import (
    ABLE,
    CONTEXT,
    GROUPS,
    HOST,
    LIAR,
    OTHER_CREDENTIAL,
    OTHER_EXTENSION,
    OTHER_PROPOSAL,
    PROPOSER,
    REQUIRED_CREDENTIAL,
    REQUIRED_EXTENSION,
    REQUIRED_PROPOSAL,
    TREE,
    USED,
    VICTIM,
    Place,
    Tale,
    able_package,
    add_alone,
    at_sight,
    in_company,
    places,
    refuses,
    requiring,
    update_alone,
)
from unit.mls.rules.ways_in import Host, Way, every_way

UNKNOWN = 0xF0F0
BASIC = CredentialType.BASIC


def able_to(**capabilities: tuple[int, ...]) -> Tale:
    """A leaf whose capabilities are those of all others but for these."""
    return Tale(lambda leaf: change_leaf(leaf, capabilities=replace(ABLE, **capabilities)))


# -- what the group requires and uses ---------------------------------------------------------


@in_company
def test_leaf_without_a_required_extension_is_refused_MLS_061(place: Place) -> None:
    tale = able_to(extensions=(CHECKPOINT, OTHER_EXTENSION))
    refuses(Rule.REQUIRED_EXTENSIONS, place, tale)


@in_company
def test_leaf_without_a_required_proposal_is_refused_MLS_062(place: Place) -> None:
    refuses(Rule.REQUIRED_PROPOSALS, place, able_to(proposals=(OTHER_PROPOSAL,)))


@in_company
def test_leaf_without_a_required_credential_is_refused_MLS_063(place: Place) -> None:
    tale = able_to(credentials=(BASIC, OTHER_CREDENTIAL))
    refuses(Rule.REQUIRED_CREDENTIALS, place, tale)


@in_company
def test_leaf_without_an_extension_of_the_group_is_refused_MLS_074(place: Place) -> None:
    tale = able_to(extensions=(REQUIRED_EXTENSION, OTHER_EXTENSION))
    refuses(Rule.CONTEXT_EXTENSIONS, place, tale)


@places([add_alone, update_alone])
def test_proposal_of_a_poor_leaf_is_kept_until_a_commit_takes_it_up(place: Place) -> None:
    """The same commit may change what is required, or remove who stands in the way."""
    for tale in (able_to(extensions=()), able_to(proposals=()), able_to(credentials=())):
        assert place(tale)


# -- credential types ---------------------------------------------------------------------------


def shown_by(credential_type: int, *supported: int) -> Tale:
    """A leaf with a credential of this type, which supports these."""
    return Tale(
        lambda leaf: change_leaf(
            leaf,
            credential=Credential(credential_type=credential_type, data=b"who"),
            capabilities=replace(ABLE, credentials=supported),
        )
    )


@in_company
def test_leaf_that_cannot_read_the_credentials_of_others_is_refused_MLS_064(place: Place) -> None:
    tale = shown_by(OTHER_CREDENTIAL, OTHER_CREDENTIAL, REQUIRED_CREDENTIAL)
    refuses(Rule.CREDENTIAL_TYPES, place, tale)
    assert place(shown_by(OTHER_CREDENTIAL, OTHER_CREDENTIAL, REQUIRED_CREDENTIAL, BASIC))


@in_company
def test_leaf_whose_credential_others_cannot_read_is_refused_MLS_064(place: Place) -> None:
    refuses(Rule.CREDENTIAL_TYPES, place, shown_by(UNKNOWN, UNKNOWN, *ABLE.credentials))


@in_company
def test_leaf_whose_credential_nobody_supports_is_refused_MLS_064(place: Place) -> None:
    """Its capabilities are as before, or as those of all."""
    refuses(Rule.CREDENTIAL_TYPES, place, shown_by(UNKNOWN, *ABLE.credentials))


@in_company
def test_leaf_that_does_not_support_its_own_credential_is_refused_MLS_064(place: Place) -> None:
    refuses(Rule.CREDENTIAL_TYPES, place, shown_by(OTHER_CREDENTIAL, BASIC, REQUIRED_CREDENTIAL))


# -- the extensions of a leaf -------------------------------------------------------------------


def extended(*types: int) -> Tale:
    extensions = tuple(Extension(extension_type=one, data=b"data") for one in types)
    return Tale(lambda leaf: change_leaf(leaf, extensions=extensions))


@at_sight
def test_leaf_with_an_extension_it_does_not_support_is_refused_MLS_067(place: Place) -> None:
    refuses(Rule.LEAF_EXTENSIONS, place, extended(OTHER_EXTENSION, UNKNOWN))
    assert place(extended(OTHER_EXTENSION, ExtensionType.APPLICATION_ID))


@at_sight
def test_leaf_with_unknown_values_is_accepted_everywhere(place: Place) -> None:
    """GREASE (13.5): what is not known is ignored, as long as the leaf supports it itself."""
    grease = 0x0A0A
    capabilities = Capabilities(
        versions=(1, grease),
        cipher_suites=(*ABLE.cipher_suites, grease),
        extensions=(*ABLE.extensions, grease),
        proposals=(*ABLE.proposals, grease),
        credentials=(*ABLE.credentials, grease),
    )
    extension = Extension(extension_type=grease, data=b"anything")
    assert place(
        Tale(lambda leaf: change_leaf(leaf, capabilities=capabilities, extensions=(extension,)))
    )


# -- a group that comes to demand more ------------------------------------------------------------

POOR = able_package(
    "poor",
    capabilities=replace(
        ABLE,
        extensions=(CHECKPOINT, REQUIRED_EXTENSION),
        proposals=(REQUIRED_PROPOSAL,),
        credentials=(BASIC, REQUIRED_CREDENTIAL),
    ),
)
ADDED = add(LIAR, POOR)
LIAR_WITH_POOR = ADDED.next
VICTIM_WITH_POOR, PROPOSER_WITH_POOR = (
    take_commit(one, ADDED.message) for one in (VICTIM, PROPOSER)
)
DEMANDS = {
    Rule.REQUIRED_EXTENSIONS: (USED, requiring((OTHER_EXTENSION,), (), ())),
    Rule.REQUIRED_PROPOSALS: (USED, requiring((), (OTHER_PROPOSAL,), ())),
    Rule.REQUIRED_CREDENTIALS: (USED, requiring((), (), (OTHER_CREDENTIAL,))),
    Rule.CONTEXT_EXTENSIONS: (*CONTEXT, Extension(extension_type=OTHER_EXTENSION, data=b"")),
}


def is_not_demanded(rule: Rule) -> None:
    """Of a member who lacks it, of one who comes with the demand; but when he goes with it."""
    demand = GroupContextExtensions(extensions=DEMANDS[rule])
    newcomer = Add(key_package=POOR.parsed())
    proposal = send(PROPOSER_WITH_POOR, Proposal(body=demand))
    _, victim = take_proposal(VICTIM_WITH_POOR, proposal)
    reference, liar = take_proposal(LIAR_WITH_POOR, proposal)
    lists: list[tuple[Group, Group, list[ProposalBody | bytes]]] = [
        (LIAR_WITH_POOR, VICTIM_WITH_POOR, [demand]),
        (liar, victim, [reference]),
        (LIAR, VICTIM, [demand, newcomer]),
        (LIAR, VICTIM, [newcomer, demand]),
    ]
    for liar, victim, proposals in lists:
        before = victim.encode()
        with pytest.raises(RuleViolation) as caught:
            victim.process(forge_commit(liar, proposals), now=NOW)
        assert caught.value.rule is rule
        assert victim.encode() == before
    with pytest.raises(RuleViolation) as caught:
        VICTIM_WITH_POOR.commit(extensions=demand.extensions, now=NOW, entropy=ENTROPY)
    assert caught.value.rule is rule
    assert take_commit(VICTIM, forge_commit(LIAR, [demand])).extensions == demand.extensions
    gone = forge_commit(LIAR_WITH_POOR, [demand, Remove(removed=len(GROUPS))])
    assert take_commit(VICTIM_WITH_POOR, gone).extensions == demand.extensions


def test_group_cannot_require_an_extension_that_a_member_lacks_MLS_061() -> None:
    is_not_demanded(Rule.REQUIRED_EXTENSIONS)


def test_group_cannot_require_a_proposal_that_a_member_lacks_MLS_062() -> None:
    is_not_demanded(Rule.REQUIRED_PROPOSALS)


def test_group_cannot_require_a_credential_that_a_member_lacks_MLS_063() -> None:
    is_not_demanded(Rule.REQUIRED_CREDENTIALS)


def test_group_cannot_use_an_extension_that_a_member_lacks_MLS_074() -> None:
    is_not_demanded(Rule.CONTEXT_EXTENSIONS)


def does_not_join(rule: Rule, way: Way) -> None:
    """Who lacks himself what the group demands does not join, whoever wants him in."""
    poor = Host.of(LIAR, POOR, POOR)
    tree = OwnedTree.of(GROUPS).add(POOR) if way.is_welcome else TREE
    poor.turned_away(rule, way, tree.tree, context_extensions=DEMANDS[rule])
    assert HOST.lets_in(way, TREE.tree, context_extensions=DEMANDS[rule])


@every_way
def test_joiner_without_a_required_extension_stays_out_MLS_061(way: Way) -> None:
    does_not_join(Rule.REQUIRED_EXTENSIONS, way)


@every_way
def test_joiner_without_a_required_proposal_stays_out_MLS_062(way: Way) -> None:
    does_not_join(Rule.REQUIRED_PROPOSALS, way)


@every_way
def test_joiner_without_a_required_credential_stays_out_MLS_063(way: Way) -> None:
    does_not_join(Rule.REQUIRED_CREDENTIALS, way)


@every_way
def test_joiner_without_an_extension_of_the_group_stays_out_MLS_074(way: Way) -> None:
    does_not_join(Rule.CONTEXT_EXTENSIONS, way)


@pytest.mark.parametrize("rule", [Rule.CONTEXT_EXTENSIONS, Rule.REQUIRED_PROPOSALS])
def test_group_is_not_founded_on_what_its_founder_lacks_MLS_074(rule: Rule) -> None:
    """He supports the extension of the application's own, and nothing else beyond the RFC."""
    with pytest.raises(RuleViolation) as caught:
        founder(CLASSICAL, extensions=DEMANDS[rule])
    assert caught.value.rule is rule
    assert founder(CLASSICAL, extensions=(USED,)).extensions == (USED,)

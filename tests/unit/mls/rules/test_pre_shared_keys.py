"""Pre-shared keys that are named wrongly, twice, too often, or that the receiver does not know.

Whoever names them knows their values: the key schedule is run with them and confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import CipherSuite, Group, KeyPackageSecrets, Operations, UnknownPsk
from cloister.mls.joining import DecryptedWelcome, decrypt_welcome
from cloister.mls.limits import MAX_PSKS, MAX_RESUMPTION_PSKS
from cloister.mls.proposal import PreSharedKey, Proposal
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.registry import PskType, ResumptionPskUsage
from cloister.mls.rules import Rule
from cloister.testing.forge import send
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import (
    CLASSICAL,
    PRODUCT,
    add,
    group_of,
    package,
    settle,
    take_proposal,
    update,
    welcome_of,
)
from unit.mls.rules.verdict import Reason, accepts, joins, refuses, refuses_to_join

FOUNDED = group_of(3, CLASSICAL)
# In the second epoch, so that there is a resumption key of one that is past.
ALICE, BOB, CAROL = settle(FOUNDED, 0, update(FOUNDED[0]))
NH = 32
KEYS = {b"one": Secret(b"the one key"), b"two": Secret(b"the other key")}
NEWCOMER = package("newcomer", CLASSICAL)

Names = Sequence[PreSharedKeyId]


def external(psk_id: bytes = b"one", nonce: bytes = bytes(NH)) -> PreSharedKeyId:
    return PreSharedKeyId(psk_type=PskType.EXTERNAL, psk_id=psk_id, psk_nonce=nonce)


def resumption(
    epoch: int = 1,
    usage: ResumptionPskUsage = ResumptionPskUsage.APPLICATION,
    group_id: bytes = b"the group",
    nonce: bytes = bytes(NH),
) -> PreSharedKeyId:
    return PreSharedKeyId(
        psk_type=PskType.RESUMPTION,
        usage=usage,
        psk_group_id=group_id,
        psk_epoch=epoch,
        psk_nonce=nonce,
    )


def value_of(name: PreSharedKeyId) -> Secret:
    """What the attacker uses for a key: the true value where there is one."""
    if name.usage is None:
        return KEYS.get(name.psk_id, Secret(b"a key of the attacker's"))
    known = dict(ALICE.state.resumption) | {ALICE.epoch: ALICE.state.secrets.resumption}
    return known.get(name.psk_epoch, Secret(b"a key of another epoch"))


# -- the places where keys are named ---------------------------------------------------------------


def in_a_commit(names: Names) -> bytes:
    how = Forgery(with_path=False, psks={name: value_of(name) for name in names})
    return forge_commit(ALICE, [PreSharedKey(psk=name) for name in names], how)


def in_a_commit_with_a_path(names: Names) -> bytes:
    how = Forgery(psks={name: value_of(name) for name in names})
    return forge_commit(ALICE, [PreSharedKey(psk=name) for name in names], how)


def in_an_external_commit(names: Names) -> bytes:
    return forge_external_commit(
        ALICE,
        NEWCOMER,
        lambda init: [init, *(PreSharedKey(psk=name) for name in names)],
        Forgery(psks={name: value_of(name) for name in names}),
    )


COMMITS = [in_a_commit, in_a_commit_with_a_path, in_an_external_commit]
Message = Callable[[Names], bytes]


def named(message: Message) -> str:
    return message.__name__


def only_the_lie_is_refused(message: Message, lie: Names, honest: Names, reason: Reason) -> None:
    accepts(BOB, message(honest), psks=KEYS)
    refuses(BOB, message(lie), reason, psks=KEYS)


class Joiner:
    """A KeyPackage, the honest Welcome for it and forged ones."""

    def __init__(self, adder: Group, suite: CipherSuite) -> None:
        self.secrets: KeyPackageSecrets = package("joiner", suite)
        staged = add(adder, self.secrets)
        self.group = staged.next
        self.tree = staged.ratchet_tree
        self.opened: DecryptedWelcome = decrypt_welcome(
            welcome_of(staged), self.secrets, {}, {}, None
        )

    def welcome(self, names: Names) -> bytes:
        how = WelcomeForgery(psks=[(name, value_of(name)) for name in names])
        return as_message(forge_welcome(self.opened, self.group, self.secrets, how))

    def refuses_only(self, lie: Names, honest: Names, reason: Reason) -> None:
        refuses_to_join(self.secrets, self.welcome(lie), reason, tree=self.tree, psks=KEYS)
        joined = joins(self.secrets, self.welcome(honest), tree=self.tree, psks=KEYS)
        assert joined.epoch == self.group.epoch


JOINER = Joiner(ALICE, CLASSICAL)


# -- nonces ----------------------------------------------------------------------------------------

WRONG_LENGTHS = [0, 1, NH - 1, NH + 1, 48, 64]


@pytest.mark.parametrize("length", WRONG_LENGTHS)
@pytest.mark.parametrize("message", COMMITS, ids=named)
def test_nonce_of_another_length_in_a_commit_MLS_110(message: Message, length: int) -> None:
    for name in (external(), resumption()):
        lie = replace(name, psk_nonce=bytes(length))
        only_the_lie_is_refused(message, [lie], [name], Rule.PSK_NONCE)
    only_the_lie_is_refused(
        message,
        [external(), external(b"two", bytes(length))],
        [external(), external(b"two")],
        Rule.PSK_NONCE,
    )


def proposed(name: PreSharedKeyId) -> bytes:
    return send(ALICE, Proposal(body=PreSharedKey(psk=name)))


@pytest.mark.parametrize("length", WRONG_LENGTHS)
def test_nonce_of_another_length_in_a_proposal_MLS_110(length: int) -> None:
    accepts(BOB, proposed(external()))
    refuses(BOB, proposed(external(nonce=bytes(length))), Rule.PSK_NONCE)


@pytest.mark.parametrize("length", WRONG_LENGTHS)
def test_nonce_of_another_length_in_a_welcome_MLS_110(length: int) -> None:
    for name in (external(), external(b"two")):
        JOINER.refuses_only([replace(name, psk_nonce=bytes(length))], [name], Rule.PSK_NONCE)


def test_nonce_is_as_long_as_the_hash_of_the_suite_MLS_110() -> None:
    """The product's hash has 48 bytes, and a nonce of 32 is none there."""
    alice, bob = group_of(2, PRODUCT)
    for length, reason in ((48, None), (NH, Rule.PSK_NONCE)):
        name = external(nonce=bytes(length))
        how = Forgery(with_path=False, psks={name: KEYS[b"one"]})
        message = forge_commit(alice, [PreSharedKey(psk=name)], how)
        if reason is None:
            accepts(bob, message, psks=KEYS)
        else:
            refuses(bob, message, reason, psks=KEYS)
    joiner = Joiner(alice, PRODUCT)
    joiner.refuses_only([external()], [external(nonce=bytes(48))], Rule.PSK_NONCE)


# -- usage -----------------------------------------------------------------------------------------

FOUNDING = [ResumptionPskUsage.REINIT, ResumptionPskUsage.BRANCH]


@pytest.mark.parametrize("usage", FOUNDING)
@pytest.mark.parametrize("message", COMMITS, ids=named)
def test_resumption_key_for_founding_in_a_group_that_exists_MLS_111(
    message: Message, usage: ResumptionPskUsage
) -> None:
    for epoch in (1, 2):
        only_the_lie_is_refused(
            message, [resumption(epoch, usage)], [resumption(epoch)], Rule.PSK_USAGE
        )


@pytest.mark.parametrize("usage", FOUNDING)
def test_resumption_key_for_founding_is_not_proposed_MLS_111(usage: ResumptionPskUsage) -> None:
    accepts(BOB, proposed(resumption()))
    refuses(BOB, proposed(resumption(usage=usage)), Rule.PSK_USAGE)


# -- twice -----------------------------------------------------------------------------------------

AGAIN = [
    pytest.param([external(), external()], id="external"),
    pytest.param([resumption(), resumption()], id="resumption"),
    pytest.param([external(), external(b"two"), external()], id="apart"),
]
# One key under two nonces has two names; so have two keys under one nonce.
DISTINCT = [external(), external(nonce=b"\x01" * NH), external(b"two"), resumption()]


@pytest.mark.parametrize("lie", AGAIN)
@pytest.mark.parametrize("message", COMMITS, ids=named)
def test_key_that_is_named_twice_MLS_112(message: Message, lie: Names) -> None:
    only_the_lie_is_refused(message, lie, DISTINCT, Rule.DUPLICATE_PSK)


def test_key_that_is_named_by_reference_and_by_value_MLS_112() -> None:
    """Two proposals by two members, of which a commit may take up one."""
    how = Forgery(with_path=False, psks={external(): KEYS[b"one"]})
    carols = send(CAROL, Proposal(body=PreSharedKey(psk=external())))
    first, alice = take_proposal(ALICE, carols)
    _, bob = take_proposal(BOB, carols)
    accepts(bob, forge_commit(alice, [first], how), psks=KEYS)
    lie = forge_commit(alice, [first, PreSharedKey(psk=external())], how)
    refuses(bob, lie, Rule.DUPLICATE_PSK, psks=KEYS)


def test_key_that_a_welcome_names_twice_MLS_112() -> None:
    JOINER.refuses_only(
        [external(), external()],
        [external(), external(nonce=b"\x01" * NH), external(b"two")],
        Rule.DUPLICATE_PSK,
    )


# -- unknown ---------------------------------------------------------------------------------------

SUBSTITUTES: Mapping[str, Secret] = {
    "empty": Secret(b""),
    "zeros": Secret(bytes(NH)),
    "its name": Secret(b"one"),
}


@pytest.mark.parametrize("substitute", SUBSTITUTES)
@pytest.mark.parametrize("with_path", [False, True])
def test_nothing_stands_in_for_a_key_that_is_not_known_MLS_113(
    with_path: bool, substitute: str
) -> None:
    """The commit is confirmed with what a careless receiver would take for the key."""
    for name in (external(), resumption(epoch=99), resumption(group_id=b"another")):
        how = Forgery(with_path=with_path, psks={name: SUBSTITUTES[substitute]})
        refuses(BOB, forge_commit(ALICE, [PreSharedKey(psk=name)], how), UnknownPsk)
    accepts(BOB, in_a_commit([external(), resumption()]), psks=KEYS)


@pytest.mark.parametrize("message", COMMITS, ids=named)
def test_key_that_the_receiver_does_not_know_MLS_113(message: Message) -> None:
    for unknown in (
        external(b"three"),
        external(b""),
        resumption(epoch=3),
        resumption(epoch=2**64 - 1),
        resumption(group_id=b"another"),
        resumption(group_id=b""),
    ):
        lie = [external(), unknown]
        only_the_lie_is_refused(message, lie, [external(), resumption()], UnknownPsk)


def test_external_key_is_not_known_by_the_name_of_an_epoch_MLS_113() -> None:
    """Nor the other way round: the two kinds are apart."""
    twin = external((1).to_bytes(8, "big"))
    refuses(BOB, in_a_commit([twin]), UnknownPsk, psks=KEYS)
    accepts(BOB, in_a_commit([resumption(1)]), psks=KEYS)


def test_resumption_key_of_an_epoch_long_ago_MLS_113() -> None:
    alice, bob = group_of(2, CLASSICAL)
    for _ in range(MAX_RESUMPTION_PSKS + 1):
        alice, bob = settle([alice, bob], 0, update(alice))
    oldest = alice.epoch - MAX_RESUMPTION_PSKS
    key = Secret(b"the attacker has kept it")

    def commit(epoch: int, value: Secret) -> bytes:
        name = resumption(epoch)
        how = Forgery(with_path=False, psks={name: value})
        return forge_commit(alice, [PreSharedKey(psk=name)], how)

    accepts(bob, commit(oldest, dict(alice.state.resumption)[oldest]))
    refuses(bob, commit(oldest - 1, key), UnknownPsk)


def test_key_that_the_joiner_does_not_know_MLS_113() -> None:
    for unknown in (external(b"three"), resumption(epoch=99), resumption(group_id=b"another")):
        JOINER.refuses_only([external(), unknown], [external(), external(b"two")], UnknownPsk)


# -- too many --------------------------------------------------------------------------------------


def many(count: int) -> Names:
    return [external(nonce=number.to_bytes(NH, "big")) for number in range(count)]


@pytest.mark.parametrize("message", [in_a_commit, in_an_external_commit], ids=named)
def test_more_keys_than_the_limit_MLS_114(message: Message) -> None:
    only_the_lie_is_refused(message, many(MAX_PSKS + 1), many(MAX_PSKS), Rule.PSK_COUNT)


def test_welcome_with_more_keys_than_the_limit_MLS_114() -> None:
    JOINER.refuses_only(many(MAX_PSKS + 1), many(MAX_PSKS), Rule.PSK_COUNT)


def test_keys_are_counted_before_they_are_looked_up_MLS_114() -> None:
    """The limit is there so that nothing is computed for a flood of names."""
    refuses(BOB, in_a_commit(many(MAX_PSKS + 1)), Rule.PSK_COUNT, allow=Operations.NONE)

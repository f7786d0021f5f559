"""Lists of extensions: a type that occurs twice, and data that do not decode exactly.

Tried in every list there is: of a leaf, a KeyPackage, the group context in a commit, a proposal and
a Welcome, a GroupInfo, a ReInit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from cloister.crypto.signature import Ed25519Key
from cloister.mls import (
    Extension,
    ExtensionType,
    Malformed,
    MLSError,
    RuleViolation,
    basic_credential,
    join_externally,
)
from cloister.mls.extension import ExternalSender, ExternalSenders, RequiredCapabilities
from cloister.mls.joining import decrypt_welcome
from cloister.mls.leaf_node import LeafNode
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Add, GroupContextExtensions, Proposal, ReInit, Update
from cloister.mls.rules import Rule
from cloister.mls.welcome import GroupInfo, sign_group_info
from cloister.testing.forge import change_leaf, resigned_package, send, update_leaf
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from cloister.testing.forge_welcome import WelcomeForgery, as_message, forge_welcome
from cloister.values import replace
from unit.mls.members import CHECKPOINT, CLASSICAL, ENTROPY, add, group_of, package, welcome_of
from unit.mls.rules.verdict import Reason, accepts, joins, refuses, refuses_to_join

ALICE, BOB, _ = group_of(3, CLASSICAL)
NEWCOMER = package("newcomer", CLASSICAL)
STAGED = add(ALICE, NEWCOMER, tree_in_welcome=False)
OPENED = decrypt_welcome(welcome_of(STAGED), NEWCOMER, {}, {}, None)

Extensions = tuple[Extension, ...]
Message = Callable[[Extensions], bytes]

ONE = Extension(extension_type=CHECKPOINT, data=b"one")
OTHER = Extension(extension_type=CHECKPOINT, data=b"other")
APPLICATION = Extension(extension_type=ExtensionType.APPLICATION_ID, data=b"id")
TWICE = [
    pytest.param((ONE, OTHER), id="other data"),
    pytest.param((ONE, ONE), id="the same"),
    pytest.param((ONE, APPLICATION, ONE), id="apart"),
]


# -- messages with these extensions in one of their lists ------------------------------------------


def in_an_added_leaf(extensions: Extensions) -> bytes:
    added = resigned_package(NEWCOMER, leaf=lambda leaf: change_leaf(leaf, extensions=extensions))
    return forge_commit(ALICE, [Add(key_package=added)])


def in_an_updated_leaf(extensions: Extensions) -> bytes:
    leaf = update_leaf(ALICE, extensions=extensions)
    return send(ALICE, Proposal(body=Update(leaf_node=leaf)))


def _path_leaf(extensions: Extensions) -> Forgery:
    return Forgery(change_leaf=lambda leaf: change_leaf(leaf, extensions=extensions))


def in_the_leaf_of_a_path(extensions: Extensions) -> bytes:
    return forge_commit(ALICE, [], _path_leaf(extensions))


def in_the_leaf_of_an_external_commit(extensions: Extensions) -> bytes:
    return forge_external_commit(ALICE, NEWCOMER, how=_path_leaf(extensions))


def in_a_key_package(extensions: Extensions) -> bytes:
    added = resigned_package(NEWCOMER, change=lambda one: replace(one, extensions=extensions))
    return forge_commit(ALICE, [Add(key_package=added)])


def in_a_key_package_that_is_proposed(extensions: Extensions) -> bytes:
    added = resigned_package(NEWCOMER, change=lambda one: replace(one, extensions=extensions))
    return send(ALICE, Proposal(body=Add(key_package=added)))


def in_a_group_context(extensions: Extensions) -> bytes:
    return forge_commit(ALICE, [GroupContextExtensions(extensions=extensions)])


def in_a_proposed_group_context(extensions: Extensions) -> bytes:
    return send(ALICE, Proposal(body=GroupContextExtensions(extensions=extensions)))


def _reinit(extensions: Extensions) -> ReInit:
    return ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=extensions)


def in_a_reinit(extensions: Extensions) -> bytes:
    return forge_commit(ALICE, [_reinit(extensions)], Forgery(with_path=False))


def in_a_proposed_reinit(extensions: Extensions) -> bytes:
    return send(ALICE, Proposal(body=_reinit(extensions)))


CONTEXTS = [
    in_a_group_context,
    in_a_proposed_group_context,
    in_a_reinit,
    in_a_proposed_reinit,
]
LISTS = [
    in_an_added_leaf,
    in_an_updated_leaf,
    in_the_leaf_of_a_path,
    in_the_leaf_of_an_external_commit,
    in_a_key_package,
    in_a_key_package_that_is_proposed,
    *CONTEXTS,
]


def named(message: Message) -> str:
    return message.__name__


@pytest.mark.parametrize("twice", TWICE)
@pytest.mark.parametrize("message", LISTS, ids=named)
def test_extension_twice_MLS_010(message: Message, twice: Extensions) -> None:
    accepts(BOB, message((ONE, APPLICATION)))
    refuses(BOB, message(twice), Rule.DUPLICATE_EXTENSION)


# -- Welcomes and GroupInfos -----------------------------------------------------------------------


def welcome(how: WelcomeForgery) -> bytes:
    return as_message(forge_welcome(OPENED, STAGED.next, NEWCOMER, how))


def only_the_lie_does_not_welcome(
    lie: WelcomeForgery, honest: WelcomeForgery, reason: Reason
) -> None:
    refuses_to_join(NEWCOMER, welcome(lie), reason, tree=STAGED.ratchet_tree)
    assert joins(NEWCOMER, welcome(honest), tree=STAGED.ratchet_tree).epoch == STAGED.next.epoch


@pytest.mark.parametrize("twice", TWICE)
def test_extension_twice_in_the_context_of_a_welcome_MLS_010(twice: Extensions) -> None:
    only_the_lie_does_not_welcome(
        WelcomeForgery(context_extensions=twice),
        WelcomeForgery(context_extensions=(ONE, APPLICATION)),
        Rule.DUPLICATE_EXTENSION,
    )


@pytest.mark.parametrize("twice", TWICE)
def test_extension_twice_in_a_group_info_MLS_010(twice: Extensions) -> None:
    only_the_lie_does_not_welcome(
        WelcomeForgery(extensions=twice),
        WelcomeForgery(extensions=(ONE, APPLICATION)),
        Rule.DUPLICATE_EXTENSION,
    )


def test_tree_twice_in_a_group_info_MLS_010() -> None:
    """Which of two trees counted would be the reader's choice."""
    inside = Extension(extension_type=ExtensionType.RATCHET_TREE, data=STAGED.ratchet_tree)
    other = Extension(extension_type=ExtensionType.RATCHET_TREE, data=ALICE.ratchet_tree())
    only_the_lie_does_not_welcome(
        WelcomeForgery(extensions=(inside, other)),
        WelcomeForgery(extensions=(inside,)),
        Rule.DUPLICATE_EXTENSION,
    )


def test_extension_twice_in_a_leaf_of_the_tree_MLS_010() -> None:
    """The adder puts a third person into the tree, whose own leaf is signed as it is."""
    third = package("third", CLASSICAL)

    def planted(extensions: Extensions) -> tuple[bytes, WelcomeForgery]:
        def extended(leaf: LeafNode) -> LeafNode:
            return change_leaf(leaf, extensions=extensions)

        leaf = resigned_package(third, leaf=extended).leaf_node
        draft = ALICE.state.tree.edit()
        draft.add_leaf(NEWCOMER.parsed().leaf_node)
        draft.add_leaf(leaf)
        tree = draft.done()
        # As after a commit without a path, so there is no secret of one.
        how = WelcomeForgery(
            tree=tree, change_secrets=lambda secrets: replace(secrets, path_secret=None)
        )
        return tree.encode(), how

    tree, how = planted((ONE, APPLICATION))
    assert joins(NEWCOMER, welcome(how), tree=tree).epoch == STAGED.next.epoch
    tree, how = planted((ONE, ONE))
    refuses_to_join(NEWCOMER, welcome(how), Rule.DUPLICATE_EXTENSION, tree=tree)


def group_info(extensions: Extensions = (), context: Extensions = ()) -> bytes:
    """Alice's GroupInfo for an external commit, with these extensions in either place."""
    honest = MLSMessage.decode(ALICE.group_info()).body
    assert isinstance(honest, GroupInfo)
    made = sign_group_info(
        ALICE.suite,
        ALICE.state.signature_key,
        group_context=replace(honest.group_context, extensions=context),
        extensions=(*honest.extensions, *extensions),
        confirmation_tag=honest.confirmation_tag,
        signer=honest.signer,
    )
    return MLSMessage(body=made).encode()


def refuses_to_join_externally(lie: bytes, kind: type[MLSError]) -> MLSError:
    with pytest.raises(kind) as caught:
        join_externally(lie, NEWCOMER, entropy=ENTROPY)
    honest = group_info((ONE, APPLICATION), (ONE, APPLICATION))
    assert join_externally(honest, NEWCOMER, entropy=ENTROPY).next.epoch == ALICE.epoch + 1
    return caught.value


@pytest.mark.parametrize("twice", TWICE)
@pytest.mark.parametrize("place", ["extensions", "context"])
def test_extension_twice_for_an_external_commit_MLS_010(place: str, twice: Extensions) -> None:
    error = refuses_to_join_externally(group_info(**{place: twice}), RuleViolation)
    assert isinstance(error, RuleViolation)
    assert error.rule is Rule.DUPLICATE_EXTENSION


# -- data of required_capabilities and external_senders --------------------------------------------

REQUIRED = RequiredCapabilities(
    extension_types=(CHECKPOINT,), proposal_types=(), credential_types=(1,)
).encode()
SENDERS = ExternalSenders(
    senders=(
        ExternalSender(
            signature_key=Ed25519Key(NEWCOMER.signature_key).public,
            credential=basic_credential(b"outside"),
        ),
    )
).encode()
INEXACT = [
    pytest.param(lambda data: data + b"\x00", id="more"),
    pytest.param(lambda data: data[:-1], id="less"),
    pytest.param(lambda data: b"", id="none"),
    pytest.param(lambda data: b"\x80\x00\x00" + data, id="a longer form"),
]
KNOWN = [
    pytest.param(ExtensionType.REQUIRED_CAPABILITIES, REQUIRED, id="required_capabilities"),
    pytest.param(ExtensionType.EXTERNAL_SENDERS, SENDERS, id="external_senders"),
]


def with_data(kind: ExtensionType, data: bytes) -> Extensions:
    return (ONE, Extension(extension_type=kind, data=data))


@pytest.mark.parametrize("change", INEXACT)
@pytest.mark.parametrize(("kind", "data"), KNOWN)
@pytest.mark.parametrize("message", CONTEXTS, ids=named)
def test_data_that_do_not_decode_exactly_MLS_011(
    message: Message, kind: ExtensionType, data: bytes, change: Callable[[bytes], bytes]
) -> None:
    accepts(BOB, message(with_data(kind, data)))
    refuses(BOB, message(with_data(kind, change(data))), Malformed)


@pytest.mark.parametrize("change", INEXACT)
@pytest.mark.parametrize(("kind", "data"), KNOWN)
def test_data_that_do_not_decode_exactly_in_a_welcome_MLS_011(
    kind: ExtensionType, data: bytes, change: Callable[[bytes], bytes]
) -> None:
    def in_context(extensions: Sequence[Extension]) -> WelcomeForgery:
        return WelcomeForgery(context_extensions=extensions)

    only_the_lie_does_not_welcome(
        in_context(with_data(kind, change(data))), in_context(with_data(kind, data)), Malformed
    )


@pytest.mark.parametrize("change", INEXACT)
@pytest.mark.parametrize(("kind", "data"), KNOWN)
def test_data_that_do_not_decode_exactly_for_an_external_commit_MLS_011(
    kind: ExtensionType, data: bytes, change: Callable[[bytes], bytes]
) -> None:
    refuses_to_join_externally(group_info(context=with_data(kind, change(data))), Malformed)

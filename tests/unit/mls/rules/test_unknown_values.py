"""Values that nobody knows yet are ignored where RFC 9420 13.4 and 13.5 say so, and only there."""

from __future__ import annotations

import pytest

from cloister.mls import (
    Capabilities,
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    Operations,
    StagedCommit,
    basic_credential,
    join_externally,
    open_welcome,
)
from cloister.mls.extension import RequiredCapabilities
from cloister.mls.leaf_node import LeafNode
from cloister.mls.proposal import Add, GroupContextExtensions
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf, resigned_package
from cloister.testing.forge_commit import forge_commit
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    agree,
    group_of,
    package,
    settle,
    take_commit,
    take_proposal,
    take_text,
    welcome_of,
)
from unit.mls.rules.verdicts import follows, refuses

# All that section 13.5 reserves, what is for private use, and what may be assigned one day.
GREASE = tuple(0x1010 * n + 0x0A0A for n in range(15))
UNKNOWN = (*GREASE, 0xFAFA, 0xF0F0, 0x0F0F, 0xFFFF)
ODD = tuple(Extension(extension_type=one, data=b"\xff" * (one % 7)) for one in UNKNOWN)
# As many as fit a leaf or KeyPackage beside its own.
SOME = ODD[::2]
LISTS = ("versions", "cipher_suites", "extensions", "proposals", "credentials")
GROUPS = group_of(3, CLASSICAL)


def test_reserved_values_are_those_of_the_rfc() -> None:
    assert (GREASE[0], GREASE[1], GREASE[-1], len(GREASE)) == (0x0A0A, 0x1A1A, 0xEAEA, 15)


def with_unknown(capabilities: Capabilities, *lists: str) -> Capabilities:
    """These lists with unknown values before and after what is known."""
    changes = {name: (*UNKNOWN[9:], *getattr(capabilities, name), *UNKNOWN[:9]) for name in lists}
    return replace(capabilities, **changes)


def greased(
    *lists: str,
    leaf_extensions: tuple[Extension, ...] = (),
    extensions: tuple[Extension, ...] = (),
) -> KeyPackageSecrets:
    """A KeyPackage of a client that is ahead of us, or tries us."""
    secrets = package("greased", CLASSICAL)

    def change(leaf: LeafNode) -> LeafNode:
        return change_leaf(
            leaf,
            capabilities=with_unknown(leaf.capabilities, *lists),
            extensions=leaf_extensions,
        )

    changed = resigned_package(
        secrets, leaf=change, change=lambda whole: replace(whole, extensions=extensions)
    )
    return replace(secrets, key_package=changed.encode())


def live_with(secrets: KeyPackageSecrets) -> None:
    """Add him, talk, take up his Update, follow his commit, and let others join beside him."""
    staged = add(GROUPS[0], secrets)
    members = settle(GROUPS, 0, staged)
    newcomer = open_welcome(welcome_of(staged), secrets).join(None, now=NOW)
    assert agree([*members, newcomer])
    text, newcomer = newcomer.encrypt(b"here", entropy=ENTROPY)
    assert take_text(members[1], text)[0] == b"here"
    made = newcomer.propose(None, now=NOW, entropy=ENTROPY)
    members = [take_proposal(one, made.message)[1] for one in members]
    staged = members[1].commit(references=[made.reference], now=NOW, entropy=ENTROPY)
    everybody = settle([*members, made.next], 1, staged)
    staged = everybody[3].commit(now=NOW, entropy=ENTROPY)
    everybody = settle(everybody, 3, staged)
    assert agree(everybody)
    later = package("later", CLASSICAL)
    staged = add(everybody[2], later)
    everybody = settle(everybody, 2, staged)
    joined = open_welcome(welcome_of(staged), later).join(None, now=NOW)
    assert agree([*everybody, joined])
    # What he said of himself is kept as he said it.
    leaf = joined.state.tree.leaf(3)
    assert leaf is not None
    honest = secrets.parsed().leaf_node
    assert (leaf.capabilities, leaf.extensions) == (honest.capabilities, honest.extensions)


@pytest.mark.parametrize("name", LISTS)
def test_unknown_values_in_a_list_of_capabilities_are_ignored(name: str) -> None:
    live_with(greased(name))


def test_unknown_extensions_of_a_key_package_are_ignored_though_nowhere_listed() -> None:
    live_with(greased(extensions=SOME))


def test_unknown_extensions_of_a_leaf_are_ignored_when_it_lists_them() -> None:
    live_with(greased("extensions", leaf_extensions=SOME))


def test_unknown_values_everywhere_at_once_are_ignored() -> None:
    live_with(greased(*LISTS, leaf_extensions=SOME, extensions=SOME[::-1]))


def test_unknown_extensions_of_a_group_info_are_ignored_by_who_is_welcomed() -> None:
    secrets = package("welcomed", CLASSICAL)
    staged = GROUPS[0].commit(
        adds=[secrets.key_package], group_info_extensions=ODD, now=NOW, entropy=ENTROPY
    )
    opened = open_welcome(welcome_of(staged), secrets)
    assert opened.extensions[: len(ODD)] == ODD
    assert agree([opened.join(None, now=NOW), staged.next])


def test_unknown_extensions_of_a_group_info_are_ignored_by_who_joins_by_himself() -> None:
    info = GROUPS[0].group_info(extensions=ODD)
    made = join_externally(
        info, greased(*LISTS, leaf_extensions=SOME, extensions=SOME), entropy=ENTROPY
    )
    received = follows(GROUPS[1], made.message, allow=Operations.EXTERNAL_COMMIT)
    assert received.next is not None
    assert agree([received.next, made.next])
    leaf = received.next.state.tree.leaf(3)
    assert leaf is not None
    assert leaf.extensions == SOME


# -- nothing special -----------------------------------------------------------------------------


def test_attack_leaf_with_an_unknown_extension_that_it_does_not_list_MLS_067() -> None:
    secrets = greased(leaf_extensions=ODD[:1])
    refuses(
        Rule.LEAF_EXTENSIONS,
        GROUPS[1],
        forge_commit(GROUPS[0], [Add(key_package=secrets.parsed())]),
    )


@pytest.mark.parametrize("extension", ODD[:2], ids=lambda one: f"{one.extension_type:04x}")
def test_attack_unknown_extension_of_the_group_MLS_074(extension: Extension) -> None:
    body = GroupContextExtensions(extensions=(extension,))
    refuses(Rule.CONTEXT_EXTENSIONS, GROUPS[1], forge_commit(GROUPS[0], [body]))


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("extension_types", Rule.REQUIRED_EXTENSIONS),
        ("proposal_types", Rule.REQUIRED_PROPOSALS),
        ("credential_types", Rule.REQUIRED_CREDENTIALS),
    ],
)
def test_attack_unknown_values_are_required_MLS_061_MLS_062_MLS_063(name: str, rule: Rule) -> None:
    nothing = RequiredCapabilities(extension_types=(), proposal_types=(), credential_types=())
    for required, is_good in ((replace(nothing, **{name: UNKNOWN[:1]}), False), (nothing, True)):
        extension = Extension(
            extension_type=ExtensionType.REQUIRED_CAPABILITIES, data=required.encode()
        )
        commit = forge_commit(GROUPS[0], [GroupContextExtensions(extensions=(extension,))])
        if is_good:
            follows(GROUPS[1], commit)
        else:
            refuses(rule, GROUPS[1], commit)


def prepared() -> tuple[Group, Group]:
    """Two members who both list a reserved value, as clients that know it would."""
    founder = Group.create(
        CLASSICAL,
        b"ahead",
        signature_seed=GROUPS[0].suite.generate_signature_seed(ENTROPY),
        credential=basic_credential(b"founder"),
        supported_extensions=(CHECKPOINT, UNKNOWN[0]),
        entropy=ENTROPY,
    )
    secrets = greased("extensions")
    staged: StagedCommit = add(founder, secrets)
    return staged.next, open_welcome(welcome_of(staged), secrets).join(None, now=NOW)


def test_reserved_values_that_all_list_are_used_like_any_other() -> None:
    """Section 13.5 forbids special rules for them."""
    first, second = prepared()
    staged = first.commit(extensions=ODD[:1], now=NOW, entropy=ENTROPY)
    assert agree([staged.next, take_commit(second, staged.message)])

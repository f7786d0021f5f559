"""What who joins with an external commit finds wrong before he sends one (RFC 9420 12.4.3.2).

The lies that a Welcome can tell as well are in test_group_infos.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.mls import (
    Extension,
    ExtensionType,
    ExternalJoin,
    Group,
    KeyPackageSecrets,
    Malformed,
    join_externally,
)
from cloister.mls.extension import ExternalPub
from cloister.mls.message import MLSMessage
from cloister.mls.operations import Operations
from cloister.mls.rules import Rule
from cloister.mls.welcome import GroupInfo, sign_group_info
from cloister.testing.forge import change_leaf, resigned_package
from cloister.values import replace
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NO_PSKS,
    NOW,
    SeededEntropy,
    agree,
    group_of,
    package,
    settle,
    update,
)
from unit.mls.rules.verdicts import breaks, follows, refuses

_FOUR = group_of(4, CLASSICAL)
# Leaf 1 is blank, and the group uses an extension of the application's.
GROUPS = settle(
    [_FOUR[0], *_FOUR[2:]],
    0,
    _FOUR[0].commit(
        removes=[1],
        extensions=[Extension(extension_type=CHECKPOINT, data=b"here")],
        now=NOW,
        entropy=ENTROPY,
    ),
)
MEMBER, OTHER = GROUPS[0], GROUPS[1]
NEWCOMER = package("newcomer", CLASSICAL)


def with_extensions(*extensions: Extension) -> bytes:
    """A GroupInfo with these and nothing else, signed by a member."""
    info = sign_group_info(
        MEMBER.suite,
        MEMBER.state.signature_key,
        group_context=MEMBER.group_context,
        extensions=extensions,
        confirmation_tag=MEMBER.state.confirmation_tag,
        signer=MEMBER.own_leaf,
    )
    return MLSMessage(body=info).encode()


def external_pub(data: bytes) -> Extension:
    return Extension(extension_type=ExtensionType.EXTERNAL_PUB, data=data)


def makes(
    info: bytes,
    secrets: KeyPackageSecrets = NEWCOMER,
    *,
    replaces: int | None = None,
    psks: Mapping[bytes, Secret] = NO_PSKS,
    entropy: Entropy = ENTROPY,
) -> ExternalJoin:
    """His commit, which nobody has seen yet."""
    return join_externally(
        info,
        secrets,
        ratchet_tree=MEMBER.ratchet_tree(),
        replaces=replaces,
        external_psks=psks,
        entropy=entropy,
    )


def followed(made: ExternalJoin, psks: Mapping[bytes, Secret] = NO_PSKS) -> Group:
    """Demand that members follow it; a member afterwards."""
    received = follows(MEMBER, made.message, allow=Operations.EXTERNAL_COMMIT, psks=psks)
    assert received.next is not None
    assert agree([received.next, made.next])
    return received.next


def honest_key() -> bytes:
    body = MLSMessage.decode(MEMBER.group_info(with_tree=False)).body
    assert isinstance(body, GroupInfo)
    return ExternalPub.decode(body.extensions[0].data).external_pub


KEY = honest_key()


def test_group_info_with_nothing_but_the_key_serves() -> None:
    followed(makes(with_extensions(external_pub(ExternalPub(external_pub=KEY).encode()))))
    followed(makes(MEMBER.group_info()))


def test_a_key_that_members_share_is_mixed_in_by_his_wish() -> None:
    psks = {b"shared": Secret(b"key")}
    followed(makes(MEMBER.group_info(), psks=psks), psks)


def test_attack_group_info_without_external_pub_MLS_181() -> None:
    breaks(Rule.EXTERNAL_PUB, lambda: makes(with_extensions()))
    breaks(Rule.EXTERNAL_PUB, lambda: makes(MEMBER.group_info(with_external_pub=False)))


@pytest.mark.parametrize(
    "key", [b"", KEY[:-1], KEY + b"\x00", bytes(32)], ids=["empty", "short", "long", "low order"]
)
def test_attack_external_pub_that_is_no_key_MLS_050(key: bytes) -> None:
    data = ExternalPub(external_pub=key).encode()
    breaks(Rule.ENCRYPTION_KEY, lambda: makes(with_extensions(external_pub(data))))


def test_external_pub_that_does_not_decode_is_malformed() -> None:
    good = ExternalPub(external_pub=KEY).encode()
    for data in (b"", good[:-1], good + b"\x00"):
        with pytest.raises(Malformed):
            makes(with_extensions(external_pub(data)))


def test_attack_external_pub_of_another_secret_is_found_by_members_MLS_115() -> None:
    """He cannot check that key, nor the tag: his commit leads nowhere."""
    other = MEMBER.suite.generate_key_pair(ENTROPY).public
    info = with_extensions(external_pub(ExternalPub(external_pub=other).encode()))
    refuses(Rule.CONFIRMATION_TAG, MEMBER, makes(info).message, allow=Operations.EXTERNAL_COMMIT)


def test_attack_group_info_of_a_past_epoch_MLS_021() -> None:
    """Who is given an old one joins nothing: the members have gone on."""
    made = makes(MEMBER.group_info())
    staged = update(OTHER)
    later = follows(MEMBER, staged.message).next
    assert later is not None
    refuses(Rule.MESSAGE_EPOCH, later, made.message, allow=Operations.EXTERNAL_COMMIT)
    followed(made)


def test_bytes_that_are_no_group_info_are_malformed() -> None:
    good = MEMBER.group_info()
    for bad in (b"", good[:-1], good + b"\x00", MLSMessage(body=NEWCOMER.parsed()).encode()):
        with pytest.raises(Malformed):
            makes(bad)


# -- what members would refuse, he does not send --------------------------------------------------


@pytest.mark.parametrize("replaces", [1, 4, 2**32 - 1])
def test_nobody_is_replaced_where_nobody_is_MLS_120(replaces: int) -> None:
    breaks(Rule.REMOVED_LEAF, lambda: makes(MEMBER.group_info(), replaces=replaces))
    followed(makes(MEMBER.group_info(), replaces=3))


def test_a_former_self_must_be_replaced_MLS_072() -> None:
    again = package("member 2", CLASSICAL, signature_seed=OTHER.state.signature_key.seed)
    for replaces in (None, 3):
        breaks(
            Rule.UNIQUE_SIGNATURE_KEY,
            lambda replaces=replaces: makes(  # type: ignore[misc]
                MEMBER.group_info(), again, replaces=replaces
            ),
        )
    followed(makes(MEMBER.group_info(), again, replaces=OTHER.own_leaf))


def test_former_self_is_not_replaced_with_the_same_key_MLS_146() -> None:
    """A device that was put back to an earlier state draws the same numbers again."""
    seed = package("returning", CLASSICAL).signature_key
    first = makes(
        MEMBER.group_info(),
        package("returning", CLASSICAL, signature_seed=seed),
        entropy=SeededEntropy("snapshot"),
    )
    member = followed(first)

    def resync(entropy: Entropy) -> ExternalJoin:
        return join_externally(
            member.group_info(),
            package("returning", CLASSICAL, signature_seed=seed),
            replaces=first.next.own_leaf,
            entropy=entropy,
        )

    breaks(Rule.RESYNC_KEY, lambda: resync(SeededEntropy("snapshot")))
    again = resync(SeededEntropy("other"))
    assert follows(member, again.message, allow=Operations.EXTERNAL_COMMIT).is_external


def with_leaf(secrets: KeyPackageSecrets, **changes: object) -> KeyPackageSecrets:
    """The same client with other capabilities."""
    changed = resigned_package(
        secrets,
        leaf=lambda leaf: change_leaf(
            leaf,
            capabilities=replace(leaf.capabilities, **changes),  # type: ignore[arg-type]
        ),
    )
    return replace(secrets, key_package=changed.encode())


def test_newcomer_must_support_the_groups_extensions_MLS_074() -> None:
    poor = with_leaf(NEWCOMER, extensions=())
    breaks(Rule.CONTEXT_EXTENSIONS, lambda: makes(MEMBER.group_info(), poor))


def test_newcomer_must_support_the_members_credentials_MLS_064() -> None:
    blind = with_leaf(NEWCOMER, credentials=(0x0F0F,))
    breaks(Rule.CREDENTIAL_TYPES, lambda: makes(MEMBER.group_info(), blind))

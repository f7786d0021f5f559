"""The ways by which somebody gets to see a tree, and a member who vouches for any tree.

A Welcome and a GroupInfo for an external commit, each with the tree inside and beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import Extension, ExtensionType, Group, KeyPackageSecrets, Member, open_welcome
from cloister.mls.errors import RuleViolation
from cloister.mls.joining import DecryptedWelcome, decrypt_welcome
from cloister.mls.joining_externally import join_externally
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.rules import Rule
from cloister.testing.forge_tree import forge_group_info
from cloister.testing.forge_welcome import (
    WelcomeForgery,
    as_message,
    forge_welcome,
    with_path_secret,
)
from unit.mls.members import CLASSICAL, ENTROPY, NOW, add, package, welcome_of


class Way(Enum):
    """How a tree comes to a joiner."""

    WELCOME = "in the Welcome"
    BESIDE_WELCOME = "beside the Welcome"
    GROUP_INFO = "in the GroupInfo"
    BESIDE_GROUP_INFO = "beside the GroupInfo"

    @property
    def is_welcome(self) -> bool:
        return self in {Way.WELCOME, Way.BESIDE_WELCOME}

    @property
    def is_inside(self) -> bool:
        return self in {Way.WELCOME, Way.GROUP_INFO}


every_way = pytest.mark.parametrize("way", Way, ids=lambda way: way.value.replace(" ", "-"))


@dataclass(frozen=True, eq=False)
class Host:
    """A member who lets others into whatever tree he likes.

    Attributes:
        member: his leaf stands in every tree.
        joiner: who is sent a Welcome; his leaf stands in every tree too, and never commits.
        stranger: who joins by an external commit.
        welcome: an honest Welcome for the joiner.
        opened: that Welcome, opened.
    """

    member: Group
    joiner: KeyPackageSecrets
    stranger: KeyPackageSecrets
    welcome: bytes
    opened: DecryptedWelcome

    @classmethod
    def of(
        cls, member: Group, joiner: KeyPackageSecrets, stranger: KeyPackageSecrets | None = None
    ) -> Host:
        welcome = welcome_of(add(member, joiner))
        return cls(
            member,
            joiner,
            stranger or package("stranger", CLASSICAL),
            welcome,
            decrypt_welcome(welcome, joiner, {}, {}, None),
        )

    def lets_in(
        self,
        way: Way,
        tree: RatchetTree,
        *,
        encoded: bytes | None = None,
        context_extensions: Sequence[Extension] | None = None,
        path_secret: Secret | None = None,
    ) -> tuple[Member, ...]:
        """Send somebody in with a tree that has the hash of the context and his signature.

        Returns the members whom that somebody then sees, himself among them.

        Args:
            encoded: what is sent as the tree.
            path_secret: goes with a Welcome; None where a commit without a path adds the joiner.
        """
        data = tree.encode() if encoded is None else encoded
        beside = None if way.is_inside else data
        extension = Extension(extension_type=ExtensionType.RATCHET_TREE, data=data)
        inside = (extension,) if way.is_inside else ()
        if way.is_welcome:
            forgery = WelcomeForgery(
                tree=tree,
                extensions=inside,
                context_extensions=context_extensions,
                change_secrets=with_path_secret(path_secret),
            )
            message = as_message(forge_welcome(self.opened, self.member, self.joiner, forgery))
            return open_welcome(message, self.joiner).join(beside, now=NOW).members()
        info = forge_group_info(
            self.member,
            tree,
            extensions=inside,
            context_extensions=context_extensions,
        )
        made = join_externally(info, self.stranger, ratchet_tree=beside, entropy=ENTROPY)
        return made.next.members()

    def turned_away(
        self,
        rule: Rule,
        way: Way,
        tree: RatchetTree,
        *,
        encoded: bytes | None = None,
        context_extensions: Sequence[Extension] | None = None,
        path_secret: Secret | None = None,
    ) -> None:
        """Demand that nobody enters this tree, and that the joiner can still be welcomed."""
        with pytest.raises(RuleViolation) as caught:
            self.lets_in(
                way,
                tree,
                encoded=encoded,
                context_extensions=context_extensions,
                path_secret=path_secret,
            )
        assert caught.value.rule is rule
        assert rule.rule_id in str(caught.value)
        assert _is_still_welcome(self)


@cache
def _is_still_welcome(host: Host) -> bool:
    """That nothing is used up by what was refused; once will do, for all of this are values."""
    return open_welcome(host.welcome, host.joiner).join(None, now=NOW).own_leaf > 0

"""Long lists in foreign structures: none is searched in another, none is read once for each member.

What costs n * n for a message of n bytes lets anybody who can send one hold up all who receive it,
before a signature has been seen.
"""

from __future__ import annotations

from unittest.mock import patch

import pytest

from cloister.mls import Extension, ExtensionType, RuleViolation
from cloister.mls.extension import RequiredCapabilities
from cloister.mls.leaf_check import check_all_support, check_leaf_content
from cloister.mls.leaf_node import LeafNode
from cloister.mls.rules import Rule
from cloister.testing.forge import change_leaf
from cloister.values import replace
from unit.mls.members import CHECKPOINT, CLASSICAL, founder

GROUP = founder(CLASSICAL)
LEAF = GROUP.state.own_leaf_node


class Unsearchable(tuple[int, ...]):
    """A list that is read from end to end and never searched."""

    __slots__ = ()

    def __contains__(self, item: object) -> bool:
        raise AssertionError("searched one by one")


def with_types(*types: int) -> LeafNode:
    """A leaf that supports these extension types."""
    return change_leaf(
        LEAF, capabilities=replace(LEAF.capabilities, extensions=Unsearchable(types))
    )


def test_extensions_of_a_leaf_are_not_searched_in_its_capabilities_one_by_one() -> None:
    own = (Extension(extension_type=CHECKPOINT, data=b""),)
    check_leaf_content(GROUP.suite, replace(with_types(CHECKPOINT), extensions=own))
    with pytest.raises(RuleViolation) as caught:
        check_leaf_content(GROUP.suite, replace(with_types(CHECKPOINT + 1), extensions=own))
    assert caught.value.rule is Rule.LEAF_EXTENSIONS


def test_what_a_group_requires_is_read_once_for_all_members() -> None:
    data = RequiredCapabilities(
        extension_types=(CHECKPOINT,), proposal_types=(), credential_types=()
    ).encode()
    demands = (
        Extension(extension_type=ExtensionType.REQUIRED_CAPABILITIES, data=data),
        Extension(extension_type=CHECKPOINT, data=b""),
    )
    leaves = [with_types(CHECKPOINT, other) for other in range(100, 110)]
    with patch.object(
        RequiredCapabilities, "decode", side_effect=RequiredCapabilities.decode
    ) as reading:
        check_all_support(leaves, demands)
    assert reading.call_count == 1

"""What a receiver must say to a lie: the error that the table names, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from cloister.crypto.secret import Secret
from cloister.mls import (
    CommitReceived,
    Group,
    MLSError,
    Operations,
    ProposalReceived,
    RuleViolation,
)
from cloister.mls.rules import Rule
from unit.mls.members import NO_PSKS, NOW


def breaks(rule: Rule, act: Callable[[], object]) -> MLSError:
    """Demand that ``act`` is refused with exactly the error of this rule, which names its id."""
    with pytest.raises(MLSError) as caught:
        act()
    error = caught.value
    assert type(error).__name__ == rule.error, error
    if isinstance(error, RuleViolation):
        assert error.rule is rule, error
        assert rule.rule_id in str(error)
    return error


def refuses(
    rule: Rule,
    receiver: Group,
    message: bytes,
    *,
    allow: Operations = Operations.NONE,
    psks: Mapping[bytes, Secret] = NO_PSKS,
) -> MLSError:
    """Demand that a member refuses a message by this rule and keeps its state byte for byte."""
    before = receiver.encode()
    error = breaks(rule, lambda: receiver.process(message, now=NOW, psks=psks, allow=allow))
    assert receiver.encode() == before
    return error


def refuses_as(
    kind: type[MLSError], receiver: Group, message: bytes, *, allow: Operations = Operations.NONE
) -> None:
    """Demand an error of exactly this class, where no rule of the table is broken."""
    before = receiver.encode()
    with pytest.raises(MLSError) as caught:
        receiver.process(message, now=NOW, allow=allow)
    assert type(caught.value) is kind, caught.value
    assert receiver.encode() == before


def follows(
    receiver: Group,
    message: bytes,
    *,
    allow: Operations = Operations.NONE,
    psks: Mapping[bytes, Secret] = NO_PSKS,
) -> CommitReceived:
    """Demand that a member accepts a commit and stays."""
    received = receiver.process(message, now=NOW, psks=psks, allow=allow)
    assert isinstance(received, CommitReceived)
    assert received.next is not None
    return received


def keeps(
    receiver: Group, message: bytes, *, allow: Operations = Operations.NONE
) -> tuple[bytes, Group]:
    """Demand that a member accepts a proposal: its reference, and the member that has it."""
    received = receiver.process(message, now=NOW, allow=allow)
    assert isinstance(received, ProposalReceived)
    return received.reference, received.next

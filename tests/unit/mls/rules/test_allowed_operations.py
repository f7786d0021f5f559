"""Each operation beyond the profile is let through by its own permission and by no other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloister.mls import (
    Extension,
    ExtensionType,
    Operations,
    ProposalReceived,
    Unsupported,
    basic_credential,
    join_externally,
)
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import Sender
from cloister.mls.proposal import Add, ReInit, Remove
from cloister.mls.registry import SenderType
from cloister.testing.forge_commit import forge_commit, forge_external_commit
from cloister.testing.forge_proposal import forge_proposal, keeping
from unit.mls.members import CLASSICAL, ENTROPY, NOW, group_of, package, settle
from unit.mls.rules.verdicts import follows, keeps, refuses_as

_THREE = group_of(3, CLASSICAL)
_SUITE = _THREE[0].suite
OUTSIDER = _SUITE.signature_key(_SUITE.generate_signature_seed(ENTROPY))
_LISTED = Extension(
    extension_type=ExtensionType.EXTERNAL_SENDERS,
    data=ExternalSenders(
        senders=(
            ExternalSender(signature_key=OUTSIDER.public, credential=basic_credential(b"outside")),
        )
    ).encode(),
)
GROUPS = settle(_THREE, 0, _THREE[0].commit(extensions=[_LISTED], now=NOW, entropy=ENTROPY))
SENDER, RECEIVER = GROUPS[0], GROUPS[1]
NEWCOMER = package("newcomer", CLASSICAL)
REINIT = ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=())


def by_listed_sender() -> bytes:
    sender = Sender(sender_type=SenderType.EXTERNAL, index=0)
    return forge_proposal(SENDER, Remove(removed=2), sender=sender, key=OUTSIDER).message


def by_newcomer() -> bytes:
    sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    key = _SUITE.signature_key(NEWCOMER.signature_key)
    return forge_proposal(
        SENDER, Add(key_package=NEWCOMER.parsed()), sender=sender, key=key
    ).message


def made_by_joiner() -> bytes:
    return join_externally(SENDER.group_info(), NEWCOMER, entropy=ENTROPY).message


MESSAGES: dict[str, tuple[Callable[[], bytes], Operations]] = {
    "listed sender": (by_listed_sender, Operations.EXTERNAL_PROPOSAL),
    "newcomer's wish": (by_newcomer, Operations.EXTERNAL_PROPOSAL),
    "newcomer's commit": (
        lambda: forge_external_commit(SENDER, NEWCOMER),
        Operations.EXTERNAL_COMMIT,
    ),
    "newcomer's commit made here": (made_by_joiner, Operations.EXTERNAL_COMMIT),
    "reinit": (lambda: forge_commit(SENDER, [REINIT]), Operations.REINIT),
}


@pytest.mark.parametrize(("make", "needed"), MESSAGES.values(), ids=MESSAGES.keys())
def test_operation_needs_its_own_permission_and_no_other(
    make: Callable[[], bytes], needed: Operations
) -> None:
    message = make()
    refuses_as(Unsupported, RECEIVER, message)
    refuses_as(Unsupported, RECEIVER, message, allow=Operations.ALL & ~needed)
    others = [one for one in Operations if one is not needed]
    assert len(others) == 2
    for other in others:
        refuses_as(Unsupported, RECEIVER, message, allow=other)
    assert RECEIVER.process(message, now=NOW, allow=needed).next is not None
    assert RECEIVER.process(message, now=NOW, allow=Operations.ALL).next is not None


@pytest.mark.parametrize("outside", [False, True], ids=["member", "external sender"])
def test_reinit_is_kept_as_a_wish_and_asks_for_permission_when_committed(outside: bool) -> None:
    sender = Sender(sender_type=SenderType.EXTERNAL, index=0) if outside else None
    made = forge_proposal(SENDER, REINIT, sender=sender, key=OUTSIDER if outside else None)
    allow = Operations.EXTERNAL_PROPOSAL if outside else Operations.NONE
    reference, receiver = keeps(RECEIVER, made.message, allow=allow)
    commit = forge_commit(keeping(SENDER, made), [reference])
    refuses_as(Unsupported, receiver, commit, allow=Operations.ALL & ~Operations.REINIT)
    assert follows(receiver, commit, allow=Operations.REINIT).reinit == REINIT


def test_what_was_kept_by_permission_is_committed_without() -> None:
    """The permission is asked of the outsider's act; the commit is a member's."""
    wish = by_newcomer()
    received = RECEIVER.process(wish, now=NOW, allow=Operations.EXTERNAL_PROPOSAL)
    assert isinstance(received, ProposalReceived)
    assert received.sender is None
    _, third = keeps(GROUPS[2], wish, allow=Operations.EXTERNAL_PROPOSAL)
    staged = received.next.commit(references=[received.reference], now=NOW, entropy=ENTROPY)
    assert follows(third, staged.message).adds == (3,)

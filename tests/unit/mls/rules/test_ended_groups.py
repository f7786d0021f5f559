"""Nothing follows in a group that a ReInit has ended (RFC 9420 12.4.2)."""

from __future__ import annotations

import pytest

from cloister.mls import Group, Misuse, Operations, Unsupported
from cloister.mls.framing import Sender
from cloister.mls.proposal import Add, Proposal, ReInit
from cloister.mls.registry import SenderType
from cloister.mls.rules import Rule
from cloister.testing.forge import send
from cloister.testing.forge_commit import Forgery, forge_commit, forge_external_commit
from unit.mls.members import CLASSICAL, ENTROPY, NOW, group_of, package, take_text
from unit.mls.rules.verdicts import follows, keeps, refuses, refuses_as

OPEN = group_of(3, CLASSICAL)
REINIT = ReInit(group_id=b"next", version=1, cipher_suite=CLASSICAL, extensions=())
COMMIT = OPEN[0].commit(reinit=REINIT, now=NOW, entropy=ENTROPY)
NEWCOMER = package("newcomer", CLASSICAL)
ADD = Proposal(body=Add(key_package=NEWCOMER.parsed()))


def after(group: Group) -> Group:
    """A member that has followed the ReInit."""
    received = follows(group, COMMIT.message, allow=Operations.REINIT)
    assert received.reinit == REINIT
    assert received.next is not None
    return received.next


# The victim comes back from disk: that the group has ended is part of its state.
ATTACKER, VICTIM = COMMIT.next, Group.decode(after(OPEN[1]).encode())


def test_attack_text_in_a_group_that_ended_MLS_148() -> None:
    assert take_text(OPEN[1], send(OPEN[0], b"text"))[0] == b"text"
    refuses(Rule.GROUP_ENDED, VICTIM, send(ATTACKER, b"text"), allow=Operations.ALL)


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_attack_proposal_in_a_group_that_ended_MLS_148(public: bool) -> None:
    keeps(OPEN[1], send(OPEN[0], ADD, public=public))
    refuses(Rule.GROUP_ENDED, VICTIM, send(ATTACKER, ADD, public=public), allow=Operations.ALL)


@pytest.mark.parametrize("public", [False, True], ids=["private", "public"])
def test_attack_commit_in_a_group_that_ended_MLS_148(public: bool) -> None:
    """It would revive the group: members who wait for the new one would be left behind."""
    how = Forgery(public=public)
    follows(OPEN[1], forge_commit(OPEN[0], [], how))
    refuses(Rule.GROUP_ENDED, VICTIM, forge_commit(ATTACKER, [], how), allow=Operations.ALL)


def test_attack_second_reinit_MLS_148() -> None:
    """Who committed the first one cannot think better of it."""
    other = ReInit(group_id=b"other", version=1, cipher_suite=CLASSICAL, extensions=())
    follows(OPEN[1], forge_commit(OPEN[0], [other]), allow=Operations.REINIT)
    commit = forge_commit(ATTACKER, [other])
    refuses(Rule.GROUP_ENDED, VICTIM, commit, allow=Operations.ALL)
    assert VICTIM.reinit == REINIT


def test_attack_newcomer_in_a_group_that_ended_MLS_148() -> None:
    follows(OPEN[1], forge_external_commit(OPEN[0], NEWCOMER), allow=Operations.ALL)
    commit = forge_external_commit(ATTACKER, NEWCOMER)
    refuses(Rule.GROUP_ENDED, VICTIM, commit, allow=Operations.ALL)


def test_attack_newcomer_asks_to_be_added_to_a_group_that_ended_MLS_148() -> None:
    sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
    key = ATTACKER.suite.signature_key(NEWCOMER.signature_key)

    def wish(group: Group) -> bytes:
        return send(group, ADD, public=True, sender=sender, key=key)

    keeps(OPEN[1], wish(OPEN[0]), allow=Operations.ALL)
    refuses(Rule.GROUP_ENDED, VICTIM, wish(ATTACKER), allow=Operations.ALL)


def test_message_of_the_epoch_before_is_told_apart_from_one_that_follows() -> None:
    """Texts from before the end are for who has kept that epoch."""
    refuses(Rule.MESSAGE_EPOCH, VICTIM, send(OPEN[0], b"text"))
    assert VICTIM.epoch == OPEN[0].epoch + 1


def test_members_of_an_ended_group_send_nothing() -> None:
    """The sender's half of the rule, for our own programs."""
    for attempt in (
        lambda: VICTIM.encrypt(b"text", entropy=ENTROPY),
        lambda: VICTIM.commit(now=NOW, entropy=ENTROPY),
        lambda: VICTIM.propose(None, now=NOW, entropy=ENTROPY),
        VICTIM.group_info,
    ):
        with pytest.raises(Misuse):
            attempt()


def test_reinit_that_was_refused_ends_nothing() -> None:
    refuses_as(Unsupported, OPEN[1], COMMIT.message)
    assert OPEN[1].reinit is None
    assert take_text(OPEN[1], send(OPEN[0], b"text"))[0] == b"text"

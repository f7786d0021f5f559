"""Who may do what in a conversation, as of one epoch.

The rules stand in the group itself (``ConversationInfo``), so that all members of an epoch judge
by the same.  A commit is judged by the epoch it ends, a text by the epoch it was written in.

What never needs a right: taking out who is not active in the circle (C2, C3), who has said in
this epoch that it leaves, and one's own other devices; bringing in further devices of who is in.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from cloister import mls
from cloister.client.binding import (
    BindingError,
    ConversationInfo,
    Who,
    checkpoint_of,
    conversation_of,
    dids_of,
)
from cloister.client.records import ChannelKind
from cloister.ids import MemberId
from cloister.roster.roster import Roster


class Rights(msgspec.Struct, frozen=True):
    """The rules of an epoch and who is in it."""

    info: ConversationInfo
    members: frozenset[MemberId]

    def is_admin(self, member: MemberId) -> bool:
        """Whether a member is an admin: everybody is when no admin is left in the group."""
        return member in self.info.admins or not self.members.intersection(self.info.admins)

    def may_change(self, member: MemberId) -> bool:
        """Whether a member may bring others in, take them out, give the name, and say how long
        texts are kept."""
        return self.info.changing is Who.EVERYONE or self.is_admin(member)

    def may_post(self, member: MemberId) -> bool:
        """Whether a member's texts are shown."""
        return self.info.posting is Who.EVERYONE or self.is_admin(member)

    def may_remove(self, member: MemberId, subject: MemberId) -> bool:
        """Whether a member may take out devices of ``subject``, who is active in the circle.

        Where everybody may change who is in, only admins take out an admin: else whoever takes
        out the last one would be one.
        """
        if subject in self.info.admins and member != subject:
            return self.is_admin(member)
        return member == subject or self.may_change(member)

    def may_add(self, member: MemberId, newcomer: MemberId) -> bool:
        """Whether a member may bring in a device of ``newcomer``."""
        return newcomer in self.members or self.may_change(member)


def rights_of(roster: Roster, group: mls.Group) -> Rights:
    """Return the rights in a group that has been checked.  Raises ``BindingError``."""
    members = frozenset(roster.devices[did].member_id for did in dids_of(group).values())
    return Rights(conversation_of(group.extensions), members)


def check_rights(
    roster: Roster,
    before: mls.Group,
    after: mls.Group,
    committer: int,
    leavers: Collection[MemberId],
) -> None:
    """Check that the committer had a right to everything that a commit does.

    Args:
        before, after: the epoch that the commit ends and the one it begins.
        committer: its leaf in ``before``.
        leavers: who has said in the epoch ``before`` that it leaves.

    Raises: ``BindingError``.
    """
    rights = rights_of(roster, before)
    author = roster.devices[dids_of(before)[committer]].member_id
    _check_info(rights, conversation_of(after.extensions), author)
    if rights.info.kind is ChannelKind.COMMONS:
        return  # the roster alone says who is in (C2)
    were, are = set(dids_of(before).values()), set(dids_of(after).values())
    size = checkpoint_of(after.extensions).size
    for did in are - were:
        if not rights.may_add(author, roster.devices[did].member_id):
            raise BindingError("a member who is no admin brought somebody into the conversation")
    for did in were - are:
        if roster.devices[did].was_active_at(size):
            check_removal(rights, author, roster.devices[did].member_id, leavers)


def check_removal(
    rights: Rights, author: MemberId, subject: MemberId, leavers: Collection[MemberId]
) -> None:
    """Check a right to take out a device that is active in the circle.  Raises ``BindingError``."""
    if subject not in leavers and not rights.may_remove(author, subject):
        raise BindingError("a member who is no admin took somebody out of the conversation")


def _check_info(rights: Rights, info: ConversationInfo, author: MemberId) -> None:
    known = rights.info
    if info.kind is not known.kind:
        raise BindingError("a commit changed what the group is")
    if info.title != known.title and not rights.may_change(author):
        raise BindingError("a member who is no admin renamed the conversation")
    if info.lifetime_s != known.lifetime_s and not rights.may_change(author):
        raise BindingError("a member who is no admin changed how long texts are kept")
    rules = (info.changing, info.posting, info.admins)
    if rules != (known.changing, known.posting, known.admins) and not rights.is_admin(author):
        raise BindingError("a member who is no admin changed who may do what")

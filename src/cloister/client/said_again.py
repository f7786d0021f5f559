"""What the person said of others and of conversations, brought back from a backup.

It is kept where nothing is said here: never in the place of what somebody says on this device.
"""

from __future__ import annotations

from cloister.client.contact_acts import RestoreSaid
from cloister.client.contact_records import PLAIN, UNKNOWN, Contact, Preference
from cloister.client.contacts import contact_of
from cloister.client.effects import Answer
from cloister.client.naming import own_member, roster_in_force
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.errors import UsageError
from cloister.ids import SHORT_ID_BYTES, MemberId
from cloister.roster.name import skeleton
from cloister.values import replace


def on_restore_said(turn: Turn, act: RestoreSaid) -> None:
    """Take over what is not here.  Raises ``UsageError`` for what no program wrote."""
    roster, own = roster_in_force(turn.state), own_member(turn.state).member_id
    contacts = dict(turn.state.contacts)
    for key, value in act.contacts:
        said, member_id = _contact(value), MemberId(key)
        if key in contacts or member_id not in roster.members or member_id == own:
            continue
        said = _without_taken_name(turn.state, member_id, said)
        if said != UNKNOWN:
            contacts[key] = said
            turn.change(contacts=dict(contacts))
    preferences = dict(turn.state.preferences)
    for key, value in act.preferences:
        wanted = _preference(value)
        if len(key) == SHORT_ID_BYTES and key not in preferences and wanted != PLAIN:
            preferences[key] = wanted
    turn.change(preferences=preferences)
    turn.changed("members")
    turn.changed("conversations")
    turn.notices.append(Answer(ref=act.ref, text="restored"))


def _without_taken_name(state: State, member_id: MemberId, said: Contact) -> Contact:
    """An own name counts only as long as nobody else is known by it."""
    own_name = safe_line(said.own_name)
    wanted = skeleton(own_name)
    others = [
        contact_of(state, other).own_name or name
        for other, name in roster_in_force(state).shown_names().items()
        if other != member_id
    ]
    is_taken = any(skeleton(one) == wanted for one in others)
    return replace(said, own_name="" if is_taken else own_name)


def _contact(value: bytes) -> Contact:
    try:
        return Contact.decode(value)
    except DecodeError:
        raise UsageError("what the backup says of a member has no form that is known") from None


def _preference(value: bytes) -> Preference:
    try:
        return Preference.decode(value)
    except DecodeError:
        raise UsageError("what the backup says of a conversation has no known form") from None

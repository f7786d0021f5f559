"""What a person says of others and of conversations, on this device: names, blocks, mutes, pins.

Nothing of it is sent.  A verified member's new device is told aloud (alarm ``new device``), with
the names of those who vouched for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from cloister.client import contact_acts as acts
from cloister.client.contact_records import (
    FOR_EVER,
    PLAIN,
    UNKNOWN,
    Contact,
)
from cloister.client.contacts import contact_of, member_here, names_here
from cloister.client.inputs import Act
from cloister.client.naming import device_name, own_member, roster_in_force
from cloister.client.safe_text import safe_line
from cloister.client.state import with_item, without
from cloister.client.turn import SettledEntry, Turn
from cloister.client.verification import (
    compared_with,
    fingerprint_of,
    in_use,
    vouchers_of_device,
)
from cloister.client.views import channel_named
from cloister.errors import TrustError, UsageError
from cloister.ids import MemberId
from cloister.roster import events
from cloister.roster.name import check_new_name, skeleton
from cloister.roster.state import Member
from cloister.values import replace

NEW_DEVICE: Final = "new device"
"""Code of the alarm that a verified member has a device that was not compared."""


def attend(turn: Turn, act: Act) -> bool:
    """Carry out an act on a contact or a preference; return whether it was one.

    Raises what is wrong with the wish.
    """
    handler = _HANDLERS.get(type(act))
    if handler is None:
        return False
    handler(turn, act)
    return True


def _on_name(turn: Turn, act: acts.NameContact) -> None:
    member = _other(turn, act.member)
    own_name = check_new_name(safe_line(act.own_name)) if act.own_name.strip() else ""
    if own_name:
        _check_free(turn, member, own_name)
    _put(turn, member, replace(contact_of(turn.state, member.member_id), own_name=own_name))
    _done(turn, act, names_here(turn.state)[member.member_id])


def _check_free(turn: Turn, member: Member, own_name: str) -> None:
    """Refuse a name by which somebody else is known.  Raises ``UsageError``."""
    wanted, state = skeleton(own_name), turn.state
    for member_id, name in roster_in_force(state).shown_names().items():
        if member_id != member.member_id and skeleton(name) == wanted:
            raise UsageError(
                f"somebody else in the circle is called “{safe_line(name)}”",
                hint="Choose a name that only one of them has.",
            )
    for key, said in state.contacts.items():
        if key != member.member_id and said.own_name and skeleton(said.own_name) == wanted:
            raise UsageError(
                f"you call somebody else “{safe_line(said.own_name)}” already",
                hint="Choose another name, or take that one away first.",
            )


def _on_block(turn: Turn, act: acts.BlockContact) -> None:
    member = _other(turn, act.member)
    said = replace(contact_of(turn.state, member.member_id), is_blocked=act.blocked)
    _put(turn, member, said)
    _done(turn, act, "blocked" if act.blocked else "shown")


def _on_verified(turn: Turn, act: acts.NoteVerified) -> None:
    member = _other(turn, act.member)
    said = contact_of(turn.state, member.member_id)
    if not act.fingerprint:
        _put(turn, member, replace(said, verified=(), verified_at=0, told=()))
        _done(turn, act, "not verified")
        return
    if act.fingerprint != fingerprint_of(compared_with(turn.state, member)):
        raise TrustError(
            "the devices have changed since these digits were shown: nothing was noted",
            hint="Compare again, the digits of now.",
        )
    dids = in_use(roster_in_force(turn.state), member)
    _put(turn, member, replace(said, verified=dids, verified_at=turn.now, told=()))
    _done(turn, act, "verified")


def _on_told(turn: Turn, act: acts.NoteTold) -> None:
    member = _other(turn, act.member)
    said = contact_of(turn.state, member.member_id)
    roster = roster_in_force(turn.state)
    told = tuple(did for did in in_use(roster, member) if did not in said.verified)
    told_state = 0 if member.is_active else int(member.state)
    _put(turn, member, replace(said, told=told if said.verified else (), told_state=told_state))
    _done(turn, act, "noted")


def _on_mute(turn: Turn, act: acts.MuteConversation) -> None:
    if not 0 <= act.until <= FOR_EVER:
        raise UsageError("that is no time")
    channel = channel_named(turn.state, act.conversation)
    until = act.until if act.until > turn.now else 0
    _prefer(turn, channel.channel_id, muted_until=until)
    _done(turn, act, "muted" if until else "told of")


def _on_pin(turn: Turn, act: acts.PinConversation) -> None:
    channel = channel_named(turn.state, act.conversation)
    _prefer(turn, channel.channel_id, is_pinned=act.pinned)
    _done(turn, act, "pinned" if act.pinned else "not pinned")


_HANDLERS: Final[Mapping[type[Act], Callable[[Turn, Any], None]]] = {
    acts.NameContact: _on_name,
    acts.BlockContact: _on_block,
    acts.NoteVerified: _on_verified,
    acts.NoteTold: _on_told,
    acts.MuteConversation: _on_mute,
    acts.PinConversation: _on_pin,
}


# --- what the log says ----------------------------------------------------------------------------


def on_settled(turn: Turn, settled: SettledEntry) -> None:
    """Tell of a verified member's new device; forget what was told of a state that is over."""
    state, roster = turn.state, turn.state.roster
    if roster is None:
        return
    for event in settled.events:
        if isinstance(event, _ADDED) and is_compared(turn, event):
            by = ", ".join(vouchers_of_device(roster, event.did)) or "nobody that is known"
            turn.alarm(
                NEW_DEVICE,
                f"{names_here(state)[event.member_id]}, whom you have verified, has another "
                f"device, {device_name(roster, event.did)}, vouched for by {by}. Compare again.",
            )
    for key, said in state.contacts.items():
        member = roster.members.get(MemberId(key))
        if said.told_state and member is not None and member.is_active:
            _put(turn, member, replace(said, told_state=0))


_ADDED: Final = (events.DeviceAdded, events.Returned)


def is_compared(turn: Turn, event: events.Event) -> bool:
    """Tell whether an event adds a device of somebody whose keys were compared: told here."""
    return isinstance(event, _ADDED) and bool(contact_of(turn.state, event.member_id).verified)


# --- storing --------------------------------------------------------------------------------------


def _other(turn: Turn, name: str) -> Member:
    """Find another member.  Raises ``NotFoundError``, ``UsageError`` for oneself."""
    member = member_here(turn.state, roster_in_force(turn.state), name)
    if member.member_id == own_member(turn.state).member_id:
        raise UsageError("that is you")
    return member


def _put(turn: Turn, member: Member, said: Contact) -> None:
    contacts, key = turn.state.contacts, bytes(member.member_id)
    if said == contacts.get(key, UNKNOWN):
        return
    kept = without(contacts, key) if said == UNKNOWN else with_item(contacts, key, said)
    turn.change(contacts=kept)
    turn.changed("members")


def _prefer(turn: Turn, channel_id: bytes, **fields: Any) -> None:
    preferences = turn.state.preferences
    wanted = replace(preferences.get(channel_id, PLAIN), **fields)
    if wanted == PLAIN:
        turn.change(preferences=without(preferences, channel_id))
    else:
        turn.change(preferences=with_item(preferences, channel_id, wanted))
    turn.changed("conversations")


def _done(turn: Turn, act: Act, text: str) -> None:
    key = b"contact" + type(act).__name__.encode() + act.ref.to_bytes(8, "big", signed=True)
    turn.owe(key, act.ref)
    turn.answer(key, text=text)

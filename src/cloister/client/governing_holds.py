"""Legal holds: placed by one officer or steward, released by two.

A hold wins over erasing and deleting wherever it stands before them in the log, and also when it
arrives during the cool-off.
"""

from __future__ import annotations

from cloister.client.foresight import append
from cloister.client.naming import member_named, roster_in_force
from cloister.client.notes import seal_note
from cloister.client.powers import PlaceHold, ReleaseHold
from cloister.client.records import ChannelKind
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.client.turn import Turn
from cloister.client.views import channel_named
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.ids import ChannelId
from cloister.roster.fields import HASH_BYTES
from cloister.roster.orders import EntryReference, Hold, HoldScope, Target
from cloister.roster.readable import ReadableType
from cloister.roster.roster import Roster

MIN_REFERENCE_DIGITS = 6


def on_place(turn: Turn, act: PlaceHold) -> None:
    """Place a hold on the circle, a member's devices, or a conversation."""
    roster = roster_in_force(turn.state)
    try:
        scope = HoldScope(act.scope)
    except ValueError:
        raise UsageError("a hold is on the circle, a member or a conversation") from None
    hold = Hold(
        scope=scope,
        targets=_targets(roster, act.subject) if scope is HoldScope.MEMBER else (),
        channel=_channel(turn.state, act.subject) if scope is HoldScope.CONVERSATION else None,
        authority_hash=_authority(act.authority_hash),
        sealed_note=seal_note(turn.state, act.note, turn.entropy),
    )
    append(turn, act.ref, ReadableType.HOLD, hold.encode())


def _targets(roster: Roster, name: str) -> tuple[Target, ...]:
    member = member_named(roster, name)
    targets = tuple(target for did in member.devices for target in roster.devices[did].targets)
    if not targets:
        raise PolicyError(
            "this circle keeps no unlock shares, so there is nothing of a member to hold",
            hint="Place it on the circle or on a conversation.",
        )
    return targets


def _channel(state: State, name: str) -> ChannelId:
    channel = channel_named(state, name)
    if channel.kind is ChannelKind.COMMONS:
        raise UsageError("the commons is held with the circle", hint="cloister hold place --circle")
    return ChannelId(channel.channel_id)


def _authority(digits: str) -> bytes:
    if not digits:
        return bytes(HASH_BYTES)
    try:
        value = bytes.fromhex(digits)
    except ValueError:
        value = b""
    if len(value) != HASH_BYTES:
        raise UsageError("the authority is SHA-256 of a document, 64 hexadecimal digits")
    return value


def on_release(turn: Turn, act: ReleaseHold) -> None:
    """Propose a release; a second steward approves."""
    entry_hash = find_hold(turn.state, act.reference)
    content = EntryReference(entry_hash=entry_hash)
    append(turn, act.ref, ReadableType.HOLD_RELEASE, content.encode())


def find_hold(state: State, reference: str) -> bytes:
    """Find a hold in force by the digits of its entry; the only one needs none.

    Raises ``NotFoundError``, ``UsageError`` when several fit.
    """
    holds = roster_in_force(state).governance.holds
    digits = safe_line(reference).casefold()
    found = [
        one for one in holds if len(digits) >= MIN_REFERENCE_DIGITS and one.hex().startswith(digits)
    ]
    if not found:
        raise NotFoundError(
            f"no hold is called “{digits}”", hint="`cloister hold list` shows those in force."
        )
    if len(found) > 1:
        raise UsageError(f"several holds begin with {digits}", hint="Give more digits.")
    return found[0]


def held_channels(state: State) -> frozenset[bytes]:
    """Return the channels of which a hold keeps everything, also what was taken back."""
    roster = state.roster
    if roster is None:
        return frozenset()
    governance = roster.governance
    return frozenset(one for one in state.channels if governance.holds_channel(ChannelId(one)))

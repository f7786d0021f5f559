"""How far a person has read, told among the devices of one member and to nobody else.

It travels in the body of cover messages, sealed under a key that only the member's own devices
have, and so at times that have nothing to do with reading; everybody else, and a device that has
nothing to tell, sees or sends bytes that look the same.  A receipt that another device of the
member gives says it too.  A position is the channel's index; it only ever goes forward.
"""

from __future__ import annotations

from typing import Final

from cloister.client.content import COVER_BYTES, Content
from cloister.client.effects import PutReadTo
from cloister.client.identity import did_of, identity_of
from cloister.client.receipt_records import Reading
from cloister.client.records import ChannelState
from cloister.client.state import UNPLACED, Channel, State, with_item
from cloister.client.turn import Turn
from cloister.codec import DecodeError, Reader, Struct, fixed, layout, uint64, vector
from cloister.crypto.aead import NONCE_LENGTH, TAG_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import hkdf_expand, hkdf_extract
from cloister.crypto.secret import Secret
from cloister.ids import DeviceId
from cloister.roster.labels import framed
from cloister.roster.roster import Roster
from cloister.values import replace

READING_KEY_LABEL: Final = b"reading key"
"""HKDF info: of the member's owner secret comes the key that seals positions."""
MAX_POSITIONS: Final = 7
"""Conversations of which one cover message tells; more do not fit its body."""
_PLAIN_BYTES: Final = COVER_BYTES - NONCE_LENGTH - TAG_LENGTH


@layout
class Position(Struct):
    """How far the person has read in a channel."""

    channel_id: bytes = fixed(16)
    read_n: int = uint64()
    """Everything below this index was read."""


@layout
class Positions(Struct):
    """What is sealed into the body of a cover message, before zeros that fill it up."""

    positions: tuple[Position, ...] = vector(Position, max_items=MAX_POSITIONS)


def has_others(state: State) -> bool:
    """Whether the member has another device in use, to which it matters what is read here."""
    roster = state.roster
    return roster is not None and any(
        roster.devices[did].is_active for did in _devices(roster, state) if did != did_of(state)
    )


def note(turn: Turn, channel: Channel, read_n: int) -> None:
    """Keep how far the person has read here, for the other devices to hear of."""
    if has_others(turn.state):
        _move(turn, channel, read_n)


def sealed_positions(turn: Turn, channel: Channel) -> bytes:
    """Return the body of a cover message in ``channel``, ``COVER_BYTES`` long.

    First those of which the other devices have not been told, then those told longest ago."""
    waiting = sorted(turn.state.readings.items(), key=lambda one: (one[1].told_at, one[0]))
    told = waiting[:MAX_POSITIONS]
    for channel_id, reading in told:
        _put(turn, channel_id, replace(reading, told_at=turn.now))
    plain = Positions(
        positions=tuple(Position(channel_id=one, read_n=reading.read_n) for one, reading in told)
    )
    nonce = turn.entropy.random(NONCE_LENGTH)
    key = reading_key(identity_of(turn.state).owner_secret)
    return seal(plain, key, nonce, channel.channel_id, did_of(turn.state))


def seal(
    positions: Positions, key: Secret, nonce: bytes, channel_id: bytes, did: DeviceId
) -> bytes:
    """Seal positions for the own devices: they open in this channel and from this device only.

    ``nonce`` is random: at 240 messages a day, devices of a member need thousands of years to make
    the 2^32 after which 96 random bits begin to be too few for one key."""
    padded = positions.encode().ljust(_PLAIN_BYTES, b"\0")
    return nonce + aes256gcm_seal(key, nonce, padded, channel_id + did)


def reading_key(owner_secret: Secret) -> Secret:
    """Return the key that all devices of a member have, and nobody else."""
    extracted = hkdf_extract("sha256", b"", owner_secret.expose())
    return hkdf_expand("sha256", extracted, framed(READING_KEY_LABEL), 32)


def on_cover(turn: Turn, channel: Channel, did: DeviceId, content: Content) -> None:
    """Follow what another device of the own member says in a cover message, if it says anything.

    Of anybody else it is not looked into; a body that does not open is of an older program.
    Raises ``DecodeError`` when an own device sealed what it should not."""
    if not _is_own(turn.state, did) or len(content.body) != COVER_BYTES:
        return
    nonce, sealed = content.body[:NONCE_LENGTH], content.body[NONCE_LENGTH:]
    key = reading_key(identity_of(turn.state).owner_secret)
    try:
        plain = aes256gcm_open(key, nonce, sealed, channel.channel_id + did)
    except DecryptError:
        return
    reader = Reader(plain)
    told = Positions.read(reader)
    if reader.raw(reader.remaining).strip(b"\0"):
        raise DecodeError("positions of reading have a form that this program does not know")
    for one in told.positions:
        found = channel if one.channel_id == channel.channel_id else None
        _follow(turn, found or turn.state.channels.get(one.channel_id), one.read_n)


def on_receipt(turn: Turn, channel: Channel, did: DeviceId, read_n: int) -> None:
    """Follow a receipt, if another device of the own member gave it."""
    if _is_own(turn.state, did):
        _follow(turn, channel, read_n)


def _follow(turn: Turn, channel: Channel | None, read_n: int) -> None:
    """Move the own read marker to where another own device's is, as far as texts have come here.

    What comes later is unread until the other device tells again: its word counts for nothing that
    it may not have seen."""
    if channel is None or channel.state is not ChannelState.ACTIVE or channel.next_n == UNPLACED:
        return
    if _move(turn, channel, min(read_n, channel.next_n)):
        moved = turn.state.readings[channel.channel_id]
        turn.messages.append(
            PutReadTo(channel_id=channel.channel_id, below_n=moved.read_n, at=turn.now)
        )
        turn.changed("read", channel.channel_id.hex())


def _move(turn: Turn, channel: Channel, read_n: int) -> bool:
    known = turn.state.readings.get(channel.channel_id)
    if read_n <= (known.read_n if known is not None else 0):
        return False
    _put(turn, channel.channel_id, Reading(read_n=read_n, told_at=0))
    return True


def _put(turn: Turn, channel_id: bytes, reading: Reading) -> None:
    turn.change(readings=with_item(turn.state.readings, channel_id, reading))


def _is_own(state: State, did: DeviceId) -> bool:
    roster = state.roster
    return roster is not None and did != did_of(state) and did in _devices(roster, state)


def _devices(roster: Roster, state: State) -> tuple[DeviceId, ...]:
    """Return all devices of the own member, as far as the log has this one."""
    record = roster.devices.get(did_of(state))
    return roster.members[record.member_id].devices if record is not None else ()

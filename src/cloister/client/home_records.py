"""What a device keeps in its vault while its circle moves to another home."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.client.records import secret
from cloister.codec import Struct, enum8, fixed, layout, opaque, text, uint8, uint64, vector
from cloister.crypto.secret import Secret
from cloister.ids import ChannelId
from cloister.roster.fields import CHANNEL_ID

MAX_NOTICE_ENTRIES: Final = 16


class HomeStep(IntEnum):
    """Steps of a move, in order."""

    READING = 1
    """At the old home, which has closed the circle: what it holds is read to the end."""
    OPENING = 2
    """At the new home, where channels are opened that are not there yet."""
    FOLLOWING = 3
    """By a notice, at a home that the log is to name: nothing is sent before it has settled."""


@layout
class HomeMove(Struct):
    """The move of the circle to another home, as far as this device has followed it."""

    before: bytes = opaque()
    """Encoded ``RelaySet``: how the old home is reached."""
    step: HomeStep = enum8(HomeStep)
    until: int = uint64()
    """When the old home is given up though it was not read to the end, s."""
    unplaced: tuple[ChannelId, ...] = vector(CHANNEL_ID)
    """Channels that this device has not found at the new home yet."""
    candidate: bytes = opaque()
    """Encoded ``RelaySet`` that a notice leads to; empty but for FOLLOWING."""
    tail: tuple[bytes, ...] = vector(opaque())
    """The entries of the notice."""


@layout
class MoveNotice(Struct):
    """What people carry when the home is lost: the entries that name another one.

    They continue the log at ``size``, where its root is ``root``.
    """

    version: int = uint8()
    circle_id: bytes = fixed(32)
    origin: str = text(255)
    size: int = uint64()
    root: bytes = fixed(32)
    entries: tuple[bytes, ...] = vector(opaque(), min_items=1, max_items=MAX_NOTICE_ENTRIES)


@layout
class Adoption(Struct):
    """What lets this device bring the circle to a new home: the activation code of its operator."""

    home_id: bytes = fixed(32)
    code: str = text(256)
    setup_seed: Secret = secret(32)

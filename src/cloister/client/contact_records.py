"""What a person says of others and of conversations, on this device: kept here, told nobody."""

from __future__ import annotations

from typing import Final

from cloister.codec import Struct, flag, layout, text, uint8, uint64, vector
from cloister.ids import DeviceId
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.fields import DEVICE_ID

FOR_EVER: Final = 2**64 - 1
"""A mute without an end."""


@layout
class Contact(Struct):
    """What a person says of another member (``State.contacts``)."""

    own_name: str = text(MAX_NAME_BYTES)
    """How they call the member; empty: as the circle does."""
    is_blocked: bool = flag()
    verified: tuple[DeviceId, ...] = vector(DEVICE_ID)
    """The member's devices when their digits were compared; none: they never were."""
    verified_at: int = uint64()
    """When that was, s since the Unix epoch."""
    told: tuple[DeviceId, ...] = vector(DEVICE_ID)
    """Devices of the member that came later, and that the person has been told of."""
    told_state: int = uint8()
    """The ``MemberState`` that the person has been told of; 0: none but active."""


UNKNOWN: Final = Contact(
    own_name="", is_blocked=False, verified=(), verified_at=0, told=(), told_state=0
)
"""Of whom nothing has been said: not stored."""


@layout
class Preference(Struct):
    """How a person wants a conversation listed and told of (``State.preferences``)."""

    muted_until: int = uint64()
    """s since the Unix epoch; 0: not muted, ``FOR_EVER``: until it is said otherwise."""
    is_pinned: bool = flag()


PLAIN: Final = Preference(muted_until=0, is_pinned=False)
"""As every conversation is at first: not stored."""

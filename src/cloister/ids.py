"""Identifiers, so that the type checker tells a channel from an inbox.

All are random or hashes; none is derived from a name or an address.
"""

from __future__ import annotations

from typing import Final, NewType

CircleId = NewType("CircleId", bytes)
"""SHA-256 of the genesis entry, 32 bytes."""
MemberId = NewType("MemberId", bytes)
"""A person in one circle, 16 random bytes."""
DeviceId = NewType("DeviceId", bytes)
"""``did``: SHA-256 over a device's public keys, 32 bytes."""
RelayId = NewType("RelayId", bytes)
"""SHA-256 over a relay's public keys, 32 bytes."""
ChannelId = NewType("ChannelId", bytes)
"""A channel at the home relay and the MLS group it carries, 16 random bytes."""
InboxId = NewType("InboxId", bytes)
"""A device's mailbox for Welcomes, 16 random bytes."""
BoxId = NewType("BoxId", bytes)
"""The short-lived mailbox of one invitation, 16 bytes derived from its seed."""
InviteId = NewType("InviteId", bytes)
"""SHA-256 over an invitation's public key, 32 bytes."""
Handle = NewType("Handle", bytes)
"""A device at one relay, for unlock shares, orders and its seat: 16 random bytes, by the relay."""

LeafIndex = NewType("LeafIndex", int)
NodeIndex = NewType("NodeIndex", int)

SHORT_ID_BYTES: Final = 16
LONG_ID_BYTES: Final = 32

"""Acts on what a person keeps of others and of conversations: on this device alone.

Each is answered at once, also without a relay.  A ``member`` is given by the name that the circle
or this device has for them, or by the whole member id in hexadecimal.
"""

from __future__ import annotations

from typing import Final

from cloister.client.inputs import Act


class NameContact(Act, frozen=True, kw_only=True):
    """Call a member by a name of one's own; empty: as the circle does again."""

    member: str
    own_name: str


class BlockContact(Act, frozen=True, kw_only=True):
    """Fold a member's texts away and be told of none, or show them again."""

    member: str
    blocked: bool


class NoteVerified(Act, frozen=True, kw_only=True):
    """Note that the digits of a member were compared, and were the same."""

    member: str
    fingerprint: bytes
    """Of what was compared (``verification``); if it is another by now, nothing is noted.
    Empty: the comparison counts no more."""


class NoteTold(Act, frozen=True, kw_only=True):
    """Note that the person has read what changed about a member: new devices, a removal."""

    member: str


class MuteConversation(Act, frozen=True, kw_only=True):
    """Be told of nothing in a conversation until a time, s since the Unix epoch; 0: again."""

    conversation: str
    until: int


class PinConversation(Act, frozen=True, kw_only=True):
    """Have a conversation on top of the list, or where it belongs."""

    conversation: str
    pinned: bool


class RestoreSaid(Act, frozen=True, kw_only=True):
    """Take over what a backup says of members and conversations, where nothing is said here.

    Made by the program that reads the backup; no command sends it.
    """

    contacts: tuple[tuple[bytes, bytes], ...]
    """Member id and encoded ``Contact``."""
    preferences: tuple[tuple[bytes, bytes], ...]
    """Channel id and encoded ``Preference``."""


CONTACT_ACTS: Final[tuple[type[Act], ...]] = (
    NameContact,
    BlockContact,
    NoteVerified,
    NoteTold,
    MuteConversation,
    PinConversation,
)

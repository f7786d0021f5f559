"""Between relays: the home pushes its log to an entry's organisation, which mirrors and cosigns it.

The home connects to the mirror listener with the certificate pinned from the relay card.  Both
sides are in each other's list of peers.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from cloister.codec import Struct, fixed, layout

MIRROR_LABEL: Final = b"MirrorHello"
"""Signature of the home's relay key over the mirror's id and nonce, so that only the home can
feed the mirror and a recording cannot be played to another."""
MIRROR_NONCE_BYTES: Final = 32


@layout
class MirrorHelloContent(Struct):
    """What the home signs with both halves of its relay key."""

    mirror_id: bytes = fixed(32)
    home_id: bytes = fixed(32)
    nonce: bytes = fixed(MIRROR_NONCE_BYTES)


class MirrorRefusal(IntEnum):
    """Why a mirror does not take a push."""

    MALFORMED = 1
    """Entries, note or their order are not what they should be."""
    FORK = 2
    """They contradict what the mirror holds: two histories.  An operator has to look."""
    NOT_YOURS = 3
    """The genesis names another home, or other mirrors."""
    STORAGE = 4
    """Not written; push again later."""


class MirrorMessage(
    msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag_field="t"
):
    """Base of all messages between relays."""


class MirrorChallenge(MirrorMessage, frozen=True, tag=1):
    """Mirror to home, first message."""

    version: int
    relay_id: bytes
    nonce: bytes


class MirrorHello(MirrorMessage, frozen=True, tag=2):
    """Home to mirror: who it is, with a hybrid signature over relay id and nonce."""

    relay_id: bytes
    signature: bytes


class MirrorPush(MirrorMessage, frozen=True, tag=3):
    """Home to mirror: entries from ``from_seq`` to the size of the signed ``note``."""

    origin: str
    from_seq: int
    entries: tuple[bytes, ...]
    note: bytes


class MirrorCosigned(MirrorMessage, frozen=True, tag=4):
    """Mirror to home: everything up to ``size`` is on disk; the signature lines of its note."""

    origin: str
    size: int
    lines: bytes


class MirrorBehind(MirrorMessage, frozen=True, tag=5):
    """Mirror to home: it holds only ``size`` entries; push from there."""

    origin: str
    size: int


class MirrorRefused(MirrorMessage, frozen=True, tag=6):
    """Mirror to home: the push is not a continuation of what it holds (a fork), or malformed."""

    origin: str
    code: int


class MirrorFetch(MirrorMessage, frozen=True, tag=7):
    """Home to mirror: a home that was restored asks for what it had pushed before."""

    origin: str
    from_seq: int


class MirrorPage(MirrorMessage, frozen=True, tag=8):
    """Mirror to home: entries from ``from_seq``, and the newest note with the home's signature.

    ``size`` is what the mirror holds; 0 and an empty note for a log that it does not know, or that
    is another home's."""

    origin: str
    from_seq: int
    entries: tuple[bytes, ...]
    size: int
    note: bytes
    at: int
    """What the mirror's clock shows, s since the Unix epoch."""


AnyMirrorMessage = (
    MirrorChallenge
    | MirrorHello
    | MirrorPush
    | MirrorCosigned
    | MirrorBehind
    | MirrorRefused
    | MirrorFetch
    | MirrorPage
)

"""What is kept of a message after the home relay has acknowledged it, should the relay lose it."""

from __future__ import annotations

import msgspec

from cloister.client.records import Outgoing
from cloister.codec import Struct, flag, layout, uint64


@layout
class SentMark(Struct):
    """Says of a row of the outbox that the relay had acknowledged it, and in which life."""

    n: int = uint64()
    """The index that the relay gave it."""
    life: int = uint64()
    """The relay's life (``cloister.lives``) when it said so last."""
    until: int = uint64()
    """When it is forgotten, s: with its row in the timeline; 0: as long as there is room."""
    again: bool = flag()
    """It is put again: the relay may have lost it."""
    closed: bool = flag()
    """Somebody has come into the group since it was said: it is not encrypted anew for them."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An own message of the present epoch that was acknowledged."""

    outgoing: Outgoing
    mark: SentMark

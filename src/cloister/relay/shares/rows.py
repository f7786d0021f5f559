"""What the store of shares is told, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

import msgspec

from cloister.ids import Handle

TRIES: Final = 10
"""Evaluations without a Confirm between: 10 of 10^6 PINs of six digits is 1 in 100,000."""
DELAYS_S: Final = (0, 0, 0, 30, 60, 300, 900, 3_600, 14_400, 86_400)
"""Before each try, counted from the one before: a person mistypes twice, a thief tries on."""
FIRST_GENERATION: Final = 1
SPENT_FOR_S: Final = 86_400
"""How long after its expiry a ticket is known as spent: clocks differ, and it is refused anyway."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One device at this relay: see the table ``share`` for each field."""

    handle: Handle
    bind: bytes
    unlock_key: bytes
    confirm_key: bytes
    owner_key: bytes
    generation: int
    tries_left: int
    next_at: int
    locked_at: int | None
    unlocked_at: int
    is_held: bool
    erased_at: int | None


class Enrolment(msgspec.Struct, frozen=True):
    """An enrolment that is stored: the handle, and the encoded receipt."""

    handle: Handle
    receipt: bytes


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a circle's log says of one handle here.

    ``bind`` is made of the log's origin and the opening that an entry showed: a share with another
    bind belongs to another circle, and the statement is no business of its.  ``locked_at`` is of
    the newest lock, whether or not an unlock followed: that one may turn out to be none."""

    handle: Handle
    bind: bytes
    locked_at: int | None
    unlock: Unlocked | None
    is_held: bool
    is_settled: bool
    """Whether another relay has cosigned what is said; only then a hold ends."""


class Unlocked(msgspec.Struct, frozen=True):
    """The last unlock of a handle in the log.

    With a ``consent`` it is the word of one steward, and counts when the owner's key has signed;
    without, two stewards have said so."""

    seq: int
    consent: Callable[[bytes], bool] | None
    """Tells whether the signature is by this owner key."""


class ErasureDue(msgspec.Struct, frozen=True):
    """An erase in the log, and the handles here that it names, with their binds."""

    order_hash: bytes
    handles: tuple[tuple[Handle, bytes], ...]


class ErasureState(IntEnum):
    """Of ``events.Erasure``."""

    UNKNOWN = 1
    PENDING = 2
    ERASED = 3

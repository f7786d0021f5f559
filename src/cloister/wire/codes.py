"""Refusals: the code that a :class:`~cloister.wire.events.Failed` carries."""

from __future__ import annotations

from enum import IntEnum


class Refusal(IntEnum):
    """Why a relay did not do what was asked.  In brackets: what the device does then."""

    MALFORMED = 1
    """The request does not have the form of the specification (a bug of one side)."""
    UNKNOWN_OBJECT = 2
    """No such channel, inbox, box or circle, or no right to it: one answer for both, so that a
    stranger cannot find out what exists."""
    NOT_PROVEN = 3
    """This connection has not proved the key that the request needs. [prove, ask again]"""
    STALE_EPOCH = 4
    """The channel is in another epoch and this id is not stored. [catch up, encrypt again]"""
    ID_CONFLICT = 5
    """The id is known with other bytes. [a bug, or a restored vault: alarm]"""
    MOVED = 6
    """The log's tail is elsewhere; detail = size. [fetch, fold, sign anew]"""
    TOO_LARGE = 7
    """Over a limit named in ``limits``."""
    QUOTA = 8
    """The channel, box or pool is full."""
    SLOW_DOWN = 9
    """Rate limit; detail = seconds to wait. [wait, same bytes again]"""
    STORAGE = 10
    """The relay could not write; it may or may not be stored. [same id again]"""
    WRONG_CODE = 11
    """The activation code is wrong, or was used with another setup key."""
    EXPIRED = 12
    """The box or code has expired."""
    BAD_ENTRY = 13
    """The log entry's form, root, time or signature is not acceptable."""
    PARTS_MISSING = 14
    """A staged object is not complete, or its hash is not the one named. [stage again]"""
    NO_KEY_PACKAGE = 15
    """The pool of that inbox is empty."""
    DRAINING = 16
    """The relay is stopping; detail = seconds after which to come back."""
    VERSION = 17
    """This relay speaks no version of the protocol that the device speaks."""
    LOCKED = 18
    """The shares of this device are locked. [a steward or the owner has to unlock it]"""
    SEALED = 19
    """Too many wrong tries. [two stewards, or the owner and one, unlock the device]"""
    ERASED = 20
    """The shares are destroyed, for good."""
    HELD = 21
    """A legal hold forbids it."""
    NO_SEAT = 22
    """Every seat of the account is taken or reserved; detail = seats. [buy seats, free one]"""
    BAD_TICKET = 23
    """The ticket is wrong, has expired, or was used with other keys. [invite anew]"""
    GENERATION = 24
    """No such generation of this share; detail = the newest, or 0: none is left, the relay was
    restored from a backup. [open the vault while its key is in memory, and change the PIN]"""
    LAPSED = 25
    """No seat of the circle is paid for: reading, commits and the log go on, puts do not."""
    HOME_MOVED = 26
    """Another relay is the circle's home now: nothing is stored here any more, and what is stored
    can be read. [read the rest, go to the new home]"""

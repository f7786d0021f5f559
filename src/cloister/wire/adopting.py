"""Requests by which a circle moves to another home: its log is brought, then taken over."""

from __future__ import annotations

from typing import Annotated

import msgspec

from cloister.wire.request import (
    MAX_ADOPTED_INBOXES,
    MAX_HYBRID_SIGNATURE_BYTES,
    MAX_NOTE_BYTES,
    Code,
    Entry,
    Key,
    Origin,
    Request,
    ShortId,
    Signature,
    Uint,
)


class AdoptEntries(Request, frozen=True, tag=32):
    """Bring a page of the log of a circle that moves here.  Answer: ``Done(entries held)``, or
    ``MOVED`` with how many are held when ``from_seq`` is another number.

    Code, key and signature as in ``Begin``; the pages wait under them for an hour."""

    code: Code
    setup_key: Key
    signature: Signature
    from_seq: Uint
    entries: Annotated[tuple[Entry, ...], msgspec.Meta(min_length=1)]


class AskTickets(Request, frozen=True, tag=34):
    """Ask for tickets to enrol at the share relays of a circle that has moved, under the proven
    commons.  Answer: ``Opened`` with tickets for ``ticket_key``."""

    commons_id: ShortId
    ticket_key: Key


class Inbox(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An inbox of a device that belongs, as its card in the log says."""

    inbox_id: ShortId
    inbox_key: Key


class AdoptCircle(Request, frozen=True, tag=33):
    """Take over the circle whose log was brought: log, commons and inboxes in one transaction;
    idempotent.  Answer: ``Done(size of the log)``.

    ``note`` is the newest settled head of the old home.  ``steward_signature`` is an encoded
    ``HybridSignature`` of a steward whom the log obeys (``auth.AdoptContent``)."""

    code: Code
    setup_key: Key
    signature: Signature
    origin: Origin
    note: Annotated[bytes, msgspec.Meta(min_length=1, max_length=MAX_NOTE_BYTES)]
    commons_id: ShortId
    commons_key: Key
    epoch: Uint
    first_n: Uint
    inboxes: Annotated[tuple[Inbox, ...], msgspec.Meta(max_length=MAX_ADOPTED_INBOXES)]
    key_id: Key
    steward_signature: Annotated[
        bytes, msgspec.Meta(min_length=1, max_length=MAX_HYBRID_SIGNATURE_BYTES)
    ]

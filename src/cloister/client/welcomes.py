"""Welcomes as they come out of the inbox, before anything in them is believed.

Any member can send this device a Welcome and write any channel into it.  So several may wait for
one channel, and none is taken up before the relay has accepted a proof with the key of its epoch:
then it leads into that channel, and not into a group that only its author knows.
"""

from __future__ import annotations

from typing import Final

import msgspec

from cloister import mls
from cloister.client.binding import BindingError, conversation_of
from cloister.client.identity import identity_of
from cloister.client.linking import credit
from cloister.client.mail import open_inbox_item
from cloister.client.records import ChannelKind, ChannelState, InboxItem
from cloister.client.state import Purpose, State, with_item, without
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import sha256
from cloister.crypto.hpke import HpkeKey
from cloister.ids import SHORT_ID_BYTES
from cloister.wire.auth import ObjectKind
from cloister.wire.events import MailItem

MAX_WAITING: Final = 256
"""Welcomes kept; more than a member's conversations would mean that somebody floods the inbox."""


def on_mail(turn: Turn, event: MailItem) -> None:
    """Open an inbox item and keep its Welcome until it can be taken up."""
    if event.n < turn.state.inbox_cursor:
        return
    turn.change(inbox_cursor=event.n + 1)
    credit(turn, ObjectKind.INBOX, event.object_id, event.n, len(event.item))
    identity = identity_of(turn.state)
    try:
        item = open_inbox_item(HpkeKey(identity.hpke_seed), identity.inbox_id, event.item)
    except (DecryptError, DecodeError):
        turn.alarm("inbox", "An item in this device's inbox could not be opened; it was left out.")
        return
    if len(turn.state.welcomes) >= MAX_WAITING:
        turn.alarm("inbox", "Too many invitations into conversations wait; one was left out.")
        return
    encoded = item.encode()
    key = sha256(encoded)[:SHORT_ID_BYTES]
    turn.change(welcomes=with_item(turn.state.welcomes, key, encoded))


def open_item(state: State, item: InboxItem) -> tuple[mls.OpenedWelcome, bytes]:
    """Open a Welcome with the key package it was made for; return it and the reference.

    Raises ``MLSError``, ``BindingError``.
    """
    for reference, secrets in state.key_packages.items():
        try:
            return mls.open_welcome(item.welcome, secrets), reference
        except mls.NotForUs:
            continue
    raise BindingError("the Welcome is for a key package that this device no longer holds")


class Waiting(msgspec.Struct, frozen=True):
    """A Welcome that opens and that nothing has been decided about."""

    key: bytes
    item: InboxItem
    opened: mls.OpenedWelcome
    reference: bytes
    """Of the key package that it was made for."""


def leads_to_new_commons(state: State, waiting: Waiting) -> bool:
    """Whether a Welcome says that it leads into a commons, and not the one that this device has."""
    if state.circle is None or waiting.item.channel_id == state.circle.commons_id:
        return False
    try:
        info = conversation_of(waiting.opened.group_context.extensions)
    except BindingError:
        return False
    return info.kind is ChannelKind.COMMONS


def in_order(turn: Turn) -> list[Waiting]:
    """Return the Welcomes that wait, the earliest epoch first; drop those that do not open.

    Whoever was added, removed and added again goes through all of it in order, and misses nothing
    that was said while it was in.  Each is opened once for a connection: this is asked with every
    input, and one member can have hundreds wait for what never comes.
    """
    before = turn.session.opened
    found: dict[bytes, Waiting] = {}
    for key, encoded in turn.state.welcomes.items():
        if key in before and before[key].reference in turn.state.key_packages:
            found[key] = before[key]
            continue
        item = InboxItem.decode(encoded)
        try:
            opened, reference = open_item(turn.state, item)
        except (mls.MLSError, BindingError) as error:
            turn.change(welcomes=without(turn.state.welcomes, key))
            known = turn.state.channels.get(item.channel_id)
            if known is None or known.state is not ChannelState.ACTIVE:
                turn.alarm("welcome", f"An invitation into a conversation was refused: {error}.")
            continue
        found[key] = Waiting(key, item, opened, reference)
    if found.keys() != before.keys():
        turn.change_session(opened=found)
    return sorted(found.values(), key=lambda one: one.opened.epoch)


def drop_unproven(turn: Turn, purpose: Purpose) -> None:
    """The relay does not know the epoch of a Welcome: drop it, the first that asked."""
    for key, encoded in turn.state.welcomes.items():
        item = InboxItem.decode(encoded)
        if item.channel_id != purpose.subject:
            continue
        try:
            opened, _ = open_item(turn.state, item)
        except (mls.MLSError, BindingError):
            continue
        if opened.epoch == purpose.number:
            turn.change(welcomes=without(turn.state.welcomes, key))
            turn.alarm("welcome", "A Welcome leads into no channel of the relay; it was refused.")
            return

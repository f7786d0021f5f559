"""Lies of a home relay about what comes, in which order, and whose it is.

Each is a small change to the events on their way to one device and to the requests on their way
from it; lies are told one after the other by a ``HostileRelay``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from cloister.roster.entry import Entry, EntryKind
from cloister.roster.readable import ReadableBody
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import AnyRequest, Append
from cloister.wire.events import (
    AnyEvent,
    CommitItem,
    Done,
    Head,
    Item,
    Logged,
    MailItem,
    Package,
    Proved,
)

PUSHED: Final = (Item, CommitItem, MailItem, Logged, Head)
"""What a home sends without being asked; heads also answer a question."""


class Lie:
    """Base of all lies: tells the truth."""

    rng: random.Random = random.Random(0)
    """Given by the ``HostileRelay``: equal seeds tell equal lies."""

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """Return what the device gets in the place of an event."""
        return (event,)

    def take(self, request: AnyRequest) -> Iterable[AnyRequest | AnyEvent]:
        """Return what the relay's services get in the place of a request, or answers to it."""
        return (request,)


# --- what comes, and when -------------------------------------------------------------------------


class Drop(Lie):
    """Some events never come."""

    def __init__(self, *kinds: type, rate: float = 1.0, most: int | None = None) -> None:
        """``rate`` is the chance of each, ``most`` how many at most."""
        self._kinds = kinds or PUSHED
        self._rate = rate
        self._left = most

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if not isinstance(event, self._kinds) or self._left == 0 or self.rng.random() >= self._rate:
            return (event,)
        if self._left is not None:
            self._left -= 1
        return ()


class Delay(Lie):
    """Events wait until others have gone past them."""

    def __init__(self, *kinds: type, others: int = 3) -> None:
        self._kinds = kinds or PUSHED
        self._others = others
        self._waiting: list[tuple[int, AnyEvent]] = []
        self._seen = 0

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        self._seen += 1
        due = [one for at, one in self._waiting if at <= self._seen]
        self._waiting = [(at, one) for at, one in self._waiting if at > self._seen]
        if isinstance(event, self._kinds):
            self._waiting.append((self._seen + self._others, event))
            return due
        return (event, *due)


class Replay(Lie):
    """Events come again: at once, and an older one as if it were the newest."""

    def __init__(self, *kinds: type) -> None:
        self._kinds = kinds or PUSHED
        self._kept: list[AnyEvent] = []

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if not isinstance(event, self._kinds):
            return (event,)
        self._kept.append(event)
        older = self.rng.choice(self._kept)
        return (event, event, _placed_after(older, event))


def _placed_after(older: AnyEvent, event: AnyEvent) -> AnyEvent:
    """The older item under the number that follows the newer one, where both have one."""
    n = getattr(event, "n", None)
    if n is None or not isinstance(older, Item | CommitItem | MailItem):
        return older
    return msgspec.structs.replace(older, n=n + 1)


class Reorder(Lie):
    """Every second event of a kind comes after the one that follows it."""

    def __init__(self, *kinds: type) -> None:
        self._kinds = kinds or PUSHED
        self._kept: AnyEvent | None = None

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if not isinstance(event, self._kinds):
            return (event,)
        if self._kept is None:
            self._kept = event
            return ()
        kept, self._kept = self._kept, None
        return (event, kept)


class Redirect(Lie):
    """Items of a channel come under the id of another, in the place that is next there."""

    def __init__(self, rate: float = 1.0) -> None:
        self._rate = rate
        self._next: dict[bytes, tuple[int, int]] = {}

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if not isinstance(event, Item | CommitItem):
            return (event,)
        self._next[event.channel_id] = (event.n + 1, event.epoch)
        others = [one for one in self._next if one != event.channel_id]
        if not others or self.rng.random() >= self._rate:
            return (event,)
        channel_id = self.rng.choice(others)
        n, epoch = self._next[channel_id]
        return (msgspec.structs.replace(event, channel_id=channel_id, n=n, epoch=epoch),)


class Lose(Lie):
    """Requests of these kinds are answered as done, and nothing is stored."""

    def __init__(
        self, *kinds: type, is_meant: Callable[[Any], bool] = lambda request: True
    ) -> None:
        self._kinds = kinds
        self._is_meant = is_meant

    def take(self, request: AnyRequest) -> Iterable[AnyRequest | AnyEvent]:
        """See ``Lie``."""
        if isinstance(request, self._kinds) and self._is_meant(request):
            return (Done(request.rid, int(getattr(request, "expected", 0))),)
        return (request,)


def is_readable_of(entry_type: int) -> Callable[[Append], bool]:
    """Tell for ``Lose`` whether an append is of a readable type, which a relay can see."""

    def check(request: Append) -> bool:
        entry = Entry.decode(request.entry)
        is_readable = entry.header.kind is EntryKind.READABLE
        return is_readable and ReadableBody.decode(entry.body).type == entry_type

    return check


# --- what is another's ----------------------------------------------------------------------------


class OldKeyPackages(Lie):
    """A question for a key package gets one that was handed out before."""

    def __init__(self, *known: bytes) -> None:
        """``known``: packages that the relay kept, of whatever device."""
        self._kept = list(known)

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if not isinstance(event, Package):
            return (event,)
        self._kept.append(event.package)
        return (msgspec.structs.replace(event, package=self._kept[0]),)


class SwapBox(Lie):
    """What lies in an invitation's box is another item."""

    def __init__(self, item: bytes) -> None:
        self._item = item

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if isinstance(event, MailItem) and event.kind == int(ObjectKind.BOX):
            return (msgspec.structs.replace(event, item=self._item),)
        return (event,)


class KeepInbox(Lie):
    """The device's inbox stays empty: no Welcome ever comes, neither in nor back."""

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        return (
            () if isinstance(event, MailItem) and event.kind == int(ObjectKind.INBOX) else (event,)
        )


class ClaimFloor(Lie):
    """Everything that the device has not seen is said to have aged out."""

    def tell(self, event: AnyEvent) -> Iterable[AnyEvent]:
        """See ``Lie``."""
        if not isinstance(event, Proved) or event.next_n == 0:
            return (event,)
        return (msgspec.structs.replace(event, floor_n=event.next_n + 1, next_n=event.next_n + 1),)

"""What the screens show, as last heard from the device, and word of what has changed.

One task follows the device's notices; what changed is asked anew, and never while a key waits: the
screens draw what is here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import aclosing, suppress
from typing import Final

from cloister.client.effects import (
    BACK_IN,
    FOLLOWING,
    NEWS,
    Alarm,
    Changed,
    Message,
    Revised,
    Shown,
)
from cloister.device.errors import DeviceClosed, FellBehind
from cloister.device.facade import Facade, FollowedNotice, View
from cloister.errors import CloisterError
from cloister.tui import words
from cloister.tui.folding import is_folded

PAGE: Final = 200
"""Messages that are loaded at once."""
AROUND: Final = 20
"""Messages shown before one that was gone to."""
MANY: Final = 1000
SENDING: Final = "sending"
"""The workers that each see a text off."""
TOGETHER_S: Final = 0.15
"""Changes within this time are asked for once."""
AGAIN_S: Final = 1.0
"""How soon the device is asked again that could not answer."""
WELL_S: Final = 60.0
"""A trouble that comes back this long after it was told, and was over meanwhile, is told again."""

LOOK_BACK: Final = 50
"""Rows in which something is looked for that a blocked member did not write."""


class Session:
    """An open device and what is known of it."""

    def __init__(self, device: Facade) -> None:
        self.device = device
        self.status: View = {}
        self.conversations: list[View] = []
        self.members: list[View] = []
        self.newest: dict[str, Message] = {}
        self.drafts: dict[str, str] = {}
        self.blocked: frozenset[bytes] = frozenset()
        """The devices of those whose texts are folded away."""
        self.own: frozenset[bytes] = frozenset()
        """The person's devices, this one and others."""
        self.asking = 0
        """How many ask to be let in."""
        self.on_change: Callable[[], None] = lambda: None
        """Called after every refresh."""
        self.on_message: Callable[[Message], None] = lambda message: None
        self.on_revised: Callable[[Revised], None] = lambda revised: None
        """A message is shown otherwise now."""
        self.on_swept: Callable[[str], None] = lambda conversation: None
        """Texts of a conversation, by its id, have come to their time."""
        self.on_begin: Callable[[], None] = lambda: None
        """Called once, after the first refresh while it is watched."""
        self.on_trouble: Callable[[CloisterError], None] = lambda error: None
        """The device could not answer; it is asked again."""
        self.on_following: Callable[[], None] = lambda: None
        """Something may have been missed: what is shown must be read anew."""
        self.on_receipts: Callable[[], None] = lambda: None
        self.on_alarm: Callable[[Alarm], None] = lambda alarm: None
        self.on_news: Callable[[Changed], None] = lambda news: None
        """What the person is told of, and need do nothing about."""
        self._stale = asyncio.Event()
        self._has_begun = False
        self._told = ""
        """The trouble that was told last."""
        self._told_at = 0.0
        self._keeping: Counter[str] = Counter()
        """Conversations whose draft is on its way to the device, and how often."""
        self._was_kept = asyncio.Event()
        self._unkept: set[str] = set()
        """Conversations whose draft the device did not take: it stands here alone."""

    @property
    def is_connected(self) -> bool:
        """Whether the relay is in reach."""
        return self.status.get("link") == "up"

    async def refresh(self) -> None:
        """Ask for everything that lists and state lines show."""
        device, before, on_way = self.device, dict(self.drafts), self._unkept | set(+self._keeping)
        self.status, views, newest, self.members, drafts, requests = await asyncio.gather(
            device.status(),
            device.conversations(),
            device.newest(),
            device.members(),
            device.drafts(),
            device.requests(),
        )
        # What was begun while this was asked is newer than the answer.
        newer = {
            one
            for one in on_way | before.keys() | self.drafts.keys()
            if one in on_way or before.get(one) != self.drafts.get(one)
        }
        self.drafts = {one: text for one, text in drafts.items() if one not in newer} | {
            one: text for one, text in self.drafts.items() if one in newer
        }
        self.asking = sum(view["state"] == "open" for view in requests)
        self.blocked = _devices(one for one in self.members if one["blocked"])
        self.own = _devices(one for one in self.members if one["trust"] == "own")
        self.newest = {row.channel_id.hex(): row for row in newest}
        for channel, row in list(self.newest.items()):
            if is_folded(row, self.blocked):
                self.newest[channel] = await self._newest_shown(row)
        self.conversations = sorted(views, key=self._order)
        self.on_change()

    def keep_draft(self, conversation: str, text: str) -> Coroutine[None, None, None]:
        """Note at once what has been begun in a conversation; awaited, the device keeps it."""
        is_known = text == self.drafts.get(conversation, "") and conversation not in self._unkept
        if not conversation or is_known:
            return self._keep("", "")
        self.drafts.pop(conversation, None)
        if text:
            self.drafts[conversation] = text
        self._keeping[conversation] += 1
        return self._keep(conversation, text)

    async def _keep(self, conversation: str, text: str) -> None:
        if not conversation:
            return
        try:
            await self.device.keep_draft(conversation, text)
            self._unkept.discard(conversation)
        except CloisterError:
            self._unkept.add(conversation)
        finally:
            self._keeping[conversation] -= 1
            self._was_kept.set()

    async def all_kept(self) -> None:
        """Wait until the device has taken every draft that is on its way."""
        while self._keeping.total():
            self._was_kept.clear()
            await self._was_kept.wait()

    async def rows(self, conversation: str, at: int | None) -> list[Message]:
        """Read the last page of a conversation, or everything from a little before a position on:
        without a hole, whatever comes meanwhile."""
        if at is None:
            return await self.device.history(conversation, limit=PAGE)
        rows = await self.device.history(conversation, limit=AROUND, before=at)
        last = rows[-1].position if rows else at - 1
        while page := await self.device.history(conversation, limit=MANY, after=last):
            rows += page
            last = page[-1].position
        return rows

    async def _newest_shown(self, row: Message) -> Message:
        """Return the last of some rows that is not folded away, or this one."""
        rows = await self.device.history(row.channel_id.hex(), limit=LOOK_BACK)
        shown = (one for one in reversed(rows) if not is_folded(one, self.blocked))
        return next(shown, row)

    def _order(self, view: View) -> tuple[bool, bool, bool, bool, int]:
        """What is pinned first, then unread, then by the last word; what is left behind, and what
        blocked members alone are in, comes last."""
        newest = self.newest.get(str(view["channel_id"]))
        is_over = view["state"] in {"left"}
        is_first = view["unread"] and not view["muted"]
        at = -(newest.at if newest else 0)
        return is_over, view["blocked"], not view["pinned"], not is_first, at

    def view(self, conversation: str) -> View | None:
        """Return a conversation by its id."""
        found = (v for v in self.conversations if v["channel_id"] == conversation)
        return next(found, None)

    def trust(self, view: View) -> str:
        """Return what must be known before trusting a conversation."""
        return words.trust_of(view, self.members)

    def calm(self, view: View) -> str:
        """Return what is said of a conversation in which nothing is wrong."""
        notes = [word for word in ("pinned", "muted") if view.get(word)]
        return ", ".join(filter(None, (*notes, words.assurance_of(view, self.members))))

    def is_quiet(self, message: Message) -> bool:
        """Tell whether a message rings for nobody: it is muted, its author is blocked, or it was
        written on another device of the person."""
        view = self.view(message.channel_id.hex()) or {}
        is_mine = message.sender in self.own
        is_hidden = is_folded(message, self.blocked)
        return bool(view.get("muted") or view.get("blocked")) or is_hidden or is_mine

    def touch(self) -> None:
        """Say that something may have changed."""
        self._stale.set()

    async def watch(self) -> None:
        """Follow the device until it closes.  Raises ``DeviceClosed``."""
        # Apart: while nothing can be asked it is heard all the same, since alarms are told once.
        works = [
            asyncio.ensure_future(self._patiently(work))
            for work in (self._stay_fresh, self._follow)
        ]
        try:
            await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            for work in works:
                if work.done():
                    work.result()
        finally:
            for work in works:
                work.cancel()
            await asyncio.gather(*works, return_exceptions=True)

    async def _patiently(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except DeviceClosed:
                raise
            except CloisterError as error:
                # What fails once must not leave the screens deaf.
                if str(error) != self._told:
                    self._told, self._told_at = str(error), time.monotonic()
                    self.on_trouble(error)
            await asyncio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(self.device.follow()) as notices:
                    async for notice in notices:
                        self._hear(notice)
            except FellBehind:
                continue
            raise DeviceClosed("the vault was closed")

    def _hear(self, notice: FollowedNotice) -> None:
        match notice:
            case Alarm():
                self.on_alarm(notice)
            case Shown():
                self.on_message(notice.message)
            case Revised():
                self.on_revised(notice)
            case Changed(what=what) if what == FOLLOWING:
                self.on_following()
            case Changed(what="receipts"):
                self.on_receipts()
            case Changed(what=what) if what in {NEWS, BACK_IN}:
                self.on_news(notice)
            case Changed(what="timeline"):
                self.on_swept(notice.text)
            case Changed():
                pass
        self.touch()

    async def _stay_fresh(self) -> None:
        while True:
            self._stale.clear()
            await self.refresh()
            if time.monotonic() - self._told_at > WELL_S:
                self._told = ""
            if not self._has_begun:
                self._has_begun = True
                self.on_begin()
            await self._stale.wait()
            await asyncio.sleep(TOGETHER_S)


def _devices(members: Iterable[View]) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(did) for one in members for did in one["devices"])


async def quietly(work: Awaitable[object]) -> None:
    """Do what the person need not hear of when it fails, such as noting that something was read."""
    with suppress(CloisterError):
        await work

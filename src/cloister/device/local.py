"""The facade of the process that holds the vault."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Final

from cloister.client.effects import (
    FOLLOWING,
    AnnotationKind,
    Changed,
    Message,
    MessageState,
    Shown,
)
from cloister.client.inputs import Act, Annotate, MarkRead, SendText
from cloister.client.seam import ClientCore
from cloister.crypto.secret import Secret
from cloister.device import annotating
from cloister.device.authors import told_by_name
from cloister.device.engine import Engine
from cloister.device.errors import FellBehind, NotAnswered
from cloister.device.facade import DEFAULT_TIMEOUT_S, FollowedNotice, View
from cloister.device.keeping import Keeping
from cloister.device.notices import Notices
from cloister.device.reading import Reading
from cloister.device.unlock.upkeep import Upkeep
from cloister.device.vault import Vault
from cloister.device.views import Views
from cloister.errors import CloisterError, TrustError
from cloister.values import replace

QUIET_S: Final = 0.25
"""The relay has said nothing for this long, and nothing is outstanding: caught up."""
ROUNDS: Final = 3
"""Failures of every route after which an impatient act gives up."""


class Device:
    """A running device.  Made by ``app.open_device``."""

    def __init__(self, engine: Engine, vault: Vault, views: Views, upkeep: Upkeep) -> None:
        self._engine = engine
        self._vault = vault
        self._views = views
        self._upkeep = upkeep
        self._reading = Reading(engine, vault, views)
        self._keeping = Keeping(engine, vault, views)
        self.locked = asyncio.Event()
        """Set when somebody asked to lock: whoever holds the device closes it then."""

    async def act(
        self, act: Act, timeout_s: float = DEFAULT_TIMEOUT_S, *, impatient: bool = False
    ) -> str:
        """Do an act; see :class:`Facade`."""
        answering = asyncio.ensure_future(self._engine.submit(act))
        giving_up = asyncio.ensure_future(self._hopeless(ROUNDS if impatient else 1_000_000))
        try:
            await asyncio.wait(
                {answering, giving_up}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if answering.done():
                answer = answering.result()
                if answer.error is not None:
                    raise answer.error
                return answer.text
            if giving_up.done():
                raise giving_up.result()
            raise self._not_answered(timeout_s)
        finally:
            answering.cancel()
            giving_up.cancel()
            await asyncio.gather(answering, giving_up, return_exceptions=True)

    async def send(
        self, conversation: str, text: str, wait_s: float, *, reply_to: str = ""
    ) -> Message:
        """Queue a text; see :class:`Facade`."""
        answered = (await self.message(conversation, reply_to)).message_id if reply_to else b""
        notices = Notices()
        self._engine.listen(notices)
        try:
            act = SendText(ref=0, conversation=conversation, text=text, reply_to=answered)
            answer = await self.act(act)
            # The act's own notices may come before or after its answer.
            channel_id = self._channel(conversation)
            read = partial(self._reading.own_row, channel_id, bytes.fromhex(answer))
            latest = await read()
            waiting = asyncio.ensure_future(_until_sent(notices, latest, read))
            giving_up = asyncio.ensure_future(self._hopeless(ROUNDS))
            try:
                await asyncio.wait(
                    {waiting, giving_up}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED
                )
                return waiting.result() if waiting.done() else latest
            finally:
                waiting.cancel()
                giving_up.cancel()
                await asyncio.gather(waiting, giving_up, return_exceptions=True)
        finally:
            self._engine.unlisten(notices)

    async def message(self, conversation: str, name: str) -> Message:
        """Return one message; see :class:`Facade`."""
        return await self._reading.message(self._channel(conversation), name)

    async def annotate(
        self, conversation: str, message_id: str, kind: AnnotationKind, text: str = ""
    ) -> None:
        """Say something of a message; see :class:`Facade`."""
        row = await self.message(conversation, message_id)
        annotating.check(row, kind)
        channel = row.channel_id.hex()
        await self.act(
            Annotate(ref=0, conversation=channel, message_id=row.message_id, kind=kind, text=text)
        )

    async def versions(self, conversation: str, message_id: str) -> list[View]:
        """Return the texts that a message has had; see :class:`Facade`."""
        return await self._reading.versions(await self.message(conversation, message_id))

    async def settle(self, timeout_s: float, *, required: bool = False) -> bool:
        """Wait until caught up; see :class:`Facade`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._until_quiet(ROUNDS if required else 1)
        except (TimeoutError, CloisterError) as error:
            if not required:
                return False
            raise (
                self._not_answered(timeout_s) if isinstance(error, TimeoutError) else error
            ) from None
        return self._has_routes

    async def _until_quiet(self, rounds: int) -> None:
        """Return when caught up, or without any way to a relay; raise when it is hopeless."""
        loop = asyncio.get_running_loop()
        since: float | None = None
        attempts = self._engine.trouble.attempts
        self._engine.hurry()
        while self._has_routes and (since is None or loop.time() - since < QUIET_S):
            error = self._engine.trouble.hopeless(rounds, attempts)
            if error is not None:
                raise error
            if not self._engine.is_quiet:
                since = None
            elif since is None:
                since = loop.time()
            try:
                async with asyncio.timeout(QUIET_S / 2), self._engine.changed:
                    await self._engine.changed.wait()
                since = None
            except TimeoutError:
                pass

    async def status(self) -> View:
        """Return the state; see :class:`Facade`."""
        trouble = self._engine.trouble.error
        unread = await self._unread()
        link = "up" if self._engine.is_connected else "down" if self._has_routes else "off"
        return {
            **self._views.status(self._engine.core, self._engine.now()),
            "link": link,
            "trouble": None if trouble is None or link == "up" else str(trouble),
            "trust_problem": link == "down" and isinstance(trouble, TrustError),
            "unread": sum(unread.values()),
            "vault_key": self._upkeep.state,
            "vault_trouble": None if self._upkeep.trouble is None else str(self._upkeep.trouble),
        }

    async def circle(self) -> View:
        """Return the circle."""
        return self._views.circle(self._engine.core)

    async def members(self) -> list[View]:
        """Return the members."""
        return self._views.members(self._engine.core)

    async def requests(self) -> list[View]:
        """Return the open join requests."""
        return self._views.requests(self._engine.core)

    async def conversations(self) -> list[View]:
        """Return the conversations with what is unread, and up to which position all is read."""
        unread, now = await self._unread(), self._engine.now()
        live = self._views.conversations(self._engine.core)
        read_to = await self._engine.on_disk(self._vault.timeline.read_markers)
        return [
            {
                **view,
                "unread": unread.get(channel, 0),
                "read_to": read_to.get(channel, -1),
                "muted": view["muted_until"] > now,
            }
            for view in (*live, *await self._keeping.conversations(live))
            for channel in [bytes.fromhex(view["channel_id"])]
        ]

    async def _unread(self) -> dict[bytes, int]:
        uncounted = self._views.uncounted(self._engine.core)
        return await self._engine.on_disk(lambda: self._vault.timeline.unread(uncounted))

    async def governance(self, what: str, about: str = "") -> list[View]:
        """Return a view of governance."""
        return self._views.governance(self._engine.core, what, about)

    async def exposure(self, device: str) -> View:
        """Return what a device could have read; the vault has the timelines it needs."""
        core = self._engine.core
        channels = self._views.exposed_channels(core, device)
        rows = {channel_id: await self._reading.whole(channel_id) for channel_id in channels}
        return self._views.exposure(core, device, rows)

    async def log(self, start: int, limit: int) -> list[View]:
        """Return entries of the circle's log in words; folding takes a thread of its own."""
        core, entries = await self._core_with_log()
        return await asyncio.to_thread(self._views.log, core, entries, start, limit)

    async def verify_log(self) -> View:
        """Derive the log anew from the vault."""
        core, entries = await self._core_with_log()
        return await asyncio.to_thread(self._views.verify_log, core, entries)

    async def _core_with_log(self) -> tuple[ClientCore, tuple[bytes, ...]]:
        """Return the core and the stored log of one moment."""
        while True:
            core = self._engine.core
            entries = await self._engine.on_disk(self._vault.entries)
            if core is self._engine.core:
                return core, entries

    async def history(
        self,
        conversation: str,
        limit: int = 100,
        after: int | None = None,
        before: int | None = None,
    ) -> list[Message]:
        """Return messages; see :class:`Facade`."""
        channel_id = await self._keeping.channel(conversation)
        return await self._reading.history(channel_id, limit, after, before)

    async def newest(self) -> list[Message]:
        """Return the last row of every timeline."""
        return await self._reading.newest()

    async def search(self, words: str, limit: int = 100) -> list[Message]:
        """Return the newest texts that hold every word."""
        return await self._reading.search(words, limit)

    async def drafts(self) -> dict[str, str]:
        """Return what has been begun."""
        drafts = await self._engine.on_disk(self._vault.drafts)
        return {channel_id.hex(): text for channel_id, text in drafts.items()}

    async def keep_draft(self, conversation: str, text: str) -> None:
        """Keep what has been begun in a conversation."""
        channel_id = await self._keeping.channel(conversation)
        await self._engine.on_disk(lambda: self._vault.keep_draft(channel_id, text))

    async def mark_read(self, conversation: str, position: int) -> None:
        """Move the read marker."""
        channel_id = await self._keeping.channel(conversation)
        now = self._engine.now()
        await self._engine.on_disk(lambda: self._vault.mark_read(channel_id, position, now))
        if not self._keeping.is_live(channel_id):
            return  # known by its history only: nobody is there to be told
        if not self._views.wants_reading(self._engine.core, conversation):
            return
        n = await self._engine.on_disk(lambda: self._vault.newest_index(channel_id, position))
        if n is not None:
            await self.act(MarkRead(ref=0, conversation=conversation, n=n))

    async def receipts(self, conversation: str) -> View:
        """Return how far the others have come; see :class:`Facade`."""
        return self._views.receipts(self._engine.core, conversation)

    async def comparison(self, member: str) -> View:
        """Return what two people compare; a forger's price for the digits is some milliseconds."""
        return await asyncio.to_thread(self._views.comparison, self._engine.core, member)

    def backup(
        self, path: str, passphrase: str, *, force: bool = False
    ) -> AsyncGenerator[View, None]:
        """Seal the whole history into a file; see :class:`Facade`."""
        return self._keeping.backup(path, passphrase, self.act, force=force)

    def restore(self, path: str, passphrase: str) -> AsyncGenerator[View, None]:
        """Read such a file as history; see :class:`Facade`."""
        return self._keeping.restore(path, passphrase, self.act)

    async def follow(self) -> AsyncGenerator[FollowedNotice, None]:
        """Yield notices; see :class:`Facade`."""
        notices = Notices()
        self._engine.listen(notices)
        notices.take(Changed(what=FOLLOWING))
        watching = asyncio.ensure_future(self._tell_of_the_link(notices))
        try:
            while True:
                core = self._engine.core
                yield told_by_name(await notices.next(), self._views.authors(core))
        except FellBehind:
            for alarm in notices.unheard:
                yield alarm
            raise
        finally:
            watching.cancel()
            self._engine.unlisten(notices)

    async def _tell_of_the_link(self, notices: Notices) -> None:
        before = self._engine.is_heard
        async with self._engine.changed:
            while True:
                await self._engine.changed.wait()
                if self._engine.is_heard is not before:
                    before = not before
                    notices.take(Changed(what="link"))

    async def change_pin(self, old: str, new: str) -> None:
        """Change what opens the vault; see :class:`Facade`."""
        await self._upkeep.change_pin(Secret(old.encode("utf-8")), Secret(new.encode("utf-8")))

    async def check_shares(self) -> None:
        """Ask the relays for the shares; see :class:`Facade`."""
        await self._upkeep.check()

    async def lock(self) -> None:
        """Ask the holder of the device to close it."""
        self.locked.set()

    @property
    def _has_routes(self) -> bool:
        return bool(self._engine.core.routes)

    def _channel(self, conversation: str) -> bytes:
        return self._views.channel_id(self._engine.core, conversation)

    async def _hopeless(self, rounds: int) -> CloisterError:
        attempts = self._engine.trouble.attempts
        async with self._engine.changed:
            while (error := self._engine.trouble.hopeless(rounds, attempts)) is None:
                await self._engine.changed.wait()
        return error

    def _not_answered(self, timeout_s: float) -> NotAnswered:
        trouble = self._engine.trouble.error
        if trouble is not None and not self._engine.is_connected:
            return NotAnswered(f"not done within {timeout_s:.0f} s: {trouble}", hint=trouble.hint)
        if self._engine.is_connected and not self._engine.is_heard:
            return NotAnswered(
                f"the home relay has said nothing for {timeout_s:.0f} s",
                hint="it is overloaded, or is no home relay; try again, or ask its operator",
            )
        return NotAnswered(
            f"not done within {timeout_s:.0f} s",
            hint="it may still be done; look with `cloister status`, or wait longer (--timeout)",
        )


async def _until_sent(
    notices: Notices, latest: Message, read: Callable[[], Awaitable[Message]]
) -> Message:
    while latest.state is MessageState.QUEUED:
        try:
            notice = await notices.next()
        except FellBehind:
            notices.go_on()
            latest = await read()
            continue
        if isinstance(notice, Shown) and notice.message.message_id == latest.message_id:
            latest = replace(notice.message, bot=latest.bot)
    return latest

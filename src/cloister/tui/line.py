"""The line mode: append-only, no alternate screen, no colour, the terminal's own cursor.

For screen readers, pipes and terminals that can do nothing else.  Every action of the full-screen
interface has a command here: both are made of one table.
"""

from __future__ import annotations

import asyncio
import shlex
from contextlib import aclosing, suppress
from typing import Final

from cloister.client.contact_acts import NoteTold
from cloister.client.effects import (
    BACK_IN,
    FOLLOWING,
    NEWS,
    Alarm,
    Changed,
    Message,
    MessageState,
    Revised,
    Shown,
)
from cloister.client.safe_text import safe_line
from cloister.device.errors import FellBehind
from cloister.device.facade import Facade, FollowedNotice, View
from cloister.errors import CloisterError, LockedError, NotFoundError, PolicyError
from cloister.tui import words
from cloister.tui.actions.table import BY_NAME
from cloister.tui.folding import folded_line, is_folded
from cloister.tui.line_help import help_text
from cloister.tui.line_input import Lines, NothingTyped, Watched
from cloister.tui.line_start import demand_somewhere, find
from cloister.tui.line_talk import LineTalk
from cloister.tui.setting import SettingsBook
from cloister.tui.trust import untold

LAST_ROWS: Final = 20
AROUND: Final = 3
"""Messages shown on either side of one that was gone to."""
PAGE: Final = 200
BEFORE_OTHERS: Final = frozenset(
    {"go", "new", "search", "people", "pin", "backup", "restore", "move-home"}
)
"""Commands that lead elsewhere, or ask for secrets."""
QUEUED_S: Final = 4.0
"""A text that is still queued after this long is said to be."""


class LineMode:
    """One person at the lines of one conversation after another."""

    def __init__(
        self,
        device: Facade,
        lines: Lines,
        *,
        timeout_s: float,
        tells_alarms: bool,
        autolock_s: float = 0,
        settings: SettingsBook | None = None,
    ) -> None:
        """``autolock_s``: how long nothing may be typed before the vault is locked; 0: for ever."""
        self._device = device
        self._lines = lines = Watched(lines, lambda: self._autolock_s)
        self._tells_alarms = tells_alarms
        self._autolock_s = autolock_s if lines.is_typed else 0
        self._timeout_s = timeout_s
        self._talk = LineTalk(device, lines, timeout_s, settings)
        self._last = -1
        """Position of the last row shown."""
        self._first = 0
        """Position of the first one: what ``/older`` goes back from."""
        self._waiting: dict[bytes, tuple[str, str]] = {}
        """Own texts that are queued: message id -> conversation, and how it begins."""
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._said_queued: set[bytes] = set()
        self._typed_here: set[bytes] = set()
        """Own texts that stand on the screen because they were typed there."""
        self._announced: set[str] = set()
        """Other conversations that were named as having something new."""
        self._blocked: set[bytes] = set()
        """The devices of those whose texts are folded away."""
        self._link = ""
        self.failure: CloisterError | None = None
        """The first thing that was not done, where lines come from a pipe: nobody can correct it
        there, and whoever filled the pipe learns of it by the exit status alone."""
        self._sending = asyncio.Lock()
        """So that no own text is heard of before it is known to have been typed here."""

    async def run(self, name: str) -> str:
        """Talk in a conversation until the lines end; return "locked" or "left".

        Raises ``NotFoundError`` for an unknown conversation, and what ends the device.
        """
        await demand_somewhere(self._device)
        await self._go(await find(self._device, name))
        following = asyncio.ensure_future(self._follow())
        reading = asyncio.ensure_future(self._read())
        try:
            await asyncio.wait({following, reading}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
            return reading.result()
        finally:
            following.cancel()
            reading.cancel()
            await asyncio.gather(following, reading, return_exceptions=True)

    # --- what is typed ----------------------------------------------------------------------------

    async def _read(self) -> str:
        try:
            return await self._read_lines()
        except NothingTyped:
            self._lines.say("Nothing was typed for long: the vault is locked.")
            return "locked"

    async def _read_lines(self) -> str:
        begun: list[str] = []
        while not self._talk.ending:
            line = await self._lines.next()
            if line is None and (self._lines.is_typed or not begun):
                break
            if line is not None and line.endswith("\\"):
                begun.append(line[:-1])  # one more line of the same text
                continue
            # A pipe may end in the middle of a text: it is one all the same.
            text = "\n".join(begun if line is None else [*begun, line])
            begun = []
            try:
                await self._take(text)
            except LockedError:
                raise
            except CloisterError as error:
                said = str(error).removesuffix(".")
                self._fail(error, f"Not done: {said}." + (f" {error.hint}" if error.hint else ""))
                if not self._lines.is_typed and _is_before_others(text, error):
                    self._lines.refuse("What follows may be for others: nothing more is done.")
                    break
        if not self._lines.is_typed and not self._talk.ending:
            await self._until_sent()
        return self._talk.ending or "left"

    def _fail(self, error: CloisterError, said: str) -> None:
        self._lines.refuse(said)
        if not self._lines.is_typed:
            self.failure = self.failure or error

    async def _take(self, text: str) -> None:
        if text.startswith("//"):
            await self._send(text[1:])
        elif text.startswith("/"):
            await self._command(text[1:])
        elif text.strip():
            await self._send(text)

    async def _send(self, text: str) -> None:
        async with self._sending:
            row = await self._device.send(self._talk.conversation, text, 0)
            self._typed_here.add(row.message_id)
        if row.state is MessageState.QUEUED:
            self._waiting[row.message_id] = row.channel_id.hex(), safe_line(row.text)[:30]
            self._all_sent.clear()
        self._note(row)
        if row.state is MessageState.QUEUED and self._lines.is_typed:
            asyncio.get_running_loop().call_later(QUEUED_S, self._say_queued, row.message_id)

    def _say_queued(self, message_id: bytes) -> None:
        if message_id in self._waiting:
            self._said_queued.add(message_id)
            self._lines.say(f"* Queued: {self._waiting[message_id][1]}. It goes out by itself.")

    async def _command(self, typed: str) -> None:
        name, given = _words_of(typed)
        match name:
            case "help" | "?" | "":
                self._lines.say(help_text())
            case "older":
                await self._older()
            case "where":
                self._lines.say(f"You are in {self._talk.title}.")
            case known if known in BY_NAME:
                self._talk.give(given)
                await BY_NAME[known].run(self._talk)
                self._take_settings()
                await self._arrive()
            case _:
                raise _NoSuchCommand(f"there is no command /{name[:32]}", hint="/help lists them")

    def _take_settings(self) -> None:
        """Take what may have been changed of the settings."""
        if self._talk.settings is not None:
            with suppress(CloisterError):  # the file is wrong: what held before goes on
                now = self._talk.settings.present()
                self._timeout_s = self._talk.timeout_s = now.timeout_s
                self._autolock_s = now.autolock_s if self._lines.is_typed else 0

    async def _arrive(self) -> None:
        if self._talk.going_to:
            going_to, self._talk.going_to = self._talk.going_to, ""
            at, self._talk.going_at = self._talk.going_at, None
            await self._go(going_to)
            if at is not None:
                await self._show_around(at)

    async def _show_around(self, position: int) -> None:
        """Show a message that was gone to, with what was said before and after it."""
        device, conversation = self._device, self._talk.conversation
        rows = await device.history(conversation, limit=AROUND, before=position)
        rows += await device.history(conversation, limit=AROUND + 1, after=position - 1)
        self._first = rows[0].position if rows else self._first
        self._lines.show("\n".join(["* From there:", *map(self._line, rows)]))

    async def _older(self) -> None:
        rows = await self._device.history(
            self._talk.conversation, limit=LAST_ROWS, before=self._first
        )
        if not rows:
            self._lines.say("Nothing is older.")
            return
        self._first = rows[0].position
        self._lines.show("\n".join(map(self._line, rows)))

    async def _until_sent(self) -> None:
        """The lines have ended: see own texts off, as far as that goes."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._all_sent.wait()
        except TimeoutError:
            self._lines.say(f"{len(self._waiting)} queued: no relay in reach. They go out later.")

    # --- where one is -----------------------------------------------------------------------------

    def _line(self, row: Message, *, is_new: bool = False) -> str:
        if is_folded(row, self._blocked):
            return f"* {words.clock_of(row.at)}: {folded_line(row.sender_name, 1)}"
        return words.message_line(row, is_new=is_new)

    async def _people(self) -> list[View]:
        """Return the members; what those wrote who are blocked is folded away from now on."""
        views = await self._device.members()
        self._blocked = {bytes.fromhex(did) for v in views if v["blocked"] for did in v["devices"]}
        return views

    async def _tell_changes(self, view: View, members: list[View]) -> None:
        """Say what changed about somebody; what was typed to has been heard."""
        for member in members:
            title, text = untold(member, [view])
            if title:
                self._lines.say(f"ATTENTION. {title}.\n{text}")
                if self._lines.is_typed:
                    await self._device.act(NoteTold(ref=0, member=str(member["member_id"])))

    async def _go(self, conversation: str) -> None:
        views = await self._device.conversations()
        view = next((v for v in views if v["channel_id"] == conversation), None)
        if view is None:
            raise NotFoundError("this conversation is not there any more")
        rows = await self._device.history(conversation, limit=LAST_ROWS)
        self._talk.conversation, self._talk.title = conversation, words.shown_title(view)
        self._announced.discard(conversation)
        self._last = rows[-1].position if rows else -1
        self._first = rows[0].position if rows else 0
        people = ", ".join(words.people_of(view))
        members = await self._people()
        note = words.trust_of(view, members) or words.assurance_of(view, members)
        self._lines.say(f"{self._talk.title}: {people}." + (f" {note}." if note else ""))
        await self._tell_changes(view, members)
        if self._lines.is_typed:
            self._lines.say("A line is a text; /help lists the commands, /quit ends.")
        for row in rows:
            self._lines.show(self._line(row))
        if rows:
            await self._device.mark_read(conversation, rows[-1].position)
        await self._show_new()

    # --- what comes -------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            with suppress(FellBehind):
                async with aclosing(self._device.follow()) as notices:
                    async for notice in notices:
                        await self._hear(notice)

    async def _catch_up(self) -> None:
        """Look up what nobody may have told."""
        await self._say_link()
        await self._show_new()
        for message_id, (conversation, _) in tuple(self._waiting.items()):
            with suppress(NotFoundError):
                self._note(await self._device.message(conversation, message_id.hex()))

    async def _hear(self, notice: FollowedNotice) -> None:
        match notice:
            case Alarm() if self._tells_alarms:
                self._lines.say(f"ALARM ({notice.code}): {notice.text}")
            case Changed(what="members"):
                await self._people()
            case Changed(what=what) if what in {NEWS, BACK_IN} and self._tells_alarms:
                self._lines.say(f"* News: {safe_line(notice.text)}")
            case Changed(what=what) if what in {FOLLOWING, "link"}:
                await self._catch_up()
            case Changed(what="read", text=conversation):
                self._announced.discard(conversation)  # read on another device of the person
            case Shown(message=message) if message.channel_id.hex() == self._talk.conversation:
                await self._show_new()
                self._note(message)
            case Shown(message=message) if message.own:
                self._note(message)
            case Revised() if notice.channel_id.hex() == self._talk.conversation:
                await self._revise(notice.message_id)
            case Shown(message=message):
                await self._announce(message)
            case _:
                pass

    async def _show_new(self) -> None:
        conversation = self._talk.conversation
        while True:
            async with self._sending:
                rows = await self._device.history(conversation, limit=PAGE, after=self._last)
            if not rows or conversation != self._talk.conversation:
                return
            for row in rows:
                self._last = row.position
                if not (row.own and self._lines.is_typed and row.message_id in self._typed_here):
                    self._lines.show(self._line(row, is_new=True))
            await self._device.mark_read(conversation, self._last)

    async def _revise(self, message_id: bytes) -> None:
        """Show a message again that reads otherwise now: nothing above can be changed."""
        with suppress(NotFoundError):
            row = await self._device.message(self._talk.conversation, message_id.hex())
            if row.position >= self._first:
                self._lines.show("* Now: " + self._line(row))

    async def _announce(self, message: Message) -> None:
        conversation = message.channel_id.hex()
        if conversation in self._announced or is_folded(message, self._blocked):
            return
        views = await self._device.conversations()
        view = next((v for v in views if v["channel_id"] == conversation), None)
        if view is None or view["muted"] or view["blocked"]:
            return
        self._announced.add(conversation)
        title = words.shown_title(view)
        self._lines.say(f"* New in {title}. /go {shlex.quote(title)} goes there.")

    def _note(self, row: Message) -> None:
        """Follow what becomes of an own text."""
        if row.message_id not in self._waiting or row.state is MessageState.QUEUED:
            return
        _, begins = self._waiting.pop(row.message_id)
        if not self._waiting:
            self._all_sent.set()
        if row.state is MessageState.FAILED:
            why = safe_line(row.reason)
            self._fail(PolicyError(why), f"* Not sent: {begins}. Why: {why}")
        elif row.message_id in self._said_queued:
            self._said_queued.discard(row.message_id)
            self._lines.say(f"* Sent: {begins}")

    async def _say_link(self) -> None:
        status = await self._device.status()
        word = words.relay_state(status)
        is_begin = not self._link and (status["link"] == "up" or not status.get("trouble"))
        if word != self._link and not is_begin:
            why = f": {status['trouble']}" if status.get("trouble") else ""
            self._lines.say(f"* {word}{why}")
        self._link = word


class _NoSuchCommand(NotFoundError):
    """Nobody knows what was meant."""


def _words_of(typed: str) -> tuple[str, list[str]]:
    """Return the name of a command, and what was given with it."""
    try:
        name, *given = shlex.split(typed) or [""]
    except ValueError:
        name, *given = typed.split()
    return name.casefold(), given


def _is_before_others(text: str, error: CloisterError) -> bool:
    """Tell whether the lines after what was not done would be said to others than was meant."""
    is_command = text.startswith("/") and not text.startswith("//")
    leads_elsewhere = is_command and _words_of(text[1:])[0] in BEFORE_OTHERS
    return leads_elsewhere or isinstance(error, _NoSuchCommand)

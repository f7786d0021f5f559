"""The screen people live in: the list of conversations, and one of them; side by side if wide."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Final

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen

from cloister.client.effects import Message, Revised
from cloister.device.facade import View
from cloister.errors import CloisterError
from cloister.tui import words
from cloister.tui.keys import key_name
from cloister.tui.layout import conversation_rows, title_row
from cloister.tui.lines import Line, fit
from cloister.tui.repainting import FrugalCompositor
from cloister.tui.session import PAGE, SENDING, Session, quietly
from cloister.tui.widgets.choice_list import ChoiceList, Item
from cloister.tui.widgets.entry import Composer
from cloister.tui.widgets.message_log import MessageLog
from cloister.tui.widgets.painted import Row

if TYPE_CHECKING:
    from cloister.tui.app import Interface

LIST_COLUMNS: Final = 31


class HomeScreen(Screen[None]):
    """Conversations, and the one that is open."""

    is_home = True
    """This is where people write (``Interface.is_home``)."""
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012 (the toolkit's form)
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    AUTO_FOCUS = "#list"
    CSS = f"""
    HomeScreen #list {{ width: {LIST_COLUMNS}; }}
    HomeScreen #talk {{ width: 1fr; }}
    HomeScreen.-wide #list {{ border-right: ascii $foreground; }}
    HomeScreen.-narrow #list {{ width: 1fr; }}
    HomeScreen.-narrow #talk {{ display: none; }}
    HomeScreen.-narrow.talking #list {{ display: none; }}
    HomeScreen.-narrow.talking #talk {{ display: block; }}
    HomeScreen.-narrow #title {{ display: none; }}
    HomeScreen.-short #keys {{ display: none; }}
    HomeScreen #writing {{ height: auto; max-height: 4; display: none; }}
    HomeScreen.talking #writing {{ display: block; }}
    HomeScreen #prompt {{ width: 2; height: 1; }}
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark", "app.help", show=False)]

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._compositor = FrugalCompositor()
        self.session = session
        self.conversation = ""
        """Id of the open conversation."""
        self._is_loading_older = False
        self.sending = asyncio.Lock()
        """Held while a text is on its way into the vault: in the order in which they are said."""
        self._read_to = ("", -1)  # a conversation and a position: what was noted as read last
        self._round: list[str] = []
        """The order in which Tab goes round; it stays while what is read changes the list's."""

    @property
    def interface(self) -> Interface:
        """The application."""
        return self.app  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        """State above, the two panes, keys below."""
        yield Row(id="state")
        with Horizontal():
            yield ChoiceList(id="list")
            with Vertical(id="talk"):
                yield Row(id="title")
                yield MessageLog(id="log")
                with Horizontal(id="writing"):
                    yield Row(id="prompt")
                    yield Composer(id="composer")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """Show what is known already."""
        self.query_one("#prompt", Row).say(("> ", "dim"))
        log = self.query_one("#log", MessageLog)
        log.can_focus, log.placeholder = False, "Enter opens a conversation."
        keys = {key.action: key_name(key.key) for key in self.interface.keys}
        shown = (
            f"{keys['palette']}: do anything",
            f"{keys['next_unread']}: next unread",
            f"{keys['help']}: help",
            f"{keys['lock']}: lock",
        )
        self.query_one("#keys", Row).say((" " + "   ".join(shown), "dim"))
        self.redraw()

    # --- drawing ------------------------------------------------------------------------------

    @property
    def is_wide(self) -> bool:
        """Whether list and conversation stand side by side."""
        return self.size.width >= 80

    def redraw(self) -> None:
        """Show list, state and title as they are known now."""
        session, now = self.session, self.interface.clock()

        def item(view: View) -> Item:
            channel = str(view["channel_id"])
            trust, newest = session.trust(view), session.newest.get(channel)
            calm = session.calm(view)
            draft = session.drafts.get(channel, "") if channel != self.conversation else ""

            def lines(width: int) -> tuple[Line, Line]:
                return conversation_rows(view, newest, trust, draft, width, now, calm)

            return Item(channel, lines)

        listed = self.query_one("#list", ChoiceList)
        listed.empty = words.nothing_here(session.status)
        listed.fill([item(view) for view in session.conversations])
        self.query_one("#log", MessageLog).fold(session.blocked)
        self.query_one("#log", MessageLog).connected(session.is_connected)
        self._say_state()

    def _state(self) -> str:
        if not self.session.status:
            return "opening"
        return words.state_line(self.session.status, self.session.asking)

    def _say_state(self) -> None:
        view = self.session.view(self.conversation)
        self.query_one("#state", Row).draw(lambda width: self._state_row(view, width - 1))
        if view is not None:
            self.query_one("#title", Row).draw(lambda width: self._title(view, width - 1))

    def _state_row(self, view: View | None, width: int) -> Line:
        """Wide: the whole state.  Narrow: in a conversation its title, and the state in brief."""
        role = "bar" if self.session.is_connected else "warn"
        state = self.interface.busy or self._state()
        if self.is_wide:
            return ((" Cloister  ", "bar"), (fit(state, width - 11), role))
        if view is None:
            return ((" " + fit(state, width), role),)
        state = self.interface.busy or words.brief_state(self.session.status)
        title = self._title(view, max(width - len(state) - 2, 16))
        gap = max(width - sum(cell_len(text) for text, _ in title) - len(state), 1)
        return (*title, (" " * gap, "bar"), (fit(state, width), role))

    def _title(self, view: View, width: int) -> Line:
        own = str(self.session.status.get("name", ""))
        company = words.company_of(view, self.session.members, own)
        return title_row(words.shown_title(view), self.session.trust(view), company, width)

    def on_screen_resume(self) -> None:
        """Nothing stands before the texts any more: what came is seen, what changed is told."""
        self._mark_read()
        self.interface.tell_changes()

    # --- going ---------------------------------------------------------------------------------

    def on_choice_list_picked(self, event: ChoiceList.Picked) -> None:
        """Open the conversation that was picked; where there is none, go on with getting in."""
        if event.value:
            self.go(event.value)
        else:
            self.interface.begin()

    def go(self, conversation: str) -> None:
        """Open a conversation; what is typed from now on is for it."""
        self.interface.is_opening = True
        self.run_worker(self.open(conversation))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The composer can take keys now."""
        if event.widget.id == "composer":
            self.interface.is_opening = False

    async def open(self, conversation: str, at: int | None = None) -> None:
        """Open a conversation: its last texts, its draft, the cursor in the composer.

        ``at``: the texts from a little before that position on, and that one in sight."""
        self.run_worker(self.keep_draft())
        # From here to the focus without a pause: whoever types is in one conversation or the other.
        self.conversation = conversation
        self.add_class("talking")
        log = self.query_one("#log", MessageLog)
        log.placeholder = ""
        self.show_where()
        log.show([])
        log.tell({})  # what is told of another conversation says nothing of this one
        composer = self.query_one("#composer", Composer)
        composer.fill(self.session.drafts.get(conversation, ""))
        if composer.has_focus:
            self.interface.is_opening = False
        composer.focus()
        self._say_state()
        try:
            rows = await self.session.rows(conversation, at)
        except CloisterError as error:
            self.interface.report(error)
            return
        if conversation == self.conversation:
            log.placeholder = "Nothing has been said yet."
            view = self.session.view(conversation) or {}
            log.read_to = int(view["read_to"]) if view.get("unread") else None
            log.show(rows, tuple(log.messages))
            self.tell_receipts()
            if at is not None:
                log.show_position(at)
            self._mark_read()
            self.interface.tell_changes()

    def show_where(self) -> None:
        """Have the open conversation selected in the list, also when it is new there."""
        self.query_one("#list", ChoiceList).select(self.conversation)

    def tell_receipts(self) -> None:
        """Say of own texts who has them, as far as that is told."""
        self.run_worker(self._tell_receipts(self.conversation))

    async def _tell_receipts(self, conversation: str) -> None:
        with suppress(CloisterError):
            view = await self.session.device.receipts(conversation) if conversation else {}
            if conversation == self.conversation:
                self.query_one("#log", MessageLog).tell(view)

    def _mark_read(self) -> None:
        """Note that all of it was read, if the end of it is before the person's eyes."""
        log = self.query_one("#log", MessageLog)
        if not (log.messages and log.is_at_end and self.conversation and self.interface.is_watched):
            return
        up_to = (self.conversation, log.messages[-1].position)
        if up_to != self._read_to:
            self._read_to = up_to
            self.run_worker(self._marked(self.session.device.mark_read(*up_to)))

    def on_message_log_at_end(self) -> None:
        """What came while older texts were looked at is read now."""
        self._mark_read()

    async def _marked(self, work: object) -> None:
        await quietly(work)  # type: ignore[arg-type]
        self.session.touch()

    def close(self) -> None:
        """Go back to the list."""
        self.run_worker(self.keep_draft())
        self._round = []
        self.remove_class("talking")
        self.query_one("#list", ChoiceList).focus()
        if not self.is_wide:
            self.conversation = ""
        self.redraw()

    def turn(self, by: int) -> None:
        """Open the next or the previous conversation of the list."""
        ids = [str(view["channel_id"]) for view in self.session.conversations]
        if not ids:
            return
        if set(ids) != set(self._round):
            self._round = ids
        ids = self._round
        at = ids.index(self.conversation) if self.conversation in ids else -1 if by > 0 else 0
        self.go(ids[(at + by) % len(ids)])

    def next_unread(self) -> None:
        """Open the first conversation with something unread, other than this one."""
        for view in self.session.conversations:
            if view["unread"] and view["channel_id"] != self.conversation:
                self.go(str(view["channel_id"]))
                return
        self.interface.hint("nothing else is unread")

    # --- writing -------------------------------------------------------------------------------

    async def on_composer_sent(self, event: Composer.Sent) -> None:
        """Send what was written; what was refused comes back into the composer."""
        if not self.conversation:
            return
        composer, conversation = self.query_one("#composer", Composer), self.conversation
        composer.fill("")
        self.run_worker(self._send(conversation, event.text), group=SENDING)

    async def _send(self, conversation: str, text: str) -> None:
        kept = self.session.drafts.get(conversation, "")
        async with self.sending:
            try:
                row = await self.session.device.send(conversation, text, 0)
            except CloisterError as error:
                await self.put_back(conversation, text)
                self.interface.report(error)
                return
        if self.session.drafts.get(conversation, "") == kept:  # nothing was begun since
            await self.session.keep_draft(conversation, "")
        if conversation == self.conversation:
            log = self.query_one("#log", MessageLog)
            log.to_end()
            if not log.holds(row.message_id):
                log.take(row)

    def on_composer_paused(self, event: Composer.Paused) -> None:
        """Keep the draft when the person pauses; no key waits for it."""
        self.run_worker(self.keep_draft())

    def keep_draft(self, more: str = "") -> Coroutine[None, None, None]:
        """Keep what stands in the composer now, not when this is awaited, and ``more``."""
        written = self.query_one("#composer", Composer).text
        return self.session.keep_draft(self.conversation, "\n".join(filter(None, (written, more))))

    async def put_back(self, conversation: str, text: str) -> None:
        """Put what was not sent below what has been begun in a conversation, and keep both."""
        if conversation == self.conversation:
            composer = self.query_one("#composer", Composer)
            composer.fill("\n".join(filter(None, (composer.text, text))))
            await self.keep_draft()
            return
        both = filter(None, (self.session.drafts.get(conversation), text))
        await self.session.keep_draft(conversation, "\n".join(both))

    def on_composer_scroll(self, event: Composer.Scroll) -> None:
        """Scroll the texts from the composer."""
        self.query_one("#log", MessageLog).action_turn(event.by)

    def on_composer_slash(self, event: Composer.Slash) -> None:
        """A slash asks what to do."""
        self.interface.action_palette()

    # --- what comes ----------------------------------------------------------------------------

    def hear(self, message: Message) -> None:
        """Show a message of the open conversation, or what has become of one."""
        if message.channel_id.hex() != self.conversation:
            return
        self.query_one("#log", MessageLog).take(message)
        if message.reply_to:
            # What has just come is told as it came: what it answers stands in the vault.
            self.run_worker(self._revise(self.conversation, message.message_id))
        if not message.own:
            self._mark_read()

    def revise(self, revised: Revised) -> None:
        """A message is shown otherwise now: read it again, if it is in sight."""
        log = self.query_one("#log", MessageLog)
        if revised.channel_id.hex() == self.conversation and log.holds(revised.message_id):
            self.run_worker(self._revise(self.conversation, revised.message_id))

    async def _revise(self, conversation: str, message_id: bytes) -> None:
        try:
            row = await self.session.device.message(conversation, message_id.hex())
        except CloisterError:
            return  # it is gone meanwhile
        if conversation == self.conversation:
            self.query_one("#log", MessageLog).take(row)

    def reload(self, conversation: str = "") -> None:
        """What is shown must be what there is: of one conversation, or of whichever is open."""
        if (conversation or self.conversation) == self.conversation != "":
            self.run_worker(self._reload(self.conversation))

    async def _reload(self, conversation: str) -> None:
        log = self.query_one("#log", MessageLog)
        before = {one.message_id: one for one in log.messages}
        try:
            rows = await self.session.device.history(conversation, limit=max(len(before), 1))
        except CloisterError as error:
            self.interface.report(error)
            return
        if conversation == self.conversation:
            now = log.messages
            log.show(rows, [one for one in now if before.get(one.message_id) is not one])
            self._mark_read()

    def on_message_log_older(self, event: MessageLog.Older) -> None:
        """Load what is older, if anything is."""
        log = self.query_one("#log", MessageLog)
        if log.messages and not self._is_loading_older:
            self._is_loading_older = True
            self.run_worker(self._load_older(self.conversation, log.messages[0].position))

    async def _load_older(self, conversation: str, before: int) -> None:
        try:
            rows = await self.session.device.history(conversation, limit=PAGE, before=before)
        except CloisterError as error:
            self.interface.report(error)
            rows = []
        finally:
            self._is_loading_older = False
        if rows and conversation == self.conversation:
            self.query_one("#log", MessageLog).put_before(rows)

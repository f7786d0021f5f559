"""The full-screen interface: one application, its keys, locking, and the ways out."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from textual.screen import Screen

from cloister.errors import CloisterError
from cloister.tui.access import Access, Phase
from cloister.tui.autolock import Autolock
from cloister.tui.ending import Ending, when_told_to
from cloister.tui.keys import KEYS, Key, help_lines, key_name
from cloister.tui.notifications import NOTIFY_EVERY_S, signal_of
from cloister.tui.screens.unlock import UnlockScreen
from cloister.tui.setting import Setting, SettingsBook
from cloister.tui.themes import Colours, OneBit, palette, theme
from cloister.tui.type_ahead import TypeAhead

if TYPE_CHECKING:
    from cloister.client.effects import Message
    from cloister.device.facade import Facade
    from cloister.tui.actions.table import Action
    from cloister.tui.changes import Changes
    from cloister.tui.news import News
    from cloister.tui.screens.home import HomeScreen
    from cloister.tui.screens.palette import Picked
    from cloister.tui.session import Session

HINT_S: Final = 4.0


class Interface(TypeAhead):
    """Returns "locked" or "left"."""

    CSS = """
    Screen { background: $background; }
    Screen > #keys { dock: bottom; }
    """

    def __init__(
        self,
        access: Access,
        *,
        setting: Setting | None = None,
        settings: SettingsBook | None = None,
        keys: tuple[Key, ...] = KEYS,
        colours: Colours = "colour",
        clock: Callable[[], float] = time.time,
    ) -> None:
        held = setting or (settings.present() if settings is not None else Setting())
        super().__init__(ansi_color=colours != "colour", is_ordering=held.bidi == "interface")
        chosen = theme(colours)
        self.register_theme(chosen)
        self.theme = chosen.name
        self.palette = dict(palette(colours))
        if colours == "none":
            self._filters.append(OneBit())
        self.animation_level = "none"
        self.access = access
        self.clock = clock
        """The wall clock, for what is called today."""
        self.settings, self.setting = settings, held
        self.keys = keys
        self.busy = ""
        """What is being done, while it is being done."""
        self.session: Session | None = None
        self.autolock = Autolock(self, self._lock_if_open)
        self._ending = Ending(self)
        self._notified = 0.0
        self._news: News | None = None
        self._phase = ""
        self._is_asking = False
        self._changes: Changes | None = None
        self.colours = colours
        self.never_held = frozenset(key.key for key in keys if key.action == "lock")
        self.calling = frozenset(key.key for key in keys if key.action != "lock")
        for key in keys:
            self._bindings.bind(key.key, key.action, show=False, priority=True)

    # --- coming in -----------------------------------------------------------------------------

    async def on_mount(self) -> None:
        """Ask for the PIN at once; go in where the vault turns out to be open."""
        self.autolock.arm(self.setting.autolock_s)
        when_told_to(self.action_quit_now)
        guess = self.access.guess()
        if guess is not Phase.OPEN:
            await self.push_screen(UnlockScreen(guess))
        self.run_worker(self._arrive(guess))

    async def _arrive(self, guess: Phase) -> None:
        # What the screens behind need is loaded while the PIN is typed.
        await asyncio.to_thread(importlib.import_module, "cloister.tui.screens.behind")
        try:
            phase = await self.access.phase()
            screen = self.screen
            if isinstance(screen, UnlockScreen) and screen.has_begun:
                return  # the PIN was there before the answer
            if phase is Phase.OPEN:
                await self.enter(await self.access.device())
            elif phase is not guess and Phase.ABSENT in {phase, guess}:
                await self.switch_screen(UnlockScreen(phase))
        except CloisterError as error:
            self.report(error)

    async def enter(self, device: Facade) -> None:
        """Show an open device."""
        from cloister.tui.news import News
        from cloister.tui.screens.home import HomeScreen
        from cloister.tui.session import Session

        if self.session is not None:
            return
        session = self.session = Session(device)
        home = HomeScreen(session)
        session.on_change = lambda: self._changed(home)
        session.on_message = self._hear
        session.on_revised = home.revise
        session.on_swept = home.reload
        session.on_following = home.reload
        session.on_begin, session.on_trouble = self.begin, self.report
        session.on_receipts = home.tell_receipts
        news = self._news = News(self)
        session.on_alarm, session.on_news = news.alarm, news.hear
        await self.switch_screen(home) if self.screen_stack[1:] else await self.push_screen(home)
        self.run_worker(self._watch(session), group="session")

    async def _watch(self, session: Session) -> None:
        from cloister.device.errors import DeviceClosed

        try:
            await session.watch()
        except DeviceClosed:
            # Locked by another command, or the process has ended: what is shown must go.
            self.exit("locked")

    def begin(self) -> None:
        """Who is not in a circle yet is asked for the code, or shown the digits to read out."""
        from cloister.tui.actions.people import read_out
        from cloister.tui.actions.table import BY_NAME

        status = self.session.status if self.session is not None else {}
        phase, digits = str(status.get("phase", "")), str(status.get("digits") or "")
        if phase == "empty":
            self.do(BY_NAME["begin"])
        elif phase.startswith("joining") and digits:
            self.show("Waiting to be let in", read_out(digits))

    def _changed(self, home: HomeScreen) -> None:
        home.redraw()
        self.tell_changes()
        phase = str(home.session.status.get("phase", ""))
        if phase == "member" and self._phase.startswith("joining"):
            if not self.is_watched:
                _ = self.screen.dismiss(None)
            self.show("You are in", "The circle has let you in. Everybody reads the room commons.")
        self._phase = phase
        if self._news is not None:
            self._news.stand(home.session.status)

    @property
    def home(self) -> HomeScreen | None:
        """The screen with the conversations, once the vault is open."""
        found = (screen for screen in self.screen_stack if self.is_home(screen))
        return cast("HomeScreen | None", next(found, None))

    @property
    def is_watched(self) -> bool:
        """Whether the conversation is what the person has before them."""
        return self.is_home(self.screen)

    # --- what comes ----------------------------------------------------------------------------

    def _hear(self, message: Message) -> None:
        home = self.home
        if home is not None:
            home.hear(message)
        is_seen = home is not None and home.conversation == message.channel_id.hex()
        if message.own or message.kind.name != "TEXT" or (is_seen and self.is_watched):
            return
        if self.session is not None and self.session.is_quiet(message):
            return
        now = time.monotonic()
        if now - self._notified >= NOTIFY_EVERY_S and self._driver is not None:
            self._notified = now
            self._driver.write(signal_of(self.setting.notify))
            self._driver.flush()

    def tell_changes(self) -> None:
        """Show what changed about somebody, if the person does not know it yet."""
        from cloister.tui.changes import Changes

        self._changes = self._changes or Changes(self)
        self._changes.tell()

    def report(self, error: CloisterError) -> None:
        """Tell what was not done, why, and what to do."""
        from cloister.tui.screens.asking import refusal

        self.push_screen(refusal(error))

    def hint(self, text: str) -> None:
        """Say something in passing, in the state line."""
        self._be_busy(text)
        self.set_timer(HINT_S, lambda: self._be_busy("") if self.busy == text else None)

    def _be_busy(self, text: str) -> None:
        self.busy = text
        if self.home is not None:
            self.home._say_state()

    def show(self, title: str, text: str, *, role: str = "text", hang: int = 0) -> None:
        """Tell something that is read and put away."""
        from cloister.tui.screens.asking import TellScreen

        self.push_screen(TellScreen(title, text, role=role, hang=hang))

    def show_screen(self, screen: Screen[Any]) -> None:
        """Show a screen whose answer nobody waits for."""
        self.push_screen(screen)

    def go_to(self, conversation: str, at: int | None = None) -> None:
        """Open a conversation, whatever is in front of it; ``at``: a position in it."""
        self.is_opening = True
        self.run_worker(self._go_to(conversation, at))

    async def _go_to(self, conversation: str, at: int | None) -> None:
        home = self.home
        if home is not None:
            # First, whatever the device takes: what is typed now is for this conversation.
            await home.open(conversation, at)
            with suppress(CloisterError):
                await home.session.refresh()
            home.show_where()

    # --- keys ----------------------------------------------------------------------------------

    def touched(self) -> None:
        """Note that somebody is there."""
        self.autolock.touch()

    def action_palette(self) -> None:
        """Go anywhere, do anything."""
        home = self.home
        if home is not None and self.is_watched:
            from cloister.tui.screens.palette import PaletteScreen

            # At once, and not in a worker: the next key is for the palette.
            self.push_screen(PaletteScreen(home.session), self._picked)

    def expect(self, kind: str) -> None:
        """Hold keys for what was picked ("go" or "do") before the palette is gone."""
        self.is_opening = kind == "go"
        self._is_asking = kind == "do"

    def _picked(self, picked: Picked) -> None:
        from cloister.tui.actions.table import BY_NAME

        home = self.home
        if picked is None or home is None:
            return
        kind, value = picked
        if kind == "go":
            home.go(value)
        else:
            self.do(BY_NAME[value])

    def is_home(self, screen: Screen[Any]) -> bool:
        """Tell whether a screen is the one with the conversations."""
        return bool(getattr(screen, "is_home", False))

    def is_writing(self) -> bool:
        """Tell whether keys go into a text that Enter sends."""
        return self.is_watched and getattr(self.screen.focused, "id", "") == "composer"

    def is_asking(self) -> bool:
        """Tell whether an action is under way, and no question of it stands."""
        return self._is_asking and self.is_watched

    def do(self, action: Action) -> None:
        """Begin an action."""
        self.run_worker(self._do(action))

    async def _do(self, action: Action) -> None:
        from cloister.tui.screen_talk import ScreenTalk
        from cloister.tui.talk import Cancelled

        home = self.home
        if home is None:
            return
        view = home.session.view(home.conversation)
        talk = ScreenTalk(
            self,
            home.session.device,
            home.conversation if view else "",
            str(view["title"]) if view else "",
            action.title,
        )
        self._be_busy(f"{action.title}..")
        self._is_asking = True
        try:
            await action.run(talk)
        except Cancelled:
            pass
        except CloisterError as error:
            self.report(error)
        finally:
            self._is_asking = False
            self._be_busy("")
            self._take_settings()
            home.session.touch()

    def _take_settings(self) -> None:
        """Take what may have been changed of the settings."""
        if self.settings is not None:
            with suppress(CloisterError):  # the file is wrong: what held before goes on
                self.setting = self.settings.present()
            self.autolock.arm(self.setting.autolock_s)

    def action_next_unread(self) -> None:
        """Open what is unread."""
        if self.home is not None and self.is_watched:
            self.home.next_unread()

    def action_next_conversation(self) -> None:
        """Open the next conversation."""
        if self.home is not None and self.is_watched:
            self.home.turn(1)

    def action_previous_conversation(self) -> None:
        """Open the previous conversation."""
        if self.home is not None and self.is_watched:
            self.home.turn(-1)

    def action_search(self) -> None:
        """Search all texts."""
        if self.home is not None and self.is_watched:
            self._picked(("do", "search"))

    def action_message(self) -> None:
        """Pick a message, then what to do with it; where none is open, the conversation first."""
        if self.home is not None and self.is_watched:
            self._picked(("do", "message"))

    def action_help(self) -> None:
        """Show the keys."""
        if self.is_watched:
            self.show("Help", help_lines(self.keys), hang=11)

    def action_go_back(self) -> None:
        """Leave what is in front."""
        screen = self.screen
        if self.home is not None and self.is_home(screen):
            self.home.close()
        elif isinstance(screen, UnlockScreen):
            self.action_quit_now()
        else:
            _ = screen.dismiss(None)

    # --- going ---------------------------------------------------------------------------------

    def action_lock(self) -> None:
        """Close the vault now; the screen is cleared at once, whatever the vault takes."""
        if self.session is not None:
            self._ending.begin("locked")

    def _lock_if_open(self) -> bool:
        self.action_lock()
        return self.session is not None

    def action_quit_now(self) -> None:
        """End the interface."""
        self._ending.begin("left")

    def action_help_quit(self) -> None:
        """Ctrl+C: say how it is left; it must not happen by a slip."""
        palette_key = next(key.key for key in self.keys if key.action == "palette")
        self.hint(f'to leave: {key_name(palette_key)}, "quit"')

    async def action_quit(self) -> None:
        """Ctrl+Q, which the toolkit has for it: the same."""
        self.action_help_quit()

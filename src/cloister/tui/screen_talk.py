"""The full-screen interface's side of every action: a question is a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cloister.device.errors import DeviceClosed, NotAnswered
from cloister.device.facade import Facade, View
from cloister.errors import CloisterError, LockedError, NotFoundError
from cloister.tui.screens.asking import (
    AskScreen,
    ChooseScreen,
    ConfirmScreen,
    TellScreen,
    refusal,
)
from cloister.tui.screens.writing import WriteScreen
from cloister.tui.talk import NOTHING, Cancelled, Choice

if TYPE_CHECKING:
    from cloister.tui.app import Interface


class ScreenTalk:
    """A ``Talk`` over screens.  Runs in a worker of the application."""

    def __init__(
        self, app: Interface, device: Facade, conversation: str, title: str, doing: str
    ) -> None:
        self.device = device
        self.conversation = conversation
        self.title = title
        self.timeout_s = app.setting.timeout_s
        self.settings = app.settings
        self._app = app
        self._doing = doing

    def now(self) -> float:
        """Return the time that the screens show."""
        return self._app.clock()

    async def ask(
        self, question: str, *, about: str = "", secret: bool = False, text: str = ""
    ) -> str:
        """Ask for a line."""
        screen = AskScreen(question, about=about, secret=secret, text=text)
        answer = await self._app.push_screen_wait(screen)
        if not answer or not answer[0]:
            raise Cancelled
        return answer[0]

    async def ask_again(self, error: CloisterError) -> None:
        """Tell what was refused, and go on when that was read."""
        if isinstance(error, (Cancelled, LockedError, DeviceClosed, NotAnswered)):
            raise error
        await self._app.push_screen_wait(refusal(error))

    async def write(self, title: str, *, about: str, text: str, draft_of: str = "") -> str:
        """Ask for a text of several lines."""
        screen = WriteScreen(title, about=about, text=text, draft_of=draft_of)
        answer = await self._app.push_screen_wait(screen)
        if not answer or not answer[0].strip():
            if draft_of and screen.left.strip() and self._app.home is not None:
                await self._app.home.put_back(draft_of, screen.left)
            raise Cancelled
        return answer[0]

    async def ask_optional(self, question: str, *, text: str = "") -> str:
        """Ask for a line, or nothing."""
        screen = AskScreen(question, optional=True, text=text)
        answer = await self._app.push_screen_wait(screen)
        if answer is None:
            raise Cancelled
        return answer[0]

    async def choose(
        self, question: str, choices: Sequence[Choice], *, about: str = "", nothing: str = NOTHING
    ) -> str:
        """Have one picked."""
        if not choices:
            raise NotFoundError(nothing)
        return (await self._pick(question, choices, about=about))[0]

    async def browse(self, question: str, choices: Sequence[Choice], *, act: str) -> str:
        """Have one picked, or leave the list."""
        return await self.choose(question, choices)

    async def choose_many(self, question: str, choices: Sequence[Choice]) -> tuple[str, ...]:
        """Have several picked."""
        return await self._pick(question, choices, many=True)

    async def _pick(
        self, question: str, choices: Sequence[Choice], *, about: str = "", many: bool = False
    ) -> tuple[str, ...]:
        if not choices:
            raise NotFoundError(NOTHING)
        screen = ChooseScreen(question, choices, about=about, many=many)
        answer = await self._app.push_screen_wait(screen)
        if not answer:
            raise Cancelled
        return answer

    async def confirm(self, consequences: str, do: str) -> None:
        """Name the consequences, and go on only at a yes."""
        if await self._app.push_screen_wait(ConfirmScreen(consequences, do)) is None:
            raise Cancelled

    async def show_code(self, view: View) -> None:
        """Show digits, words and a QR code, until they are put away."""
        from cloister.tui.screens.code import CodeScreen

        await self._app.push_screen_wait(CodeScreen(view, self._app.colours))

    def tell(self, *parts: str) -> None:
        """Show what came of it."""
        is_list = not any("\n\n" in part for part in parts)
        self._app.show_screen(TellScreen(self._doing, *parts, hang=2 if is_list else 0))

    def open(self, conversation: str, at: int | None = None) -> None:
        """Go to a conversation, or to a message of it."""
        self._app.go_to(conversation, at)

    def lock(self) -> None:
        """Lock."""
        self._app.action_lock()

    def leave(self) -> None:
        """End the interface."""
        self._app.action_quit_now()

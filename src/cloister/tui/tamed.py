"""The toolkit's application without what a messenger must not do.

Switched off are its pictures of the screen, its own palette, the clipboard of the terminal, the
selection of text, and tracebacks with the values of variables in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.app import App, SystemCommand
from textual.screen import Screen
from textual.worker import WorkerFailed

from cloister.tui.driver import GoingOn
from cloister.tui.explicit_mode import ExplicitMode
from cloister.tui.one_shot import OneShot


class Tamed(OneShot, App[str]):
    """A bug of ours is kept in ``failure``, for whoever writes the report without values."""

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False

    def __init__(self, *, is_ordering: bool = True, **options: Any) -> None:
        super().__init__(driver_class=ExplicitMode if is_ordering else GoingOn, **options)
        self.is_ordering = is_ordering
        """Whether right-to-left text is ordered here, and not by the terminal."""
        self.failure: Exception | None = None

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """No commands of the toolkit: one of them takes pictures of the screen."""
        return ()

    def copy_to_clipboard(self, text: str) -> None:
        """Keep it here: the terminal's clipboard is read by other programs."""
        self._clipboard = text

    def deliver_screenshot(self, *arguments: Any, **options: Any) -> str | None:
        """No pictures of the screen."""
        return None

    def save_screenshot(self, *arguments: Any, **options: Any) -> str:
        """No pictures of the screen."""
        return ""

    def _handle_exception(self, error: Exception) -> None:
        """A bug ends the interface; the report that is written elsewhere holds no values."""
        failure = error.error if isinstance(error, WorkerFailed) else error
        if self.failure is None and isinstance(failure, Exception):
            self.failure = failure
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        """Nothing of a failure is printed by the toolkit: it would quote texts."""
        self._exit_renderables.clear()

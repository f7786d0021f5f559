"""The screen on which a text of several lines is written: an answer, or another text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.screen import Screen

from cloister.client.safe_text import safe_text
from cloister.tui.lines import wrap
from cloister.tui.screens.asking import Answer, Asked
from cloister.tui.widgets.entry import Composer
from cloister.tui.widgets.painted import Row, Text


class WriteScreen(Asked):
    """What it is about, and the composer; Enter is done, as in a conversation."""

    CSS = """
    WriteScreen Composer { max-height: 8; }
    """

    def __init__(self, title: str, *, about: str, text: str, draft_of: str = "") -> None:
        """``draft_of``: the conversation that keeps what is left unfinished, whatever stood there
        to begin with."""
        leave = "keep it" if draft_of else "leave it"
        super().__init__(title, f"Enter: done   Ctrl+J: new line   Esc: {leave}")
        self.draft_of = draft_of
        self.left = ""
        """What was written when the person went back."""
        self._about = about
        self._text = text

    def compose(self) -> ComposeResult:
        """Title, what it is about, the text."""
        yield Row(id="title")
        yield Text(self._about, role="dim", id="about")
        yield Row(id="gap")
        yield Composer(id="answer")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """What it is about takes the lines it needs, four at most."""
        super().on_mount()
        about = self.query_one("#about", Text)
        about.can_focus = False
        about.styles.height = min(len(wrap(self._about, self.size.width - 1)), 4)
        self.query_one("#answer", Composer).fill(self._text)

    def on_composer_sent(self, event: Composer.Sent) -> None:
        """Take the text."""
        _ = self.dismiss((safe_text(event.text),))

    @property
    def unfinished(self) -> str:
        """What was written here, if it is not what stood there to begin with."""
        text = self.query_one("#answer", Composer).text
        return "" if text == self._text and not self.draft_of else text

    def dismiss(self, result: Answer = None) -> AwaitComplete:
        """Go, and remember what is left unfinished: the widgets are gone afterwards."""
        if result is None:
            self.left = safe_text(self.unfinished)
        return super().dismiss(result)


def unfinished(screens: Iterable[Screen[Any]]) -> tuple[str, str]:
    """Return the text that is being written on one of the screens, after the conversation whose
    draft it is; nothing: that of no other than the open one, or no text."""
    found = ((one.draft_of, one.unfinished) for one in screens if isinstance(one, WriteScreen))
    return next(found, ("", ""))

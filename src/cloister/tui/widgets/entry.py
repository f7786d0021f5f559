"""Where people type: one line, or the composer of one to four.  What is pasted is cleaned too."""

from __future__ import annotations

import time
from typing import Final

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.geometry import Offset, Region
from textual.message import Message as Posted
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer
from textual.widgets import Input, TextArea

from cloister.client.safe_text import safe_line, safe_text
from cloister.tui.one_shot import OneShot
from cloister.tui.ordering import begins_rtl, has_rtl
from cloister.tui.widgets.painted import Row, is_ordering, ordered_strip

PAUSE_S: Final = 1.0
"""A person pauses who has changed nothing for this long."""


class Entry(Input):
    """One line.  Never a second one, never a control character, no blinking."""

    DEFAULT_CSS = """
    Entry { height: 1; border: none; padding: 0; background: $background; width: 1fr; }
    Entry:focus { border: none; background: $background; }
    """

    def __init__(self, *, secret: bool = False, id: str | None = None) -> None:  # noqa: A002
        super().__init__(password=secret, id=id, compact=True, select_on_focus=False)
        self.cursor_blink = False

    def fill(self, text: str) -> None:
        """Put a text there, the cursor behind it."""
        self.value = safe_line(text)
        self.cursor_position = len(self.value)

    def render_line(self, y: int) -> Strip:
        """Draw it, in order."""
        strip = super().render_line(y)
        if has_rtl(strip.text) and is_ordering(self):
            seen = strip.crop(0, self.size.width)  # it is drawn a cell too long
            return ordered_strip(seen, is_rtl=begins_rtl(self.value))
        return strip

    def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        if event.text:
            self.insert_text_at_cursor(safe_line(event.text))


class Prompted(Horizontal):
    """An entry behind a ``>``, so that one bit shows where to type."""

    DEFAULT_CSS = """
    Prompted { height: 1; }
    Prompted > Row { width: 2; height: 1; }
    """

    def __init__(self, *, secret: bool = False, id: str) -> None:  # noqa: A002
        super().__init__()
        self._entry = Entry(secret=secret, id=id)

    def compose(self) -> ComposeResult:
        """The mark, the entry."""
        yield Row()
        yield self._entry

    def on_mount(self) -> None:
        """Draw the mark."""
        self.query_one(Row).say(("> ", "dim"))


class Composer(OneShot, TextArea):
    """The text that is being written: Enter sends, Ctrl+J begins a new line."""

    DEFAULT_CSS = """
    Composer {
        height: auto; min-height: 1; max-height: 4; border: none; padding: 0;
        background: $background; scrollbar-size-vertical: 0;
    }
    Composer:focus { border: none; background: $background; }
    """

    class Sent(Posted):
        """Enter was pressed on a text."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Scroll(Posted):
        """An arrow was pressed where the text has no more lines in that direction."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    class Slash(Posted):
        """A slash at the start of an empty composer."""

    class Paused(Posted):
        """Nothing has changed for a while since something did."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(
            id=id, soft_wrap=True, show_line_numbers=False, compact=True, tab_behavior="focus"
        )
        self.cursor_blink = False
        self.highlight_cursor_line = False
        # Nobody listens, and at every key it would be passed on by everybody up to the application.
        self.disable_messages(TextArea.SelectionChanged)
        self._last_change = 0.0
        self._pause: Timer | None = None
        self._styled: object = None
        """The toolkit's theme, once it has taken its styles from the style sheet."""

    def notify_style_update(self) -> None:
        """The style sheet says something else now."""
        self._styled = None
        super().notify_style_update()

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw; the toolkit looks up all styles anew each time, though they are as they were."""
        if self._styled is self._theme:
            return ScrollView.render_lines(self, crop)
        self._styled = self._theme
        return super().render_lines(crop)

    def fill(self, text: str) -> None:
        """Put a draft there, the cursor behind it."""
        self.text = safe_text(text)
        self.move_cursor(self.document.end)

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        """Wait for a pause, with one timer for many changes."""
        event.stop()
        self._last_change = time.monotonic()
        if self._pause is None:
            self._pause = self.set_timer(PAUSE_S, self._look)

    def _look(self) -> None:
        left = self._last_change + PAUSE_S - time.monotonic()
        self._pause = self.set_timer(left, self._look) if left > 0 else None
        if self._pause is None:
            self.post_message(self.Paused())

    def render_line(self, y: int) -> Strip:
        """Draw a line of it, in order."""
        strip = super().render_line(y)
        row, _ = self.wrapped_document.offset_to_location(Offset(0, y + self.scroll_offset.y))
        paragraph = self.document.get_line(row)
        if has_rtl(paragraph) and is_ordering(self):
            return ordered_strip(strip, is_rtl=begins_rtl(paragraph))
        return strip

    async def _on_key(self, event: events.Key) -> None:
        match event.key:
            case "enter":
                event.prevent_default()
                event.stop()
                if self.text.strip():
                    self.post_message(self.Sent(self.text))
            case "ctrl+j" | "alt+enter" | "shift+enter":
                event.prevent_default()
                event.stop()
                self.insert("\n")
            case "slash" if not self.text:
                event.prevent_default()
                event.stop()
                self.post_message(self.Slash())
            case "up" if self.cursor_location[0] == 0 and self.cursor_at_first_line:
                self._scroll(event, -1)
            case "down" if self.cursor_at_last_line:
                self._scroll(event, 1)
            case "pageup" | "pagedown":
                self._scroll(event, -10 if event.key == "pageup" else 10)
            case _:
                await super()._on_key(event)

    def _scroll(self, event: events.Key, by: int) -> None:
        event.prevent_default()
        event.stop()
        self.post_message(self.Scroll(by))

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        self.insert(safe_text(event.text))

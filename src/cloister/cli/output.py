"""Data to standard output, talk to standard error; nothing a terminal would obey to either."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloister.client.effects import Alarm, Message
from cloister.client.safe_text import safe_line, safe_text
from cloister.tui.plain import folded_text, message_text, message_view

if TYPE_CHECKING:
    from cloister.client.told import Told


@dataclass(frozen=True, slots=True)
class Output:
    """How a command speaks."""

    as_json: bool = False
    plain: bool = False
    quiet: bool = False

    def data(self, view: Mapping[str, Any], text: str) -> None:
        """Print one result: an object with ``--json``, else its text."""
        if self.as_json:
            # ASCII only: escapes of JSON are all that reaches the terminal.
            line = json.dumps({"v": 1, **view}, ensure_ascii=True, separators=(",", ":"))
            sys.stdout.write(line + "\n")
        else:
            sys.stdout.write(safe_text(text) + "\n")
        sys.stdout.flush()

    def talk(self, text: str) -> None:
        """Say something to the person, unless ``--quiet``."""
        if not self.quiet:
            sys.stderr.write(safe_text(text) + "\n")
            sys.stderr.flush()

    def alarm(self, alarm: Alarm) -> None:
        """Say what a person must see; ``--quiet`` does not silence it."""
        sys.stderr.write(safe_line(f"ALARM ({alarm.code}): {alarm.text}") + "\n")
        sys.stderr.flush()

    def news(self, text: str) -> None:
        """Say what is only to be known."""
        self.talk(safe_line(f"News: {text}"))

    def message(
        self,
        message: Message,
        conversation: str,
        *,
        is_new: bool = False,
        told: Told | None = None,
        is_blocked: bool = False,
        with_id: bool = False,
    ) -> None:
        """Print one row of a timeline.  ``is_new``: that it is still queued goes without saying.

        ``told``: what receipts say of it.  ``is_blocked``: its text is folded away, for people.
        ``with_id``: how its id begins stands before it."""
        view = message_view(message, conversation)
        if is_blocked:
            self.data({**view, "blocked": True}, folded_text(message))
            return
        if told is not None:
            view |= {"delivered": told.delivered, "read": told.read, "others": told.others}
        text = message_text(message, is_new=is_new, told=told)
        self.data(view, f"{message.message_id.hex()[:8]}  {text}" if with_id else text)

"""A changed key, or a member who is out: a screen of its own, which stays until it was read.

Enter alone puts it off; so somebody who is just typing has not read it.
"""

from __future__ import annotations

from textual.app import ComposeResult

from cloister.client.safe_text import safe_text
from cloister.tui.screens.asking import Asked, choice_item
from cloister.tui.talk import Choice
from cloister.tui.widgets.choice_list import ChoiceList
from cloister.tui.widgets.painted import Row, Text

LATER, READ, COMPARE = "later", "read", "compare"


class ChangeScreen(Asked):
    """Tell what changed about a member.  Answers with one of the ways out."""

    def __init__(self, title: str, text: str, *, may_compare: bool) -> None:
        super().__init__(title, "Arrows, Enter   Esc: tell me again")
        self._text = safe_text(text)
        self._may_compare = may_compare

    def compose(self) -> ComposeResult:
        """Title, what it is, the ways out."""
        yield Row(id="title")
        yield Text(self._text, role="warn", id="about")
        yield ChoiceList(id="answer")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """The way that forgets nothing is selected."""
        super().on_mount()
        ways = [Choice(LATER, "Tell me again"), Choice(READ, "I have read it")]
        if self._may_compare:
            ways.append(Choice(COMPARE, "Compare keys now"))
        choices = self.query_one("#answer", ChoiceList)
        choices.styles.height = len(ways)
        choices.fill([choice_item(way) for way in ways])

    def on_choice_list_picked(self, event: ChoiceList.Picked) -> None:
        """Take the way that was picked."""
        _ = self.dismiss((event.value,))

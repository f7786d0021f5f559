"""What is told aloud: alarms, news of the circle, and where this device stands in it.

Each is a screen of its own, and each thing is told once: what has a screen that says more is not
told here as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloister.client.effects import BACK_IN, OUT, Alarm, Changed
from cloister.tui.lines import sentence
from cloister.tui.screens.asking import TellScreen

if TYPE_CHECKING:
    from cloister.device.facade import View
    from cloister.tui.app import Interface

TITLE: Final = "News of the circle"
_ACTIVE: Final = "active"
_NEW_DEVICE: Final = "new device"
"""Code of the alarm of a verified member's new device, which ``tui.changes`` tells."""


class News:
    """What has come, and what of it the person was told."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._state = _ACTIVE
        self._said: dict[bool, str] = {}
        """Whether this device is in -> in whose words that was told, until it is seen to be so."""

    def alarm(self, alarm: Alarm) -> None:
        """Show an alarm."""
        if alarm.code == OUT:
            self._said[False] = alarm.text
        elif alarm.code != _NEW_DEVICE:
            self._show(f"ALARM ({alarm.code})", alarm.text, role="fail")

    def hear(self, news: Changed) -> None:
        """Show what is only to be known."""
        if news.what == BACK_IN:
            self._said[True] = news.text
        else:
            self._show(TITLE, sentence(news.text))

    def stand(self, status: View) -> None:
        """Show where this device stands in the circle, when that is another now."""
        standing = status.get("standing") or {}
        state = str(standing.get("state", _ACTIVE))
        if state == self._state:
            return
        self._state = state
        parts = [standing.get("reason") or "this device belongs to the circle again"]
        parts += [standing["hint"]] if standing.get("hint") else []
        said = self._said.pop(state == _ACTIVE, "\n\n".join(sentence(str(one)) for one in parts))
        self._said.clear()
        # What concerns this device for good is a screen of its own, never a line in passing.
        self._show("This device", said, role="warn")

    def _show(self, title: str, text: str, role: str = "text") -> None:
        self._interface.show_screen(TellScreen(title, text, role=role, is_asked_for=False))

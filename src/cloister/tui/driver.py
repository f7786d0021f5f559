"""The toolkit's way to a terminal, for a program that is stopped and goes on.

A shell stops it with SIGTSTP, and the toolkit leaves the terminal first.  Whatever else stops it
does not say so (SIGSTOP, a supervisor), and the toolkit then takes SIGCONT for the way back from
where it has not been: a second thread reads the keys, the two take them from each other, and at the
end one of them is waited for that nobody ends.  So a lock would leave the texts on the screen.
"""

from __future__ import annotations

import termios
from contextlib import suppress
from typing import Any

from textual.drivers.linux_driver import LinuxDriver


class GoingOn(LinuxDriver):
    """Goes on where it was when it had not left the terminal."""

    _modes: list[Any]
    """How the terminal was set while keys are read."""

    def start_application_mode(self) -> None:
        """Take the terminal."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        with suppress(termios.error):
            self._modes = termios.tcgetattr(self.fileno)

    def _sigcont_application(self, *arguments: Any) -> None:
        if self._key_thread is None or not self._key_thread.is_alive():
            super()._sigcont_application(*arguments)
            return
        # Others may have had the terminal meanwhile.
        with suppress(termios.error, AttributeError):  # no terminal: nothing was noted
            termios.tcsetattr(self.fileno, termios.TCSANOW, self._modes)
        self._loop.call_soon_threadsafe(self._app.refresh)

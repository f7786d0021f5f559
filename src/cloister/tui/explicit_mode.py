"""The terminal's own ordering of right-to-left text, off while the interface orders it itself.

ECMA-48's bi-directional support mode (BDSM): reset, it is explicit, and every character stays in
the cell in which it was written.  Set, it is implicit, which is where a terminal that orders starts
from.  Of those that order text, VTE (GNOME Terminal and others), WezTerm, iTerm2 and mintty know
it; a terminal that orders nothing has nothing to switch off, and passes over it.
"""

from __future__ import annotations

from typing import Final

from cloister.tui.driver import GoingOn

EXPLICIT: Final = "\x1b[8l"
IMPLICIT: Final = "\x1b[8h"


class ExplicitMode(GoingOn):
    """The toolkit's way to a terminal, in explicit mode: also after it was stopped for a while."""

    def start_application_mode(self) -> None:
        """Go to the alternate screen, and have cells stay where they are."""
        super().start_application_mode()
        if self._writer_thread is not None:
            self.write(EXPLICIT)

    def stop_application_mode(self) -> None:
        """Leave it as it was found."""
        self.write(IMPLICIT)
        super().stop_application_mode()

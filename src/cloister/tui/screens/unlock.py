"""The first screen: the PIN; where there is no vault yet, the way in with an invitation's code."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from cloister.errors import CloisterError
from cloister.tui.access import Phase
from cloister.tui.lines import sentence
from cloister.tui.widgets.entry import Entry, Prompted
from cloister.tui.widgets.painted import Row, Text

if TYPE_CHECKING:
    from cloister.tui.app import Interface

LOCKED = "The vault is locked."
NEW = (
    "There is no vault in this profile yet.\n\nChoose a PIN or passphrase. It opens the vault on"
    " this device, and nobody can reset it. Then you need the code of an invitation."
)


class UnlockScreen(Screen[None]):
    """Ask for the PIN, and open the vault with it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "app.quit_now", show=False)]
    AUTO_FOCUS = "#pin"

    def __init__(self, phase: Phase) -> None:
        super().__init__()
        self._is_new = phase is Phase.ABSENT
        self._first = ""
        self._is_busy = False

    @property
    def has_begun(self) -> bool:
        """Whether a PIN was typed here already."""
        return self._is_busy or bool(self._first)

    @property
    def interface(self) -> Interface:
        """The application."""
        return self.app  # type: ignore[return-value]

    def compose(self) -> ComposeResult:
        """What is asked, the PIN, what came of it."""
        yield Row(id="title")
        yield Row(id="gap")
        yield Text(NEW if self._is_new else LOCKED, id="about")
        yield Row(id="question")
        yield Prompted(secret=True, id="pin")
        yield Text("", role="warn", id="outcome")
        yield Row(id="keys")

    def on_mount(self) -> None:
        """Say what is asked."""
        self.query_one("#title", Row).say((" Cloister", "bar"))
        self.query_one("#question", Row).say(("PIN or passphrase:", "title"))
        self.query_one("#keys", Row).say((" Enter: go on   Esc: quit", "dim"))
        about = self.query_one("#about", Text)
        about.styles.height = 6 if self._is_new else 2
        about.can_focus = False
        self.query_one("#outcome", Text).can_focus = False

    async def on_input_submitted(self, event: Entry.Submitted) -> None:
        """Open the vault; a new PIN is typed twice."""
        pin = event.value
        if not pin or self._is_busy:
            return
        event.input.value = ""
        outcome = self.query_one("#outcome", Text)
        if self._is_new and not self._first:
            self._first = pin
            self.query_one("#question", Row).say(("The same again:", "title"))
            outcome.show("")
            return
        if self._is_new and pin != self._first:
            self._first = ""
            self.query_one("#question", Row).say(("PIN or passphrase:", "title"))
            outcome.show("The two differ. Start again.")
            return
        self._is_busy = True
        outcome.show("Opening the vault..")
        self.app.run_worker(self._open(pin))

    async def _open(self, pin: str) -> None:
        outcome = self.query_one("#outcome", Text)
        try:
            device = await self.interface.access.unlock(pin, new=self._is_new)
        except CloisterError as error:
            self._is_busy, self._first = False, ""
            self.query_one("#question", Row).say(("PIN or passphrase:", "title"))
            said = [str(error), error.hint or ""]
            outcome.show("\n".join(sentence(one) for one in said if one))
            return
        await self.interface.enter(device)

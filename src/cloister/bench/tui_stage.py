"""The interface over a device on paper with many messages: what ``bench tui`` measures.

    python -m cloister.bench.tui_stage COUNT WHOLE

WHOLE is 1 when all messages are laid out at once, 0 when two hundred are, as people get them.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cloister.client.effects import Message
from cloister.testing.paper_device import PaperDevice
from cloister.tui.quiet import quiet_toolkit

if TYPE_CHECKING:
    from cloister.tui.app import Interface

TITLE = "Newsdesk"
LAST = "the very last word"


class GenerousDevice(PaperDevice):
    """Hands out all that there is, however little was asked for."""

    async def history(
        self,
        conversation: str,
        limit: int = 100,
        after: int | None = None,
        before: int | None = None,
    ) -> list[Message]:
        """Return all rows of a conversation, or all before or after one."""
        everything = len(self.rows[self._id(conversation)])
        return await super().history(conversation, everything, after, before)


def stage(count: int, *, whole: bool) -> Interface:
    """Return the interface with ``count`` messages behind it; ``whole``: it gets them at once."""
    from cloister.tui.access import Phase
    from cloister.tui.app import Interface

    device = GenerousDevice() if whole else PaperDevice()
    device.add_member("Amira")
    channel = device.add_conversation(TITLE, ("Amira",))
    words = "the minister resigns at six and two sources have it on paper".split()  # noqa: SIM905
    for number in range(count - 1):
        name = "Amira" if number % 3 else "Jonas"
        text = " ".join(words[number % 7 :] + words[: number % 11])
        device.write(channel, name, text, at=1_790_000_000 + number * 90)
    device.write(channel, "Amira", LAST, at=1_790_000_000 + count * 90)

    class Open:
        def guess(self) -> Phase:
            return Phase.OPEN

        async def phase(self) -> Phase:
            return Phase.OPEN

        async def device(self) -> PaperDevice:
            return device

        async def unlock(self, pin: str, *, new: bool) -> PaperDevice:
            return device

        async def lock(self) -> None:
            pass

    return Interface(Open(), colours="colour")


def main() -> None:
    """Run until it is left."""
    quiet_toolkit()
    app = stage(int(sys.argv[1]), whole=sys.argv[2] == "1")
    app.run()
    if app.failure is not None:
        raise app.failure


if __name__ == "__main__":
    main()

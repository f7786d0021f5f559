"""Lets the person at the terminal speak as the founder."""

from __future__ import annotations

import asyncio
import sys
import threading
from contextlib import suppress

from cloister.client.content import check_text
from cloister.client.safe_text import safe_text
from cloister.demo.folder import FOUNDER, GROUP
from cloister.demo.story import ACK_WAIT_S, Story
from cloister.errors import CloisterError


async def type_as_founder(story: Story) -> None:
    """Read lines until ``/quit`` or the end of input; each is said in the group."""
    founder = story.people[FOUNDER]
    story.tell(f"You are {founder.name}. What you type goes to the group; /quit goes on.")
    while (text := await _read_line(f"{founder.name}> ")) is not None:
        if text.strip() == "/quit":
            break
        if not text.strip():
            continue
        try:
            check_text(text)
        except CloisterError as error:
            story.tell(safe_text(str(error)))
            continue
        await story.say(FOUNDER, GROUP, text, wait_s=ACK_WAIT_S)
        await story.everybody_has_everything(GROUP, range(len(story.people)))
        others = ", ".join(person.name for person in story.people[1:])
        story.tell(f"  shown at: {others}")


async def _read_line(prompt: str) -> str | None:
    """Read one line in a thread that the end of the program does not wait for."""
    with suppress(ImportError):
        import readline  # noqa: F401 (importing it gives input() its line editing)

    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def tell(line: str | None) -> None:
        if not answer.done():
            answer.set_result(line)

    def read() -> None:
        try:
            line: str | None = input(prompt)
        except (EOFError, OSError, UnicodeDecodeError):
            line = None
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, line)

    sys.stdout.flush()
    threading.Thread(target=read, name="typing", daemon=True).start()
    return await answer

"""Actions on one's own history: writing it out, sealing it, reading it back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from cloister.device.complete_file import complete_file
from cloister.device.facade import View
from cloister.errors import UsageError
from cloister.tui import words
from cloister.tui.actions import asking
from cloister.tui.exporting import meant, permitted, write_out
from cloister.tui.talk import Choice, Talk

_ALL = "all"


async def export(talk: Talk) -> None:
    """Write this conversation, or all of them, to a file that anybody can read."""
    which = await talk.choose(
        "What is written out?",
        [Choice("one", "one conversation"), Choice(_ALL, "all conversations")],
    )
    views = await meant(talk.device, None if which == _ALL else (await asking.here(talk))[0])
    path = asking.file_named(
        await talk.ask("Which file?", about="A new one; it is yours alone (0600).")
    )
    await talk.confirm(
        f"Whoever gets {path} can read what is in it, without PIN or relays, for as long as it"
        " lies there. What others said in confidence is in it.",
        "write it",
    )
    with complete_file(path) as file:
        entry = await permitted(talk.device, talk.timeout_s, everything=which == _ALL)
        count, left = await write_out(
            talk.device, views, "text", lambda text: file.write(text.encode("utf-8"))
        )
    notes = [f"{count} messages are in {path}."]
    if left:
        notes.append(f"{left} texts that are kept for a time only were left out.")
    if entry:
        notes.append("It stands in the circle's log.")
    talk.tell("\n".join(notes))


async def backup(talk: Talk) -> None:
    """Seal everything that this device has into a file, without any key."""
    path = asking.file_named(await talk.ask("Which file?", about="A new one."))
    passphrase = await talk.ask(
        "A passphrase for the backup",
        about="Not the PIN: nobody counts the guesses at a file. Six random words are good.",
        secret=True,
    )
    if passphrase != await talk.ask("The passphrase again", secret=True):
        raise UsageError("the two differ: nothing was written")
    done = await _last(talk.device.backup(str(path), passphrase))
    told = " It stands in the circle's log." if done["entry"] else ""
    talk.tell(f"{done['messages']} messages are in {path}, sealed.{told}")


async def restore(talk: Talk) -> None:
    """Read a backup of your own as history; what is here stays as it is."""
    path = asking.file_named(await talk.ask("Which backup?"))
    passphrase = await talk.ask("The passphrase of the backup", secret=True)
    done = await _last(talk.device.restore(str(path), passphrase))
    made = words.day_of(int(done["made_at"]))
    talk.tell(f"{done['messages']} messages of {made}, {done['new']} of them new here.")


async def _last(steps: AsyncGenerator[View, None]) -> View:
    view: View = {}
    async with aclosing(steps):
        async for step in steps:
            view = step
    return view

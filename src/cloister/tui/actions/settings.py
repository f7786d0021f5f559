"""Looking at the settings and changing them, in the file below flags and environment."""

from __future__ import annotations

from cloister.errors import NotFoundError
from cloister.tui.talk import Choice, Talk


async def settings(talk: Talk) -> None:
    """Look at the settings, and change one."""
    book = talk.settings
    if book is None:
        raise NotFoundError("the settings are not at hand here", hint="`cloister config show`")
    rows = book.rows()
    choices = [Choice(row.name, f"{row.name} = {row.value}", row.origin) for row in rows]
    picked = await talk.choose("Which setting do you change?", choices)
    row = next(one for one in rows if one.name == picked)
    question = f"{row.name}, which is {row.value}"
    if row.choices:
        values = [Choice(one, one) for one in row.choices]
        value = await talk.choose(question, values, about=row.meaning)
    else:
        value = await talk.ask(question, about=row.meaning)
    changed = book.change(row.name, value)
    if changed.is_overridden:
        talk.tell(
            f"It is written to config.toml, but {changed.origin} goes before it: here"
            f" {row.name} stays {changed.value}."
        )
    else:
        talk.tell(f"{row.name} is {changed.value}. {changed.effect}")

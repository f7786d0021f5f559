"""Where the line mode begins: the conversation that was named, if there is any to talk in."""

from __future__ import annotations

from cloister.client.safe_text import safe_line
from cloister.device.facade import Facade
from cloister.errors import NotFoundError


async def demand_somewhere(device: Facade) -> None:
    """Say where who is not in yet stands: no name they could give would be found.

    Raises ``NotFoundError``."""
    phase = str((await device.status())["phase"])
    if phase == "member" or await device.conversations():
        return
    if phase.startswith("joining"):
        raise NotFoundError(
            "you wait to be let in: there is nobody to talk with yet",
            hint="read your digits to those who vouch: `cloister status` shows them",
        )
    raise NotFoundError(
        "this profile is in no circle yet",
        hint="`cloister join -` asks to be let in, with the code of an invitation",
    )


async def find(device: Facade, name: str) -> str:
    """Return the id of a conversation by its name, as the device understands names."""
    views = await device.conversations()
    wanted = safe_line(name).casefold()
    found = [v for v in views if wanted in {str(v["title"]).casefold(), str(v["channel_id"])}]
    if len(found) == 1:
        return str(found[0]["channel_id"])
    # A 1:1 conversation by the other's name, or the start of an id: the device knows how.
    rows = await device.history(name, limit=1)
    if rows:
        return rows[0].channel_id.hex()
    own = str((await device.status())["name"])
    alone = [v for v in views if {one for one in v["members"] if one != own} == {name}]
    return str(alone[0]["channel_id"]) if alone else name

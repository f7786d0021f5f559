"""Questions that many actions ask: which member, which device, which conversation; and acting."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cloister.client.inputs import Act
from cloister.device.facade import View
from cloister.tui import words
from cloister.tui.talk import Choice, Talk
from cloister.tui.trust import label_of

REASONS: Final = (
    Choice("departure", "departure", "nothing bad: they go"),
    Choice("misconduct", "misconduct", "they broke the rules"),
    Choice("compromise", "compromise", "their key is in other hands"),
)


def file_named(text: str) -> Path:
    """Return the file that was typed, wherever this program was started."""
    return Path(text.strip()).expanduser().absolute()


async def do(talk: Talk, act: Act) -> str:
    """Do an act and return its answer."""
    return await talk.device.act(act, talk.timeout_s, impatient=True)


async def exercise(talk: Talk, act: Act, done: str, *, about: str = "") -> None:
    """Do an act of power, and say whether it is done or waits for somebody else."""
    entry = await do(talk, act)
    named = about.casefold() or entry
    for view in await talk.device.governance("pending"):
        reference = str(view["reference"])
        if len(named) >= 6 and (named.startswith(reference) or reference.startswith(named)):
            talk.tell(waiting(view))
            return
    talk.tell(f"Done: {done}.")


def waiting(view: View) -> str:
    """Return what waits, for whom and until when."""
    by = f", by {view['by']}" if view["by"] else ""
    until = f" until {words.day_of(int(view['until']))}" if view["until"] else ""
    return f"{view['reference']}  {view['text']}{by}; waits for {view['waits_for']}{until}"


async def blocked(talk: Talk) -> frozenset[bytes]:
    """Return the devices whose texts are folded away, by did."""
    views = await talk.device.members()
    return frozenset(bytes.fromhex(did) for v in views if v["blocked"] for did in v["devices"])


async def own_name(talk: Talk) -> str:
    """Return the name under which this person is in the circle."""
    return str((await talk.device.status())["name"])


async def members(talk: Talk, *, others: bool = True) -> list[Choice]:
    """Return those who are in the circle, as choices."""
    own = await own_name(talk) if others else ""
    return [
        Choice(str(view["name"]), label_of(view), notes(view, words.member_state(view)))
        for view in await talk.device.members()
        if view["state"] not in {"removed", "left"} and view["name"] != own
    ]


def notes(view: View, *more: str) -> str:
    """Return what stands beside a member or a device to choose: first of all that it is a bot."""
    return ", ".join(filter(None, ("a bot" if view["bot"] else "", *more)))


async def member(talk: Talk, question: str, *, about: str = "") -> str:
    """Ask for one member by name."""
    return await talk.choose(question, await members(talk), about=about)


async def some_device(talk: Talk, question: str) -> str:
    """Ask for a device, as ``Ada/2``."""
    views = await talk.device.governance("devices")
    choices = [Choice(str(v["device"]), str(v["device"]), notes(v, str(v["state"]))) for v in views]
    return await talk.choose(question, choices)


async def here(talk: Talk, question: str = "Which conversation?") -> tuple[str, str]:
    """Return id and title of the open conversation, or ask for one."""
    if talk.conversation:
        return talk.conversation, talk.title
    views = await talk.device.conversations()
    choices = [
        Choice(str(view["channel_id"]), words.shown_title(view), words.trust_of(view, ()))
        for view in views
    ]
    picked = await talk.choose(question, choices)
    return picked, next(one.label for one in choices if one.value == picked)


async def matter(talk: Talk, question: str) -> str:
    """Ask for something that waits, by its reference."""
    views = await talk.device.governance("pending")
    choices = [Choice(str(v["reference"]), str(v["text"]), f"by {v['by']}") for v in views]
    return await talk.choose(question, choices, nothing="Nothing waits for anybody.")

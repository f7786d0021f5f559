"""The people of the circle as a list one acts on: pick somebody, then what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from cloister.client.inputs import OpenConversation
from cloister.client.safe_text import safe_line
from cloister.device.facade import View
from cloister.tui.actions import asking, contacts, governing, own_device
from cloister.tui.actions.people import notes_of, tree_choices
from cloister.tui.lines import sentence
from cloister.tui.talk import Choice, Talk
from cloister.tui.trust import label_of, trust_of_member

Way = tuple[Choice, Callable[[Talk, View], Awaitable[None]]]

_OUT: Final = {"removed", "left"}
_OVER: Final = {"left", "kept"}
"""States of a conversation in which nothing more is written."""
_ALL: Final = "all"


async def people(talk: Talk) -> None:
    """Show everybody in the circle, by whose word they came, and do something with one."""
    views = await talk.device.members()
    if not views:
        talk.tell("Nobody is here yet.")
        return
    picked = await talk.browse(
        "People, by whose word",
        tree_choices(views),
        act="/people NAME asks what to do with one of them.",
    )
    if picked:
        await _with(talk, next(view for view in views if view["member_id"] == picked), views)


async def _with(talk: Talk, view: View, views: list[View]) -> None:
    """Ask what to do with a member, and do it."""
    is_steward = any(one["trust"] == "own" and one["role"] == "steward" for one in views)
    ways = _of_oneself() if view["trust"] == "own" else _of(view, is_steward=is_steward)
    known = [sentence(note) for note in (notes_of(view), trust_of_member(view)) if note]
    picked = await talk.choose(
        label_of(view), [choice for choice, _ in ways], about=" ".join(known)
    )
    await next(run for choice, run in ways if choice.value == picked)(talk, view)


def _of_oneself() -> list[Way]:
    return [
        (Choice("devices", "Devices", "everybody's, yours among them"), _devices),
        (Choice("lost", "A device of mine is lost", "lock it"), _lost),
    ]


def _of(view: View, *, is_steward: bool) -> list[Way]:
    """Return what one may do with another member, as they stand."""
    is_in, is_suspended = view["state"] not in _OUT, view["state"] == "suspended"
    ways: list[tuple[bool, Way]] = [
        (is_in, (Choice("write", "Write", "a conversation of two"), _write)),
        (is_in, (Choice("compare", "Compare keys", "verify who it is"), contacts.compare_with)),
        (True, (Choice("call", "A name of my own"), contacts.name_member)),
        (not view["blocked"], (Choice("block", "Block", "fold texts away"), contacts.block_member)),
        (view["blocked"], (Choice("unblock", "Unblock"), contacts.unblock_member)),
        (
            is_in and is_steward and not is_suspended,
            (Choice("suspend", "Suspend", "as a steward, at once"), _suspend),
        ),
        (is_in and is_steward and is_suspended, (Choice("reinstate", "Reinstate"), _reinstate)),
        (
            is_in and (is_steward or bool(view["removal_proposed"])),
            (Choice("remove", "Remove", "propose or approve it"), _remove),
        ),
        (is_in and is_steward, (Choice("lost", "A device is lost", "lock it"), _lost)),
    ]
    return [way for is_possible, way in ways if is_possible]


async def _write(talk: Talk, view: View) -> None:
    """Go to the conversation of two, or open one."""
    if not await _go(talk, view):
        name = str(view["name"])
        await asking.do(talk, OpenConversation(ref=0, title=name, members=(name,)))
        await _go(talk, view)


async def _go(talk: Talk, view: View) -> bool:
    for one in await talk.device.conversations():
        if one["partner"] == view["member_id"] and one["state"] not in _OVER:
            talk.open(str(one["channel_id"]))
            return True
    return False


async def _devices(talk: Talk, view: View) -> None:
    await own_device.devices(talk)


async def _suspend(talk: Talk, view: View) -> None:
    await governing.suspend_member(talk, str(view["name"]))


async def _reinstate(talk: Talk, view: View) -> None:
    await governing.reinstate_member(talk, str(view["name"]))


async def _remove(talk: Talk, view: View) -> None:
    await governing.remove_member(talk, str(view["name"]))


async def _lost(talk: Talk, view: View) -> None:
    """Lock one of a member's devices, or all of them."""
    name = str(view["name"])
    found = await talk.device.governance("devices", name)
    choices = [
        Choice(
            str(one["device"]), safe_line(str(one["device"])), asking.notes(one, str(one["state"]))
        )
        for one in found
        if one["member"] == name
    ]
    if view["trust"] != "own" and len(choices) > 1:
        choices.append(Choice(_ALL, "all of them", "nothing of theirs opens any more"))
    picked = await talk.choose("Which device is lost?", choices)
    await own_device.lock_device(talk, name if picked == _ALL else picked)

"""What a member or a steward can do with a command they can do in the interface, and the reverse.

A new command fails this test until it has an action, or stands below with the reason why it has
none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import click
import pytest

from cloister.cli.main import FAMILIES, cli
from cloister.tui.actions.table import ACTIONS, BY_NAME

ACTIONS_OF: Final[dict[str, tuple[str, ...]]] = {
    "circle new": ("begin", "found"),
    "circle show": ("status", "policy"),
    "circle relays": ("relays",),
    "invite": ("invite", "invitation", "invite-back"),
    "join": ("begin", "join", "join-own"),
    "requests": ("requests",),
    "vouch": ("vouch",),
    "members": ("people", "who"),
    "log list": ("log",),
    "log verify": ("verify",),
    "withdraw invitation": ("close-invitation",),
    "withdraw vouch": ("unvouch",),
    "remove": ("remove",),
    "leave": ("leave-circle",),
    "device list": ("devices",),
    "device add": ("add-device",),
    "device cover": ("cover",),
    "device revoke": ("retire",),
    "lost": ("lost",),
    "unlock-device": ("unlock-device", "consent"),
    "exposure": ("exposure",),
    "erase": ("erase",),
    "hold place": ("hold",),
    "hold list": ("holds",),
    "hold release": ("release",),
    "suspend": ("suspend",),
    "reinstate": ("reinstate",),
    "steward list": ("stewards",),
    "steward offer": ("offer",),
    "steward add": ("add-steward",),
    "steward drop": ("drop-steward",),
    "officer list": ("stewards",),
    "officer offer": ("offer",),
    "officer add": ("add-officer",),
    "officer drop": ("drop-officer",),
    "pending": ("pending",),
    "approve": ("approve",),
    "refuse": ("refuse",),
    "object": ("object",),
    "home show": ("home",),
    "home move": ("move-home",),
    "home follow": ("follow-home", "stay-home"),
    "commons reset": ("reset-commons",),
    "policy show": ("policy",),
    "policy set": ("rule",),
    "conversation new": ("new",),
    "conversation list": ("go",),
    "conversation add": ("add",),
    "conversation remove": ("takeout",),
    "conversation rename": ("rename",),
    "conversation admins": ("admin", "unadmin"),
    "conversation rights": ("rights",),
    "conversation announce": ("announce",),
    "conversation timer": ("timer",),
    "conversation receipts": ("receipts",),
    "conversation mute": ("mute",),
    "conversation unmute": ("unmute",),
    "conversation pin": ("pin-up",),
    "conversation unpin": ("unpin",),
    "conversation leave": ("part",),
    "contact list": ("people",),
    "contact name": ("call",),
    "contact block": ("block",),
    "contact unblock": ("unblock",),
    "contact verify": ("compare", "uncompare"),
    "message edit": ("edit",),
    "message retract": ("take-back",),
    "message react": ("react",),
    "message versions": ("versions",),
    "search": ("search",),
    "export": ("export",),
    "backup": ("backup",),
    "restore": ("restore",),
    "keycard": ("key-card",),
    "status": ("status",),
    "doctor": ("doctor",),
    "lock": ("lock",),
    "pin": ("pin",),
    "config show": ("settings",),
    "config set": ("settings",),
}
ONLY_ACTIONS: Final = {
    "about": "`read` shows the same beside every message",
    "message": "leads to reply, react, edit, take-back, versions",
    "reply": "`send --reply-to`",
    "quit": "there is nothing to leave where a command ends by itself",
}
NO_ACTION: Final = {
    "open": "the interface itself",
    "chat": "the interface itself, line by line",
    "send": "what is written in a conversation is sent",
    "read": "a conversation is read by opening it",
    "unlock": "the interface asks for the PIN before anything else",
    "agent run": "the interface starts the agent, or uses the one that runs",
    "agent stop": "it would end the process that the interface talks with: lock, or quit",
    "relay": "an operator's, on the relay's machine, where there is no vault",
    "operator": "an operator's, who sells seats and reads nothing",
    "bench": "measures this program, for those who work on it",
    "demo": "a circle of its own, for those who try or judge the program",
    "soak": "a circle of its own, for those who work on the program",
    "completion": "what a shell reads",
    "man": "what the manual reads",
}
"""A command, or a whole family of them -> why the interface has no action for it."""


def leaves(command: click.Command, name: str) -> Iterator[str]:
    """Every command of a family that does something, by its whole name."""
    if not isinstance(command, click.Group):
        yield name
        return
    context = click.Context(command)
    for one in command.list_commands(context):
        following = command.get_command(context, one)
        assert following is not None
        yield from leaves(following, f"{name} {one}")


def commands() -> set[str]:
    """Every command but those of families that have no actions at all."""
    context = click.Context(cli)
    found: set[str] = set()
    for family in FAMILIES:
        command = cli.get_command(context, family)
        assert command is not None
        found |= {family} if family in NO_ACTION else set(leaves(command, family))
    return found


def test_every_command_has_an_action_or_a_reason() -> None:
    assert not set(ACTIONS_OF) & set(NO_ACTION)
    assert commands() == {*ACTIONS_OF, *NO_ACTION}
    assert all(len(why) > 10 for why in NO_ACTION.values())


@pytest.mark.parametrize("name", ACTIONS_OF)
def test_the_actions_are_there(name: str) -> None:
    assert set(ACTIONS_OF[name]) <= set(BY_NAME)


def test_every_action_has_a_command_or_a_reason() -> None:
    reached = {action for names in ACTIONS_OF.values() for action in names}
    assert not reached & set(ONLY_ACTIONS)
    assert {action.name for action in ACTIONS} == reached | set(ONLY_ACTIONS)

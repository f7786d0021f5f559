"""The one table of actions: the palette lists it, slash commands and the help are made of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from cloister.tui.actions import (
    beginning,
    contacts,
    conversing,
    governing,
    keeping,
    member,
    messages,
    own_device,
    people,
    relays,
    settings,
    upkeep,
)
from cloister.tui.talk import Talk


@dataclass(frozen=True, slots=True)
class Action:
    """A thing to do: its slash command, what it is called, who does it."""

    name: str
    title: str
    run: Callable[[Talk], Awaitable[None]]
    group: str

    @property
    def summary(self) -> str:
        """The first line of the documentation of what is run."""
        return str(self.run.__doc__).splitlines()[0]


def _group(name: str, *rows: tuple[str, str, Callable[[Talk], Awaitable[None]]]) -> list[Action]:
    return [Action(command, title, run, name) for command, title, run in rows]


ACTIONS: Final[tuple[Action, ...]] = (
    *_group(
        "conversations",
        ("go", "Go to a conversation", conversing.go),
        ("new", "New conversation", conversing.new),
        ("search", "Search everywhere", conversing.search),
        ("who", "Who is in this conversation", conversing.who),
        ("add", "Bring members in", conversing.add),
        ("takeout", "Take members out", conversing.take_out),
        ("rename", "Rename the conversation", conversing.rename),
        ("admin", "Name admins", conversing.name_admin),
        ("unadmin", "Drop admins", conversing.drop_admin),
        ("rights", "Who changes the conversation", conversing.rights),
        ("announce", "Who posts", conversing.announce),
        ("mute", "Mute the conversation", contacts.mute),
        ("unmute", "Unmute the conversation", contacts.unmute),
        ("pin-up", "Pin the conversation", contacts.pin),
        ("unpin", "Unpin the conversation", contacts.unpin),
        ("part", "Leave this conversation", conversing.part),
    ),
    *_group(
        "messages",
        ("message", "Do something with a message", messages.message),
        ("reply", "Answer a message", messages.reply),
        ("react", "React to a message", messages.react),
        ("edit", "Edit a text of yours", messages.edit),
        ("take-back", "Take a text of yours back", messages.take_back),
        ("versions", "Earlier texts of a message", messages.versions),
        ("about", "What became of a message", messages.about),
        ("timer", "How long texts are kept", messages.timer),
        ("receipts", "Receipts in this conversation", messages.receipts),
    ),
    *_group(
        "people",
        ("people", "People, by whose word", member.people),
        ("compare", "Verify a member: compare keys", contacts.verify_member),
        ("uncompare", "Count a member as not verified", contacts.unverify),
        ("call", "Call a member by a name of your own", contacts.own_name),
        ("block", "Block a member", contacts.block),
        ("unblock", "Unblock a member", contacts.unblock),
        ("begin", "Get into a circle", beginning.begin),
        ("join", "Join with an invitation", people.join),
        ("join-own", "Join from another device of yours", people.join_own),
        ("found", "Found a circle", beginning.found),
        ("requests", "Who asks to be let in", people.requests),
        ("vouch", "Vouch for somebody", people.vouch),
        ("invite", "Invite somebody", people.invite),
        ("invitation", "Show the invitation again", people.show_invitation),
        ("invite-back", "Invite a member back", people.invite_back),
        ("close-invitation", "Close an invitation", people.withdraw_invitation),
        ("unvouch", "Take a vouch back", people.withdraw_vouch),
        ("leave-circle", "Leave the circle", people.leave),
    ),
    *_group(
        "this device",
        ("status", "Where things stand", own_device.status),
        ("lock", "Lock now", own_device.lock),
        ("doctor", "What is wrong with this device", upkeep.doctor),
        ("settings", "Settings", settings.settings),
        ("pin", "Change the PIN", own_device.pin),
        ("devices", "Devices", own_device.devices),
        ("add-device", "Add a device of yours", own_device.add_device),
        ("cover", "Cover traffic of this device", upkeep.cover),
        ("key-card", "Write the key card to a file", upkeep.key_card),
        ("retire", "Retire a device of yours", own_device.retire),
        ("lost", "A device is lost: lock it", own_device.lost),
        ("log", "The circle's log", own_device.log),
        ("verify", "Verify the circle's log", own_device.verify),
        ("export", "Write history to a file", keeping.export),
        ("backup", "Make a sealed backup", keeping.backup),
        ("restore", "Restore a backup", keeping.restore),
        ("quit", "Quit", own_device.leave_interface),
    ),
    *_group(
        "governing",
        ("pending", "What waits for somebody", governing.pending),
        ("approve", "Approve", governing.approve),
        ("refuse", "Refuse", governing.refuse),
        ("object", "Object to an erasure", governing.object_to),
        ("suspend", "Suspend a member", governing.suspend),
        ("reinstate", "Reinstate a member", governing.reinstate),
        ("remove", "Remove a member", governing.remove),
        ("unlock-device", "Unlock a device", governing.unlock_device),
        ("consent", "Agree that your device is unlocked", governing.consent),
        ("exposure", "What a device could read", governing.exposure),
        ("erase", "Erase a device", governing.erase),
        ("holds", "Legal holds", governing.holds),
        ("hold", "Place a legal hold", governing.place_hold),
        ("release", "Release a legal hold", governing.release_hold),
        ("stewards", "Stewards and officers", governing.stewards),
        ("offer", "Offer to hold an office", governing.offer),
        ("add-steward", "Propose stewards", governing.add_steward),
        ("drop-steward", "Propose to drop stewards", governing.drop_steward),
        ("add-officer", "Propose officers", governing.add_officer),
        ("drop-officer", "Propose to drop officers", governing.drop_officer),
        ("reset-commons", "Reset the commons", governing.reset_commons),
        ("policy", "The circle's rules", governing.policy),
        ("rule", "Propose another rule", governing.change_rule),
        ("relays", "Propose other entry relays", relays.entries),
        ("home", "Where the circle is at home", relays.home),
        ("move-home", "Propose another home relay", relays.move),
        ("follow-home", "Follow a notice to another home", relays.follow),
        ("stay-home", "Follow no notice any more", relays.stop_following),
    ),
)

BY_NAME: Final = {action.name: action for action in ACTIONS}

"""Every screen, and how a person comes there: what snapshots show and hostile texts go through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cloister.client.effects import MessageKind, Quote, Reaction, Since
from cloister.client.inputs import Invite
from cloister.errors import PolicyError
from cloister.testing.paper_device import PaperDevice
from cloister.tui.access import Phase
from cloister.values import replace
from tui.stage import NOW, newsroom

SIZES: Final = ((50, 15), (60, 20), (80, 24), (100, 30), (160, 50))


@dataclass(frozen=True, slots=True)
class Scene:
    """A screen: what is pressed to come there, from the list of conversations."""

    name: str
    keys: tuple[str, ...]
    phase: Phase = Phase.OPEN
    prepare: Callable[[PaperDevice], None] = lambda device: None

    def device(self) -> PaperDevice:
        """Return the device that this scene plays on."""
        made = newsroom()
        self.prepare(made)
        return made


def action(name: str, *then: str) -> tuple[str, ...]:
    """Return the keys that start an action by its name, and what follows."""
    return ("ctrl+k", *name, "enter", *then)


EXPORT: Final = ("enter", *"/tmp/d", "enter")
BACKUP: Final = (*"/tmp/b", "enter", *"six", "enter", *"six", "enter")
RESTORE: Final = (*"/tmp/b", "enter", *"six", "enter")


def _empty(device: PaperDevice) -> None:
    device.state |= {"phase": "empty", "name": "", "link": "off"}
    device.rows.clear()
    device.titles.clear()
    device.people.clear()
    device.asked.clear()


def _joining(device: PaperDevice) -> None:
    digits = str(device.asked[0]["fingerprint"])
    _empty(device)
    device.state |= {"phase": "joining: asked", "digits": digits, "link": "up"}


def _away(device: PaperDevice) -> None:
    device.state |= {"link": "down", "trouble": "the entry relay does not answer"}


def _in_grace(device: PaperDevice) -> None:
    device.state["term"] = term("grace", -3)


def _ends_soon(device: PaperDevice) -> None:
    device.state["term"] = term("active", 9)


def term(state: str, days: int) -> dict[str, Any]:
    """Return a seat's term that ends so many days from now."""
    ends_at = NOW + days * 86_400
    return {"state": state, "days": days, "ends_at": ends_at, "grace_until": ends_at + 14 * 86_400}


def _refused(device: PaperDevice) -> None:
    device.refusal = PolicyError("you are suspended", hint="Talk to a steward.")


def _annotated(device: PaperDevice) -> None:
    """The conversation that is open first, with everything that can be said of a message."""
    channel = next(one for one, view in device.titles.items() if view["title"] == "Front page")
    *_, asked, mine = [row for row in device.rows[channel] if row.kind is MessageKind.TEXT]
    place = {row.message_id: n for n, row in enumerate(device.rows[channel])}
    marks = (
        Reaction(name="Amira", own=False, mark="ok"),
        Reaction(name="Jonas", own=True, mark="+1"),
        Reaction(name="Mei", own=False, mark="ok"),
    )
    device.rows[channel][place[asked.message_id]] = replace(
        asked, since=Since(edits=2, reactions=marks)
    )
    device.rows[channel][place[mine.message_id]] = replace(
        mine, since=Since(pending=("an edit waits to be sent",))
    )
    quote = Quote(name=asked.sender_name, text=asked.text)
    device.write(channel, "Mei", "I take it.", reply_to=b"q" * 16, since=Since(quote=quote))
    device.write(channel, "Mei", "", since=Since(retracted=True))
    device.write(channel, "Amira", "And that?", reply_to=b"g" * 16, since=Since(quote=Quote()))
    device.titles[channel]["lifetime_s"] = 86_400


def _out(device: PaperDevice) -> None:
    device.state["standing"] = {
        "state": "removed",
        "reason": "this member was removed from the circle",
        "hint": "",
    }


def _member(device: PaperDevice, name: str, **changes: Any) -> None:
    next(one for one in device.people if one["name"] == name).update(changes)


def _verified(device: PaperDevice) -> None:
    _member(device, "Lin", trust="verified", verified_at=NOW, own_name="Lina")
    _member(device, "Lin", shown="Lina")
    lin = device.add_conversation("Lin", ("Lin",), shown="Lina", people=["Jonas", "Lina"])
    device.add_conversation("Amira", ("Amira",), pinned=True)
    device.add_conversation("Lunch", ("Amira", "Zoë"), muted=True)
    device.write(lin, "Lina", "the negatives are safe", at=NOW - 600)


def _changed(device: PaperDevice) -> None:
    _verified(device)
    added = {"device": "Lin/2", "vouched_by": ["Oskar"], "told": False}
    _member(device, "Lin", trust="changed", added_devices=[added])


def _gone(device: PaperDevice) -> None:
    _member(device, "Oskar", state="removed", untold_state=True)
    oskar = device.add_conversation("Oskar", ("Oskar",))
    device.write(oskar, "Oskar", "see you on Monday", at=NOW - 600)


def _right_to_left(device: PaperDevice) -> None:
    """A conversation in Hebrew and Arabic, with digits and Latin in it."""
    device.add_member("שירה", by=("Amira",))
    device.add_member("ليلى", by=("שירה",), state="suspended")
    room = device.add_conversation("חדר 12 (דחוף)", ("שירה", "ليلى"))
    at = NOW - 900
    device.write(room, "שירה", "שלום לכולם, הפגישה ב-12:30 (חדר 7).", at=at)
    device.write(room, "ليلى", "مرحبا، أرسل الملف PR 42 الآن!", at=at + 60)
    device.write(room, "Amira", "The file is called שלום עולם 2.pdf, see there.", at=at + 120)
    device.write(
        room,
        "שירה",
        "תודה רבה לכולם על העזרה עם הגרסה החדשה של Cloister, היא מוכנה לבדיקה (v2.1) כבר היום.",
        at=at + 180,
    )
    quote = Quote(name="שירה", text="שלום לכולם")
    device.write(
        room, "ليلى", "شكرا", at=at + 240, reply_to=b"q" * 16, since=Since(quote=quote, edits=1)
    )


def _blocked(device: PaperDevice) -> None:
    _member(device, "Amira", blocked=True)


def _governed(device: PaperDevice) -> None:
    """Jonas is a steward of a circle with devices, holds and relays."""
    _steward(device)
    seats = {"Jonas/2": "locked", "Zoë/1": "suspended"}
    device.governed["devices"] = [
        {
            "device": name,
            "member": name.split("/")[0],
            "id": f"{n:064x}",
            "short_id": f"{n:02x}91c0a7",
            "bot": name == "Oskar/1",
            "state": seats.get(name, "active"),
            "seat": "paid",
            "seat_until": NOW + 90 * 86_400,
            "held": name.startswith("Mei"),
        }
        for n, name in enumerate(("Amira/1", "Jonas/1", "Jonas/2", "Mei/1", "Oskar/1", "Zoë/1"))
    ]
    device.governed["holds"] = [
        {"reference": "9b07de41", "subject": "the devices of Mei", "placed_by": "Amira"},
        {"reference": "c4e1f02a", "subject": "the conversation Front page", "placed_by": "Oskar"},
    ]
    relay = {"jurisdiction": "HK", "move": None, "channels": 0, "brings": False, "shares": True}
    device.governed["home"] = [
        {**relay, "role": "home", "name": "north", "operator": "North"},
        {**relay, "role": "entry", "name": "south", "operator": "South", "jurisdiction": "PA"},
    ]
    device.answers[Invite] = "CLOISTER1:" + "8H3K0PABK5F1GPTW3CCM0VPNA" * 7


def _ill(device: PaperDevice) -> None:
    device.state |= {
        "link": "down",
        "trouble": "the entry relay does not answer",
        "relay_ahead_s": 300,
    }


def _steward(device: PaperDevice) -> None:
    _member(device, "Jonas", role="steward")


SCENES: Final = (
    Scene("unlock", (), Phase.LOCKED),
    Scene("a wrong PIN", ("1", "2", "enter"), Phase.LOCKED),
    Scene("no vault yet", (), Phase.ABSENT),
    Scene("how one begins", (), prepare=_empty),
    Scene("in no circle yet", ("escape",), prepare=_empty),
    Scene("an invitation's code", ("enter",), prepare=_empty),
    Scene("the code of another device", ("down", "enter"), prepare=_empty),
    Scene("a relay's card", ("down", "down", "enter"), prepare=_empty),
    Scene("waiting to be let in", (), prepare=_joining),
    Scene("not let in yet", ("escape",), prepare=_joining),
    Scene("conversations", ()),
    Scene("the seat runs out", (), prepare=_in_grace),
    Scene("the seat ends soon", (), prepare=_ends_soon),
    Scene("what the seat is", action("status"), prepare=_in_grace),
    Scene("a conversation", ("enter",)),
    Scene("writing two lines", ("enter", *"hold", "ctrl+j", *"until six")),
    Scene("what was said of messages", ("enter",), prepare=_annotated),
    Scene("picking a message", ("enter", "ctrl+o"), prepare=_annotated),
    Scene("what to do with it", ("enter", "ctrl+o", "down", "down", "down", "enter")),
    Scene("an answer", ("enter", "ctrl+o", "enter", "enter", *"soon")),
    Scene("taking back", ("enter", *action("take-back", "enter"))),
    Scene("how long texts are kept", ("enter", *action("timer"))),
    Scene("no relay", ("enter", *"later", "enter"), prepare=_away),
    Scene("a text refused", ("enter", *"hold", "enter"), prepare=_refused),
    Scene("a suspended member", ("down", "enter")),
    Scene("this device is out", (), prepare=_out),
    Scene("the palette", ("ctrl+k",)),
    Scene("the palette, narrowed down", ("ctrl+k", *"stew")),
    Scene("help", ("ctrl+g",)),
    Scene("new conversation", action("new", "enter", "down", "enter")),
    Scene("search", action("search", *"source", "enter")),
    Scene("people", action("people")),
    Scene("what with a member", action("people", "down", "down", "down", "enter")),
    Scene("the same for a steward", action("people", *"mei", "enter"), prepare=_steward),
    Scene("requests", action("requests")),
    Scene("how one knows them", action("vouch", "enter")),
    Scene("two groups to type", action("vouch", "enter", "enter")),
    Scene("as one likes it", (), prepare=_verified),
    Scene("a conversation of two", ("down", "enter"), prepare=_verified),
    Scene("keys have changed", (), prepare=_changed),
    Scene("keys have changed, put off", ("enter",), prepare=_changed),
    Scene("the other of two is gone", ("enter",), prepare=_gone),
    Scene("texts folded away", ("enter",), prepare=_blocked),
    Scene("ways to compare", action("compare", "enter")),
    Scene("two words to type", action("compare", "enter", "down", "enter")),
    Scene("a code to scan", action("compare", "enter", "down", "down", "down", "enter")),
    Scene("a name of one's own", action("call", "enter")),
    Scene("before blocking", action("block", "enter")),
    Scene("for how long it is quiet", ("enter", *action("mute"))),
    Scene("settings", action("settings")),
    Scene("a setting's values", action("settings", "down", "down", "enter")),
    Scene("a setting to type", action("settings", "down", "enter")),
    Scene("what waits", action("pending")),
    Scene("consequences", action("suspend", "enter", "enter")),
    Scene("where things stand", action("status")),
    Scene("from right to left, the list", (), prepare=_right_to_left),
    Scene("from right to left", ("enter",), prepare=_right_to_left),
    Scene("from right to left, writing", ("enter", *"שלום abc (1)"), prepare=_right_to_left),
    Scene("from right to left, picking", ("enter", "ctrl+o"), prepare=_right_to_left),
    Scene("from right to left, people", action("people"), prepare=_right_to_left),
    Scene("approving", action("approve", "enter")),
    Scene("devices", action("devices"), prepare=_governed),
    Scene("a lost device", action("is lost", "enter"), prepare=_governed),
    Scene("holds", action("holds"), prepare=_governed),
    Scene("before a hold", action("place a", "down", "enter", "enter", "enter"), prepare=_governed),
    Scene("before inviting", action("invite s")),
    Scene("an invitation", action("invite s", "down", "enter"), prepare=_governed),
    Scene("before history is written out", ("enter", *action("/exp", *EXPORT))),
    Scene("a backup's passphrase", action("backup", *"/tmp/b", "enter")),
    Scene("a backup is made", action("backup", *BACKUP)),
    Scene("what is restored", action("restore a", *RESTORE)),
    Scene("what is wrong", action("wrong"), prepare=_ill),
    Scene("cover traffic", action("cover")),
    Scene("relays", action("at home"), prepare=_governed),
)

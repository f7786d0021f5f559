"""The people of the circle as a list one acts on."""

from __future__ import annotations

from typing import Any

import pytest

from cloister.client.contact_acts import BlockContact, NameContact
from cloister.client.inputs import OpenConversation, Remove
from cloister.client.powers import LockDevice, Reinstate, Suspend
from cloister.testing.paper_device import PaperDevice
from unit.tui.test_line import ROTA, talk


@pytest.fixture
def device() -> PaperDevice:
    made = PaperDevice()
    made.add_member("Amira", role="steward")
    made.add_member("Jonas", by=("Amira",))
    made.add_member("Lin", by=("Jonas", "Amira"), own_name="Lina", shown="Lina")
    made.add_member("Mei", by=("Lin",), state="suspended")
    made.add_conversation("Desk", ("Amira", "Lin"))
    made.add_conversation("Lin", ("Lin",), shown="Lina")
    made.governed["devices"] = [
        {"device": f"{name}/{n}", "member": name, "state": "active", "bot": False}
        for name, n in (("Jonas", 1), ("Jonas", 2), ("Lin", 1), ("Lin", 2), ("Mei", 1))
    ]
    return made


def as_steward(device: PaperDevice) -> None:
    device.people[1]["role"] = "steward"


def offered(device: PaperDevice, name: str) -> list[str]:
    """What is offered to be done with somebody."""
    said = talk(device, f"/people {name}", "").said[-2].splitlines()
    return [line.split(". ", 1)[1].split(" (")[0] for line in said if line.startswith("  ")]


def test_the_list_stands_as_a_tree_and_says_how_one_acts_on_it(device: PaperDevice) -> None:
    typist = talk(device, "/people", is_typed=False)
    assert typist.said[-1].splitlines() == [
        "Amira (steward)",
        "  Jonas",
        "    Lina (Lin) (also vouched for by Amira)",
        "      Mei (suspended)",
        "/people NAME asks what to do with one of them.",
    ]
    assert typist.failure is None  # type: ignore[attr-defined]


def test_a_member_and_a_steward_are_offered_what_they_may_do(device: PaperDevice) -> None:
    plain = ["Write", "Compare keys", "A name of my own", "Block"]
    assert offered(device, "Lin") == plain
    device.people[2]["removal_proposed"] = True
    assert offered(device, "Lina") == [*plain, "Remove"]
    as_steward(device)
    assert offered(device, "Lin") == [*plain, "Suspend", "Remove", "A device is lost"]
    assert offered(device, "Mei") == [*plain, "Reinstate", "Remove", "A device is lost"]
    assert offered(device, "Jonas") == ["Devices", "A device of mine is lost"]


def test_who_is_out_can_be_named_and_folded_away_only(device: PaperDevice) -> None:
    as_steward(device)
    device.people[2] |= {"state": "removed", "blocked": True}
    assert offered(device, "Lin") == ["A name of my own", "Unblock"]


def test_what_is_known_of_somebody_stands_above_what_one_can_do(device: PaperDevice) -> None:
    said = talk(device, "/people Lin", "", "/people Mei", "").said
    assert "Vouched for by Jonas, Amira." in said
    assert "Suspended. Vouched for by Lin." in said


def test_one_writes_in_the_conversation_of_two_or_opens_it(device: PaperDevice) -> None:
    talk(device, "/people Lin write", "hello", "/people Amira write", "good morning")
    assert [row.text for row in device.rows[ROTA]] == ["hello"]
    assert device.acts == [OpenConversation(ref=0, title="Amira", members=("Amira",))]
    assert [row.text for row in device.rows["3".zfill(32)]] == ["good morning"]


def test_a_conversation_that_is_over_is_not_the_one_to_write_in(device: PaperDevice) -> None:
    device.titles[ROTA]["state"] = "left"
    talk(device, "/people Lin write", "hello")
    assert [type(act) for act in device.acts] == [OpenConversation]
    assert device.rows[ROTA] == []


@pytest.mark.parametrize(
    ("lines", "act"),
    [
        (("/people Lin call Linnea",), NameContact(ref=0, member="2".zfill(64), own_name="Linnea")),
        (("/people Lin block", "yes"), BlockContact(ref=0, member="2".zfill(64), blocked=True)),
        (("/people Lin suspend lost it", "yes"), Suspend(ref=0, member="Lin", reason="lost it")),
        (("/people Mei reinstate",), Reinstate(ref=0, member="Mei")),
        (("/people Lin remove departure", "yes"), Remove(ref=0, member="Lin", reason=1)),
        (("/people Lin lost Lin/2", "yes"), LockDevice(ref=0, device="Lin/2")),
        (("/people Lin lost all", "yes"), LockDevice(ref=0, device="Lin")),
        (("/people Mei lost Mei/1", "yes"), LockDevice(ref=0, device="Mei/1")),
        (("/people Jonas lost Jonas/2", "yes"), LockDevice(ref=0, device="Jonas/2")),
    ],
)
def test_the_actions_are_those_that_the_palette_has(
    device: PaperDevice, lines: tuple[str, ...], act: Any
) -> None:
    as_steward(device)
    talk(device, *lines)
    assert device.acts == [act]


def test_nothing_happens_without_its_yes(device: PaperDevice) -> None:
    as_steward(device)
    for way in ("block", "suspend x", "remove departure", "lost Lin/1"):
        talk(device, f"/people Lin {way}", "no")
    assert device.acts == []

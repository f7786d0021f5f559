"""Removing a member: whoever approves is told what was proposed, not asked for another reason."""

from __future__ import annotations

import pytest

from cloister.client.inputs import Remove
from cloister.testing.paper_device import PaperDevice
from unit.tui.test_line import talk

VOID = "Vouches they gave count no more"


@pytest.fixture
def device() -> PaperDevice:
    made = PaperDevice(name="Amira")
    for name in ("Amira", "Jonas", "Lin"):
        made.add_member(name, by=("Amira",) if name != "Amira" else ())
    made.add_conversation("Desk", ("Lin",))
    return made


def waits(device: PaperDevice, reason: str, *, by: str, name: str = "Lin") -> None:
    device.waiting.append(
        {
            "reference": "3f2a91c0",
            "kind": "removal",
            "text": f"removal of {name} ({reason})",
            "by": by,
            "waits_for": "another member",
            "until": None,
        }
    )


def test_who_proposes_says_why(device: PaperDevice) -> None:
    said = "\n".join(talk(device, "/remove Lin", "compromise", "yes").said)
    assert VOID in said
    assert "When a second member approves" in said
    assert device.acts == [Remove(ref=0, member="Lin", reason=3)]


@pytest.mark.parametrize("reason", ["departure", "compromise"])
def test_who_approves_is_told_why_and_what_follows(device: PaperDevice, reason: str) -> None:
    waits(device, reason, by="Jonas")
    said = "\n".join(talk(device, "/remove Lin", "yes").said)
    assert f"Jonas proposed the removal of Lin ({reason})." in said
    assert (VOID in said) is (reason == "compromise")
    assert "Why?" not in said
    assert len(device.acts) == 1


def test_an_own_proposal_and_one_about_another_are_no_matter_to_approve(
    device: PaperDevice,
) -> None:
    waits(device, "compromise", by="Amira")
    waits(device, "compromise", by="Jonas", name="Linus")
    said = "\n".join(talk(device, "/remove Lin", "departure", "yes").said)
    assert "Why?" in said
    assert VOID not in said

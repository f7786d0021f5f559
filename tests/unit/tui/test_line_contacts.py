"""People as one wants them, in the line mode: the same actions, said in lines."""

from __future__ import annotations

import asyncio
import random
import secrets

import pytest

from cloister.client.contact_acts import (
    BlockContact,
    MuteConversation,
    NameContact,
    NoteTold,
    NoteVerified,
)
from cloister.testing.paper_device import PaperDevice
from cloister.tui.line import LineMode
from tui.stage import PaperSettings
from unit.tui.test_line import Typist, talk


@pytest.fixture
def device() -> PaperDevice:
    made = PaperDevice()
    for name in ("Amira", "Jonas", "Lin"):
        made.add_member(name)
    made.add_conversation("Desk", ("Amira", "Lin"))
    made.add_conversation("Amira", ("Amira",))
    return made


def member(device: PaperDevice, name: str) -> dict[str, object]:
    return next(one for one in device.people if one["name"] == name)


def test_an_own_name_is_given_in_one_line(device: PaperDevice) -> None:
    talk(device, "/call Amira Captain Amira")
    wanted = NameContact(
        ref=0, member=str(member(device, "Amira")["member_id"]), own_name="Captain Amira"
    )
    assert device.acts == [wanted]


def test_own_names_stand_in_what_is_said(device: PaperDevice) -> None:
    member(device, "Amira").update(own_name="Captain", shown="Captain", trust="verified")
    device.titles[f"{2:032x}"].update(shown="Captain", people=["Captain", "Jonas"])
    typist = talk(device, name="Amira")
    assert typist.said[0] == "Captain: Captain, Jonas. verified."


def test_blocked_texts_are_folded_and_announce_nothing(device: PaperDevice) -> None:
    desk, other = f"{1:032x}", f"{2:032x}"
    device.write(desk, "Amira", "the text itself")
    member(device, "Amira")["blocked"] = True
    typist = talk(device, lambda: device.write(other, "Amira", "psst"))
    assert [line.split(": ", 1)[1] for line in typist.shown] == ["a text of Amira, who is blocked"]
    assert not [one for one in typist.said if "New in" in one]
    typist = talk(device, "/unblock Amira", lambda: device.write(desk, "Amira", "seen again"))
    assert typist.shown[-1].endswith("seen again")


def test_blocking_names_what_it_does_not_do(device: PaperDevice) -> None:
    typist = talk(device, "/block Lin", "yes")
    assert any("stays in the circle" in one for one in typist.said)
    wanted = BlockContact(ref=0, member=str(member(device, "Lin")["member_id"]), blocked=True)
    assert device.acts == [wanted]


@pytest.mark.parametrize("quiet", ["muted", "blocked"])
def test_a_quiet_conversation_is_not_announced(device: PaperDevice, quiet: str) -> None:
    other = f"{2:032x}"
    assert _announced(device, other)
    device.titles[other][quiet] = True
    assert not _announced(device, other)


def _announced(device: PaperDevice, channel: str) -> bool:
    typist = talk(device, lambda: device.write(channel, "Amira", "hello"))
    return any("New in Amira" in one for one in typist.said)


def test_a_conversation_is_muted_for_good_by_words(device: PaperDevice) -> None:
    talk(device, "/mute ever")
    assert device.acts == [MuteConversation(ref=0, conversation=f"{1:032x}", until=2**64 - 1)]


def test_what_changed_is_said_and_noted_when_somebody_types(device: PaperDevice) -> None:
    added = {"device": "Lin/2", "vouched_by": ["Amira"], "told": False}
    member(device, "Lin").update(trust="changed", added_devices=[added])
    typist = talk(device, is_typed=False)
    assert device.acts == [], "nobody has read what went into a pipe"
    assert any("ATTENTION. The keys have changed" in one for one in typist.said)
    typist = talk(device)
    assert any("Lin/2, vouched for by Amira" in one for one in typist.said)
    assert device.acts == [NoteTold(ref=0, member=str(member(device, "Lin")["member_id"]))]
    assert not any("ATTENTION" in one for one in talk(device).said)


def test_two_groups_are_typed(device: PaperDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "SystemRandom", lambda: random.Random(5))
    places = sorted(random.Random(5).sample(range(12), 2))
    digits = [f"{n:05}" for n in range(10_417, 99_999, 7_001)]
    typist = talk(device, "/compare Amira show", "digits", *(digits[place] for place in places))
    assert any("CL1:" in one and "lamp0" in one for one in typist.said)
    assert [type(one) for one in device.acts] == [NoteVerified]
    talk(device, "/compare Amira digits", digits[places[0]], "12345")
    assert len(device.acts) == 1


def test_a_whole_code_is_compared(device: PaperDevice) -> None:
    talk(device, "/compare Amira code CL1:NFVW4LSOMFWHI23GOFRHK4LTNZSXA5DA")
    assert device.acts == []
    talk(device, "/compare Amira code cl1:NFVW4LSOMFWHI23GOFRHK4LTNZSXA5DJ")
    assert [type(one) for one in device.acts] == [NoteVerified]


def test_a_setting_is_changed_in_one_line_and_holds_here(device: PaperDevice) -> None:
    book = PaperSettings()
    typist = Typist(["/settings autolock_s 60", "/settings notify none"])
    mode = LineMode(device, typist, timeout_s=1, tells_alarms=True, autolock_s=900, settings=book)
    asyncio.run(mode.run("Desk"))
    assert "autolock_s is 60. It holds from now on, here too." in typist.said
    assert mode._autolock_s == 60
    assert book.values["notify"] == "none"


def test_without_settings_at_hand_it_says_where_they_are(device: PaperDevice) -> None:
    typist = talk(device, "/settings")
    assert any("cloister config show" in one for one in typist.said)

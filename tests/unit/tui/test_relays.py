"""The circle's relays from the interface: where it is at home, a move, other entry relays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloister.client.powers import (
    ALREADY_HOME,
    ConsentToUnlock,
    FollowHome,
    MoveHome,
    ProposeRelays,
    StopFollowing,
    UnlockDevice,
)
from cloister.device.cards import read_card
from cloister.errors import UsageError
from cloister.testing.paper_device import PaperDevice
from cloister.tui.home_move import consequences
from cloister.tui.lines import wrap
from unit.tui.test_beginning import cards, device
from unit.tui.test_line import talk

__all__ = ["cards", "device"]


def row(role: str, name: str, **changes: Any) -> dict[str, Any]:
    return {
        "role": role,
        "name": name,
        "relay_id": f"{name} as {role}".encode().hex(),
        "jurisdiction": "HK",
        "operator": name.title(),
        "move": None,
        "channels": 0,
        "brings": False,
        "shares": False,
        **changes,
    }


@pytest.fixture(autouse=True)
def at_home(device: PaperDevice) -> None:
    """A home, two entry relays; the home keeps unlock shares."""
    device.governed["home"] = [
        row("home", "north", shares=True),
        row("entry", "south"),
        row("entry", "west"),
    ]


def test_where_the_circle_is_at_home_and_how_far_a_move_is(device: PaperDevice) -> None:
    device.governed["home"][0] |= {"move": "goes on", "channels": 3}
    said = talk(device, "/home").said[-1].splitlines()
    assert said == [
        "home: north (HK, North); keeps unlock shares; this device goes on, 3 conversations to go",
        "entry: south (HK, South)",
        "entry: west (HK, West)",
    ]


def test_a_move_is_proposed_after_all_of_its_consequences(
    device: PaperDevice, cards: tuple[Path, Path]
) -> None:
    home, _ = cards
    typist = talk(device, f"/move-home there {home}", "yes", "yes", "yes", "the-code")
    act = MoveHome(ref=0, home_card=home.read_bytes(), activation_code="the-code")
    assert device.acts == [act]
    said = "\n".join(typist.said)
    for one in ("home.example (HK, Harbour)", "invitations lapse", "cannot be opened any more"):
        assert one in said
    assert "Your name stands beside it in the log." in said


def test_each_of_the_consequences_fits_on_the_smallest_screen(
    device: PaperDevice, cards: tuple[Path, Path]
) -> None:
    """Of 15 rows a title, two ways out and the keys take four, and the last one names the log."""
    rows = device.governed["home"]
    for said in consequences(read_card(cards[0], "home"), rows):
        assert len(wrap(said, 49)) <= 8


@pytest.mark.parametrize("answers", [("no",), ("yes", "no"), ("yes", "yes", "no")])
def test_no_move_is_proposed_that_was_not_confirmed_to_its_end(
    device: PaperDevice, cards: tuple[Path, Path], answers: tuple[str, ...]
) -> None:
    talk(device, f"/move-home there {cards[0]}", *answers, "the-code")
    assert device.acts == []


def test_the_home_of_now_is_refused_before_anything_is_said_of_it(
    device: PaperDevice, cards: tuple[Path, Path]
) -> None:
    device.governed["home"][0]["relay_id"] = read_card(cards[0], "home").relay_id
    typist = talk(device, f"/move-home there {cards[0]}")
    assert typist.said[-1].startswith(f"Not done: {ALREADY_HOME}")
    assert not any("would move" in line for line in typist.said)


def test_where_the_home_is_lost_a_notice_is_written(
    device: PaperDevice, cards: tuple[Path, Path], tmp_path: Path
) -> None:
    device.answers[MoveHome] = "abcdef"
    file = tmp_path / "notice.move"
    answers = ("yes", "yes", "yes", "the-code", str(file))
    typist = talk(device, f"/move-home lost {cards[0]}", *answers)
    (act,) = device.acts
    assert isinstance(act, MoveHome)
    assert act.lost
    assert file.read_text() == "abcdef\n"
    assert str(file) in typist.said[-1]


def test_a_notice_is_approved_after_a_yes_and_what_is_added_is_written_back(
    device: PaperDevice, tmp_path: Path
) -> None:
    file = tmp_path / "notice.move"
    file.write_text("abcd\n")
    device.answers[FollowHome] = "abcdef"
    talk(device, f"/follow-home approve {file}", "no")
    assert device.acts == []
    typist = talk(device, f"/follow-home approve {file}", "yes")
    assert device.acts == [FollowHome(ref=0, notice=b"\xab\xcd", approve=True)]
    assert file.read_text() == "abcdef\n"
    assert typist.said[-1].startswith("You have approved it. When the circle's delay has passed")
    typist = talk(device, f"/follow-home follow {file}")
    assert typist.said[-1].startswith("The notice is not complete")
    device.governed["home"].append(row("candidate", "harbour"))
    device.answers[FollowHome] = "abcdef"
    said = talk(device, f"/follow-home follow {file}").said[-1]
    assert said == "This device follows to harbour."


@pytest.mark.parametrize("text", ["xy", "ab c", "é"])
def test_what_is_no_notice_is_refused(device: PaperDevice, tmp_path: Path, text: str) -> None:
    (tmp_path / "n").write_text(text)
    talk(device, f"/follow-home follow {tmp_path / 'n'}")
    talk(device, f"/follow-home follow {tmp_path / 'missing'}")
    assert device.acts == []


def test_a_notice_is_followed_no_more(device: PaperDevice) -> None:
    talk(device, "/stay-home")
    assert device.acts == [StopFollowing(ref=0)]


def test_an_entry_relay_is_added_or_dropped(device: PaperDevice, cards: tuple[Path, Path]) -> None:
    _, entry = cards
    typist = talk(device, f"/relays add {entry}", "yes", "/relays drop west", "yes")
    assert device.acts == [
        ProposeRelays(ref=0, add=(entry.read_bytes(),)),
        ProposeRelays(ref=0, drop=("west",)),
    ]
    assert any("entry.example (PA, Canal) becomes an entry relay" in line for line in typist.said)
    assert any("Nobody comes in through west any more" in line for line in typist.said)


def test_a_card_of_another_role_is_refused(device: PaperDevice, cards: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError):
        read_card(cards[1], "home")
    assert "serves as home" in talk(device, f"/move-home there {cards[1]}").said[-1]
    assert device.acts == []


def test_an_owner_and_a_steward_unlock_a_device(device: PaperDevice) -> None:
    device.governed["devices"] = [{"device": "Jonas/2", "bot": False, "state": "locked"}]
    device.answers[ConsentToUnlock] = "CLOISTER-CONSENT:AAH"
    typist = talk(device, "/consent Jonas/2", "yes")
    assert typist.said[-1].endswith("It is no secret:\nCLOISTER-CONSENT:AAH")
    talk(
        device,
        "/unlock-device Jonas/2 CLOISTER-CONSENT:AAH",
        "yes",
        "/unlock-device Jonas/2",
        "yes",
    )
    assert device.acts == [
        ConsentToUnlock(ref=0, device="Jonas/2"),
        UnlockDevice(ref=0, device="Jonas/2", consents=("CLOISTER-CONSENT:AAH",)),
        UnlockDevice(ref=0, device="Jonas/2"),
    ]

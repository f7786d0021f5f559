"""What looks after a device, from the interface: what is wrong, cover traffic, the key card."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloister.client.inputs import SetCover
from cloister.errors import UsageError
from cloister.testing.paper_device import PaperDevice
from cloister.tui.line import LineMode
from cloister.tui.setting import Setting, SettingRow
from unit.tui.test_line import Typist, device, talk

__all__ = ["device"]


class Book:
    """Settings whose profile lies in a folder."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def rows(self) -> list[SettingRow]:
        return []

    def change(self, name: str, text: str) -> SettingRow:
        raise UsageError(name)

    def present(self) -> Setting:
        if self.folder is None:
            raise UsageError("config.toml is wrong in line 3", hint="correct it")
        return Setting(timeout_s=1, folder=self.folder)


def doctor(device: PaperDevice, folder: Path | None) -> list[str]:
    typist = Typist(["/doctor"])
    book = Book(folder)
    mode = LineMode(device, typist, timeout_s=1, tells_alarms=True, settings=book)
    asyncio.run(mode.run("Desk"))
    return typist.said[-1].splitlines()


def test_a_device_that_is_well_says_so(device: PaperDevice, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    said = doctor(device, tmp_path)
    assert said[0] == "Nothing is wrong."
    assert {line.split(",")[0] for line in said[1:]} == {"GOOD"}
    assert any(line.startswith("GOOD, disk: ") for line in said)


def test_what_is_wrong_stands_first_with_what_to_do(device: PaperDevice, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "vault").touch(mode=0o644)
    (tmp_path / "vault").chmod(0o644)
    device.state |= {"relay_ahead_s": 300, "trouble": "it hung up", "link": "down"}
    said = doctor(device, tmp_path)
    assert said[0] == "3 of 5 need a look."
    assert said[1] == f"WRONG, rights: others may read or enter {tmp_path / 'vault'}."
    assert said[2] == f"  To do: Take their rights away: chmod -R go= {tmp_path}."
    assert said[3].startswith("WRONG, relays: the relay is out of reach: it hung up")
    assert said[5].startswith("DOUBTFUL, clock: ")
    assert said[-2].startswith("GOOD, ")


def test_settings_that_cannot_be_read_are_a_finding(device: PaperDevice) -> None:
    said = doctor(device, None)
    assert said[1:3] == ["WRONG, settings: config.toml is wrong in line 3.", "  To do: Correct it."]


def test_cover_is_set_and_what_holds_is_told(device: PaperDevice) -> None:
    typist = talk(device, "/cover 48", "/cover none")
    assert device.acts == [SetCover(ref=0, per_day=48), SetCover(ref=0, per_day=0)]
    assert "Cover traffic: 48 a day." in typist.said


def test_what_the_circle_asks_for_at_the_least_is_said(device: PaperDevice) -> None:
    device.state["cover_per_day"] = 12
    typist = talk(device, "/cover none")
    assert typist.said[-1] == (
        "Cover traffic: 12 a day, which the circle's rules ask for at the least."
    )


def test_the_present_rate_is_offered_also_where_it_is_no_usual_one(device: PaperDevice) -> None:
    device.state |= {"cover_own": 100, "cover_per_day": 100}
    typist = talk(device, "/cover", "")
    assert "100 a day (as it is now)" in "\n".join(typist.said)


@pytest.fixture
def own_devices(device: PaperDevice) -> None:
    """Two devices of Jonas and one of Amira."""
    device.governed["devices"] = [
        {
            "device": f"{name}/{number}",
            "member": name,
            "id": f"{name}{number}".encode().hex(),
            "short_id": "3f2a91c0",
            "state": "active",
        }
        for name, number in (("Jonas", 1), ("Jonas", 2), ("Amira", 1))
    ]
    device.state["device"] = b"Jonas1".hex()


@pytest.mark.usefixtures("own_devices")
def test_the_key_card_is_written_to_a_new_file(device: PaperDevice, tmp_path: Path) -> None:
    file = tmp_path / "card.txt"
    device.people[0]["role"] = "steward"
    typist = talk(device, f"/key-card {file}")
    text = file.read_text(encoding="utf-8")
    assert text.startswith("CLOISTER KEY CARD")
    for said in ("Jonas/1", "Jonas/2", "  Amira ", "home north, North (HK)"):
        assert said in text
    assert "Amira/1" not in text
    assert str(file) in typist.said[-1]
    assert "is there already" in talk(device, f"/key-card {file}").said[-1]


def test_who_is_in_no_circle_has_no_card(device: PaperDevice, tmp_path: Path) -> None:
    device.state["phase"] = "joining: asked"
    assert "not in a circle" in talk(device, f"/key-card {tmp_path / 'c'}").said[-1]
    assert list(tmp_path.iterdir()) == []

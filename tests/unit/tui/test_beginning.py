"""Getting into a circle from the interface: founding one with the cards of its relays."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloister.client.inputs import FoundCircle, Join
from cloister.testing.paper_device import PaperDevice
from cloister.testing.simulated_circle import SimulatedCircle
from cloister.testing.simulated_relays import SimulatedRelays
from cloister.tui.actions import people
from unit.tui.test_line import Typist, talk


@pytest.fixture
def device() -> PaperDevice:
    made = PaperDevice()
    made.add_conversation("Desk", ())
    return made


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files with the cards of a home and an entry relay."""
    folder = tmp_path_factory.mktemp("cards")

    async def made() -> SimulatedRelays:
        return SimulatedCircle().relays

    relays = asyncio.run(made())
    home, entry = folder / "home.card", folder / "entry.card"
    home.write_bytes(relays.home_card.encode())
    entry.write_bytes(relays.entry_card.encode())
    return home, entry


def found(device: PaperDevice, home: Path, entry: Path, *then: str) -> Typist:
    return talk(device, "/found", str(home), str(entry), *then)


def test_a_circle_is_founded_with_relays_that_were_shown(
    device: PaperDevice, cards: tuple[Path, Path]
) -> None:
    home, entry = cards
    typist = found(device, home, entry, "", "one", "Amira", "the-code", "yes")
    assert device.acts == [
        FoundCircle(
            ref=0,
            name="Amira",
            home_card=home.read_bytes(),
            entry_cards=(entry.read_bytes(),),
            activation_code="the-code",
            single_operator=True,
        )
    ]
    said = "\n".join(typist.said)
    assert "home: home.example, by Harbour, in HK" in said
    assert "entry: entry.example, by Canal, in PA" in said
    assert "The circle stands." in said


def test_nothing_is_founded_before_it_was_confirmed(
    device: PaperDevice, cards: tuple[Path, Path]
) -> None:
    found(device, *cards, "", "two", "Amira", "the-code", "no")
    assert device.acts == []


def test_a_card_of_the_wrong_relay_or_of_none_is_refused(
    device: PaperDevice, cards: tuple[Path, Path], tmp_path: Path
) -> None:
    home, entry = cards
    assert "not the card of a relay that serves as home" in " ".join(
        found(device, entry, home).said
    )
    assert "cannot be read" in " ".join(found(device, tmp_path / "none", entry).said)
    (tmp_path / "long").write_bytes(b"\xff" * 100_000)
    assert "is not a relay card" in " ".join(found(device, tmp_path / "long", entry).said)
    assert device.acts == []


@pytest.mark.parametrize("begins", [("/join-own",), ("/begin", "own")])
def test_a_device_of_ones_own_is_asked_for_no_name(
    device: PaperDevice, monkeypatch: pytest.MonkeyPatch, begins: tuple[str, ...]
) -> None:
    monkeypatch.setattr(people, "_check_code", lambda code, now: None)
    typist = talk(device, *begins, "CLOISTER1:X")
    assert device.acts == [Join(ref=0, code="CLOISTER1:X", name="", own=True)]
    assert not any("Your name" in line for line in typist.said)


def test_who_is_invited_is_asked_for_a_name(
    device: PaperDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "_check_code", lambda code, now: None)
    talk(device, "/join", "CLOISTER1:X", "Jonas")
    assert device.acts == [Join(ref=0, code="CLOISTER1:X", name="Jonas")]

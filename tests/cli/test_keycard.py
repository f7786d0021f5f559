"""`cloister keycard`: a page with what is needed when a device is gone, and no secret on it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.tui.key_card import WIDTH, card_lines
from unit.device.scripted import VIEWS

Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[2]
CARD: dict[str, Any] = {
    "circle_id": "5d0c3a7b9e214f86a1b2c3d4e5f60718" * 2,
    "name": "Amira",
    "devices": [
        {"device": "Amira/1", "short_id": "3f2a91c0", "state": "active", "this": True},
        {"device": "Amira/2", "short_id": "b7710c4e", "state": "active", "this": False},
    ],
    "stewards": ["Amira", "Jonas", "Mei"],
    "relays": [
        {"role": "home", "name": "harbour", "operator": "North", "jurisdiction": "HK"},
        {"role": "entry", "name": "canal", "operator": "South", "jurisdiction": "PA"},
    ],
}


def test_the_card_of_the_guide_is_the_one_that_is_printed() -> None:
    guide = (ROOT / "docs/guide/member.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"<!-- computed: keycard -->\n```text\n(.*?)```", guide, re.S)
    assert shown.splitlines() == card_lines(CARD, "2026-11-29")


def test_it_is_one_page_whatever_is_on_it() -> None:
    devices = [dict(CARD["devices"][1], device=f"Amira/{n}") for n in range(40)]
    relays = CARD["relays"] * 20
    crowded = CARD | {"devices": devices, "stewards": ["x" * 64] * 30, "relays": relays}
    lines = card_lines(crowded, "2026-11-29")
    assert len(lines) <= 66
    assert "  and 32 more" in lines
    assert all(len(line) <= WIDTH for line in card_lines(CARD, "2026-11-29"))


def test_what_is_to_be_typed_can_be_typed() -> None:
    card = CARD | {
        "name": "Ann Lee; rm",
        "devices": [dict(CARD["devices"][0], device="Ann Lee; rm")],
    }
    text = "\n".join(card_lines(card, "2026-11-29"))
    assert "cloister lost 'Ann Lee; rm' --yes" in text
    assert "--return 'Ann Lee; rm'" in text


@pytest.fixture
def member(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device of two of the same member, whose own name on it is another."""
    devices = [
        {"device": one["device"], "member": "Amira", "id": one["short_id"] * 8, **one}
        for one in CARD["devices"]
    ]
    other = {"device": "Jonas", "member": "Jonas", "id": "00", "short_id": "00", "state": "active"}
    status = {"phase": "member", "name": "laptop", "device": "3f2a91c0" * 8}
    people = [
        {"name": "Amira", "role": "member", "state": "active"},
        {"name": "Jonas\x1b[2J", "role": "steward", "state": "active"},
        {"name": "Gone", "role": "steward", "state": "removed"},
    ]
    circle = {"circle_id": CARD["circle_id"], "relays": CARD["relays"]}
    monkeypatch.setattr(VIEWS, "status", lambda core, now: status)
    monkeypatch.setattr(VIEWS, "members", lambda core: people)
    monkeypatch.setattr(VIEWS, "circle", lambda core: circle)
    governance = {"devices": [*devices, other]}
    monkeypatch.setattr(
        VIEWS, "governance", lambda core, what, about: governance[what], raising=False
    )


@pytest.mark.usefixtures("member", "profile")
def test_it_is_made_of_what_the_circle_knows(run: Run) -> None:
    _, out, _ = run("keycard", "--offline", "--json")
    card = json.loads(out)
    assert (card["name"], card["stewards"]) == ("Amira", ["Jonas\x1b[2J"])
    assert [(one["device"], one["this"]) for one in card["devices"]] == [
        ("Amira/1", True), ("Amira/2", False),
    ]  # fmt: skip
    status, out, _ = run("keycard", "--offline")
    assert status == 0
    assert "\x1b" not in out
    assert "Gone" not in out


@pytest.mark.usefixtures("profile")
def test_who_is_in_no_circle_gets_none(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        VIEWS, "status", lambda core, now: {"phase": "joining: waiting", "name": ""}
    )
    status, _, err = run("keycard", "--offline")
    assert status == 3
    assert "not in a circle" in err

"""What the title of a conversation says of who is in it."""

from __future__ import annotations

from typing import Any

import pytest

from cloister.testing.paper_device import PaperDevice
from cloister.tui.words import company_of


@pytest.mark.parametrize(
    ("title", "members", "changes", "words"),
    [
        ("Desk", ("Amira", "Lin"), {}, "Amira, Lin"),
        ("Desk", ("Amira", "Lin"), {"lifetime_s": 3600}, "kept 1 hour, Amira, Lin"),
        ("Lin", ("Lin",), {}, "vouched for by Amira"),
        ("Desk", ("Lin",), {}, "Lin, vouched for by Amira"),
        ("Desk", (), {}, "nobody else"),
        ("Desk", (), {"lifetime_s": 86_400}, "kept 1 day, nobody else"),
        ("commons", ("Amira", "Lin"), {}, "all 3"),
    ],
)
def test_company(title: str, members: tuple[str, ...], changes: dict[str, Any], words: str) -> None:
    device = PaperDevice(name="Jonas")
    for name in ("Amira", "Jonas", "Lin"):
        device.add_member(name, by=("Amira",) if name != "Amira" else ())
    view = device.titles[device.add_conversation(title, members, **changes)]
    assert company_of(view, device.people, "Jonas") == words

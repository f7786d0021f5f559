"""How screens and lines mark what a bot says, and who is one."""

from __future__ import annotations

import re

import pytest

from cloister.cli.conversation import line_of
from cloister.client.effects import MessageKind
from cloister.testing.paper_device import PaperDevice
from cloister.tui import words
from cloister.tui.layout import conversation_rows, message_block
from cloister.tui.plain import message_text, message_view
from unit.tui.test_line import talk


def stage() -> tuple[PaperDevice, str]:
    device = PaperDevice()
    device.add_member("Amira")
    device.add_member("Jonas", by=("Amira",))
    device.add_member("Alerts", by=("Amira",), bot=True, bots=["00"])
    device.add_member("Lin", by=("Jonas",), bots=["01"])
    return device, device.add_conversation("Desk", ("Amira", "Alerts"), bots=["Alerts"])


@pytest.mark.parametrize("width", [16, 30, 80])
@pytest.mark.parametrize("name", ["Alerts", "A name that is far too long for any small screen"])
def test_the_header_of_a_message_keeps_the_mark(name: str, width: int) -> None:
    device, channel = stage()
    row = device.write(channel, name, "disk full", bot=True)
    header = "".join(text for text, _ in message_block(row, None, width)[1])
    assert " (bot) " in header
    assert len(header) <= width


def test_lines_previews_and_json_carry_the_mark() -> None:
    device, channel = stage()
    row = device.write(channel, "Alerts", "disk full", bot=True)
    person = device.write(channel, "Amira", "thanks")
    assert words.message_line(row).startswith("Alerts (bot), ")
    assert words.message_line(person).startswith("Amira, ")
    assert message_text(row).startswith("Alerts (bot), ")
    assert [message_view(one, "Desk")["bot"] for one in (row, person)] == [True, False]
    _, preview = conversation_rows(device.titles[channel], row, "", "", 60, 0.0)
    assert "Alerts (bot): disk full" in "".join(text for text, _ in preview)
    notice = device.write(channel, "Alerts", "Alerts left", bot=True, kind=MessageKind.NOTICE)
    assert words.bot_mark(notice) == ""


def test_a_conversation_says_which_of_its_people_are_bots_and_who_vouched() -> None:
    device, channel = stage()
    view = {**device.titles[channel], "unread": 0}
    assert words.people_of(view) == ["Alerts (bot)", "Amira", "Jonas"]
    assert words.people_of(view, but="Jonas") == ["Alerts (bot)", "Amira"]
    assert words.trust_of(view, device.people) == "Alerts: a bot, vouched for by Amira"
    assert "Alerts (bot), Amira, Jonas" in line_of(view)


def test_the_tree_of_members_says_it() -> None:
    device, _ = stage()
    lines = talk(device, "/people").said[-1].splitlines()
    assert "  Alerts (a bot)" in lines
    assert "    Lin (has a bot)" in lines
    assert "  Jonas" in lines


def test_lists_to_choose_from_say_it() -> None:
    device, _ = stage()
    for command in ("/suspend", "/new", "/call"):
        said = "\n".join(talk(device, command, "").said)
        assert re.search(r"\d\. Alerts \(a bot", said), command
        assert not re.search(r"\d\. Jonas \(a bot", said), command


def test_the_list_of_devices_says_it_and_until_when_seats_are_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device, _ = stage()
    plain = {"short_id": "3f2a91c0", "state": "active", "seat": "none needed", "held": False}
    views = [
        {**plain, "device": "Alerts/1", "bot": True, "seat_until": None},
        {
            **plain,
            "device": "Amira/1",
            "bot": False,
            "seat": "paid",
            "seat_until": 129_600,
            "held": True,
        },
    ]

    async def governance(what: str, about: str = "") -> list[dict[str, object]]:
        return views

    monkeypatch.setattr(device, "governance", governance)
    said = "\n".join(talk(device, "/devices").said)
    assert "Alerts/1  3f2a91c0  active, a bot\n" in said
    assert "Amira/1  3f2a91c0  active, seat paid, until Friday 02 January 1970, under" in said

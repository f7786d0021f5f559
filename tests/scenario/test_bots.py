"""A bot is a device whose card says so: everybody who vouches, reads or looks is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.bots import bot_devices
from cloister.client.governance_views import governance_view
from cloister.client.identity import did_of
from cloister.client.inputs import Join, Leave, OpenConversation, SendText, Vouch
from cloister.client.log_words import log_view
from cloister.client.telling import in_words
from cloister.client.tree_view import text_lines, trees_of
from cloister.client.views import conversations_view, members_view, requests_view, status_view
from cloister.errors import PolicyError
from cloister.roster.events import DeviceAdded
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from scenario.built_once import built_once
from scenario.governed import roster_of


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@built_once
async def with_a_bot(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    """Ada, Ben, and Echo, which is a bot; they talk at the Desk."""
    circle.bots.add("Echo")
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    echo = await circle.admit("Echo", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Echo")))
    return ada, ben, echo


async def say(circle: SimulatedCircle, device: SimulatedDevice, text: str) -> None:
    await circle.act(device, SendText(ref=circle.ref(), conversation="Desk", text=text))


def of_bots(device: SimulatedDevice) -> list[str]:
    """The texts that a device shows as a bot's."""
    rows = sorted(device.messages.values(), key=lambda row: row.position)
    bots = bot_devices(device.core.state)
    return [row.text for row in rows if row.sender in bots]


def test_who_is_asked_to_vouch_is_told() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        circle.bots.add("Echo")
        ada = await circle.found("Ada")
        await circle.admit("Echo", ada, [])
        await circle.admit("Ben", ada, [])
        asked = [(one["name"], one["asks_as"], one["bot"]) for one in requests_view(ada.core.state)]
        assert asked == [
            ("Echo", "a bot", True),
            ("Ben", "", False),
        ]
        pending = [str(one["text"]) for one in governance_view(ada.core.state, "pending", "")]
        assert any("Echo asks to be let in as a bot" in text for text in pending)

    play(story())


def test_lists_the_tree_and_the_log_say_it() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, echo = await with_a_bot(circle)
        members = members_view(ben.core.state)
        assert [(one["name"], one["bot"], bool(one["bots"])) for one in members] == [
            ("Ada", False, False),
            ("Ben", False, False),
            ("Echo", True, True),
        ]
        assert any("Echo  (member, a bot" in line for line in text_lines(trees_of(members)))
        found = {str(one["title"]): one["bots"] for one in conversations_view(ben.core.state)}
        assert found == {"commons": ["Echo"], "Desk": ["Echo"]}
        devices = governance_view(ben.core.state, "devices", "")
        assert [one["device"] for one in devices if one["bot"]] == ["Echo/1"]
        assert [status_view(one.core.state, circle.now)["bot"] for one in (ada, echo)] == [
            False,
            True,
        ]
        entries = tuple(ben.entries[seq] for seq in sorted(ben.entries))
        log = log_view(entries, ben.core.state.log_keys, 0, len(entries), str)
        told = "; ".join(str(one["text"]) for one in log)
        assert "Echo (a bot) asks to be let in" in told
        assert "Ada vouches for Echo (a bot)" in told
        assert "Echo (a bot) is a member" in told
        assert "Ben (a bot)" not in told

    play(story())


def test_of_a_member_with_a_bot_only_what_the_bot_says_is_marked() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, echo = await with_a_bot(circle)
        circle.bots.add("Ben's log")
        log = await circle.add_device("Ben's log", ben, [])
        (asked,) = requests_view(ada.core.state)
        assert (asked["asks_as"], asked["bot"]) == ("one more device of Ben, a bot", True)
        await circle.act(ada, Vouch(ref=circle.ref(), request="Ben's log", how=1))
        assert log.phase == "member"
        await say(circle, ben, "I am here")
        await say(circle, log, "nightly build is green")
        await say(circle, echo, "echo")
        for reader in (ada, ben, echo):
            assert of_bots(reader) == ["nightly build is green", "echo"]
        assert ada.texts("Ben") == ["I am here", "nightly build is green"]
        (view,) = [one for one in members_view(ada.core.state) if one["name"] == "Ben"]
        assert (view["bot"], view["bots"]) == (False, [did_of(log.core.state).hex()])
        found = {str(one["title"]): one["bots"] for one in conversations_view(ada.core.state)}
        assert found["Desk"] == ["Echo"], "a person reads as Ben, too"
        roster, did = roster_of(ada), did_of(log.core.state)
        added = DeviceAdded(
            seq=0, request_hash=b"", member_id=roster.devices[did].member_id, did=did
        )
        assert in_words(roster, added) == "Ben has one more device, a bot."

    play(story())


def test_a_bot_vouches_for_nobody() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, echo = await with_a_bot(circle)
        newcomer = await circle.admit("Dan", ada, [])
        with pytest.raises(PolicyError, match="a bot vouches for nobody"):
            await circle.act(echo, Vouch(ref=circle.ref(), request="Dan", how=1))
        assert newcomer.phase == "joining: waiting"
        (asked,) = requests_view(ada.core.state)
        assert asked["vouches"] == []

    play(story())


def test_a_former_bot_stays_one_in_what_it_said() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, echo = await with_a_bot(circle)
        await say(circle, echo, "before it went")
        await circle.act(echo, Leave(ref=circle.ref()))
        assert of_bots(ada) == ["before it went"]

    play(story())


def test_that_it_is_a_bot_outlasts_a_restart_and_changes_its_name() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, echo = await with_a_bot(circle)
        before = did_of(echo.core.state)
        echo.crash()
        identity = echo.core.state.identity
        assert identity is not None
        assert identity.bot
        assert did_of(echo.core.state) == before
        twin = replace(identity, bot=False, inbox_id=bytes(16))
        assert did_of(replace(echo.core.state, identity=twin)) != before

    play(story())


def test_a_person_is_asked_for_nothing() -> None:
    assert not Join(ref=0, code="", name="Ada").bot

"""One more device of a member, and a member who returns on a new one: real cores, real relays."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.contacts import uncounted_devices
from cloister.client.identity import did_of
from cloister.client.inputs import Invite, Join, OpenConversation, SendText, Vouch
from cloister.client.joining import NotOwnDevice
from cloister.client.views import requests_view, status_view
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.roster.errors import NameRefused
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.built_once import built_once


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


@built_once
async def three(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ben, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


async def say(circle: SimulatedCircle, device: SimulatedDevice, text: str) -> None:
    await circle.act(device, SendText(ref=circle.ref(), conversation="Desk", text=text))


def active_devices(device: SimulatedDevice) -> int:
    roster = device.core.state.roster
    assert roster is not None
    return len(roster.active_devices())


def alarms(circle: SimulatedCircle) -> list[str]:
    """All alarms but those that tell of acts of power, as a device more."""
    return [
        f"{device.name}: {one.code}: {one.text}"
        for device in circle.devices
        for one in device.alarms
        if one.code not in ("power", "device")
    ]


def test_a_second_device_needs_one_vouch_of_another_member() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        await say(circle, cyd, "before")
        second = await circle.add_device("laptop", ada, [])
        assert second.phase == "joining: waiting"
        (asked,) = requests_view(ben.core.state)
        assert (asked["name"], asked["asks_as"]) == ("laptop", "one more device of Ada")
        await circle.act(ada, Vouch(ref=circle.ref(), request="laptop", how=1))
        assert second.phase == "joining: waiting", "one's own vouch is none"
        await circle.act(ben, Vouch(ref=circle.ref(), request="laptop", how=1))
        assert second.phase == "member"
        assert active_devices(cyd) == 4
        roster = cyd.core.state.roster
        assert roster is not None
        assert len(roster.members) == 3

        await say(circle, second, "from the laptop")
        await say(circle, ben, "to both")
        assert cyd.texts("Ada") == ["from the laptop"]
        assert ada.texts("Ada") == ["from the laptop"]
        assert second.texts("Ben") == ada.texts("Ben") == ["to both"]
        assert second.texts("Cyd") == [], "what was said before it came"
        assert status_view(second.core.state, circle.now)["name"] == "Ada"
        assert not alarms(circle)
        mine = {did_of(one.core.state) for one in (ada, second)}
        assert len(mine) == 2
        assert uncounted_devices(ada.core.state) == uncounted_devices(second.core.state) == mine
        assert uncounted_devices(cyd.core.state) == {did_of(cyd.core.state)}

    play(story())


def test_one_more_device_of_a_member_is_asked_for_no_name() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        code = await circle.act(ada, Invite(ref=circle.ref(), kind="device"))
        second = circle.add("laptop")
        await circle.act(second, Join(ref=circle.ref(), code=code, name="", own=True))
        second.crash()
        (asked,) = requests_view(ben.core.state)
        assert (asked["name"], asked["asks_as"]) == ("new device", "one more device of Ada")
        await circle.act(ben, Vouch(ref=circle.ref(), request="new device", how=1))
        assert second.phase == "member"
        assert status_view(second.core.state, circle.now)["name"] == "Ada"
        assert not alarms(circle)

    play(story())


@pytest.mark.parametrize("kind", ["member", "return"])
def test_a_code_that_invites_a_person_is_refused_without_a_name_and_stays_good(kind: str) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        cyd.is_offline = True
        member = "Cyd" if kind == "return" else ""
        code = await circle.act(ada, Invite(ref=circle.ref(), kind=kind, member=member))
        dan = circle.add("Dan")
        with pytest.raises(NotOwnDevice, match="not for one more device of yours"):
            await circle.act(dan, Join(ref=circle.ref(), code=code, name="", own=True))
        assert dan.phase == "empty"
        assert not requests_view(ben.core.state)
        with pytest.raises(UsageError, match="say no name"):
            await circle.act(dan, Join(ref=circle.ref(), code=code, name="Dan", own=True))
        await circle.act(dan, Join(ref=circle.ref(), code=code, name="Dan"))
        (asked,) = requests_view(ben.core.state)
        assert asked["name"] == "Dan"

    play(story())


def test_nobody_is_asked_to_be_called_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, _ = await three(circle)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        with pytest.raises(NameRefused):
            await circle.act(circle.add("Dan"), Join(ref=circle.ref(), code=code, name=""))

    play(story())


def test_a_second_device_has_the_members_owner_secret_and_no_other_newcomer_has() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        second = await circle.add_device("laptop", ada, [ben])
        secrets = {
            device.core.state.identity.owner_secret.expose()  # type: ignore[union-attr]
            for device in circle.devices
        }
        assert len(secrets) == 3
        own = ada.core.state.identity
        theirs = second.core.state.identity
        assert own is not None
        assert theirs is not None
        assert theirs.owner_secret == own.owner_secret
        assert theirs.member_id == own.member_id
        assert theirs.unlock_seed != own.unlock_seed

    play(story())


def test_the_only_member_needs_no_vouch_for_a_second_device() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        second = await circle.add_device("laptop", ada, [])
        assert second.phase == "member"
        assert active_devices(ada) == 2
        assert not alarms(circle)

    play(story())


def test_a_member_returns_on_a_new_device_and_the_old_one_is_retired() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        await say(circle, cyd, "before")
        cyd.is_offline = True
        back = await circle.bring_back("Cyd", "new phone", ben, [ben])
        assert back.phase == "joining: waiting", "two must vouch, as for anybody"
        await circle.act(ada, Vouch(ref=circle.ref(), request="new phone", how=1))
        assert back.phase == "member"
        roster = ada.core.state.roster
        assert roster is not None
        assert len(roster.members) == 3
        assert active_devices(ada) == 3
        assert status_view(back.core.state, circle.now)["name"] == "Cyd"

        await circle.act(ada, OpenConversation(ref=circle.ref(), title="Again", members=("Cyd",)))
        await circle.act(back, SendText(ref=circle.ref(), conversation="Again", text="I am back"))
        assert sorted(ada.texts("Cyd")) == ["I am back", "before"]

        cyd.is_offline = False
        await circle.settle()
        assert cyd.phase == "removed"
        standing = status_view(cyd.core.state, circle.now)["standing"]
        assert isinstance(standing, dict)
        assert standing["state"] == "retired"
        assert not cyd.core.routes
        with pytest.raises(PolicyError, match="another one"):
            await circle.act(cyd, SendText(ref=circle.ref(), conversation="Desk", text="still?"))

    play(story())


def test_who_may_be_invited_to_return() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, _ = await three(circle)

        async def invite(member: str) -> None:
            act = Invite(ref=circle.ref(), kind="return", member=member)
            await circle.act(ada, act)

        with pytest.raises(NotFoundError):
            await invite("Dan")
        with pytest.raises(PolicyError):
            await invite("Ada")
        with pytest.raises(UsageError):
            await circle.act(ada, Invite(ref=circle.ref(), kind="friend"))

    play(story())


def test_crashes_do_not_make_a_second_device_ask_twice() -> None:
    async def story() -> None:
        circle = SimulatedCircle(7)
        ada, ben, cyd = await three(circle)
        code = await circle.act(ada, Invite(ref=circle.ref(), kind="device"))
        second = circle.add("laptop")
        second.feed(Join(ref=circle.ref(), code=code, name="laptop"))
        second.crash_rate = 0.3
        await circle.settle()
        second.crash_rate = 0.0
        await circle.settle()
        await circle.act(ben, Vouch(ref=circle.ref(), request="laptop", how=1))
        assert second.phase == "member"
        assert active_devices(cyd) == 4

    play(story())

"""Whole circles in one process: real cores and relay services, crashes and cut connections."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client import pool, vouching
from cloister.client.effects import MessageState
from cloister.client.inputs import (
    Invite,
    Join,
    Leave,
    OpenConversation,
    Remove,
    SendText,
    ShowInvitation,
    Tick,
    Vouch,
)
from cloister.client.naming import own_member
from cloister.client.views import requests_view
from cloister.errors import NotFoundError
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from counts import seeds

EXPECTED_ALARMS = {"removed", "power"}
SEEDS, NIGHTLY_SEEDS = 4, 100


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def three(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ben, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


def send(circle: SimulatedCircle, device: SimulatedDevice, text: str) -> None:
    device.feed(SendText(ref=circle.ref(), conversation="Desk", text=text))


def unexpected_alarms(circle: SimulatedCircle) -> list[str]:
    return [
        f"{device.name}: {alarm.code}: {alarm.text}"
        for device in circle.devices
        for alarm in device.alarms
        if alarm.code not in EXPECTED_ALARMS
    ]


def test_three_people_meet_talk_and_part() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        assert [device.phase for device in circle.devices] == ["member"] * 3
        for device in (ada, ben, cyd):
            send(circle, device, f"I am {device.name}")
        await circle.settle()
        for device in circle.devices:
            assert device.texts("Ada") == ["I am Ada"]
            assert device.texts("Ben") == ["I am Ben"]
            assert device.texts("Cyd") == ["I am Cyd"]
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        send(circle, ada, "between us")
        await circle.settle()
        assert cyd.phase == "removed"
        assert ben.texts("Ada") == ["I am Ada", "between us"]
        assert cyd.texts("Ada") == ["I am Ada"]
        assert not unexpected_alarms(circle)

    play(story())


def test_a_deadline_of_log_time_is_met_by_a_tick() -> None:
    """Dan's vouch counts from the end of his probation, and nobody appends anything by then."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        dan = await circle.admit("Dan", ada, [ada, ben])
        await _later(circle, 8 * 86_400)
        eve = await circle.admit("Eve", ada, [ada, dan])
        assert eve.phase == "joining: waiting"
        roster = cyd.core.state.roster
        assert roster is not None
        size, until = roster.size, roster.ts + 7 * 86_400
        await _later(circle, 6 * 86_400 + 60)
        assert circle.now < until
        assert eve.phase == "member"
        assert cyd.core.state.roster.size == size + 1  # type: ignore[union-attr]
        assert not unexpected_alarms(circle)

    play(story())


def test_a_member_on_probation_is_told_from_when_a_vouch_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        dan = await circle.admit("Dan", ada, [ada, ben])
        roster = dan.core.state.roster
        assert roster is not None
        (until,) = {one.probation_until for one in roster.members.values()} - {0}
        await circle.admit("Eve", ada, [])

        def worth(device: SimulatedDevice) -> object:
            return requests_view(device.core.state)[-1]["own_vouch"]

        assert worth(cyd) == {"counts_from": 0, "why": ""}
        # A vouch counts for a week, and a probation takes two.
        early = worth(dan)
        assert isinstance(early, dict)
        assert (early["counts_from"], early["why"]) == (None, "lapses")
        assert early["lapses_at"] < early["probation_until"] == until
        await _later(circle, 8 * 86_400)
        assert worth(dan) == {"counts_from": until, "why": "probation"}
        await circle.act(dan, Vouch(ref=circle.ref(), request="Eve", how=1))
        await _later(circle, 6 * 86_400 + 60)
        assert worth(dan) == {"counts_from": 0, "why": ""}

        await circle.add_device("laptop", ada, [])
        assert worth(ada) == {"counts_from": None, "why": "own device"}
        lost = replace(own_member(cyd.core.state), revouch_by=circle.now + 60)
        monkeypatch.setattr(vouching, "own_member", lambda state: lost)
        assert worth(cyd) == {"counts_from": None, "why": "unvouched"}

    play(story())


async def _later(circle: SimulatedCircle, seconds: int) -> None:
    """Let time pass; the relays renew their signatures meanwhile, as they do every hour."""
    circle.now += seconds
    roster = circle.devices[0].core.state.roster
    assert roster is not None
    circle.relays.logs.on_grown(roster.origin)
    await circle.settle()
    for device in circle.devices:
        device.feed(Tick())
    await circle.settle()


def test_the_age_of_the_log_survives_a_restart() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, _ = await three(circle)
        before = ada.core.state.head_time
        ada.is_offline = True
        ada.crash()
        assert ada.core.state.head_time == before > 0

    play(story())


def test_the_code_of_an_invitation_can_be_shown_again_until_it_is_used() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        with pytest.raises(NotFoundError):
            await circle.act(ada, ShowInvitation(ref=circle.ref()))
        code = await circle.act(ada, Invite(ref=circle.ref()))
        ada.crash()
        await circle.settle()
        assert await circle.act(ada, ShowInvitation(ref=circle.ref())) == code
        ben = circle.add("Ben")
        await circle.act(ben, Join(ref=circle.ref(), code=code, name="Ben"))
        with pytest.raises(NotFoundError):
            await circle.act(ada, ShowInvitation(ref=circle.ref()))

    play(story())


def test_a_member_opens_a_conversation_with_the_founder_who_is_away() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        ada.is_offline = True
        ada.drop_link()
        await circle.act(ben, OpenConversation(ref=circle.ref(), title="Us", members=("Ada",)))
        ben.feed(SendText(ref=circle.ref(), conversation="Us", text="when you are back"))
        await circle.settle()
        ada.is_offline = False
        await circle.settle()
        assert ada.texts("Ben") == ["when you are back"]
        assert not unexpected_alarms(circle)

    play(story())


def test_a_pool_of_key_packages_is_filled_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        for number in range(pool.POOL_SIZE + 5):
            title = f"Room {number}"
            await circle.act(ada, OpenConversation(ref=circle.ref(), title=title, members=("Ben",)))
            circle.now += pool.LOOK_AGAIN_S // 4
            for device in circle.devices:
                device.feed(Tick())
        titles = {channel.title for channel in ben.core.state.channels.values()}
        assert f"Room {pool.POOL_SIZE + 4}" in titles
        assert not unexpected_alarms(circle)

    play(story())


def test_an_offline_member_climbs_through_all_that_happened() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        ben.is_offline = True
        ben.drop_link()
        dan = await circle.admit("Dan", ada, [ada, cyd])
        await circle.act(cyd, Leave(ref=circle.ref()))
        send(circle, ada, "while you were away")
        await circle.settle()
        ben.is_offline = False
        await circle.settle()
        assert ben.texts("Ada") == ["while you were away"]
        assert dan.phase == "member"
        assert cyd.phase == "removed"
        assert not unexpected_alarms(circle)

    play(story())


def test_nothing_settles_and_nobody_is_admitted_without_the_second_relay() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, cyd = await three(circle)
        circle.relays.cosigns = False
        act = Remove(ref=circle.ref(), member="Cyd")
        ada.feed(act)
        await circle.settle()
        assert act.ref not in ada.answers
        circle.relays.cosigns = True
        circle.relays.logs.on_grown(ada.core.state.roster.origin)  # type: ignore[union-attr]
        await circle.settle()
        assert circle.result(ada, act)
        assert cyd.phase == "member"

    play(story())


@pytest.mark.parametrize("seed", seeds(SEEDS, NIGHTLY_SEEDS))
def test_crashes_and_cut_connections_lose_nothing_and_show_nothing_twice(seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed)
        ada, ben, cyd = await three(circle)
        rate = circle.rng.choice([0.02, 0.06, 0.15])
        said: dict[str, list[str]] = {device.name: [] for device in circle.devices}
        for number in range(30):
            author = circle.rng.choice(circle.devices)
            text = f"{author.name} {number}"
            send(circle, author, text)
            said[author.name].append(text)
            if circle.rng.random() < 0.2:
                _commit_soon(circle.rng.choice(circle.devices))
            for device in circle.devices:
                device.crash_rate = rate
            await circle.shake(circle.rng.randrange(12))
            for device in circle.devices:
                device.crash_rate = 0.0
        await circle.settle()
        for device in circle.devices:
            for author_name, texts in said.items():
                assert device.texts(author_name) == texts, (device.name, device.alarms)
            for row in device.messages.values():
                assert row.state in (MessageState.SENT, MessageState.RECEIVED)
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        send(circle, ada, "between us")
        await circle.settle()
        assert ben.texts("Ada")[-1] == "between us"
        assert "between us" not in cyd.texts("Ada")
        assert not unexpected_alarms(circle)

    play(story())


def _commit_soon(device: SimulatedDevice) -> None:
    """Make an update commit due at once, so that epochs end under the messages."""
    state = device.core.state
    channels = {
        key: replace(one, update_at=1) if one.title == "Desk" else one
        for key, one in state.channels.items()
    }
    device.core = replace(device.core, state=replace(state, channels=channels))

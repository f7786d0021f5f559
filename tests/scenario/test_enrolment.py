"""Unlock shares and seats from the first device on: real cores, real share services."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from cloister.client.enrolling import EnrolmentRefused
from cloister.client.inputs import FoundCircle, Invite, Join, OpenConversation, SendText, Tick
from cloister.client.linking import RelayRefusal
from cloister.client.records import ChannelState
from cloister.client.views import status_view
from cloister.crypto.hashing import sha256
from cloister.errors import PolicyError
from cloister.roster.share import bind_of
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_relays import ACTIVATION_CODE
from counts import seeds

DAY_S = 86_400
TERM_END = 1_800_000_000 + 180 * DAY_S
SEEDS, NIGHTLY_SEEDS = 6, 50


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def alarms(circle: SimulatedCircle, *expected: str) -> list[str]:
    return [
        f"{device.name}: {one.code}: {one.text}"
        for device in circle.devices
        for one in device.alarms
        if one.code not in ("power", *expected)
    ]


async def three(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada", unlock_shares=True)
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ben, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


def test_every_device_enrols_at_both_relays_before_it_belongs() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        roster = ada.core.state.roster
        assert roster is not None
        assert roster.policy.unlock_shares == 1
        handles = set()
        for device in (ada, ben, cyd):
            assert device.phase == "member"
            shares = device.core.enrolled_shares
            assert [card.name for _, card in shares] == ["home.example", "entry.example"]
            for opened, card in shares:
                receipt = opened.receipt
                assert receipt.relay_id == card.relay_id
                assert receipt.bind == bind_of(roster.origin, opened.opening)
                handles.add((receipt.relay_id, receipt.handle))
            assert not device.core.errands
        assert len(handles) == 6
        in_log = {pair for record in roster.devices.values() for pair in record.handles}
        assert in_log == handles
        assert not alarms(circle)

    play(story())


def test_the_relays_see_nothing_that_ties_two_handles_together() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", unlock_shares=True)
        (home, _), (entry, _) = ada.core.enrolled_shares
        assert home.receipt.bind != entry.receipt.bind
        assert home.receipt.unlock_key != entry.receipt.unlock_key
        assert home.receipt.owner_key != entry.receipt.owner_key

    play(story())


@pytest.mark.parametrize("seed", seeds(SEEDS, NIGHTLY_SEEDS))
def test_crashes_during_enrolment_leave_one_handle_at_each_relay(seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed)
        ada = await circle.found("Ada", unlock_shares=True)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        ben = circle.add("Ben")
        ben.feed(Join(ref=circle.ref(), code=code, name="Ben"))
        ben.crash_rate = 0.25
        await circle.settle()
        ben.crash_rate = 0.0
        await circle.settle()
        assert ben.phase in ("joining: waiting", "empty")
        if ben.phase == "empty":
            return  # the crash came before the act was stored: nothing was asked anywhere
        counted = {share.store.counts()[0] for share in circle.relays.shares.values()}
        assert counted == {2}, "Ada's and Ben's"
        assert not alarms(circle)

    play(story())


def test_a_founder_who_crashes_while_enrolling_founds_the_same_circle() -> None:
    async def story() -> None:
        for seed in range(4):
            circle = SimulatedCircle(seed)
            ada = circle.add("Ada")
            ada.feed(
                FoundCircle(
                    ref=circle.ref(),
                    name="Ada",
                    home_card=circle.relays.home_card.encode(),
                    entry_cards=(circle.relays.entry_card.encode(),),
                    activation_code=ACTIVATION_CODE,
                )
            )
            ada.crash_rate = 0.3
            await circle.settle()
            ada.crash_rate = 0.0
            await circle.settle()
            assert ada.phase == "member"
            assert {share.store.counts()[0] for share in circle.relays.shares.values()} == {1}

    play(story())


def test_a_ticket_lets_one_device_in_and_no_other() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", unlock_shares=True)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        ben, eve = circle.add("Ben"), circle.add("Eve")
        await circle.act(ben, Join(ref=circle.ref(), code=code, name="Ben"))
        with pytest.raises(EnrolmentRefused, match="somebody else has used this invitation"):
            await circle.act(eve, Join(ref=circle.ref(), code=code, name="Eve"))
        assert eve.phase == "empty"
        assert not eve.core.state.enrolments

    play(story())


# --- seats ----------------------------------------------------------------------------------------


def books(path: Path, *, seats: int, term_end: int) -> None:
    """Write what the operator's books publish: one account with the simulated code."""
    account = {
        "account": "A1",
        "seats": seats,
        "term_end": term_end,
        "code_hashes": [sha256(ACTIVATION_CODE.encode()).hex()],
    }
    path.write_text(json.dumps({"v": 1, "accounts": [account]}))


def test_a_circle_with_seats_has_as_many_devices_as_it_paid_for(tmp_path: Path) -> None:
    async def story() -> None:
        accounts = tmp_path / "accounts.json"
        books(accounts, seats=2, term_end=TERM_END)
        circle = SimulatedCircle(accounts=accounts)
        ada = await circle.found("Ada", unlock_shares=True)
        ben = await circle.admit("Ben", ada, [ada])
        roster = ben.core.state.roster
        assert roster is not None
        assert roster.policy.seats == 1
        assert {record.term_end for record in roster.devices.values()} == {TERM_END}
        term = status_view(ben.core.state, circle.now)["term"]
        assert isinstance(term, dict)
        assert term["state"] == "active"
        assert (term["seats"], term["used"]) == (2, 2)
        assert term["days"] in (179, 180)
        with pytest.raises(RelayRefusal, match="every seat is taken"):
            await circle.act(ada, Invite(ref=circle.ref()))
        books(accounts, seats=3, term_end=TERM_END)
        cyd = await circle.admit("Cyd", ada, [ada])
        assert cyd.phase == "member"
        assert not alarms(circle)

    play(story())


async def later(circle: SimulatedCircle, seconds: int) -> None:
    """Let time pass; the relays renew their signatures meanwhile, as they do every hour."""
    circle.now += seconds
    roster = circle.devices[0].core.state.roster
    assert roster is not None
    circle.relays.logs.on_grown(roster.origin)
    await circle.settle()
    for device in circle.devices:
        device.feed(Tick())
    await circle.settle()


def test_who_lapses_comes_back_when_somebody_pays(tmp_path: Path) -> None:
    async def story() -> None:
        accounts = tmp_path / "accounts.json"
        books(accounts, seats=3, term_end=TERM_END)
        circle = SimulatedCircle(accounts=accounts)
        ada, ben, cyd = await three(circle)
        desk = SendText(ref=circle.ref(), conversation="Desk", text="one")
        await circle.act(cyd, desk)

        await later(circle, 181 * DAY_S)
        term = status_view(ben.core.state, circle.now)["term"]
        assert isinstance(term, dict)
        assert term["state"] == "grace"
        assert term["days"] < 0
        assert any(one.code == "term" for one in ben.alarms)
        assert ben.phase == cyd.phase == "member"

        await later(circle, 15 * DAY_S)
        assert ada.phase == "member", "a steward's device never lapses"
        assert ben.phase == cyd.phase == "lapsed"
        with pytest.raises(PolicyError, match="not paid for"):
            await circle.act(cyd, SendText(ref=circle.ref(), conversation="Desk", text="no"))

        books(accounts, seats=3, term_end=TERM_END + 180 * DAY_S)
        await later(circle, DAY_S)
        assert ben.phase == cyd.phase == "member"
        roster = ben.core.state.roster
        assert roster is not None
        assert {one.term_end for one in roster.devices.values()} == {TERM_END + 180 * DAY_S}
        states = {one.state for one in cyd.core.state.channels.values()}
        assert states == {ChannelState.ACTIVE}
        again = SendText(ref=circle.ref(), conversation="Desk", text="two")
        await circle.act(cyd, again)
        assert ada.texts("Cyd") == ben.texts("Cyd") == ["one", "two"]
        assert not alarms(circle, "term", "out")

    play(story())

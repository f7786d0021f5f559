"""A circle moves its home where seats are sold: at the old one, at the new one, at both."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from cloister.client.identity import did_of
from cloister.client.inputs import Invite, OpenConversation, SendText
from cloister.client.linking import RelayRefusal
from cloister.client.seating import LOOK_SOON_S
from cloister.client.views import status_view
from cloister.crypto.hashing import sha256
from cloister.limits import SEAT_GRACE_S
from cloister.roster.roster import Roster
from cloister.testing.simulated_circle import START, SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_home import SimulatedHome
from cloister.testing.simulated_relays import ACTIVATION_CODE, NO_BOOKS
from cloister.values import replace
from scenario.governed import DAY_S, admit_steward, later, other_alarms, roster_of, send
from scenario.hostile import play
from scenario.test_moving_home import decide

OLD_END, NEW_END = START + 180 * DAY_S, START + 90 * DAY_S
NEW_CODE = "code-of-the-new-home"


def books(path: Path, code: str, *, seats: int, term_end: int) -> Path:
    """Write what an operator's books publish: one account."""
    account = {
        "account": "A1",
        "seats": seats,
        "term_end": term_end,
        "code_hashes": [sha256(code.encode()).hex()],
    }
    path.write_text(json.dumps({"v": 1, "accounts": [account]}))
    return path


async def settle_shares(circle: SimulatedCircle) -> None:
    """Let devices enrol at the new home, and their terms come into the log."""
    for _ in range(4):
        await later(circle, 120)


async def three(
    circle: SimulatedCircle,
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    """Ada and Ben are stewards, Cyd a member; all have unlock shares."""
    ada = await circle.found("Ada", test_circle=True, unlock_shares=True, change_delay_s=0)
    ben = await admit_steward(circle, "Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


async def move(
    circle: SimulatedCircle, home: SimulatedHome
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    """Three people whose circle moves there."""
    ada, ben, cyd = await three(circle)
    await decide(circle, home, ada, ben)
    await settle_shares(circle)
    for device in (ada, ben, cyd):
        assert roster_of(device).relay_set.home == home.card
        assert device.core.state.home_move is None
        send(circle, device, f"{device.name} is here")
    await circle.settle()
    for device in (ada, ben, cyd):
        shown = {row.text for row in device.messages.values()}
        assert {f"{name} is here" for name in ("Ada", "Ben", "Cyd")} <= shown
    return ada, ben, cyd


def ends(roster: Roster) -> set[int]:
    """When the terms of the devices end."""
    return {record.term_end for record in roster.devices.values()}


def test_seats_sold_at_the_old_home_are_forgotten_at_one_that_sells_none(tmp_path: Path) -> None:
    async def story() -> None:
        old = books(tmp_path / "old", ACTIVATION_CODE, seats=3, term_end=OLD_END)
        circle = SimulatedCircle(accounts=old)
        ada, ben, cyd = await move(circle, circle.relays.add_home())
        assert roster_of(ada).policy.seats
        assert ends(roster_of(ada)) == {0}
        assert status_view(cyd.core.state, circle.now)["term"] is None
        dan = await circle.admit("Dan", ben, [ada, ben])
        assert dan.phase == "member"
        await later(circle, 250 * DAY_S)
        assert cyd.phase == dan.phase == "member"
        assert other_alarms(circle) == []

    play(story())


@pytest.mark.parametrize("old_sells", [True, False])
def test_seats_sold_at_the_new_home_are_taken_there(tmp_path: Path, *, old_sells: bool) -> None:
    async def story() -> None:
        old = NO_BOOKS
        if old_sells:
            old = books(tmp_path / "old", ACTIVATION_CODE, seats=3, term_end=OLD_END)
        new = books(tmp_path / "new", NEW_CODE, seats=4, term_end=NEW_END)
        circle = SimulatedCircle(accounts=old)
        home = circle.relays.add_home(accounts=new)
        ada, ben, cyd = await move(circle, home)
        assert ends(roster_of(ada)) == {NEW_END}
        term = status_view(cyd.core.state, circle.now)["term"]
        assert isinstance(term, dict)
        assert (term["state"], term["seats"], term["used"]) == ("active", 4, 3)
        dan = await circle.admit("Dan", ben, [ada, ben])
        assert dan.phase == "member"
        assert ends(roster_of(ada)) == {NEW_END}
        with pytest.raises(RelayRefusal, match="every seat is taken"):
            await circle.act(ada, Invite(ref=circle.ref()))
        # Who does not pay lapses there as anywhere, and comes back when somebody pays.
        await later(circle, NEW_END + SEAT_GRACE_S + DAY_S - circle.now)
        home.logs.on_grown(roster_of(ada).origin)
        await circle.settle()
        assert (ada.phase, ben.phase) == ("member", "member")
        assert cyd.phase == dan.phase == "lapsed"
        books(tmp_path / "new", NEW_CODE, seats=4, term_end=NEW_END + 180 * DAY_S)
        await later(circle, DAY_S)
        home.logs.on_grown(roster_of(ada).origin)
        await later(circle, DAY_S)
        assert cyd.phase == dan.phase == "member"
        send(circle, cyd, "paid for")
        await circle.settle()
        assert "paid for" in ada.texts("Cyd")
        assert other_alarms(circle, "term", "out") == []

    play(story())


def test_a_count_of_seats_from_the_midst_of_a_move_is_asked_again(tmp_path: Path) -> None:
    async def story() -> None:
        new = books(tmp_path / "new", NEW_CODE, seats=4, term_end=NEW_END)
        circle = SimulatedCircle()
        _, _, cyd = await move(circle, circle.relays.add_home(accounts=new))
        session = cyd.core.state.session
        assert session.seats is not None
        early = replace(session, seats=msgspec.structs.replace(session.seats, used=1))
        cyd.core = replace(cyd.core, state=replace(cyd.core.state, session=early))
        await later(circle, LOOK_SOON_S)
        term = status_view(cyd.core.state, circle.now)["term"]
        assert isinstance(term, dict)
        assert term["used"] == 3

    play(story())


def test_an_account_with_too_few_seats_takes_no_circle_over(tmp_path: Path) -> None:
    async def story() -> None:
        new = books(tmp_path / "new", NEW_CODE, seats=2, term_end=NEW_END)
        circle = SimulatedCircle()
        home = circle.relays.add_home(accounts=new)
        ada, ben, cyd = await three(circle)
        await decide(circle, home, ada, ben)
        assert home.logs.get(roster_of(ada).origin) is None
        assert any("every seat is taken" in one.text for one in ada.alarms)
        books(new, NEW_CODE, seats=3, term_end=NEW_END)
        await later(circle, 600)
        await settle_shares(circle)
        for device in (ada, ben, cyd):
            assert device.core.state.home_move is None
        assert ends(roster_of(cyd)) == {NEW_END}
        await circle.act(cyd, SendText(ref=circle.ref(), conversation="Desk", text="here"))
        assert "here" in ada.texts("Cyd")

    play(story())


def test_a_device_that_comes_late_is_seated_when_it_enrols(tmp_path: Path) -> None:
    async def story() -> None:
        new = books(tmp_path / "new", NEW_CODE, seats=3, term_end=NEW_END)
        circle = SimulatedCircle()
        home = circle.relays.add_home(accounts=new)
        ada, ben, cyd = await three(circle)
        cyd.is_offline = True
        await circle.settle()
        await decide(circle, home, ada, ben)
        await settle_shares(circle)
        assert ends(roster_of(ada)) == {NEW_END, 0}
        # The last seat goes to somebody else.
        dan = await circle.admit("Dan", ben, [ada, ben])
        assert dan.phase == "member"
        await later(circle, 20 * DAY_S)
        assert not roster_of(ada).devices[did_of(cyd.core.state)].lapsed
        cyd.is_offline = False
        home.logs.on_grown(roster_of(ada).origin)
        await circle.settle()
        assert any("every seat is taken" in one.text for one in cyd.alarms)
        send(circle, cyd, "without a seat of my own")
        await circle.settle()
        assert "without a seat of my own" in ada.texts("Cyd")
        books(new, NEW_CODE, seats=4, term_end=NEW_END)
        await later(circle, 3600)
        await settle_shares(circle)
        assert ends(roster_of(ada)) == {NEW_END}
        assert len(home.store.seats("A1", circle.now).handles) == 4

    play(story())

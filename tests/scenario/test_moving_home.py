"""The circle moves to another home relay, and everything goes on (decision 0038)."""

from __future__ import annotations

from cloister.client.binding import dids_of
from cloister.client.identity import did_of
from cloister.client.inputs import ChangeConversation, OpenConversation, SendText
from cloister.client.placing import LET_IN, LET_IN_TO_THE_COMMONS
from cloister.client.powers import (
    Approve,
    FollowHome,
    LockDevice,
    MoveHome,
    Reinstate,
    Suspend,
)
from cloister.client.records import ChannelState
from cloister.client.taking_up import FIRST_UPDATE_WITHIN_S
from cloister.roster.roster import Roster
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.testing.simulated_home import SimulatedHome
from cloister.values import replace
from scenario.built_once import built_once
from scenario.governed import (
    admit_steward,
    later,
    other_alarms,
    roster_of,
    send,
    two_stewards,
    view,
)
from scenario.hostile import play


@built_once
async def three(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    """Ada and Ben are stewards, Cyd a member; they talk at the Desk.  No shares, no delay."""
    ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
    ben = await admit_steward(circle, "Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


async def decide(
    circle: SimulatedCircle,
    home: SimulatedHome,
    by: SimulatedDevice,
    second: SimulatedDevice,
    within_s: int = 900,
) -> None:
    """Two stewards want another home; what comes of it is given ``within_s``."""
    move = MoveHome(
        ref=circle.ref(), home_card=home.card.encode(), activation_code="code-of-the-new-home"
    )
    await circle.act(by, move)
    await circle.settle()
    (waiting,) = [one for one in view(second, "pending") if one["kind"] == "change of relays"]
    approving = Approve(ref=circle.ref(), reference=str(waiting["reference"]))
    second.feed(approving)
    await circle.settle(within_s=within_s)
    circle.result(second, approving)


def groups(device: SimulatedDevice) -> dict[bytes, tuple[str, bytes]]:
    """Return title and MLS group id of every channel of a device."""
    channels = device.core.state.channels
    return {key: (one.title, one.group.group_id) for key, one in channels.items()}


def test_a_planned_move_goes_on_with_everything() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        before = {one.name: groups(one) for one in circle.devices}
        send(circle, cyd, "before")
        await circle.settle()
        cyd.is_offline = True
        await circle.settle()
        send(circle, cyd, "written on the way")
        await decide(circle, home, ada, ben)
        cyd.is_offline = False
        await circle.settle()
        for device in (ada, ben, cyd):
            assert roster_of(device).relay_set.home == home.card
            assert device.core.state.home_move is None
            assert device.core.state.session.relay_id == home.card.relay_id
        for device in (ada, ben, cyd):
            device.feed(SendText(ref=circle.ref(), conversation="commons", text=f"{device.name}!"))
            send(circle, device, f"{device.name} is here")
        await circle.settle()
        for device in (ada, ben):
            assert device.texts("Cyd").count("written on the way") == 1
            assert device.texts("Cyd").count("before") == 1
        for device in (ada, ben, cyd):
            for name in ("Ada", "Ben", "Cyd"):
                assert f"{name} is here" in device.texts(name)
                assert f"{name}!" in device.texts(name)
        assert {one.name: groups(one) for one in circle.devices} == before
        assert other_alarms(circle) == []
        # Groups change there, and newcomers come in.
        dan = await circle.admit("Dan", ben, [ada, ben])
        assert dan.phase == "member"
        await circle.act(
            ben, OpenConversation(ref=circle.ref(), title="Lab", members=("Dan", "Cyd"))
        )
        dan.feed(SendText(ref=circle.ref(), conversation="Lab", text="new here"))
        await circle.settle()
        assert "new here" in cyd.texts("Dan")
        assert other_alarms(circle) == []

    play(story())


async def lose_home(circle: SimulatedCircle) -> None:
    """The home is gone for good."""
    circle.relays.is_home_gone = True
    for device in circle.devices:
        device.drop_link()
    await circle.settle()


async def decide_without(
    circle: SimulatedCircle, home: SimulatedHome, by: SimulatedDevice, second: SimulatedDevice
) -> bytes:
    """Two stewards want another home, and nothing can be appended; return the notice."""
    move = MoveHome(
        ref=circle.ref(), home_card=home.card.encode(), activation_code="code", lost=True
    )
    first = bytes.fromhex(await circle.act(by, move))
    approve = FollowHome(ref=circle.ref(), notice=first, approve=True)
    return bytes.fromhex(await circle.act(second, approve))


async def follow(circle: SimulatedCircle, notice: bytes, *devices: SimulatedDevice) -> None:
    """Carry the notice to others."""
    for device in devices:
        await circle.act(device, FollowHome(ref=circle.ref(), notice=notice))


def test_a_lost_home_is_replaced_and_what_it_took_along_is_sent_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        before = {one.name: groups(one) for one in circle.devices}
        send(circle, ada, "before")
        await circle.settle()
        ada.is_offline = True
        await circle.settle()
        # Its answer, and what comes after it, is lost on the way.
        cyd.tamper = lambda _event: ()
        send(circle, cyd, "stored, and its author does not know")
        await circle.settle()
        cyd.is_offline, cyd.tamper = True, lambda event: (event,)
        await circle.settle()
        send(circle, ben, "the old home took it and nobody read it")
        send(circle, cyd, "written on the way")
        await circle.settle()
        assert "stored, and its author does not know" in ben.texts("Cyd")
        await lose_home(circle)
        ada.is_offline = cyd.is_offline = False
        notice = await decide_without(circle, home, ada, ben)
        await follow(circle, notice, ada, cyd)
        await circle.settle()
        for device in (ada, ben, cyd):
            assert roster_of(device).relay_set.home == home.card
            assert device.core.state.home_move is None
        for device in (ada, ben, cyd):
            send(circle, device, f"{device.name} is here")
        await circle.settle()
        for device in (ada, cyd):
            assert device.texts("Ben").count("the old home took it and nobody read it") == 1
        for device in (ada, ben):
            assert device.texts("Cyd").count("written on the way") == 1
            assert device.texts("Cyd").count("stored, and its author does not know") == 1
        for device in (ada, ben, cyd):
            for name in ("Ada", "Ben", "Cyd"):
                assert device.texts(name).count(f"{name} is here") == 1
        assert {one.name: groups(one) for one in circle.devices} == before
        assert other_alarms(circle) == []

    play(story())


def test_unlock_shares_follow_to_the_new_home() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        home = circle.relays.add_home()
        old, entry = circle.relays.home_card.relay_id, circle.relays.entry_card.relay_id
        await decide(circle, home, ada, ben)
        await later(circle, 300)
        for device in (ada, ben, cyd):
            record = roster_of(ada).devices[did_of(device.core.state)]
            relays = [one.receipt.relay_id for one in record.receipts]
            assert relays == [home.card.relay_id, entry]
            assert [one.receipt.relay_id for one in record.former] == [old]
            # What wraps the vault's key from now on, and what an order still names.
            assert [card.relay_id for _, card in device.core.enrolled_shares] == relays
            assert {one.relay_id for one in record.targets} == {old, entry, home.card.relay_id}
            assert Roster.decode(roster_of(device).encode()) == roster_of(device)
        lock = LockDevice(ref=circle.ref(), device="Cyd")
        await circle.act(ada, lock)
        await later(circle, 60)
        for relay_id in (old, entry, home.card.relay_id):
            shares = circle.relays.shares[relay_id]
            places = [
                one.handle
                for one in roster_of(ada).devices[did_of(cyd.core.state)].targets
                if one.relay_id == relay_id
            ]
            found = [shares.store.share(handle) for handle in places]
            assert [one is not None and one.locked_at is not None for one in found] == [True]
        assert other_alarms(circle, "out") == []

    play(story())


def test_a_device_in_another_epoch_goes_on_when_it_has_been_out_and_is_let_in_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        send(circle, cyd, "before")
        await circle.settle()
        cyd.is_offline = True
        await circle.settle()
        # The old home shows Cyd neither of these commits.
        dan = await circle.admit("Dan", ben, [ada, ben])
        rename = ChangeConversation(ref=circle.ref(), conversation="Desk", title="Table")
        await circle.act(ben, rename)
        await lose_home(circle)
        notice = await decide_without(circle, home, ada, ben)
        cyd.is_offline = False
        await follow(circle, notice, dan, cyd, ada)
        await circle.settle()
        assert dan.phase == "member"
        commons = cyd.core.state.commons
        assert commons is not None
        assert commons.state is ChannelState.STUCK
        assert any(one.text == LET_IN_TO_THE_COMMONS for one in cyd.alarms)
        assert any(one.text.startswith("The commons stands still: ") for one in cyd.alarms)
        cyd.crash()
        await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd", reason="to be let in anew"))
        await circle.act(ada, Reinstate(ref=circle.ref(), member="Cyd"))
        for _ in range(4):
            await later(circle, 60)
        states = {one.state for one in cyd.core.state.channels.values()}
        assert states == {ChannelState.ACTIVE}
        assert roster_of(cyd).root == roster_of(ada).root
        act = SendText(ref=circle.ref(), conversation="Table", text="here again")
        await circle.act(cyd, act)
        for device in (ada, ben):
            assert device.texts("Cyd") == ["before", "here again"]
        assert not cyd.core.state.welcomes

    play(story())


def test_who_is_in_another_epoch_of_one_conversation_is_taken_out_and_added_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        home = circle.relays.add_home()
        await later(circle, FIRST_UPDATE_WITHIN_S)
        await circle.settle()
        send(circle, cyd, "before")
        await circle.settle()
        cyd.is_offline = True
        await circle.settle()
        rename = ChangeConversation(ref=circle.ref(), conversation="Desk", title="Table")
        await circle.act(ben, rename)
        await lose_home(circle)
        notice = await decide_without(circle, home, ada, ben)
        await follow(circle, notice, ada)
        await circle.settle()
        cyd.is_offline = False
        await follow(circle, notice, cyd)
        await circle.settle()
        (desk,) = [one for one in cyd.core.state.channels.values() if one.title]
        assert desk.state is ChannelState.STUCK
        assert any(one.text == LET_IN for one in cyd.alarms)
        out = ChangeConversation(ref=circle.ref(), conversation="Table", remove=("Cyd",))
        await circle.act(ben, out)
        back = ChangeConversation(ref=circle.ref(), conversation="Table", add=("Cyd",))
        await circle.act(ben, back)
        await circle.settle()
        act = SendText(ref=circle.ref(), conversation="Table", text="here again")
        await circle.act(cyd, act)
        for device in (ada, ben):
            assert device.texts("Cyd") == ["before", "here again"]

    play(story())


def test_a_welcome_does_not_lead_back_into_a_commons_that_was_broken() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        commons = cyd.core.state.commons
        assert commons is not None
        broken = replace(commons, state=ChannelState.STUCK, reason="a commit that breaks a rule")
        channels = {**cyd.core.state.channels, commons.channel_id: broken}
        cyd.core = replace(cyd.core, state=replace(cyd.core.state, channels=channels))
        cyd.drop_link()
        await circle.settle()
        await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd", reason="to be let in anew"))
        await circle.act(ada, Reinstate(ref=circle.ref(), member="Cyd"))
        for _ in range(4):
            await later(circle, 60)
        assert did_of(cyd.core.state) in dids_of(ben.core.state.commons.group).values()  # type: ignore[union-attr]
        commons = cyd.core.state.commons
        assert commons is not None
        assert commons.state is ChannelState.STUCK

    play(story())

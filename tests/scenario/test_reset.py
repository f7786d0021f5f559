"""The commons is broken by an insider, and a steward's reset is the way on (flows 4.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import msgspec
import pytest

from cloister.client.effects import MessageState
from cloister.client.identity import identity_of, steward_key
from cloister.client.inputs import Invite, Remove, SendText
from cloister.client.log_words import log_view
from cloister.client.powers import Approve, ProposeStewards, ResetCommons, Suspend
from cloister.client.records import FORMER_COMMONS, ChannelKind, ChannelState
from cloister.client.verify_log import verify_log
from cloister.client.views import channel_named, conversations_view
from cloister.errors import PolicyError
from cloister.limits import ENVELOPE_SIZES
from cloister.relay.storage.api import Done as Callback
from cloister.relay.storage.writes import MoveCommons, Write
from cloister.roster.readable import steward_key_id
from cloister.roster.voiding import promised_ids
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.auth import prove_steward
from cloister.wire.codes import Refusal
from cloister.wire.events import (
    AnyEvent,
    CommitItem,
    Done,
    Entries,
    Failed,
    Head,
    Logged,
    Proof,
)
from scenario.breaking import Insider
from scenario.governed import later, power_alarms, roster_of, two_stewards, view


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


def commons_state(device: SimulatedDevice) -> ChannelState:
    commons = device.core.state.commons
    assert commons is not None
    return commons.state


def commons_id(device: SimulatedDevice) -> bytes:
    commons = device.core.state.commons
    assert commons is not None
    return commons.channel_id


def assert_together(devices: Iterable[SimulatedDevice]) -> None:
    """All are in one working commons at one epoch, and have one roster."""
    first, *others = devices
    for device in (first, *others):
        assert commons_state(device) is ChannelState.ACTIVE
        assert roster_of(device).commons_channel == commons_id(device)
        assert roster_of(device).encode() == roster_of(first).encode()
        commons, other = device.core.state.commons, first.core.state.commons
        assert commons is not None
        assert other is not None
        assert commons.group.epoch_authenticator == other.group.epoch_authenticator
        assert len(commons.group.members()) == len(roster_of(first).active_devices())


def assert_together_without(away: SimulatedDevice, devices: Iterable[SimulatedDevice]) -> None:
    """All but one are in one commons: not in the one that this device has."""
    first, *others = devices
    assert {commons_id(one) for one in others} == {commons_id(first)} != {commons_id(away)}
    assert commons_state(first) is ChannelState.ACTIVE


async def talk(circle: SimulatedCircle, devices: Iterable[SimulatedDevice]) -> None:
    """Each says something in the commons, and everybody reads it."""
    for device in devices:
        text = f"{device.name} at {circle.now}"
        await circle.act(device, SendText(ref=circle.ref(), conversation="commons", text=text))
        for other in devices:
            if other is not device:
                assert other.texts(device.name).count(text) == 1


async def broken(circle: SimulatedCircle, insider: SimulatedDevice) -> Insider:
    """Break the commons, and the log behind it."""
    hand = Insider(circle, insider)
    await hand.break_commons()
    await hand.append_what_nobody_opens()
    await circle.settle()
    return hand


@pytest.mark.parametrize("crash_rate", [0.0, 0.2])
def test_a_lone_steward_resets_at_once(crash_rate: float) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=7)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        all_of_them = (ada, ben, cyd)
        await talk(circle, all_of_them)
        before = commons_id(ada)
        await broken(circle, cyd)
        assert {commons_state(one) for one in all_of_them} == {ChannelState.STUCK}
        for device in all_of_them:
            device.crash_rate = crash_rate
        ada.feed(ResetCommons(ref=circle.ref()))
        await circle.settle()
        while roster_of(ada).governance.reset is None:
            ada.feed(ResetCommons(ref=circle.ref()))  # it crashed before it was stored
            await later(circle, 120)
        for device in all_of_them:
            device.crash_rate = 0.0
        await later(circle, 120)
        assert commons_id(ada) != before
        assert_together(all_of_them)
        await talk(circle, all_of_them)

    play(story)


async def three_with_two_stewards(
    circle: SimulatedCircle,
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    ada, ben, cyd = await two_stewards(circle)
    assert len(roster_of(ada).governance.steward_keys) == 2
    return ada, ben, cyd


def test_of_two_stewards_one_proposes_and_the_other_approves() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=1)
        ada, ben, cyd = await three_with_two_stewards(circle)
        await broken(circle, cyd)
        before = commons_id(ada)
        reference = await circle.act(ada, ResetCommons(ref=circle.ref()))
        assert [one["kind"] for one in view(ben, "pending")] == ["reset of the commons"]
        assert f"Ada proposes to reset the commons. Approve: {reference[:8]}." in power_alarms(ben)
        assert commons_id(ada) == before
        with pytest.raises(PolicyError, match="proposed already"):
            await circle.act(ben, ResetCommons(ref=circle.ref()))
        await circle.act(ben, Approve(ref=circle.ref(), reference=reference[:8]))
        await later(circle, 120)
        assert commons_id(ada) != before
        assert_together((ada, ben, cyd))
        await talk(circle, (ada, ben, cyd))

    play(story)


def test_what_nobody_refuses_takes_effect_after_a_day() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=2)
        ada, ben, cyd = await three_with_two_stewards(circle)
        await broken(circle, cyd)
        ben.is_offline = True
        await circle.act(ada, ResetCommons(ref=circle.ref()))
        await later(circle, 86_000)
        assert roster_of(ada).governance.reset is None
        await later(circle, 600)
        assert roster_of(ada).governance.reset is not None
        ben.is_offline = False
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        await talk(circle, (ada, ben, cyd))

    play(story)


def test_a_reset_that_nobody_carries_on_lapses_and_can_be_proposed_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=3)
        ada, ben, cyd = await three_with_two_stewards(circle)
        await broken(circle, cyd)
        ben.is_offline = True
        await circle.act(ada, ResetCommons(ref=circle.ref()))
        ada.is_offline = True
        await later(circle, 3 * 86_400)
        ada.is_offline = ben.is_offline = False
        await later(circle, 120)
        # Nothing has told the log of the time since; the next entry ends it.
        reference = await circle.act(ben, ResetCommons(ref=circle.ref()))
        assert roster_of(ada).governance.reset is None
        await circle.act(ada, Approve(ref=circle.ref(), reference=reference[:8]))
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        kinds = [one.kind for one in ada.core.state.channels.values()]
        assert kinds.count(ChannelKind.COMMONS) == 2

    play(story)


def test_a_steward_who_is_gone_after_the_reset_is_not_waited_for() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=13)
        ada, ben, cyd = await three_with_two_stewards(circle)
        await broken(circle, cyd)
        reference = await circle.act(ada, ResetCommons(ref=circle.ref()))
        ada.is_offline = True
        await circle.act(ben, Approve(ref=circle.ref(), reference=reference[:8]))
        await later(circle, 600)
        with pytest.raises(PolicyError, match="reset already"):
            await circle.act(ben, ResetCommons(ref=circle.ref()))
        await later(circle, 3600)
        await circle.act(ben, ResetCommons(ref=circle.ref()))
        await later(circle, 86_500)
        await later(circle, 120)
        assert_together_without(ada, (ben, cyd))
        ada.is_offline = False
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        await talk(circle, (ada, ben, cyd))

    play(story)


def test_a_commons_that_works_is_not_reset() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=4)
        ada, ben, cyd = await three_with_two_stewards(circle)
        before = commons_id(ada)
        with pytest.raises(PolicyError, match="not broken on this device"):
            await circle.act(ada, ResetCommons(ref=circle.ref()))
        with pytest.raises(PolicyError, match="only a steward"):
            await circle.act(cyd, ResetCommons(ref=circle.ref()))
        # A steward's program that says its commons is broken: the other steward's device refuses.
        commons = ada.core.state.commons
        assert commons is not None
        stuck = replace(commons, state=ChannelState.STUCK)
        channels = {**ada.core.state.channels, commons.channel_id: stuck}
        ada.core = replace(ada.core, state=replace(ada.core.state, channels=channels))
        ada.feed(ResetCommons(ref=circle.ref()))
        ada.core = replace(
            ada.core,
            state=replace(
                ada.core.state,
                channels={**ada.core.state.channels, commons.channel_id: commons},
            ),
        )
        await later(circle, 2 * 86_400)
        assert roster_of(ben).governance.reset is None
        assert view(ben, "pending") == []
        assert {commons_id(one) for one in (ada, ben, cyd)} == {before}
        assert len(conversations_view(ada.core.state)) == 2
        await talk(circle, (ada, ben, cyd))

    play(story)


def test_devices_crash_and_the_relay_restarts_all_the_way() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=14)
        ada, ben, cyd = await three_with_two_stewards(circle)
        await broken(circle, cyd)
        logs = circle.relays.logs
        for device in circle.devices:
            device.crash_rate = 0.25
        for _ in range(40):
            live = logs.get(roster_of(ada).origin)
            assert live is not None
            if live.fold.governance.reset is not None:
                break
            ada.feed(ResetCommons(ref=circle.ref()))
            await circle.settle()
            for matter in view(ben, "pending"):
                ben.feed(Approve(ref=circle.ref(), reference=matter["reference"]))
            await circle.shake(30)
            for device in circle.devices:
                device.drop_link()
            logs._live.clear()
            logs.load()
            await later(circle, 60)
        await later(circle, 120)
        for device in circle.devices:
            device.crash_rate = 0.0
        await later(circle, 300)
        await later(circle, 300)
        assert_together((ada, ben, cyd))
        await talk(circle, (ada, ben, cyd))

    play(story)


def test_nobody_takes_the_new_channel_first() -> None:
    """The insider reads the id of the new commons in the log, and owns the old one."""

    async def story() -> None:
        circle = SimulatedCircle(seed=5)
        ada, ben, cyd = await three_with_two_stewards(circle)
        hand = await broken(circle, cyd)
        reference = await circle.act(ada, ResetCommons(ref=circle.ref()))
        ahead = ada.core.state.roster_ahead
        assert ahead is not None
        (new_id,) = promised_ids(ahead.governance)
        squat = commands.OpenChannel(50, hand.commons.channel_id, new_id, hand.key.public)
        assert isinstance(await hand.ask(squat), Failed)
        await circle.act(ben, Approve(ref=circle.ref(), reference=reference[:8]))
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        # What the insider owns opens nothing any more.
        origin = roster_of(ada).origin
        page = await hand.ask(commands.ReadLog(51, origin, 0))
        assert isinstance(page, Entries)
        reset = roster_of(ada).governance.reset
        assert reset is not None
        assert page.size == reset.seq + 1 < roster_of(ada).size
        envelope = bytes(ENVELOPE_SIZES[0])
        put = commands.Put(52, hand.commons.channel_id, hand.epoch, bytes(16), envelope)
        assert isinstance(await hand.ask(put), Failed)

    play(story)


def test_what_waited_in_the_old_commons_goes_out_in_the_new() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=6)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        ben.is_offline = True
        ben.drop_link()
        ben.feed(SendText(ref=circle.ref(), conversation="commons", text="before"))
        await broken(circle, cyd)
        await circle.act(ada, ResetCommons(ref=circle.ref()))
        ben.is_offline = False
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        assert ada.texts("Ben") == cyd.texts("Ben") == ["before"]
        rows = [row for row in ben.messages.values() if row.text == "before"]
        assert {row.state for row in rows} == {MessageState.SENT, MessageState.FAILED}
        assert all(not one.outbox for one in ben.core.state.channels.values())
        # What was said there is asked for by the name that the list has for it.
        (former,) = [
            one for one in conversations_view(ada.core.state) if one["title"] == FORMER_COMMONS
        ]
        found = channel_named(ada.core.state, str(former["title"]))
        assert found.channel_id.hex() == former["channel_id"] != commons_id(ada).hex()

    play(story)


def test_the_insider_is_suspended_before_anybody_is_brought_in() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=8)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        await broken(circle, cyd)
        ada.feed(Suspend(ref=circle.ref(), member="Cyd"))
        await circle.act(ada, ResetCommons(ref=circle.ref()))
        await later(circle, 120)
        assert_together((ada, ben))
        assert commons_id(cyd) != commons_id(ada)
        # After its week it comes back, into a commons that it has never seen.
        await later(circle, 8 * 86_400)
        await later(circle, 120)
        assert_together((ada, ben, cyd))

    play(story)


def test_a_newcomer_enters_after_a_reset_and_a_second_reset_works_like_the_first() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=9)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        for insider in (ben, ben):
            await broken(circle, insider)
            await circle.act(ada, ResetCommons(ref=circle.ref()))
            await later(circle, 120)
            assert_together((ada, ben))
        cyd = await circle.admit("Cyd", ben, [ada])
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        await talk(circle, (ada, ben, cyd))
        for device in (ada, ben, cyd):
            entries = [device.entries[seq] for seq in sorted(device.entries)]
            checks = {one.what: one.count for one in verify_log(device.core.state, entries)}
            assert checks["members and their devices are those of the vault"] == 3
            lines = log_view(entries, device.core.state.log_keys, 0, 100, str)
            void = [line for line in lines if line["rule"] == "ROS-029"]
            assert len(void) == 4

    play(story)


def test_a_device_that_could_open_more_folds_the_log_anew() -> None:
    """Only the steward cannot process a removal; what the others did since is taken back."""

    def spoil(event: AnyEvent) -> tuple[AnyEvent, ...]:
        if isinstance(event, CommitItem):
            return (msgspec.structs.replace(event, envelope=bytes(len(event.envelope))),)
        return (event,)

    async def story() -> None:
        circle = SimulatedCircle(seed=10)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        cyd = await circle.admit("Cyd", ada, [ada])
        dan = await circle.admit("Dan", ada, [ada, ben])
        await circle.act(ada, Remove(ref=circle.ref(), member="Dan"))
        ada.tamper = spoil
        await circle.act(ben, Remove(ref=circle.ref(), member="Dan"))
        await later(circle, 120)
        assert commons_state(ada) is ChannelState.STUCK
        assert commons_state(ben) is commons_state(cyd) is ChannelState.ACTIVE
        await circle.act(ben, Invite(ref=circle.ref()))
        assert roster_of(ben).generation == roster_of(ada).generation + 1
        assert len(roster_of(ben).invites) == len(roster_of(ada).invites) + 1
        ada.tamper = lambda event: (event,)
        await circle.act(ada, ResetCommons(ref=circle.ref()))
        await later(circle, 120)
        assert_together((ada, ben, cyd))
        assert {"rewound"} <= {alarm.code for alarm in ben.alarms}
        assert dan.phase == "removed"
        await talk(circle, (ada, ben, cyd))
        ben.crash()
        for _ in range(3):
            await later(circle, 700)
        assert_together((ada, ben, cyd))
        assert not [
            alarm for one in (ben, cyd) for alarm in one.alarms if alarm.code == "kept back"
        ]

    play(story)


def test_a_relay_that_stopped_after_the_entry_moves_the_commons_when_it_starts() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=11)
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        await broken(circle, ben)
        store, logs = circle.relays.store, circle.relays.logs
        submit = store.submit

        def lose(write: Write, done: Callback) -> None:
            if not isinstance(write, MoveCommons):
                submit(write, done)

        store.submit = lose  # type: ignore[method-assign]
        await circle.act(ada, ResetCommons(ref=circle.ref()))
        reset = roster_of(ada).governance.reset
        assert reset is not None
        assert store.channel(reset.new_id) is None
        store.submit = submit  # type: ignore[method-assign]
        for device in (ada, ben):
            device.drop_link()
        logs._live.clear()
        logs.load()
        await later(circle, 120)
        assert_together((ada, ben))
        await talk(circle, (ada, ben))

    play(story)


def test_a_stewards_key_opens_the_log_for_reading_and_nothing_else() -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=12)
        ada, ben, cyd = await three_with_two_stewards(circle)
        origin = roster_of(ada).origin
        relay_id = circle.relays.home_card.relay_id

        def proof(of: SimulatedDevice, by: Insider, rid: int) -> commands.ProveSteward:
            key = steward_key(identity_of(of.core.state))
            key_id = steward_key_id(key.public)
            signature = prove_steward(key, relay_id, origin, by.session.nonce)
            return commands.ProveSteward(rid, origin, key_id, signature)

        hand, other = Insider(circle, cyd), Insider(circle, cyd)
        for refused in (
            proof(cyd, hand, 1),
            msgspec.structs.replace(proof(ada, other, 2), rid=2),
            msgspec.structs.replace(proof(ada, hand, 3), signature=b"x"),
            msgspec.structs.replace(proof(ada, hand, 4), origin="elsewhere"),
        ):
            answer = await hand.ask(refused)
            assert isinstance(answer, Failed)
            assert answer.code == Refusal.UNKNOWN_OBJECT
        assert isinstance(await hand.ask(commands.ReadLog(5, origin, 0)), Failed)
        assert isinstance(await hand.ask(proof(ben, hand, 6)), Done)
        page = await hand.ask(commands.ReadLog(7, origin, 0))
        assert isinstance(page, Entries)
        assert page.size == roster_of(ada).size
        assert isinstance(await hand.ask(commands.ReadHead(8, origin)), Head)
        assert isinstance(await hand.ask(commands.ReadProof(9, origin, 1, 2)), Proof)
        assert isinstance(await hand.ask(commands.FollowLog(10, origin, page.size)), Done)
        commons = commons_id(ada)
        requests: tuple[commands.AnyRequest, ...] = (
            commands.OpenChannel(20, commons, bytes(16), hand.key.public),
            commands.TakeKeyPackage(21, commons, bytes(16)),
            commands.Put(22, commons, 0, bytes(16), bytes(ENVELOPE_SIZES[0])),
            commands.ReadSeats(23, commons),
            commands.Follow(24, 1, commons, 0),
        )
        for request in requests:
            answer = await hand.ask(request)
            assert isinstance(answer, Failed)
            assert answer.code == Refusal.NOT_PROVEN
        assert not any(isinstance(event, Logged) for event in hand.heard)
        await circle.act(ada, Invite(ref=circle.ref()))
        assert any(isinstance(event, Logged) for event in hand.heard)
        # Who holds the office no more reads no more.
        await circle.act(ada, ProposeStewards(ref=circle.ref(), drop=("Ben",)))
        matter = view(ben, "pending")
        if matter:
            await circle.act(ben, Approve(ref=circle.ref(), reference=matter[0]["reference"]))
        assert len(roster_of(ada).governance.steward_keys) == 1
        requests = (commands.ReadLog(30, origin, 0), commands.ReadHead(31, origin))
        for request in requests:
            assert isinstance(await hand.ask(request), Failed)

    play(story)

"""Insiders, lying relays and bad luck: none of them stops an honest device for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cloister import mls
from cloister.client import appending, changing, committing, duties, merging, outbox
from cloister.client.content import Heads
from cloister.client.effects import MessageState
from cloister.client.identity import did_of
from cloister.client.inputs import (
    Invite,
    Join,
    Leave,
    OpenConversation,
    Received,
    Remove,
    SendText,
    Tick,
    Vouch,
)
from cloister.client.records import ChannelKind
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import UsageError
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from cloister.wire.events import AnyEvent, Done, Item, Logged, MailItem, Proved
from scenario.built_once import built_once


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@built_once
async def two_at_a_desk(circle: SimulatedCircle) -> tuple[SimulatedDevice, SimulatedDevice]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",)))
    return ada, ben


async def say(circle: SimulatedCircle, device: SimulatedDevice, text: str) -> None:
    device.feed(SendText(ref=circle.ref(), conversation="Desk", text=text))
    await circle.settle()


@pytest.mark.parametrize("number", [-1, -(2**63), 2**63, 2**64 - 1])
def test_numbers_out_of_range_are_refused_and_not_stored(number: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        for event in (
            Proved(rid=0, epoch=number, first_n=number, next_n=number, floor_n=number),
            MailItem(kind=2, object_id=bytes(16), n=number, item=b""),
            Item(channel_id=bytes(16), n=number, epoch=0, envelope_id=bytes(16), envelope=b""),
        ):
            ben.drop_link()
            told = False

            def lie(true: AnyEvent, event: AnyEvent = event) -> tuple[AnyEvent, ...]:
                nonlocal told
                if told or not isinstance(true, Proved):
                    return (true,)
                told = True
                if isinstance(event, Proved):
                    return (Proved(true.rid, number, number, number, number),)
                return (event, true)

            ben.tamper = lie
            await circle.settle()
            assert told
        await say(circle, ada, "still here")
        assert ben.texts("Ada") == ["still here"]
        assert "RemoteError" in {alarm.code for alarm in ben.alarms}

    play(story)


def test_a_pool_of_a_negative_size_is_not_filled_for_ever() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben = await two_at_a_desk(circle)
        before = len(ben.core.state.key_packages)
        ben.drop_link()
        ben.tamper = lambda event: (
            (Done(event.rid, -(2**40)),) if isinstance(event, Done) and event.n else (event,)
        )
        for _ in range(20):
            ben.step()
            await asyncio.sleep(0)
        assert len(ben.core.state.key_packages) <= before + 20

    play(story)


def test_two_removals_before_the_first_log_key_do_not_stop_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        cyd = await circle.admit("Cyd", ada, [ada])
        dan = await circle.admit("Dan", ada, [ada, ben])
        # Dan's entry is older than the log_key that follows Cyd's removal.
        with monkeypatch.context() as racing:
            racing.setattr(duties, "_announce_log_key", lambda turn: None)
            racing.setattr(appending, "newest_generation", lambda state: state.roster.generation)
            for device in (cyd, dan):
                await circle.act(device, Leave(ref=circle.ref()))
        assert max(ada.core.state.log_keys) == 2
        ada.drop_link()
        await circle.settle()
        assert ada.core.state.roster is not None
        assert ada.core.state.roster.generation == 2
        await circle.act(ada, Invite(ref=circle.ref()))

    play(story)


def test_a_member_who_claims_a_huge_log_keeps_nobody_from_appending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        with monkeypatch.context() as lying:
            real = Heads
            lying.setattr(outbox, "Heads", lambda **given: real(**{**given, "log_size": 2**40}))
            await say(circle, ben, "the log is very long")
        assert ada.texts("Ben") == ["the log is very long"]
        await circle.act(ada, Invite(ref=circle.ref()))

    play(story)


def test_another_root_of_an_earlier_log_is_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        with monkeypatch.context() as lying:
            real = Heads
            lying.setattr(
                outbox,
                "Heads",
                lambda **given: real(**{**given, "log_size": 2, "log_root": bytes(32)}),
            )
            await say(circle, ben, "hello")
        assert {alarm.code for alarm in ada.alarms} == {"split"}

    play(story)


def test_a_member_who_commits_a_removal_on_his_own_does_not_end_a_membership(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        commons = ada.core.state.commons
        assert commons is not None
        ben.is_offline = True
        with monkeypatch.context() as forging:
            forging.setattr(merging, "check_commons_removals", lambda *given: None)
            forging.setattr(
                duties,
                "_difference",
                lambda _state, one: ((1,) if one.kind is ChannelKind.COMMONS else (), ()),
            )
            ada.feed(SendText(ref=circle.ref(), conversation="commons", text="x"))
            for _ in range(40):
                ada.step()
                await asyncio.sleep(0)
        assert ada.core.state.commons is not None
        assert ada.core.state.commons.group.epoch == commons.group.epoch + 1
        ben.is_offline = False
        for _ in range(60):
            ben.step()
            await asyncio.sleep(0)
        assert ben.phase == "member"
        assert ben.core.routes
        for _ in range(11):
            circle.now += 60
            ben.feed(Tick())
        assert "log behind" in {alarm.code for alarm in ben.alarms}

    play(story)


def test_a_title_from_others_cannot_steer_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        ben = await circle.admit("Ben", ada, [ada])
        with monkeypatch.context() as rude:
            rude.setattr(changing, "safe_line", str)
            ada.feed(OpenConversation(ref=circle.ref(), title="\x1b" * 64, members=("Ben",)))
        await circle.settle()
        (title,) = [one.title for one in ben.core.state.channels.values() if one.title]
        assert "\x1b" not in title
        ben.crash()
        await circle.settle()
        assert len(ben.core.state.channels) == 2

    play(story)


def test_one_newcomer_with_a_bad_key_package_does_not_keep_another_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _ = await two_at_a_desk(circle)
        with monkeypatch.context() as waiting:
            waiting.setattr(duties, "_keep_members", lambda turn, channel: None)
            cyd = await circle.admit("Cyd", ada, [ada])
            dan = await circle.admit("Dan", ada, [ada, circle.devices[1]])
        real = committing.stage

        def refuse(turn: Any, channel: Any, *, packages: Any, **change: Any) -> None:
            if did_of(cyd.core.state) in packages:
                raise mls.Malformed("a key package that only the engine refuses")
            real(turn, channel, packages=packages, **change)

        monkeypatch.setattr(committing, "stage", refuse)
        for device in circle.devices:
            device.drop_link()
        for turn in range(600):
            for device in circle.devices:
                device.step()
            await asyncio.sleep(0)
            if turn % 20 == 19:
                circle.now += 10
                for device in circle.devices:
                    device.feed(Tick())
        assert dan.phase == "member"
        assert cyd.phase != "member"

    play(story)


def test_each_of_two_equal_acts_is_answered() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _ = await two_at_a_desk(circle)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        cyd = circle.add("Cyd")
        await circle.act(cyd, Join(ref=circle.ref(), code=code, name="Cyd"))
        acts = [Vouch(ref=circle.ref(), request="Cyd", how=1) for _ in range(2)]
        for act in acts:
            ada.feed(act)
        await circle.settle()
        assert all(act.ref in ada.answers for act in acts)

    play(story)


def test_whoever_is_removed_is_told_what_became_of_everything() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        cyd = await circle.admit("Cyd", ada, [ada])
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="All", members=("Cyd",)))
        cyd.is_offline = True
        cyd.drop_link()
        invite = Invite(ref=circle.ref())
        for act in (invite, SendText(ref=circle.ref(), conversation="All", text="too late")):
            cyd.feed(act)
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        cyd.is_offline = False
        await circle.settle()
        assert cyd.phase == "removed"
        assert cyd.answers[invite.ref].error is not None
        assert [row.state for row in cyd.messages.values()] == [MessageState.FAILED]

    play(story)


def test_a_commit_that_cannot_be_made_stops_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        # His first Update, whose moment he draws, may have been: let another be due.
        channels = {
            name: replace(channel, update_at=circle.now)
            for name, channel in ben.core.state.channels.items()
        }
        ben.core = replace(ben.core, state=replace(ben.core.state, channels=channels))

        def fail(*given: Any, **more: Any) -> None:
            raise mls.Misuse("the commit is too large")

        monkeypatch.setattr(committing, "stage", fail)
        for device in (ada, ben):
            device.feed(Tick())
        await circle.settle()
        assert "commit" in {alarm.code for alarm in ben.alarms}
        await say(circle, ada, "still here")
        assert ben.texts("Ada") == ["still here"]

    play(story)


def test_no_secret_stands_in_a_repr() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _ = await two_at_a_desk(circle)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        join = Join(ref=circle.ref(), code=code, name="Cyd")
        cyd = circle.add("Cyd")
        shown = repr(join)
        core, effects = cyd.core.handle(join, circle.now, SystemEntropy())
        shown += repr(core) + repr(effects) + repr(ada.core) + repr(ada.answers)
        identity = core.state.identity
        assert identity is not None
        assert code not in shown
        for secret in (identity.device_seed, identity.hpke_seed, identity.inbox_seed):
            assert repr(secret.expose())[2:-1] not in shown

    play(story)


def test_a_conversation_with_the_name_of_another_gets_none_of_its_messages() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        await circle.admit("Cyd", ada, [ada])
        members = ("Ada", "Cyd")
        await circle.act(ben, OpenConversation(ref=circle.ref(), title="Room", members=members))
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="To Cyd", members=("Cyd",)))
        await circle.act(ben, OpenConversation(ref=circle.ref(), title="Cyd", members=("Ada",)))
        with pytest.raises(UsageError):
            await circle.act(ada, SendText(ref=circle.ref(), conversation="Cyd", text="secret"))
        assert ben.texts("Ada") == []

    play(story)


def test_what_is_no_entry_does_not_spoil_the_acts_that_follow() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _ = await two_at_a_desk(circle)
        assert ada.core.state.roster is not None
        ada.feed(Received(event=Logged(ada.core.state.roster.size, (b"\0",))))
        await circle.act(ada, Invite(ref=circle.ref()))

    play(story)

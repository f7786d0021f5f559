"""Own names, blocks, mutes, pins and comparisons over real cores: kept here, and told nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.contact_acts import (
    BlockContact,
    MuteConversation,
    NameContact,
    NoteTold,
    NoteVerified,
    PinConversation,
)
from cloister.client.contact_records import FOR_EVER
from cloister.client.contacting import NEW_DEVICE
from cloister.client.contacts import author_names, blocked_devices, uncounted_devices
from cloister.client.identity import did_of
from cloister.client.inputs import Leave, MarkRead, OpenConversation, SendText
from cloister.client.persistence import writes_between
from cloister.client.receipt_records import ReceiptLevel
from cloister.client.receipts import DELAY_SPREAD_S, LEAST_DELAY_S
from cloister.client.told import Told
from cloister.client.verification import Comparison, compared_with, comparison_of
from cloister.client.views import channel_named, conversations_view, members_view
from cloister.errors import CloisterError, NotFoundError, TrustError, UsageError
from cloister.testing.simulated_circle import SimulatedDevice
from cloister.values import replace
from scenario.desk import TITLE, Desk

LONG_ENOUGH_S = LEAST_DELAY_S + DELAY_SPREAD_S


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def seen(device: SimulatedDevice, name: str) -> dict[str, Any]:
    """How a device lists a member."""
    return next(view for view in members_view(device.core.state) if view["name"] == name)


def listed(device: SimulatedDevice, title: str) -> dict[str, Any]:
    """How a device lists a conversation."""
    return next(view for view in conversations_view(device.core.state) if view["title"] == title)


def compared(device: SimulatedDevice, name: str) -> Comparison:
    state = device.core.state
    assert state.roster is not None
    member = state.roster.member_named(name)
    assert member is not None
    return comparison_of(compared_with(state, member))


async def call(desk: Desk, device: SimulatedDevice, member: str, own_name: str) -> str:
    act = NameContact(ref=desk.circle.ref(), member=member, own_name=own_name)
    return await desk.do(device, act)


async def verify(desk: Desk, device: SimulatedDevice, name: str) -> None:
    fingerprint = compared(device, name).fingerprint
    act = NoteVerified(ref=desk.circle.ref(), member=name, fingerprint=fingerprint)
    assert await desk.do(device, act) == "verified"


# --- own names ------------------------------------------------------------------------------------


def test_an_own_name_stands_where_people_talk_and_goes_nowhere() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        for title in ("Ben", "Plans"):
            act = OpenConversation(ref=desk.circle.ref(), title=title, members=("Ben",))
            await desk.circle.act(ada, act)
        before = desk.counts()
        assert await call(desk, ada, "Ben", "  Brother ") == "Brother"
        assert desk.counts() == before
        assert (seen(ada, "Ben")["own_name"], seen(ada, "Ben")["shown"]) == ("Brother", "Brother")
        assert set(author_names(ada.core.state).values()) == {"Ada", "Brother", "Cyd"}
        assert listed(ada, TITLE)["people"] == ["Ada", "Brother", "Cyd"]
        assert listed(ada, TITLE)["members"] == ["Ada", "Ben", "Cyd"]
        assert [listed(ada, one)["shown"] for one in ("Ben", "Plans", TITLE)] == [
            "Brother",
            "Plans",
            TITLE,
        ]
        ada.crash()
        assert seen(ada, "Ben")["shown"] == "Brother"
        assert seen(ben, "Ben")["shown"] == "Ben"
        assert await call(desk, ada, "brother", "") == "Ben"
        assert ada.core.state.contacts == {}

    play(story())


def test_a_conversation_of_two_is_found_by_the_own_name() -> None:
    async def story() -> None:
        desk = Desk()
        ada, *_ = await desk.open()
        act = OpenConversation(ref=desk.circle.ref(), title="Plans", members=("Ben",))
        await desk.circle.act(ada, act)
        await call(desk, ada, "Ben", "Brother")
        state = ada.core.state
        for name in ("BROTHER", "Ben", "Plans"):
            assert channel_named(state, name).title == "Plans"
        with pytest.raises(NotFoundError):
            channel_named(state, "Cyd")

    play(story())


@pytest.mark.parametrize(
    ("member", "own_name", "why"),
    [
        ("Ben", "cYD", "somebody else in the circle"),
        ("Ben", "\uff23\uff59\uff44", "somebody else in the circle"),
        ("Ben", "Ada", "somebody else in the circle"),
        ("Ben", "Sister", "you call somebody else"),
        ("Ben", "x" * 65, "bytes"),
        ("Ada", "Me", "that is you"),
        ("Dan", "Me", "nobody in the circle"),
    ],
)
def test_an_own_name_that_misleads_is_refused(member: str, own_name: str, why: str) -> None:
    async def story() -> None:
        desk = Desk()
        ada, *_ = await desk.open()
        await call(desk, ada, "Cyd", "Sister")
        before = ada.core.state
        with pytest.raises(CloisterError, match=why):
            await call(desk, ada, member, own_name)
        assert not writes_between(before, ada.core.state)

    play(story())


def test_a_name_that_somebody_has_who_came_later_is_not_taken_for_theirs() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await call(desk, ada, "Ben", "Dan")
        await desk.circle.admit("Dan", ada, [ada, ben])
        assert seen(ada, "Ben")["shown"] == "Dan (Ben)"
        assert seen(ada, "Dan")["shown"] == "Dan"

    play(story())


# --- blocking -------------------------------------------------------------------------------------


async def block(desk: Desk, device: SimulatedDevice, name: str, blocked: bool = True) -> None:
    act = BlockContact(ref=desk.circle.ref(), member=name, blocked=blocked)
    await desk.do(device, act)


def test_who_is_blocked_is_kept_and_told_nothing() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        await desk.give(ben, int(ReceiptLevel.READ))
        await block(desk, ben, "Cyd")
        assert blocked_devices(ben.core.state) == {
            bytes.fromhex(did) for did in seen(ben, "Cyd")["devices"]
        }
        assert uncounted_devices(ben.core.state) == {
            did_of(ben.core.state),
            *blocked_devices(ben.core.state),
        }
        await desk.say(cyd, "unheard")
        await desk.wait(LONG_ENOUGH_S)
        assert ben.texts("Cyd") == ["unheard"], "nothing is lost"
        assert desk.told(cyd, "unheard") is None, "it starts no receipt"
        await desk.say(ada, "heard")
        newest = max(row.n for row in ben.messages.values())
        await desk.do(ben, MarkRead(ref=desk.circle.ref(), conversation=TITLE, n=newest))
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(ada, "heard") == Told(delivered=1, read=1, others=2)
        assert desk.told(cyd, "unheard") == Told(delivered=0, read=0, others=2)
        await block(desk, ben, "Cyd", blocked=False)
        await desk.say(cyd, "heard again")
        await desk.wait(LONG_ENOUGH_S)
        assert desk.told(cyd, "heard again") == Told(delivered=1, read=0, others=2)
        assert not desk.alarms()

    play(story())


def test_a_conversation_with_blocked_members_alone_is_marked_so() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await block(desk, ben, "Ada")
        act = OpenConversation(ref=desk.circle.ref(), title="Listen", members=("Ben",))
        await desk.circle.act(ada, act)
        assert listed(ben, "Listen")["blocked"]
        assert not listed(ben, TITLE)["blocked"]
        assert not listed(ben, "commons")["blocked"]
        await desk.circle.act(
            ada, SendText(ref=desk.circle.ref(), conversation="Listen", text="hello")
        )
        await desk.do(ben, MarkRead(ref=desk.circle.ref(), conversation="Listen", n=9))
        assert not ben.core.state.givings

    play(story())


# --- muting and pinning ---------------------------------------------------------------------------


def test_a_mute_ends_and_a_pin_stays() -> None:
    async def story() -> None:
        desk = Desk()
        ada, *_ = await desk.open()
        ref, now = desk.circle.ref, desk.circle.now
        before = desk.counts()

        async def mute(until: int) -> str:
            return await desk.do(ada, MuteConversation(ref=ref(), conversation=TITLE, until=until))

        assert await mute(now + 3600) == "muted"
        assert await desk.do(ada, PinConversation(ref=ref(), conversation=TITLE, pinned=True))
        ada.crash()
        assert (listed(ada, TITLE)["muted_until"], listed(ada, TITLE)["pinned"]) == (
            now + 3600,
            True,
        )
        assert await mute(FOR_EVER) == "muted"
        assert await mute(now - 1) == "told of"
        with pytest.raises(UsageError):
            await mute(FOR_EVER + 1)
        await desk.do(ada, PinConversation(ref=ref(), conversation=TITLE, pinned=False))
        assert ada.core.state.preferences == {}
        assert desk.counts() == before

    play(story())


# --- comparing ------------------------------------------------------------------------------------


def test_both_see_the_same_and_others_see_something_else() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        theirs = compared(ada, "Ben")
        assert theirs == compared(ben, "Ada")
        assert theirs.fingerprint not in {
            compared(ada, "Cyd").fingerprint,
            compared(cyd, "Ben").fingerprint,
        }
        assert len(theirs.digits.split()) == 12
        assert len(theirs.code) == 36
        with pytest.raises(UsageError, match="that is you"):
            compared(ada, "Ada")

    play(story())


def test_a_comparison_is_noted_only_of_what_was_compared() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        assert seen(ada, "Ben")["trust"] == "vouched"
        assert (seen(ben, "Ada")["trust"], seen(ada, "Ada")["trust"]) == ("founder", "own")
        for wrong in (bytes(32), compared(ada, "Cyd").fingerprint):
            act = NoteVerified(ref=desk.circle.ref(), member="Ben", fingerprint=wrong)
            with pytest.raises(TrustError):
                await desk.do(ada, act)
        assert seen(ada, "Ben")["trust"] == "vouched"
        await verify(desk, ada, "Ben")
        ada.crash()
        assert seen(ada, "Ben")["trust"] == "verified"
        assert seen(ben, "Ada")["trust"] == "founder", "each compares for oneself"
        await desk.do(ada, NoteVerified(ref=desk.circle.ref(), member="Ben", fingerprint=b""))
        assert seen(ada, "Ben")["trust"] == "vouched"

    play(story())


def test_a_new_device_of_a_verified_member_is_told_with_who_vouched() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        old = compared(ada, "Ben").fingerprint
        await verify(desk, ada, "Ben")
        await verify(desk, ben, "Ada")
        await desk.circle.add_device("laptop", ben, [cyd])
        await desk.circle.settle()
        view = seen(ada, "Ben")
        assert view["trust"] == "changed"
        assert view["added_devices"] == [{"device": "Ben/2", "vouched_by": ["Cyd"], "told": False}]
        (alarm,) = (one for one in ada.alarms if one.code == NEW_DEVICE)
        assert "Ben/2, vouched for by Cyd" in alarm.text
        assert not any("Ben has one more device" in one for one in ada.news), "told once"
        assert not [one for one in cyd.alarms if one.code == NEW_DEVICE], "who did not compare"
        # One's own new device takes nothing back.
        assert seen(ben, "Ada")["trust"] == "verified"
        with pytest.raises(TrustError, match="changed since"):
            await desk.do(ada, NoteVerified(ref=desk.circle.ref(), member="Ben", fingerprint=old))
        await desk.do(ada, NoteTold(ref=desk.circle.ref(), member="Ben"))
        assert seen(ada, "Ben")["added_devices"][0]["told"]
        assert seen(ada, "Ben")["trust"] == "changed", "to be told is not to compare"
        await verify(desk, ada, "Ben")
        assert (seen(ada, "Ben")["trust"], seen(ada, "Ben")["added_devices"]) == ("verified", [])

    play(story())


def test_who_is_out_is_told_once_and_known_as_the_other_of_two() -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, cyd = await desk.open()
        act = OpenConversation(ref=desk.circle.ref(), title="Two", members=("Cyd",))
        await desk.circle.act(ada, act)
        partner = listed(ada, "Two")["partner"]
        assert partner == seen(ada, "Cyd")["member_id"]
        await desk.circle.act(cyd, Leave(ref=desk.circle.ref()))
        await desk.circle.settle()
        assert listed(ada, "Two")["people"] == ["Ada"]
        assert listed(ada, "Two")["partner"] == partner
        assert listed(ada, TITLE)["partner"] == seen(ada, "Ben")["member_id"]
        assert seen(ada, "Cyd")["untold_state"]
        await desk.do(ada, NoteTold(ref=desk.circle.ref(), member="Cyd"))
        ada.crash()
        assert not seen(ada, "Cyd")["untold_state"]

    play(story())


def test_what_was_told_of_a_state_is_forgotten_when_it_is_over() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        state = ada.core.state
        assert state.roster is not None
        member = state.roster.member_named("Ben")
        assert member is not None
        await call(desk, ada, "Ben", "Brother")
        said = replace(ada.core.state.contacts[member.member_id], told_state=4)
        ada.core = replace(
            ada.core,
            state=replace(ada.core.state, contacts={member.member_id: said}),
        )
        await desk.circle.admit("Dan", cyd, [cyd, ben])
        assert ada.core.state.contacts[member.member_id].told_state == 0

    play(story())

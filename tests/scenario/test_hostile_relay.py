"""A hostile home: a refusal or an alarm, no silent difference, and all is well after it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from cloister.client.effects import MessageState
from cloister.client.enrolling import TicketsRefused
from cloister.client.inputs import ChangeConversation, Invite, Join, OpenConversation, Vouch
from cloister.errors import CloisterError
from cloister.roster.errors import LetterRefused
from cloister.roster.state import RequestState
from cloister.testing.hostile_lies import (
    ClaimFloor,
    KeepInbox,
    Lie,
    Lose,
    OldKeyPackages,
    SwapBox,
)
from cloister.testing.hostile_log import Fork, HideLog, RestartLog, RollBack
from cloister.testing.hostile_relay import LIES, HostileRelay, silent_differences
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import Put
from cloister.wire.events import AnyEvent, MailItem, Opened
from cloister.wire.mirror import MirrorPush, MirrorRefusal
from counts import seeds
from scenario.governed import roster_of
from scenario.hostile import (
    codes,
    go_on,
    is_stale,
    pass_time,
    play,
    put,
    recover,
    say,
    sleep_through,
    three_at_a_desk,
)

HOUR_S = 3600

# --- every lie, told to one member while the circle goes on ---------------------------------------

EXPECTED: dict[str, set[str]] = {
    "answers old key packages": set(),
    "delays": set(),
    "drops": {"hole"},
    "drops messages": {"hole"},
    "forks": {"NotSettled"},
    "redirects": {"stuck"},
    "reorders": {"hole"},
    "replays": {"unreadable", "rollback"},
    "restarts the log": {"NotSettled"},
    "rolls back": {"lost"},
    "rolls the log back": {"rollback"},
    "takes and loses": {"lost"},
    "withholds commits": {"kept back"},
    "withholds the inbox": set(),
    "withholds the log": {"log behind"},
}
"""What the device that is lied to says aloud.  Where it is nothing, it is behind, and no more."""
STOPS = {"redirects", "replays"}
"""Lies after which a conversation of that device stands still: it was shown what is not there."""


def test_every_lie_is_told() -> None:
    assert set(EXPECTED) == set(LIES)


@pytest.mark.parametrize("name", sorted(LIES))
def test_a_lie_to_one_member_ends_in_an_alarm_and_no_silent_difference(name: str) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=1)
        ada, ben, cyd = await three_at_a_desk(circle)
        await say(circle, ada, "before")
        hostile = HostileRelay(circle, seed=1)
        hostile.against(ben, LIES[name](circle, ben))
        for turn in range(2):
            for device in (ada, cyd, ben):
                put(circle, device, f"{device.name} {turn}")
                await go_on(circle)
        for device in (ben, cyd):
            device.feed(Invite(ref=circle.ref()))
            await go_on(circle, 5)
        opening = OpenConversation(ref=circle.ref(), title="Room", members=("Ben", "Cyd"))
        ada.feed(opening)
        dan = await admit_while_lied_to(circle, "Dan", cyd, (ada, cyd))
        for _ in range(2):
            await pass_time(circle, 700)
        assert not silent_differences(circle)
        hostile.honest()
        await circle.settle()
        # What was kept back and has come after all needs no alarm: nothing is missing then.
        has_all = {"Ada 0", "Ada 1"} <= set(ben.texts("Ada"))
        assert EXPECTED[name] <= codes(ben) or (name == "drops messages" and has_all)
        assert dan.phase == ben.phase == "member"
        assert roster_of(ben).root == roster_of(ada).root
        await recover(circle, *((ada, cyd) if name in STOPS else (ada, ben, cyd)))

    play(story())


async def admit_while_lied_to(
    circle: SimulatedCircle,
    name: str,
    inviter: SimulatedDevice,
    vouchers: tuple[SimulatedDevice, ...],
) -> SimulatedDevice:
    invite = Invite(ref=circle.ref())
    inviter.feed(invite)
    await go_on(circle, 5)
    newcomer = circle.add(name)
    newcomer.feed(Join(ref=circle.ref(), code=circle.result(inviter, invite), name=name))
    await go_on(circle, 8)
    for voucher in vouchers:
        voucher.feed(Vouch(ref=circle.ref(), request=name, how=1))
        await go_on(circle, 4)
    await go_on(circle, 60)
    return newcomer


# --- the log --------------------------------------------------------------------------------------


def test_a_log_that_begins_anew_with_the_signatures_of_both_relays_is_a_fork() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        size = roster_of(ben).size
        hostile = HostileRelay(circle)
        hostile.against(ben, RestartLog(circle, ben, colludes=True))
        ben.drop_link()
        await go_on(circle)
        assert "Fork" in codes(ben)
        assert roster_of(ben).size == size
        hostile.honest()
        await recover(circle, ada, ben, cyd)

    play(story())


def test_a_mirror_that_cosigns_two_histories_is_found_by_the_next_message() -> None:
    """Ben's own entry stands in a log that only he is shown; both relays have signed it."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        await sleep_through(circle, HOUR_S)  # nobody has an update of keys left to commit
        await circle.settle()
        hostile.against(ben, Fork(circle, ben, colludes=True))
        ben.feed(Invite(ref=circle.ref()))
        await go_on(circle)
        await circle.act(ada, Invite(ref=circle.ref()))
        assert roster_of(ben).size == roster_of(ada).size
        assert roster_of(ben).root != roster_of(ada).root
        put(circle, ben, "to whom?")
        put(circle, ada, "to you")
        await go_on(circle)
        for device in (ada, ben, cyd):
            assert any("another log" in alarm.text for alarm in device.alarms), device.name
        hostile.honest()
        await go_on(circle)
        assert "Fork" in codes(ben)
        # His log stands on what nobody else has: he is told at every connection, and invited anew.
        ben.is_offline = True
        await recover(circle, ada, cyd)

    play(story())


def test_a_mirror_that_is_honest_signs_no_second_history() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        relays = circle.relays

        seen: list[MirrorPush] = []

        def note_it(push: MirrorPush) -> tuple[MirrorPush, ...]:
            seen.append(push)
            return (push,)

        def second_history(push: MirrorPush) -> tuple[MirrorPush, ...]:
            """The newest entry in the place of the one before it, under the head of that."""
            entries = (*push.entries[:-2], push.entries[-1])
            return (msgspec.structs.replace(push, entries=entries, note=seen[0].note),)

        relays.on_push = note_it
        await circle.act(ada, Invite(ref=circle.ref()))
        size = roster_of(ben).size
        relays.on_push = second_history
        waiting = Invite(ref=circle.ref())
        ada.feed(waiting)
        await go_on(circle)
        assert {one.code for one in relays.refused_pushes} == {int(MirrorRefusal.FORK)}
        # Nothing settles, so nobody counts the entry, and its author is not told that it stands.
        assert [roster_of(one).size for one in (ada, ben, cyd)] == [size] * 3
        assert waiting.ref not in ada.answers
        circle.now += HOUR_S
        assert is_stale(circle, ben)
        relays.on_push = lambda push: (push,)
        relays.logs.on_grown(roster_of(ada).origin)
        await recover(circle, ada, ben, cyd)
        assert waiting.ref in ada.answers

    play(story())


def test_a_log_that_was_set_back_refuses_what_is_new_and_the_device_says_why() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        hostile.against(ben, RollBack(ben, by=2))
        invite = Invite(ref=circle.ref())
        ben.feed(invite)
        await go_on(circle)
        assert any("set back to an earlier copy" in alarm.text for alarm in ben.alarms)
        assert len(ben.alarms) < 5, "it is not asked again and again"
        assert invite.ref not in ben.answers
        hostile.honest()
        await recover(circle, ada, ben, cyd)
        assert circle.result(ben, invite)

    play(story())


def test_entries_that_only_a_message_names_are_missed_also_over_new_connections() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        await sleep_through(circle, HOUR_S)  # nobody has an update of keys left to commit
        await circle.settle()
        hostile = HostileRelay(circle)
        hostile.against(ben, HideLog(ben))
        await circle.act(ada, Invite(ref=circle.ref()))
        await say(circle, ada, "as the log says")
        assert ben.texts("Ada") == ["as the log says"]
        await pass_time(circle, 300)
        ben.drop_link()
        await pass_time(circle, 400)
        assert codes(ben) == {"log behind"}
        hostile.honest()
        await recover(circle, ada, ben, cyd)

    play(story())


# --- messages -------------------------------------------------------------------------------------


def test_a_message_that_was_taken_and_lost_is_told_to_its_author() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        hostile.against(ben, Lose(Put))
        await say(circle, ben, "lost on the way")
        assert ada.texts("Ben") == cyd.texts("Ben") == []
        assert "lost" in codes(ben)
        hostile.honest()
        await recover(circle, ada, ben, cyd)

    play(story())


def test_a_message_whose_place_is_given_to_another_is_told_to_its_author() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        hostile.against(ben, RollBack(ben))
        await say(circle, ben, "lost on the way")
        await say(circle, ada, "in its place")
        (row,) = [one for one in ben.messages.values() if one.own]
        assert row.state is MessageState.SENT
        hostile.honest()
        await circle.settle()
        assert "lost" in codes(ben)
        await recover(circle, ada, ben, cyd)

    play(story())


def test_messages_said_to_have_aged_out_stop_a_conversation_only_when_said_twice() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        hostile.against(ben, ClaimFloor())
        ben.drop_link()
        for _ in range(200):
            if "suspect" in codes(ben):
                break
            ben.step()
            await asyncio.sleep(0)
        hostile.honest()
        await circle.settle()
        assert codes(ben) == {"suspect"}
        await recover(circle, ada, ben, cyd)

    play(story())


# --- ways in --------------------------------------------------------------------------------------


async def asked(
    circle: SimulatedCircle, inviter: SimulatedDevice, name: str, lie: Lie, hostile: HostileRelay
) -> tuple[SimulatedDevice, Join]:
    """A newcomer who is lied to from the first connection on."""
    code = await circle.act(inviter, Invite(ref=circle.ref()))
    newcomer = circle.add(name)
    hostile.against(newcomer, lie)
    join = Join(ref=circle.ref(), code=code, name=name)
    newcomer.feed(join)
    await circle.settle()
    return newcomer, join


def test_a_letter_of_another_invitation_is_refused_and_the_code_still_works() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, _ = await three_at_a_desk(circle)
        letters: list[bytes] = []

        class Keep(Lie):
            def tell(self, event: AnyEvent) -> tuple[AnyEvent, ...]:
                if isinstance(event, MailItem) and event.kind == int(ObjectKind.BOX):
                    letters.append(event.item)
                return (event,)

        hostile = HostileRelay(circle)
        await asked(circle, ada, "Dan", Keep(), hostile)
        eve, join = await asked(circle, ada, "Eve", SwapBox(letters[0]), hostile)
        with pytest.raises(LetterRefused):
            circle.result(eve, join)
        assert eve.phase == "empty"
        assert "joining" in codes(eve)
        hostile.honest()
        again = Join(ref=circle.ref(), code=join.code, name="Eve")
        await circle.act(eve, again)
        assert eve.phase == "joining: waiting"

    play(story())


def test_a_welcome_that_is_kept_back_lets_nobody_in_and_comes_after_all() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        dan, join = await asked(circle, ada, "Dan", KeepInbox(), hostile)
        for voucher in (ada, ben):
            await circle.act(voucher, Vouch(ref=circle.ref(), request="Dan", how=1))
        assert circle.result(dan, join)
        assert dan.phase == "joining: waiting"
        assert not silent_differences(circle)
        hostile.honest()
        await circle.settle()
        assert dan.phase == "member"
        await recover(circle, ada, ben, cyd)

    play(story())


@pytest.mark.parametrize("whose", ["handed out before", "another device's"])
def test_a_key_package_that_is_not_fresh_or_not_theirs_brings_nobody_in_unseen(whose: str) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three_at_a_desk(circle)
        bens = [one.key_package for one in ben.core.state.key_packages.values()]
        hostile = HostileRelay(circle)
        lie = OldKeyPackages(*(bens if whose == "another device's" else ()))
        for device in (ada, ben, cyd):
            hostile.against(device, lie)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        dan = circle.add("Dan")
        await circle.act(dan, Join(ref=circle.ref(), code=code, name="Dan"))
        for voucher in (ada, cyd):
            await circle.act(voucher, Vouch(ref=circle.ref(), request="Dan", how=1))
        if whose == "another device's":
            assert any("key package" in codes(one) for one in (ada, ben, cyd))
            assert dan.phase == "joining: waiting"
        else:
            # One package brought Dan into the commons; the same again would be for the Room.
            opening = OpenConversation(ref=circle.ref(), title="Room", members=("Dan",))
            ada.feed(opening)
            await go_on(circle, 10)
            assert "welcome" in codes(dan)
        hostile.honest()
        await circle.settle(within_s=2 * HOUR_S)
        assert dan.phase == "member"
        await recover(circle, ada, ben, cyd)

    play(story())


def test_tickets_of_another_invitation_let_nobody_enrol() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", unlock_shares=True)
        given: list[tuple[bytes, ...]] = []

        class SameTickets(Lie):
            def tell(self, event: AnyEvent) -> tuple[AnyEvent, ...]:
                if isinstance(event, Opened):
                    given.append(event.tickets)
                    return (msgspec.structs.replace(event, tickets=given[0]),)
                return (event,)

        hostile = HostileRelay(circle)
        hostile.against(ada, SameTickets())
        ben = await circle.admit("Ben", ada, [ada])
        code = await circle.act(ada, Invite(ref=circle.ref()))
        eve = circle.add("Eve")
        with pytest.raises(TicketsRefused):
            await circle.act(eve, Join(ref=circle.ref(), code=code, name="Eve"))
        assert eve.phase == "empty"
        assert not eve.core.state.enrolments
        hostile.honest()
        cyd = await circle.admit("Cyd", ada, [ada])
        assert ben.phase == cyd.phase == "member"

    play(story())


# --- one code, twenty people ----------------------------------------------------------------------


SOMEBODY_ELSE = r"somebody has used this invitation already|somebody else has used this invitation"


@pytest.mark.parametrize("seed", seeds(plain=1, nightly=100))
@pytest.mark.parametrize("unlock_shares", [False, True])
def test_of_twenty_who_use_one_code_at_once_one_gets_past(unlock_shares: bool, seed: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle(seed=3 + seed)
        ada = await circle.found("Ada", unlock_shares=unlock_shares)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        many = [circle.add(f"Dan {number}") for number in range(20)]
        acts = [Join(ref=circle.ref(), code=code, name=one.name) for one in many]
        for device, act in zip(many, acts, strict=True):
            device.feed(act)
        await circle.shake(2000)
        await circle.settle()
        past = [one for one in many if one.phase == "joining: waiting"]
        assert len(past) == 1
        refused = 0
        for device, act in zip(many, acts, strict=True):
            if device in past:
                assert circle.result(device, act)
                continue
            with pytest.raises(CloisterError, match=SOMEBODY_ELSE):
                circle.result(device, act)
            assert device.phase == "empty"
            assert "joining" in codes(device)
            refused += 1
        assert refused == 19
        (request,) = roster_of(ada).requests.values()
        assert request.state is RequestState.OPEN
        assert request.request.name == past[0].name
        await circle.act(ada, Vouch(ref=circle.ref(), request=request.request.name, how=1))
        assert past[0].phase == "member"
        assert len(roster_of(ada).members) == 2

    play(story())


def test_a_clock_that_is_set_is_no_time_in_which_something_was_kept_back() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three_at_a_desk(circle)
        hostile = HostileRelay(circle)
        hostile.against(ben, LIES["withholds commits"](circle, ben))
        await circle.act(ada, ChangeConversation(ref=circle.ref(), conversation="Desk", title="A"))
        ben.drop_link()  # it connects again, and proves an epoch that has ended
        await go_on(circle)
        assert ben.core.state.session.moved_on, "something is kept back from now on"
        for step in (86_400, 10 * 86_400, -5 * 86_400):
            await sleep_through(circle, step)
            assert "kept back" not in codes(ben)
        await pass_time(circle, 600)
        assert "kept back" in codes(ben), "time that did pass counts"

    play(story())

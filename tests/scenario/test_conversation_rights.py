"""Who may change a conversation and who may post in it, and what becomes of those who may not."""

from __future__ import annotations

from typing import Any

import pytest

from cloister.client import changing, outbox, saying
from cloister.client.binding import (
    ConversationInfo,
    Who,
    conversation_of,
    dids_of,
    group_extensions,
)
from cloister.client.effects import MessageKind, MessageState
from cloister.client.inputs import (
    ChangeConversation,
    LeaveConversation,
    OpenConversation,
    Remove,
    SendText,
)
from cloister.client.powers import Suspend
from cloister.client.records import ChannelState, Counter
from cloister.client.views import channel_named, channel_titles
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.ids import MemberId
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from scenario.built_once import built_once
from scenario.test_forged_commits import channel, deliver, leaf_of, play


@built_once
async def conversing(
    circle: SimulatedCircle, **rules: bool
) -> tuple[SimulatedDevice, SimulatedDevice, SimulatedDevice, SimulatedDevice]:
    """Ada, Ben and Cyd in a conversation that Ada opened; Dan is in the circle only."""
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    dan = await circle.admit("Dan", ada, [ada, ben])
    members = ("Ben", "Cyd")
    act = OpenConversation(ref=circle.ref(), title="Desk", members=members, **rules)
    await circle.act(ada, act)
    return ada, ben, cyd, dan


async def change(circle: SimulatedCircle, device: SimulatedDevice, **fields: Any) -> str:
    """Change “Desk”, or what it is called by now on the device."""
    title = fields.pop("conversation", "Desk")
    return await circle.act(
        device, ChangeConversation(ref=circle.ref(), conversation=title, **fields)
    )


def info_of(device: SimulatedDevice, title: str = "Desk") -> ConversationInfo:
    return conversation_of(channel(device, title).group.extensions)


def people(device: SimulatedDevice, title: str = "Desk") -> set[str]:
    roster = device.core.state.roster
    assert roster is not None
    dids = dids_of(channel(device, title).group).values()
    return {roster.members[roster.devices[did].member_id].name for did in dids}


def member_id(device: SimulatedDevice) -> MemberId:
    assert device.core.state.identity is not None
    return MemberId(device.core.state.identity.member_id)


def notices(device: SimulatedDevice) -> str:
    rows = [row for row in device.messages.values() if row.kind is MessageKind.NOTICE]
    return " ".join(row.text for row in sorted(rows, key=lambda row: row.position))


def with_info(device: SimulatedDevice, **changes: Any) -> Any:
    """The extensions of a commit that changes what the conversation is."""
    roster = device.core.state.roster
    assert roster is not None
    info = replace(info_of(device), **changes)
    return group_extensions(roster.origin, roster.size, roster.root, info)


# --- what may be done -----------------------------------------------------------------------------


def test_everybody_changes_name_and_members_where_nothing_else_was_said() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, dan = await conversing(circle)
        await change(circle, ben, title="Night desk")
        await change(circle, ben, conversation="Night desk", add=("Dan",))
        for device in (ada, ben, cyd, dan):
            assert people(device, "Night desk") == {"Ada", "Ben", "Cyd", "Dan"}
        await change(circle, cyd, conversation="Night desk", remove=("Dan",))
        assert people(ada, "Night desk") == {"Ada", "Ben", "Cyd"}
        assert channel(dan, "Night desk").state is ChannelState.LEFT
        assert "Ben: the conversation is called “Night desk” now." in notices(ada)
        assert "Cyd: Dan is not in the conversation any more." in notices(ben)

    play(story)


def test_admins_only() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, admins_only=True)
        for fields in ({"title": "Mine"}, {"add": ("Dan",)}, {"remove": ("Cyd",)}):
            with pytest.raises(PolicyError, match="only admins"):
                await change(circle, ben, **fields)
        with pytest.raises(PolicyError, match="only admins"):
            await change(circle, ben, admins_named=("Ben",))
        await change(circle, ada, admins_named=("Ben",))
        await change(circle, ben, title="Ours")
        await change(circle, ben, conversation="Ours", remove=("Cyd",))
        assert people(ada, "Ours") == {"Ada", "Ben"}
        assert channel(cyd, "Ours").state is ChannelState.LEFT
        await change(circle, ben, conversation="Ours", admins_unnamed=("Ada",))
        assert info_of(ada, "Ours").admins == (member_id(ben),)
        with pytest.raises(PolicyError, match="needs an admin"):
            await change(circle, ben, conversation="Ours", admins_unnamed=("Ben",))

    play(story)


def test_only_admins_take_out_an_admin_even_where_everybody_takes_out_others() -> None:
    """Else whoever takes out the last admin would be one."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _, _ = await conversing(circle, announcements=True)
        with pytest.raises(PolicyError, match="only admins"):
            await change(circle, ben, remove=("Ada",))
        said = deliver(circle, ben, ada_s_peer(circle, "Cyd"), removes=[leaf_of(ben, ada)])
        assert "took somebody out" in said

    play(story)


def ada_s_peer(circle: SimulatedCircle, name: str) -> SimulatedDevice:
    return next(device for device in circle.devices if device.name == name)


def test_when_the_last_admin_is_out_of_the_circle_everybody_is_one() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben, cyd, _ = await conversing(circle)
        act = OpenConversation(
            ref=circle.ref(), title="Hers", members=("Ada", "Ben"), admins_only=True
        )
        await circle.act(cyd, act)
        ada = ada_s_peer(circle, "Ada")
        with pytest.raises(PolicyError, match="only admins"):
            await change(circle, ben, conversation="Hers", title="Ours")
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        circle.now += 120
        await circle.settle()
        await change(circle, ben, conversation="Hers", admins_named=("Ben",), title="Ours")
        assert info_of(ada, "Ours").admins == tuple(sorted((member_id(ben), member_id(cyd))))

    play(story)


def test_two_changes_at_once_are_both_made() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle)
        one = ChangeConversation(ref=circle.ref(), conversation="Desk", title="Night desk")
        two = ChangeConversation(ref=circle.ref(), conversation="Desk", posting=int(Who.ADMINS))
        ben.feed(one)
        ada.feed(two)
        await circle.settle()
        circle.result(ben, one)
        circle.result(ada, two)
        for device in (ada, ben, cyd):
            assert info_of(device, "Night desk").posting is Who.ADMINS

    play(story)


def test_a_wish_outlives_a_crash() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _, _ = await conversing(circle)
        ben.is_offline = True
        ben.drop_link()
        ben.feed(ChangeConversation(ref=circle.ref(), conversation="Desk", title="Night desk"))
        ben.crash()
        ben.is_offline = False
        await circle.settle()
        assert info_of(ada, "Night desk").title == "Night desk"

    play(story)


def test_what_cannot_be_meant_is_said_at_once() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, _, _, _ = await conversing(circle)
        with pytest.raises(UsageError, match="nobody removes themselves"):
            await change(circle, ada, remove=("Ada",))
        with pytest.raises(NotFoundError, match="not in the conversation"):
            await change(circle, ada, remove=("Dan",))
        with pytest.raises(PolicyError, match="already"):
            await change(circle, ada, title="desk")
        with pytest.raises(PolicyError, match="commons"):
            await change(circle, ada, conversation="commons", title="Other")

    play(story)


def test_a_further_device_of_who_is_in_needs_no_right_and_leaves_with_the_member() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, admins_only=True)
        second = await circle.add_device("Ben's tablet", ben, [ada])
        await circle.settle()
        assert channel(second).state is ChannelState.ACTIVE
        assert len(dids_of(channel(ada).group)) == 4
        act = LeaveConversation(ref=circle.ref(), conversation="Desk")
        second.feed(act)
        await circle.settle()
        circle.now += 120
        await circle.settle()
        circle.result(second, act)
        for device in (ben, second):
            assert channel(device).state is ChannelState.LEFT
            assert not [alarm for alarm in device.alarms if alarm.code == "removed"]
        assert people(ada) == people(cyd) == {"Ada", "Cyd"}

    play(story)


def test_who_was_suspended_is_brought_back_by_an_admin_where_only_admins_change_who_is_in() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, admins_only=True)
        await circle.act(ada, Suspend(ref=circle.ref(), member="Cyd"))
        circle.now += 120
        await circle.settle()
        assert people(ben) == {"Ada", "Ben"}
        ada.is_offline = True
        ada.drop_link()
        circle.now += 8 * 86_400  # nobody made it last: it lapses
        await circle.settle()
        circle.now += 120
        await circle.settle()
        assert people(ben) == {"Ada", "Ben"}
        ada.is_offline = False
        for _ in range(3):
            circle.now += 120
            await circle.settle()
        assert people(ben) == people(cyd) == {"Ada", "Ben", "Cyd"}
        for device in (ada, ben, cyd):
            assert channel(device).state is ChannelState.ACTIVE

    play(story)


# --- announcements --------------------------------------------------------------------------------


def test_only_admins_post_announcements() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, announcements=True)
        await circle.act(ada, SendText(ref=circle.ref(), conversation="Desk", text="at nine"))
        with pytest.raises(PolicyError, match="only admins"):
            await circle.act(ben, SendText(ref=circle.ref(), conversation="Desk", text="no"))
        assert cyd.texts("Ada") == ["at nine"]

    play(story)


def test_a_text_of_somebody_else_is_not_shown_and_raises_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ben's program does not ask whether he may."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, announcements=True)
        with monkeypatch.context() as lying:
            lying.setattr(outbox, "may_post", lambda state, channel: True)
            lying.setattr(saying, "may_post", lambda state, channel: True)
            await circle.act(ben, SendText(ref=circle.ref(), conversation="Desk", text="hear me"))
        assert ada.texts("Ben") == cyd.texts("Ben") == []
        assert [alarm.code for alarm in ada.alarms][-1] == "not an admin"
        counter = channel(ada).counters[channel_device(ben)]
        assert counter == Counter(did=channel_device(ben), counter=1, missing=())
        await circle.act(ada, SendText(ref=circle.ref(), conversation="Desk", text="at ten"))
        assert cyd.texts("Ada") == ["at ten"]

    play(story)


def channel_device(device: SimulatedDevice) -> Any:
    from cloister.client.identity import did_of

    return did_of(device.core.state)


def test_what_was_queued_before_only_admins_post_has_failed() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _, _ = await conversing(circle)
        ben.is_offline = True
        ben.drop_link()
        ben.feed(SendText(ref=circle.ref(), conversation="Desk", text="too late"))
        await change(circle, ada, posting=int(Who.ADMINS))
        ben.is_offline = False
        await circle.settle()
        row = next(one for one in ben.messages.values() if one.text == "too late")
        assert (row.state, row.reason) == (MessageState.FAILED, outbox.ONLY_ADMINS)
        assert channel(ben).outbox == ()

    play(story)


# --- leaving --------------------------------------------------------------------------------------


def test_leaving_is_said_and_done_by_others_also_where_only_admins_take_out() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, admins_only=True)
        ada.is_offline = True
        ada.drop_link()
        act = LeaveConversation(ref=circle.ref(), conversation="Desk")
        cyd.feed(act)
        await circle.settle()
        circle.now += 120
        await circle.settle()
        assert circle.result(cyd, act) == "this member has left it"
        assert channel(cyd).state is ChannelState.LEFT
        assert not [alarm for alarm in cyd.alarms if alarm.code == "removed"]
        ada.is_offline = False
        await circle.settle()
        assert people(ada) == people(ben) == {"Ada", "Ben"}
        assert "Cyd leaves." in notices(ada)

    play(story)


def test_leaving_is_said_again_after_another_commit() -> None:
    """The notice counts in its epoch only: who came since has not heard it."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, dan = await conversing(circle, admins_only=True)
        for device in (ada, ben):
            device.is_offline = True
            device.drop_link()
        cyd.feed(LeaveConversation(ref=circle.ref(), conversation="Desk"))
        await circle.settle()
        assert channel(cyd).leavers == (member_id(cyd),)
        ada.is_offline = False
        ada.feed(ChangeConversation(ref=circle.ref(), conversation="Desk", add=("Dan",)))
        await circle.settle()
        ben.is_offline = False
        circle.now += 120
        await circle.settle()
        assert channel(cyd).state is ChannelState.LEFT
        assert people(dan) == people(ben) == {"Ada", "Ben", "Dan"}

    play(story)


def test_the_last_one_leaves_alone() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben, _, _ = await conversing(circle)
        act = OpenConversation(ref=circle.ref(), title="Two", members=("Ada",))
        await circle.act(ben, act)
        await change(circle, ben, conversation="Two", remove=("Ada",))  # Ben opened it
        await circle.act(ben, LeaveConversation(ref=circle.ref(), conversation="Two"))
        assert channel(ben, "Two").state is ChannelState.LEFT

    play(story)


# --- commits that MLS finds valid -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "changes", "words"),
    [
        ({"admins_only": True}, {"title": "Mine"}, "renamed"),
        ({}, {"posting": Who.ADMINS}, "who may do what"),
        ({}, {"changing": Who.ADMINS}, "who may do what"),
        ({}, {"admins": (MemberId(b"\1" * 16),)}, "who may do what"),
        ({}, {"admins": ()}, "no admin"),
        ({}, {"admins": (MemberId(b"\2" * 16), MemberId(b"\1" * 16))}, "not in order"),
    ],
)
def test_nobody_else_changes_what_a_conversation_is(
    rules: dict[str, bool], changes: dict[str, Any], words: str
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben, cyd, _ = await conversing(circle, **rules)
        assert words in deliver(circle, ben, cyd, extensions=with_info(ben, **changes))

    play(story)


def test_nobody_else_brings_somebody_in() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, ben, cyd, dan = await conversing(circle, admins_only=True)
        package = next(iter(dan.core.state.key_packages.values())).key_package
        said = deliver(circle, ben, cyd, adds=[package], extensions=with_info(ben))
        assert "brought somebody into" in said

    play(story)


def test_nobody_else_takes_somebody_out_and_whoever_is_taken_out_says_so_too() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, admins_only=True)
        for victim in (ada, cyd):
            said = deliver(circle, ben, victim, removes=[leaf_of(ben, cyd)])
            assert "took somebody out" in said

    play(story)


def test_a_forged_commit_is_refused_twice_and_then_the_conversation_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ben's program wishes without asking: Ada's and Cyd's are stuck, and say why."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd, _ = await conversing(circle, admins_only=True)
        with monkeypatch.context() as lying:
            lying.setattr(changing, "is_forbidden", lambda rights, member, wish: False)
            lying.setattr("cloister.client.merging.check_rights", _only_others(ben))
            ben.feed(ChangeConversation(ref=circle.ref(), conversation="Desk", title="Mine"))
            await circle.settle()
        for device in (ada, cyd):
            assert channel(device).state is ChannelState.STUCK
            assert "renamed" in channel(device).reason
        assert channel(ben, "Mine").state is ChannelState.ACTIVE

    play(story)


def _only_others(liar: SimulatedDevice) -> Any:
    """Check rights as ever, but nothing for commits that the liar made itself."""
    from cloister.client.rights import check_rights

    def check(roster: Any, before: Any, after: Any, committer: int, leavers: Any) -> None:
        if before.own_leaf != committer:
            check_rights(roster, before, after, committer, leavers)

    return check


def test_a_title_does_not_take_the_place_of_an_id() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _, _ = await conversing(circle)
        desk = channel(ada, "Desk")
        title = desk.channel_id.hex()
        await circle.act(ben, OpenConversation(ref=circle.ref(), title=title, members=("Ada",)))
        assert title in channel_titles(ada.core.state)
        assert channel_named(ada.core.state, title).channel_id == desk.channel_id

    play(story)

"""Commits that MLS finds valid and the circle does not: C1, C2, C3, knocks, what a group is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from cloister import mls
from cloister.client import committing
from cloister.client.binding import (
    COMMONS_INFO,
    SUITE,
    SUPPORTED_EXTENSIONS,
    bind_leaf,
    checkpoint_of,
    conversation_of,
    dids_of,
    group_extensions,
    key_package_lifetime,
)
from cloister.client.effects import MessageState
from cloister.client.inputs import OpenConversation, Received, Remove, SendText
from cloister.client.linking import channel_key
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.state import Channel
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.limits import ENVELOPE_SIZES
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.events import CommitItem
from scenario.built_once import built_once

ENTROPY = SystemEntropy()


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@built_once
async def three(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben", "Cyd")))
    return ada, ben, cyd


def channel(device: SimulatedDevice, title: str = "Desk") -> Channel:
    for one in device.core.state.channels.values():
        if one.title == title or (title == "" and one.kind is ChannelKind.COMMONS):
            return one
    raise AssertionError(f"no channel {title}")


def forge(
    circle: SimulatedCircle,
    author: SimulatedDevice,
    victim: SimulatedDevice,
    *,
    title: str = "Desk",
    adds: Sequence[bytes] = (),
    removes: Sequence[int] = (),
    extensions: Sequence[mls.Extension] | None = None,
) -> CommitItem:
    """The author's commit, valid to MLS, at the place where the victim expects the next item."""
    source, target = channel(author, title), channel(victim, title)
    made = source.group.commit(
        adds=adds,
        removes=removes,
        extensions=extensions or source.group.extensions,
        tree_in_welcome=True,
        pad_to=ENVELOPE_SIZES,
        now=circle.now,
        entropy=ENTROPY,
    )
    key = channel_key(made.next, circle.relays.home_card.relay_id, target.channel_id)
    return CommitItem(
        channel_id=target.channel_id,
        n=target.next_n,
        epoch=target.group.epoch,
        envelope_id=bytes(16),
        envelope=made.message,
        next_key=key.public,
    )


def deliver(
    circle: SimulatedCircle,
    author: SimulatedDevice,
    victim: SimulatedDevice,
    *,
    title: str = "Desk",
    **commit: Any,
) -> str:
    """Let a forged commit reach the victim; return what the victim says of it."""
    event = forge(circle, author, victim, title=title, **commit)
    before = len(victim.alarms)
    victim.feed(Received(event=event))
    assert channel(victim, title).group.epoch == event.epoch
    return " ".join(alarm.text for alarm in victim.alarms[before:])


def extensions_of(device: SimulatedDevice, **changes: Any) -> tuple[mls.Extension, ...]:
    group = channel(device).group
    checkpoint, info = checkpoint_of(group.extensions), conversation_of(group.extensions)
    values: dict[str, Any] = {"size": checkpoint.size, "root": checkpoint.root, "info": info}
    values |= changes
    return group_extensions(checkpoint.origin, values["size"], values["root"], values["info"])


def leaf_of(device: SimulatedDevice, whose: SimulatedDevice, title: str = "Desk") -> int:
    roster = device.core.state.roster
    assert roster is not None
    member = roster.member_named(whose.name)
    assert member is not None
    dids = dids_of(channel(device, title).group)
    return next(leaf for leaf, did in dids.items() if did in member.devices)


def test_c1_a_root_of_another_history_is_a_split_view() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        said = deliver(circle, ada, ben, extensions=extensions_of(ada, root=bytes(32)))
        assert "another history" in said

    play(story)


def test_c1_a_checkpoint_never_goes_back() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        earlier = ada.core.state.root_at(2)
        said = deliver(circle, ada, ben, extensions=extensions_of(ada, size=2, root=earlier))
        assert "older checkpoint" in said

    play(story)


def test_a_commit_does_not_change_what_the_group_is() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        info = COMMONS_INFO
        said = deliver(circle, ada, ben, extensions=extensions_of(ada, info=info))
        assert "what the group is" in said

    play(story)


def test_c2_a_leaf_that_its_device_did_not_sign_is_refused() -> None:
    """Ada adds a leaf of her own making in the name of a member who is not in the conversation."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        dan = await circle.admit("Dan", ada, [ada, ben])
        roster, identity = ada.core.state.roster, ada.core.state.identity
        assert roster is not None
        assert identity is not None
        member = roster.member_named("Dan")
        assert member is not None
        assert dan.phase == "member"
        did = member.devices[0]
        seed = Secret(ENTROPY.random(32))
        binding = bind_leaf(
            Ed25519Key(identity.device_seed), did, roster.circle_id, Ed25519Key(seed).public, 0
        )
        forged = mls.make_key_package(
            SUITE,
            signature_seed=seed,
            credential=mls.basic_credential(did),
            lifetime=key_package_lifetime(circle.now),
            leaf_extensions=(binding,),
            supported_extensions=SUPPORTED_EXTENSIONS,
            entropy=ENTROPY,
        )
        newest = extensions_of(ada, size=roster.size, root=roster.root)
        said = deliver(circle, ada, ben, adds=[forged.key_package], extensions=newest)
        assert "not signed by its device" in said

    play(story)


def test_c2_a_device_that_is_out_is_not_let_back_in() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        package = next(iter(cyd.core.state.key_packages.values())).key_package
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        await circle.settle()
        roster = ada.core.state.roster
        assert roster is not None
        newest = extensions_of(ada, size=roster.size, root=roster.root)
        said = deliver(circle, ada, ben, adds=[package], extensions=newest)
        assert "not active in the circle" in said

    play(story)


def test_c2_nobody_takes_an_active_member_out_of_the_commons() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        said = deliver(circle, ada, ben, title="", removes=[leaf_of(ada, cyd, "")])
        assert "removed an active member's device" in said

    play(story)


def test_a_device_is_not_replaced_without_a_knock() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        package = next(iter(cyd.core.state.key_packages.values())).key_package
        said = deliver(circle, ada, ben, adds=[package], removes=[leaf_of(ada, cyd)])
        assert "without having asked for it" in said

    play(story)


def test_c3_nothing_is_said_to_a_leaf_that_is_not_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """The removal cannot be committed: then the text waits, however long."""

    def cannot(*_: object, **__: object) -> None:
        raise mls.Misuse("too large")

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await three(circle)
        with monkeypatch.context() as broken:
            broken.setattr(committing, "stage", cannot)
            await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
            await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
            ada.feed(SendText(ref=circle.ref(), conversation="Desk", text="not for Cyd"))
            await circle.settle()
            assert {row.state for row in ada.messages.values()} == {MessageState.QUEUED}
            assert cyd.texts("Ada") == ben.texts("Ada") == []
        circle.now += 600
        await circle.settle()
        assert ben.texts("Ada") == ["not for Cyd"]
        assert cyd.texts("Ada") == []

    play(story)


def test_a_channel_that_was_refused_twice_is_stuck_and_stays_so_after_a_restart() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        event = forge(circle, ada, ben, extensions=extensions_of(ada, root=bytes(32)))
        for expected in (ChannelState.ACTIVE, ChannelState.STUCK):
            ben.feed(Received(event=event))
            assert channel(ben).state is expected
            await circle.settle()
        ben.crash()
        assert channel(ben).state is ChannelState.STUCK

    play(story)


def test_a_suspicion_ends_when_the_relay_shows_what_is_right() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await three(circle)
        event = forge(circle, ada, ben, extensions=extensions_of(ada, root=bytes(32)))
        ben.feed(Received(event=event))
        assert channel(ben).channel_id in ben.core.state.suspects
        await circle.act(ada, Remove(ref=circle.ref(), member="Cyd"))
        await circle.act(ben, Remove(ref=circle.ref(), member="Cyd"))
        assert channel(ben).state is ChannelState.ACTIVE
        assert ben.core.state.suspects == {}

    play(story)

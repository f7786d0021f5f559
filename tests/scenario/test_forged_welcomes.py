"""Welcomes by a member who means ill: they neither block nor replace the honest ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest.mock import patch

import msgspec
import pytest

from cloister import mls
from cloister.client.binding import COMMONS_INFO, LOG_KEY, GroupLogKey, group_extensions
from cloister.client.identity import device_card, make_group
from cloister.client.inputs import (
    Invite,
    Join,
    OpenConversation,
    Received,
    SendText,
    Tick,
    Vouch,
)
from cloister.client.mail import seal_inbox_item
from cloister.client.records import ChannelKind
from cloister.crypto.entropy import SystemEntropy
from cloister.ids import MemberId
from cloister.limits import ENVELOPE_SIZES
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.events import AnyEvent, MailItem
from scenario.built_once import built_once


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


@built_once
async def two_at_a_desk(circle: SimulatedCircle) -> tuple[SimulatedDevice, SimulatedDevice]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title="Desk", members=("Ben",)))
    return ada, ben


def forged_welcome(
    circle: SimulatedCircle,
    author: SimulatedDevice,
    victim: SimulatedDevice,
    channel_id: bytes,
    *,
    kind: ChannelKind,
    size: int,
) -> bytes:
    """An inbox item with a Welcome into a group of its author alone; size 0: the log's."""
    state, entropy = author.core.state, SystemEntropy()
    assert state.roster is not None
    assert victim.core.state.identity is not None
    assert state.identity is not None
    info = COMMONS_INFO
    if kind is ChannelKind.CONVERSATION:
        admin = MemberId(state.identity.member_id)
        info = replace(COMMONS_INFO, kind=kind, title="Desk", admins=(admin,))
    extensions = group_extensions(
        state.roster.origin, size or state.roster.size, state.roster.root, info
    )
    circle_id = state.roster.circle_id
    group = make_group(state, circle_id, channel_id, extensions, circle.now, entropy)
    package = list(victim.core.state.key_packages.values())[-1].key_package
    log_key = GroupLogKey(generation=0, key=state.log_keys[0].expose()).encode()
    made = group.commit(
        adds=[package],
        removes=(),
        extensions=extensions,
        group_info_extensions=(mls.Extension(extension_type=LOG_KEY, data=log_key),),
        tree_in_welcome=True,
        pad_to=ENVELOPE_SIZES,
        now=circle.now,
        entropy=entropy,
    )
    card = device_card(victim.core.state.identity)
    return seal_inbox_item(card, channel_id, made.welcome or b"")


def before_the_first_mail(make: Callable[[], bytes]) -> Callable[[AnyEvent], tuple[AnyEvent, ...]]:
    """Deliver one more inbox item before all others."""
    kept: list[bytes] = []

    def deliver(event: AnyEvent) -> tuple[AnyEvent, ...]:
        if not isinstance(event, MailItem) or event.kind != ObjectKind.INBOX:
            return (event,)
        later = msgspec.structs.replace(event, n=event.n + 1)
        if kept:
            return (later,)
        kept.append(make())
        return (msgspec.structs.replace(event, item=kept[0]), later)

    return deliver


@pytest.mark.parametrize("size", [0, 2**40])
@pytest.mark.parametrize("own_channel", [False, True])
def test_a_forged_welcome_of_the_commons_does_not_keep_a_newcomer_out(
    size: int, own_channel: bool
) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        cyd = circle.add("Cyd")
        commons = ada.core.state.commons
        assert commons is not None
        channel_id = bytes(16) if own_channel else commons.channel_id
        cyd.tamper = before_the_first_mail(
            lambda: forged_welcome(
                circle, ben, cyd, channel_id, kind=ChannelKind.COMMONS, size=size
            )
        )
        await circle.act(cyd, Join(ref=circle.ref(), code=code, name="Cyd"))
        await circle.act(ada, Vouch(ref=circle.ref(), request="Cyd", how=1))
        assert cyd.phase == "member"

    play(story)


def test_welcomes_that_wait_are_not_opened_again_with_every_input() -> None:
    """They may wait for ever, and one member can send hundreds of them to everybody."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        identity = ben.core.state.identity
        assert identity is not None
        with patch.object(mls, "open_welcome", side_effect=mls.open_welcome) as opening:
            for number in range(3):
                item = forged_welcome(
                    circle, ada, ben, bytes(16), kind=ChannelKind.CONVERSATION, size=2**40
                )
                mail = MailItem(
                    kind=int(ObjectKind.INBOX),
                    object_id=identity.inbox_id,
                    n=ben.core.state.inbox_cursor,
                    item=item,
                )
                ben.feed(Received(event=mail))
                assert len(ben.core.state.session.opened) == number + 1
            opened = opening.call_count
            ben.feed(Tick())
            ben.feed(SendText(ref=circle.ref(), conversation="Desk", text="busy as ever"))
            assert opening.call_count == opened
        # No channel of that name is at the relay: nothing of them is left, in memory neither.
        await circle.settle()
        assert not ben.core.state.welcomes
        assert not ben.core.state.session.opened

    play(story)


@pytest.mark.parametrize("size", [0, 2**40])
def test_a_forged_welcome_does_not_take_the_place_of_a_conversation(size: int) -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben = await two_at_a_desk(circle)
        cyd = await circle.admit("Cyd", ada, [ada])
        opened: list[bytes] = []

        def forge() -> bytes:
            opened.extend(set(ada.core.state.channels) - set(ben.core.state.channels))
            return forged_welcome(
                circle, ben, cyd, opened[0], kind=ChannelKind.CONVERSATION, size=size
            )

        cyd.tamper = before_the_first_mail(forge)
        await circle.act(ada, OpenConversation(ref=circle.ref(), title="Two", members=("Cyd",)))
        assert opened
        ada.feed(SendText(ref=circle.ref(), conversation="Two", text="hello"))
        await circle.settle()
        assert cyd.texts("Ada") == ["hello"]
        assert "welcome" in {alarm.code for alarm in cyd.alarms}
        await circle.act(cyd, Invite(ref=circle.ref()))

    play(story)

"""What a person said of others, brought back from a backup: over real cores."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.contact_acts import BlockContact, NameContact, PinConversation, RestoreSaid
from cloister.client.contact_records import Contact, Preference
from cloister.client.taking_out import whose_history
from cloister.client.views import conversations_view
from cloister.device.keeping import KEPT_VIEW
from cloister.errors import NotFoundError, UsageError
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.governed import roster_of, two_stewards


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def id_of(seen_by: SimulatedDevice, name: str) -> bytes:
    member = roster_of(seen_by).member_named(name)
    assert member is not None
    return bytes(member.member_id)


def contact(own_name: str = "", *, blocked: bool = False) -> bytes:
    return Contact(
        own_name=own_name, is_blocked=blocked, verified=(), verified_at=0, told=(), told_state=0
    ).encode()


def preference(*, pinned: bool = True) -> bytes:
    return Preference(muted_until=0, is_pinned=pinned).encode()


async def restore(
    circle: SimulatedCircle,
    device: SimulatedDevice,
    contacts: dict[bytes, bytes],
    preferences: dict[bytes, bytes] | None = None,
) -> None:
    act = RestoreSaid(
        ref=circle.ref(),
        contacts=tuple(contacts.items()),
        preferences=tuple((preferences or {}).items()),
    )
    await circle.act(device, act)


def test_what_is_said_here_goes_before_what_was_said_there() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        ben, ada_id, desk = id_of(cyd, "Ben"), id_of(cyd, "Ada"), b"d" * 16
        channel = next(iter(cyd.core.state.channels))
        await circle.act(cyd, NameContact(ref=circle.ref(), member="Ben", own_name="Benno"))
        await circle.act(cyd, PinConversation(ref=circle.ref(), conversation="Desk", pinned=True))
        kept = dict(cyd.core.state.preferences)
        await restore(
            circle,
            cyd,
            {ben: contact("Somebody"), ada_id: contact("Boss", blocked=True)},
            {desk: preference(), next(iter(kept)): preference(pinned=False), channel: preference()},
        )
        contacts = cyd.core.state.contacts
        assert contacts[ben].own_name == "Benno"
        assert (contacts[ada_id].own_name, contacts[ada_id].is_blocked) == ("Boss", True)
        preferences = cyd.core.state.preferences
        assert preferences[desk].is_pinned
        assert kept.items() <= preferences.items()

    play(story())


def test_a_name_that_is_somebody_elses_by_now_is_left_out() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        ben, ada = id_of(cyd, "Ben"), id_of(cyd, "Ada")
        # The first takes the other's name of the circle; both are called the same.
        await restore(circle, cyd, {ben: contact("Ada", blocked=True)})
        assert cyd.core.state.contacts[ben].own_name == ""
        assert cyd.core.state.contacts[ben].is_blocked
        await circle.act(cyd, BlockContact(ref=circle.ref(), member="Ben", blocked=False))
        await restore(circle, cyd, {ben: contact("Chief"), ada: contact("chief")})
        names = [one.own_name for one in cyd.core.state.contacts.values()]
        assert names == ["Chief"]

    play(story())


def test_strangers_oneself_and_what_no_program_wrote_change_nothing() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        before = cyd.core.state.contacts
        await restore(circle, cyd, {b"x" * 16: contact("Nobody"), id_of(cyd, "Cyd"): contact("I")})
        assert cyd.core.state.contacts == before
        for contacts, preferences in (
            ({id_of(cyd, "Ben"): b"?"}, {}),
            ({}, {b"d" * 16: b"?"}),
        ):
            with pytest.raises(UsageError):
                await restore(circle, cyd, contacts, preferences)
        assert cyd.core.state.contacts == before

    play(story())


def test_whose_history_it_is() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        whose = whose_history(cyd.core.state)
        roster = roster_of(cyd)
        assert (whose.circle_id, whose.name) == (roster.circle_id, "Cyd")
        assert roster.devices[whose.did].member_id == whose.member_id  # type: ignore[index]
        with pytest.raises(NotFoundError):
            whose_history(circle.add("Dan").core.state)

    play(story())


def test_a_conversation_that_only_history_knows_is_listed_in_the_form_of_the_others() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        for listed in conversations_view(cyd.core.state):
            assert set(KEPT_VIEW) | {"title", "shown", "channel_id"} == set(listed)

    play(story())

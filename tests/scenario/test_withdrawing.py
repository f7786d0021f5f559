"""What was given too early is taken back: an invitation, a vouch."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.inputs import Invite, Join, Vouch
from cloister.client.powers import WithdrawInvitation, WithdrawVouch
from cloister.errors import NotFoundError, PolicyError
from cloister.testing.simulated_circle import SimulatedCircle
from scenario.governed import later, roster_of, two_stewards


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def test_nobody_is_let_in_on_an_invitation_that_was_taken_back() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        code = await circle.act(cyd, Invite(ref=circle.ref()))
        await circle.settle()
        await circle.act(ada, Invite(ref=circle.ref()))
        with pytest.raises(PolicyError):
            await circle.act(cyd, WithdrawInvitation(ref=circle.ref(), member="Ada"))
        await circle.act(ben, WithdrawInvitation(ref=circle.ref(), member="Cyd"))
        await circle.settle()
        with pytest.raises(NotFoundError):
            await circle.act(cyd, WithdrawInvitation(ref=circle.ref()))
        dan = circle.add("Dan")
        dan.feed(Join(ref=circle.ref(), code=code, name="Dan"))
        await circle.settle()
        assert not any(one.request.name == "Dan" for one in roster_of(ada).requests.values())

    play(story())


def test_a_vouch_that_was_taken_back_does_not_count() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        code = await circle.act(ada, Invite(ref=circle.ref()))
        dan = circle.add("Dan")
        await circle.act(dan, Join(ref=circle.ref(), code=code, name="Dan"))
        await circle.settle()
        await circle.act(ada, Vouch(ref=circle.ref(), request="Dan", how=1))
        await circle.act(ada, WithdrawVouch(ref=circle.ref(), request="Dan"))
        await circle.act(ben, Vouch(ref=circle.ref(), request="Dan", how=1))
        await later(circle, 60)
        assert roster_of(cyd).member_named("Dan") is None
        with pytest.raises(PolicyError):
            await circle.act(cyd, WithdrawVouch(ref=circle.ref(), request="Dan"))
        await circle.act(ada, Vouch(ref=circle.ref(), request="Dan", how=1))
        await circle.settle()
        assert roster_of(cyd).member_named("Dan") is not None

    play(story())

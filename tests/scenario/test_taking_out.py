"""Taking history out of a vault, under each of the policies that a circle may have."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.inputs import Leave
from cloister.client.log_words import log_view
from cloister.client.powers import Approve, SetPolicy, TakeHistory
from cloister.errors import PolicyError, UsageError
from cloister.roster.content import ExportScope
from cloister.roster.policy import ExportRule
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from scenario.governed import roster_of, two_stewards, view


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def take(circle: SimulatedCircle, scope: int) -> TakeHistory:
    return TakeHistory(ref=circle.ref(), scope=scope)


def at_once(circle: SimulatedCircle, device: SimulatedDevice, act: TakeHistory) -> str:
    """Do an act; the answer must be there without anybody else."""
    device.feed(act)
    return circle.result(device, act)


async def rule_is(
    circle: SimulatedCircle, ada: SimulatedDevice, ben: SimulatedDevice, rule: ExportRule
) -> None:
    """Two stewards say what becomes of exports."""
    change = SetPolicy(ref=circle.ref(), changes=(("export", int(rule)),))
    entry = await circle.act(ada, change)
    (waiting,) = view(ben, "pending")
    assert f"export free becomes {rule.name.lower()}" in str(waiting["text"])
    await circle.act(ben, Approve(ref=circle.ref(), reference=entry[:8]))
    (row,) = [one for one in view(ada, "policy") if one["field"] == "export"]
    assert row == {"field": "export", "value": rule.name.lower(), "can_change": True}


def last_words(device: SimulatedDevice) -> str:
    """The newest entry of the log, as this device tells it."""
    stored = [entry for _, entry in sorted(device.entries.items())]
    (line,) = log_view(stored, device.core.state.log_keys, -1, 1, str)
    return str(line["text"])


def test_a_free_export_is_told_to_nobody_and_needs_no_relay() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        _, _, cyd = await two_stewards(circle)
        before = roster_of(cyd).size
        cyd.is_offline = True
        assert at_once(circle, cyd, take(circle, ExportScope.EVERYTHING)) == ""
        assert roster_of(cyd).size == before
        with pytest.raises(UsageError):
            at_once(circle, cyd, take(circle, 9))

    play(story())


def test_a_logged_export_stands_in_the_log_before_it_may_go_on() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await rule_is(circle, ada, ben, ExportRule.LOGGED)
        before = roster_of(cyd).size
        hashes = [await circle.act(cyd, take(circle, scope)) for scope in ExportScope]
        assert len(set(hashes)) == len(hashes)
        assert all(len(one) == 64 for one in hashes)
        assert roster_of(ada).size == before + len(hashes)
        assert last_words(ben) == "Cyd/1 takes out its whole history as a sealed backup"
        # Stewards are told aloud; who did it was there.
        assert [one for one in ada.news if "takes out" in one] == [
            "Cyd/1 takes out the history of one conversation, readable.",
            "Cyd/1 takes out its whole history, readable.",
            "Cyd/1 takes out its whole history as a sealed backup.",
        ]
        assert not [one for one in cyd.news if "takes out" in one]

    play(story())


def test_the_answer_waits_for_the_log() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await rule_is(circle, ada, ben, ExportRule.LOGGED)
        cyd.is_offline = True
        cyd.drop_link()
        act = take(circle, ExportScope.EVERYTHING)
        cyd.feed(act)
        await circle.settle()
        assert act.ref not in cyd.answers
        cyd.is_offline = False
        await circle.settle()
        assert len(cyd.answers[act.ref].text) == 64

    play(story())


def test_a_refused_export_leaves_no_trace_and_a_backup_is_told() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await rule_is(circle, ada, ben, ExportRule.REFUSED)
        before = roster_of(cyd).size
        for scope in (ExportScope.CONVERSATION, ExportScope.EVERYTHING):
            with pytest.raises(PolicyError, match="refuse exports"):
                at_once(circle, cyd, take(circle, scope))
        assert roster_of(cyd).size == before
        assert await circle.act(cyd, take(circle, ExportScope.BACKUP))
        assert roster_of(cyd).size == before + 1

    play(story())


def test_who_is_out_cannot_tell_and_so_may_not() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        await rule_is(circle, ada, ben, ExportRule.LOGGED)
        await circle.act(cyd, Leave(ref=circle.ref()))
        await circle.settle()
        with pytest.raises(PolicyError):
            at_once(circle, cyd, take(circle, ExportScope.BACKUP))

    play(story())

"""A steward, or a member of a circle that forms, who would be more of its stewards than one.

Devices approve by themselves the stewards who were invited as such.  What else a changed program
writes into the log waits for a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client import inviting
from cloister.client.appending import intent_of
from cloister.client.core import Core
from cloister.client.identity import did_of
from cloister.client.inputs import Invite, Tick
from cloister.client.powers import Approve, ProposeStewards
from cloister.codec import Struct
from cloister.crypto.hybrid_signature import HybridKey, HybridPublic
from cloister.crypto.secret import Secret
from cloister.errors import PolicyError
from cloister.roster.content import STEWARD_KEY_LABEL, Role, StewardKey
from cloister.roster.entry import SealedType
from cloister.roster.orders import EntryReference, StewardSet
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from scenario.governed import admit_steward, later, roster_of, two_stewards, view


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def write(
    circle: SimulatedCircle,
    device: SimulatedDevice,
    entry_type: SealedType | ReadableType,
    content: Struct,
    key: HybridKey | None = None,
) -> None:
    """Append what no honest program would, signed with another key of the member if need be."""
    state = device.core.state
    intent = intent_of(entry_type, content.encode(), circle.entropy("crafted").random(16))
    if key is not None:
        roster = roster_of(device)
        entry = make_readable(
            entry_type,
            intent.content,
            steward_key=key,
            circle_id=roster.circle_id,
            seq=roster.size,
            root=roster.root,
            ts=circle.now,
        )
        intent = replace(intent, entry=entry, seq=roster.size)
    device.core = Core(state=replace(state, intents=(*state.intents, intent)))
    device.feed(Tick())
    await circle.settle()


def another_key(number: int) -> HybridKey:
    return HybridKey(Secret(bytes([number]) * 32), Secret(bytes([number + 100]) * 32))


async def offer(circle: SimulatedCircle, device: SimulatedDevice, key: HybridKey) -> None:
    proof = key.sign(STEWARD_KEY_LABEL, did_of(device.core.state))
    content = StewardKey(key=key.public, proof=proof)
    await write(circle, device, SealedType.STEWARD_KEY, content)


def stewards_of(device: SimulatedDevice) -> list[HybridPublic]:
    return list(roster_of(device).governance.steward_keys.values())


def names_of_stewards(device: SimulatedDevice) -> list[object]:
    return [one["name"] for one in view(device, "stewards")]


def test_a_steward_who_names_more_keys_of_his_own_is_approved_by_no_program() -> None:
    """Ben was invited as a steward, and is one: what he wants besides is for Ada to say."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, cyd = await two_stewards(circle)
        before = stewards_of(ada)
        more = [another_key(number) for number in (1, 2)]
        for key in more:
            await offer(circle, ben, key)
        wanted = StewardSet(stewards=(*before, *(one.public for one in more)), officers=())
        await write(circle, ben, ReadableType.STEWARD_SET, wanted)
        (proposal,) = roster_of(ben).governance.proposals
        for key in more:
            reference = EntryReference(entry_hash=proposal)
            await write(circle, ben, ReadableType.APPROVE, reference, key)
        await later(circle, 60)
        assert stewards_of(ada) == stewards_of(cyd) == before
        (approved,) = roster_of(ada).governance.proposals.values()
        assert steward_key_id(before[0]) not in approved.approvals

    play(story())


def test_a_program_that_proposes_a_steward_brings_nobody_in_besides() -> None:
    """To propose is to approve: Ben's further key does not come along with Cyd."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        more = another_key(1)
        await offer(circle, ben, more)
        wanted = StewardSet(stewards=(*stewards_of(ada), more.public), officers=())
        await write(circle, ben, ReadableType.STEWARD_SET, wanted)
        await admit_steward(circle, "Cyd", ada, [ada])
        for proposal in roster_of(ben).governance.proposals:
            reference = EntryReference(entry_hash=proposal)
            await write(circle, ben, ReadableType.APPROVE, reference, more)
        await later(circle, 60)
        assert names_of_stewards(ada) == ["Ada", "Ben", "Cyd"]
        assert more.public not in stewards_of(ada)

    play(story())


def test_a_steward_who_was_dropped_is_brought_back_by_no_program() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await admit_steward(circle, "Ben", ada, [ada])
        cyd = await admit_steward(circle, "Cyd", ada, [ada])
        before = stewards_of(ada)
        await circle.act(ada, ProposeStewards(ref=circle.ref(), drop=("Ben",)))
        await circle.act(cyd, Approve(ref=circle.ref(), reference="Ben"))
        assert names_of_stewards(ada) == ["Ada", "Cyd"]
        await later(circle, 8 * 86_400)
        await write(
            circle, cyd, ReadableType.STEWARD_SET, StewardSet(stewards=tuple(before), officers=())
        )
        await later(circle, 60)
        assert names_of_stewards(ada) == ["Ada", "Cyd"]
        assert ben.core.state.roster == ada.core.state.roster

    play(story())


def test_a_member_without_office_makes_nobody_a_steward_while_the_circle_forms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ben was let in as a member.  Whom he invites as a steward, Ada's program proposes not."""

    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada", test_circle=True, change_delay_s=0)
        ben = await circle.admit("Ben", ada, [ada])
        with pytest.raises(PolicyError, match="only a steward"):
            await circle.act(ben, Invite(ref=circle.ref(), steward=True))
        monkeypatch.setattr(inviting, "_role", lambda *_: Role.STEWARD)
        await admit_steward(circle, "Eve", ben, [ben])
        await later(circle, 60)
        member = roster_of(ada).member_named("Eve")
        assert member is not None
        assert member.role is Role.MEMBER
        assert names_of_stewards(ada) == ["Ada"]
        assert not roster_of(ada).governance.proposals

    play(story())

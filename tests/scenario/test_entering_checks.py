"""What a newcomer checks before it believes that it is in the circle it was invited to (3.6.2)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from cloister import mls
from cloister.client import entering
from cloister.client import joining as joining_flow
from cloister.client.identity import make_identity
from cloister.client.inputs import Invite, Join, Vouch
from cloister.client.records import InboxItem, Joining
from cloister.client.state import State
from cloister.crypto.entropy import SystemEntropy
from cloister.errors import CloisterError, TrustError
from cloister.ids import CircleId
from cloister.roster.errors import LetterRefused
from cloister.roster.invitation import InvitationCode, parse_invitation
from cloister.roster.letter import Letter
from cloister.roster.roster import Roster
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from cloister.wire.events import AnyEvent, Entries


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def asked(circle: SimulatedCircle) -> tuple[SimulatedDevice, SimulatedDevice, Joining]:
    """A founder, a newcomer whose request is in the log, and the newcomer's own record of it."""
    ada = await circle.found("Ada")
    code = await circle.act(ada, Invite(ref=circle.ref()))
    ben = circle.add("Ben")
    await circle.act(ben, Join(ref=circle.ref(), code=code, name="Ben"))
    joining = ben.core.state.joining
    assert joining is not None
    return ada, ben, joining


def another_code(code: str, **changes: Any) -> str:
    parsed = parse_invitation(code, now=0)
    (entry_host, entry_port), (home_host, home_port) = parsed.entry_address, parsed.home_address
    values: dict[str, Any] = {
        "circle_id": parsed.circle_id,
        "size": parsed.size,
        "root": parsed.root,
        "seed": parsed.seed,
        "expires": parsed.expires,
        "entry_host": entry_host,
        "entry_port": entry_port,
        "home_host": home_host,
        "home_port": home_port,
    }
    return InvitationCode(**(values | changes)).to_text()


def without_member(state: State) -> State:
    return replace(state, identity=make_identity("Eve", SystemEntropy(), steward=False))


def check(
    device: SimulatedDevice, state: State, joining: Joining, item: InboxItem, group: mls.Group
) -> None:
    """Do what a newcomer does who has folded the log."""
    log = [device.entries[seq] for seq in sorted(device.entries)]
    seen = Roster.found(log[0], state.log_keys[0])
    seen, _ = seen.extend(log[1 : joining_flow.code_of(joining).size], state.log_keys)
    entering.check_seen(joining, seen)
    entering.check_entry(state, item, group)


CASES: dict[str, tuple[Callable[[Joining], Joining], Callable[[State], State], str]] = {
    "another circle": (
        lambda one: replace(one, code=another_code(one.code, circle_id=CircleId(bytes(32)))),
        lambda state: state,
        "of another circle",
    ),
    "a log without what the inviter saw": (
        lambda one: replace(one, code=another_code(one.code, root=bytes(32))),
        lambda state: state,
        "what the inviter saw",
    ),
    "a log shorter than what the inviter saw": (
        lambda one: replace(one, code=another_code(one.code, size=1_000_000)),
        lambda state: state,
        "what the inviter saw",
    ),
    "another origin than the letter's": (
        lambda one: replace(
            one, letter=replace(Letter.decode(one.letter), origin="home.example/other").encode()
        ),
        lambda state: state,
        "other relays or rules",
    ),
    "a device that was not admitted": (
        lambda one: one,
        without_member,
        "does not admit this device",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_newcomer_does_not_enter(
    case: tuple[Callable[[Joining], Joining], Callable[[State], State], str],
) -> None:
    change_joining, change_state, words = case

    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, joining = await asked(circle)
        await circle.act(ada, Vouch(ref=circle.ref(), request="Ben", how=1))
        state = ben.core.state
        assert state.commons is not None
        item = InboxItem(version=1, channel_id=state.commons.channel_id, welcome=b"")
        group = state.commons.group
        check(ben, state, joining, item, group)
        with pytest.raises(CloisterError, match=words):
            check(ben, change_state(state), change_joining(joining), item, group)
        other = InboxItem(version=1, channel_id=bytes(16), welcome=b"")
        with pytest.raises(TrustError, match="not for the commons"):
            check(ben, state, joining, other, group)

    play(story)


def test_a_log_that_does_not_fit_its_signed_head_is_refused_and_asked_for_again() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada, ben, _ = await asked(circle)
        told: list[AnyEvent] = []

        def alter(event: AnyEvent) -> tuple[AnyEvent, ...]:
            if isinstance(event, Entries) and not told:
                told.append(event)
                last = event.entries[-1][:-1] + bytes((event.entries[-1][-1] ^ 1,))
                return (msgspec.structs.replace(event, entries=(*event.entries[:-1], last)),)
            return (event,)

        ben.tamper = alter
        await circle.act(ada, Vouch(ref=circle.ref(), request="Ben", how=1))
        assert told
        assert any("does not fit its signed head" in alarm.text for alarm in ben.alarms)
        # One lie costs a connection; the Welcome is still there.
        assert ben.phase == "member"

    play(story)


def test_a_letter_with_another_checkpoint_than_the_code_is_refused() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        code = await circle.act(ada, Invite(ref=circle.ref()))
        ben = circle.add("Ben")
        act = Join(ref=circle.ref(), code=another_code(code, root=bytes(32)), name="Ben")
        with pytest.raises(LetterRefused):
            await circle.act(ben, act)
        assert ben.phase == "empty"

    play(story)

"""The log in words, and the log verified from the stored bytes alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from cloister.client.inputs import Leave, Remove
from cloister.client.log_words import log_view
from cloister.client.state import State
from cloister.client.verify_log import LogDiffers, verify_log
from cloister.errors import NotFoundError
from cloister.roster.entry import Entry, SealedType, seal_entry
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from scenario.built_once import built_once


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(story())


async def grown(circle: SimulatedCircle) -> SimulatedDevice:
    """A circle in which people came, were removed and left; the device of its founder."""
    (ada,) = await _grown(circle)
    return ada


@built_once
async def _grown(circle: SimulatedCircle) -> tuple[SimulatedDevice]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ada, [ada])
    await circle.admit("Dan", ada, [ada, ben])
    await circle.act(ada, Remove(ref=circle.ref(), member="Dan"))
    await circle.act(ben, Remove(ref=circle.ref(), member="Dan"))
    await circle.act(cyd, Leave(ref=circle.ref()))
    circle.now += 120
    await circle.settle()
    return (ada,)


def stored(device: SimulatedDevice) -> list[bytes]:
    return [entry for _, entry in sorted(device.entries.items())]


def told(device: SimulatedDevice, start: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    return [
        dict(one) for one in log_view(stored(device), state(device).log_keys, start, limit, str)
    ]


def state(device: SimulatedDevice) -> State:
    return device.core.state


def size(device: SimulatedDevice) -> int:
    roster = state(device).roster
    assert roster is not None
    return roster.size


# --- in words -------------------------------------------------------------------------------------


def test_the_log_tells_who_did_what() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        lines = told(ada)
        assert [line["seq"] for line in lines] == list(range(size(ada)))
        text = "\n".join(str(line["text"]) for line in lines)
        for words in (
            "Ada founds the circle, with the relays",
            "Ada invites somebody, until",
            "Ben asks to be let in (put here by",
            "Ada vouches for Ben (met face to face)",
            "Ben is a member",
            "Ada proposes to remove Dan (departure)",
            "Dan is removed by Ada and Ben (departure)",
            "log key 1 begins",
            "Cyd leaves",
        ):
            assert words in text, words
        assert {line["author"] for line in lines} >= {"Ada", "Ben", "Cyd"}
        for line in lines:
            assert line["ignored"] == bool(line["rule"]) == (" is ignored (" in str(line["text"]))

    play(story)


def test_pages_are_parts_of_the_whole() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        whole = told(ada)
        assert told(ada, 3, 4) == whole[3:7]
        assert told(ada, -5, 5) == whole[-5:]
        assert told(ada, -5000, 5000) == whole
        assert told(ada, 10_000, 5) == []

    play(story)


def test_an_ignored_entry_stands_there_with_its_rule_and_its_author() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        roster, identity = state(ada).roster, state(ada).identity
        assert roster is not None
        assert identity is not None
        from cloister.client.identity import did_of
        from cloister.crypto.entropy import SystemEntropy
        from cloister.crypto.signature import Ed25519Key

        junk = seal_entry(
            SealedType.VOUCH,
            b"junk",
            author=did_of(state(ada)),
            device_key=Ed25519Key(identity.device_seed),
            circle_id=roster.circle_id,
            seq=roster.size,
            root=roster.root,
            ts=roster.ts,
            generation=roster.generation,
            log_key=state(ada).log_keys[roster.generation],
            entropy=SystemEntropy(),
        )
        (line,) = log_view([*stored(ada), junk], state(ada).log_keys, -1, 1, str)
        assert (line["ignored"], line["rule"], line["author"]) == (True, "ROS-028", "Ada")
        assert str(line["text"]).startswith("vouch by Ada is ignored (ROS-028): the content")

    play(story)


# --- verified -------------------------------------------------------------------------------------


def test_a_log_that_nobody_touched_holds() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        ada.crash()  # what is compared comes from the vault
        await circle.settle()
        counts = [one.count for one in verify_log(state(ada), stored(ada))]
        assert counts[1] == size(ada)
        assert counts[2] + counts[3] + counts[4] == size(ada)
        assert counts[6] == 4
        assert counts[-1] == size(ada)

    play(story)


def test_every_flipped_byte_is_found() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        entries = stored(ada)
        rng = random.Random(5)
        for seq, entry in enumerate(entries):
            for place in {0, len(entry) - 1, rng.randrange(len(entry)), rng.randrange(len(entry))}:
                damaged = bytearray(entry)
                damaged[place] ^= 1 << rng.randrange(8)
                with pytest.raises(LogDiffers) as found:
                    verify_log(state(ada), [*entries[:seq], bytes(damaged), *entries[seq + 1 :]])
                assert found.value.exit_code == 6
                if seq == 0:
                    assert "genesis" in str(found.value)

    play(story)


def test_what_is_missing_or_too_much_is_found() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        entries = stored(ada)
        for wrong in (
            entries[:-1],
            [*entries, entries[-1]],
            [*entries[:4], *entries[5:]],
            [*entries[:4], entries[5], entries[4], *entries[6:]],
        ):
            with pytest.raises(LogDiffers):
                verify_log(state(ada), wrong)

    play(story)


def test_a_roster_that_does_not_follow_from_the_entries_is_found() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        roster = state(ada).roster
        assert roster is not None
        dan = roster.member_named("Dan")
        assert dan is not None
        from cloister.roster.state import MemberState

        members = {**roster.members, dan.member_id: replace(dan, state=MemberState.ACTIVE)}
        lie = replace(state(ada), roster=replace(roster, members=members))
        with pytest.raises(LogDiffers, match="begins with: members"):
            verify_log(lie, stored(ada))

    play(story)


def test_a_head_over_another_log_or_without_its_signatures_is_found() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        circle_record = state(ada).circle
        assert circle_record is not None
        unsigned = circle_record.head.replace(b"\n\n", b"\nx\n\n")
        for head, words in ((unsigned, "not signed"), (b"nonsense", "not signed")):
            lie = replace(state(ada), circle=replace(circle_record, head=head))
            with pytest.raises(LogDiffers, match=words):
                verify_log(lie, stored(ada))
        other = SimulatedCircle()
        eve = await other.found("Eve")
        stranger = state(eve).circle
        assert stranger is not None
        lie = replace(state(ada), circle=replace(circle_record, head=stranger.head))
        with pytest.raises(LogDiffers):
            verify_log(lie, stored(ada))
        with pytest.raises(LogDiffers, match="genesis"):
            verify_log(state(ada), stored(eve))

    play(story)


def test_roots_and_keys_are_compared_too() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await grown(circle)
        roots = (*state(ada).roots[:3], bytes(32), *state(ada).roots[4:])
        with pytest.raises(LogDiffers, match="roots"):
            verify_log(replace(state(ada), roots=roots), stored(ada))
        keys = state(ada).log_keys
        with pytest.raises(LogDiffers):
            verify_log(replace(state(ada), log_keys={**keys, 1: keys[0]}), stored(ada))

    play(story)


def test_without_a_circle_there_is_nothing_to_verify() -> None:
    with pytest.raises(NotFoundError):
        verify_log(State(), ())


def test_entries_name_their_hash() -> None:
    async def story() -> None:
        circle = SimulatedCircle()
        ada = await circle.found("Ada")
        (line,) = told(ada)
        assert line["entry_hash"] == Entry.decode(stored(ada)[0]).entry_hash.hex()
        assert (line["kind"], line["type"]) == ("readable", "genesis")

    play(story)

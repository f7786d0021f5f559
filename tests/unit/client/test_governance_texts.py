"""Notes, consents, names and reports: what governance reads and writes as text."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloister.client.effects import Message, MessageKind, MessageState
from cloister.client.exposure import Window
from cloister.client.foresight import Forbidden
from cloister.client.governing import with_changes
from cloister.client.meaning import why_pointless
from cloister.client.notes import MAX_TEXT_BYTES, SealedNote, read_note, seal_note
from cloister.client.powers import POLICY_FIELDS, POWERS
from cloister.client.records import Intent, kind_of
from cloister.client.state import Channel, State
from cloister.client.telling import in_words
from cloister.client.unlock_consent import PREFIX, consents_in
from cloister.crypto.entropy import SystemEntropy
from cloister.device.agent_protocol import ACTS, act_arguments, act_of
from cloister.errors import UsageError
from cloister.ids import DeviceId
from cloister.roster.entry import SealedType
from cloister.roster.orders import MAX_NOTE_BYTES, EntryReference
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType
from cloister.roster.rules import Rule
from cloister.testing.simulated_circle import SimulatedCircle


@pytest.fixture(scope="module")
def state() -> State:
    """The state of a founder's device."""

    async def found() -> State:
        return (await SimulatedCircle().found("Ada")).core.state

    return asyncio.run(found())


# --- notes ----------------------------------------------------------------------------------------


def test_a_note_is_read_by_members_and_says_nothing_of_its_length(state: State) -> None:
    entropy = SystemEntropy()
    sealed = seal_note(state, "taken on the train", entropy)
    assert read_note(state, sealed) == "taken on the train"
    assert b"train" not in sealed
    assert len(sealed) == len(seal_note(state, "lost", entropy))
    assert len(seal_note(state, "x" * MAX_TEXT_BYTES, entropy)) <= MAX_NOTE_BYTES
    assert seal_note(state, "  ", entropy) == b""
    with pytest.raises(UsageError):
        seal_note(state, "x" * (MAX_TEXT_BYTES + 1), entropy)


def test_a_note_that_cannot_be_read_is_empty(state: State) -> None:
    sealed = seal_note(state, "lost", SystemEntropy())
    note = SealedNote.decode(sealed)
    other = SealedNote(generation=9, nonce=note.nonce, ciphertext=note.ciphertext)
    flipped = bytes([*sealed[:-1], sealed[-1] ^ 1])
    for foreign in (b"", b"junk", flipped, sealed[:-1], other.encode()):
        assert read_note(state, foreign) == ""


# --- consents -------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["", "hello", PREFIX, PREFIX + "!!!!", PREFIX + "AAAA", "é"])
def test_what_is_no_line_of_consent_is_a_usage_error(line: str) -> None:
    with pytest.raises(UsageError, match="not a line of consent"):
        consents_in([line], [DeviceId(bytes(32))])


def test_without_a_line_there_is_no_consent() -> None:
    assert consents_in([], [DeviceId(bytes(32))]) == ()


# --- acts and rules -------------------------------------------------------------------------------


def test_every_act_of_power_crosses_the_agents_socket() -> None:
    for power in POWERS:
        assert ACTS[power.__name__] is power
    policy = act_of({"act": "SetPolicy", "fields": {"ref": 1, "changes": [["vouches", 3]]}})
    assert act_of(act_arguments(policy)) == policy


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (("cool_off_s", 0),),
        (("vouches", -1),),
        (("vouches", 300),),
        (("x", 1),),
        (("export", 3),),
    ],
)
def test_rules_that_cannot_be_changed_so(changes: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(UsageError):
        with_changes(default_policy(), changes)


def test_every_rule_that_may_be_changed_can_be() -> None:
    for name in POLICY_FIELDS:
        value = {"vouches": 3, "vouch_lifetime_s": 60}.get(name, 5)
        assert getattr(with_changes(default_policy(), ((name, value),)), name) == value


def test_a_value_that_no_genesis_might_have_is_named() -> None:
    for name, value in (("vouches", 4), ("vouch_lifetime_s", 59), ("max_open_invites", 0)):
        with pytest.raises(UsageError, match=name):
            with_changes(default_policy(), ((name, value),))


def test_a_type_of_one_family_is_not_taken_for_the_other(state: State) -> None:
    """Readable approvals and sealed removals have the same number."""
    assert int(ReadableType.APPROVE) == int(SealedType.REMOVE)
    content = EntryReference(entry_hash=bytes(32)).encode()
    intent = Intent(
        intent_id=bytes(16),
        kind=kind_of(ReadableType.APPROVE),
        entry_type=int(ReadableType.APPROVE),
        content=content,
        entry=b"",
        seq=0,
        appended=False,
    )
    assert intent.is_of(ReadableType.APPROVE)
    assert not intent.is_of(SealedType.REMOVE)
    assert state.roster is not None
    assert "lapsed" in str(why_pointless(state.roster, intent))


def test_a_forbidden_act_names_its_rule() -> None:
    error = Forbidden(Rule.ERASE_HELD, "no", hint="look")
    assert (error.rule, error.exit_code, error.hint) == (Rule.ERASE_HELD, 5, "look")


def test_what_is_no_act_of_power_is_not_told(state: State) -> None:
    from cloister.roster.events import Ticked

    assert state.roster is not None
    assert in_words(state.roster, Ticked(seq=1)) == ""


# --- exposure -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("from_n", "until_n", "lock_n", "covered", "late"),
    [
        (None, None, None, [1, 2, 3, 4], []),
        (2, None, None, [2, 3, 4], []),
        (2, 4, None, [2, 3], []),
        (2, 4, 3, [2, 3], [3]),
        (None, 4, 1, [1, 2, 3], [1, 2, 3]),
        (5, None, 1, [], []),
    ],
)
def test_a_window_begins_after_the_add_and_ends_before_the_removal(
    state: State,
    from_n: int | None,
    until_n: int | None,
    lock_n: int | None,
    covered: list[int],
    late: list[int],
) -> None:
    channel = state.commons
    assert isinstance(channel, Channel)
    window = Window(channel=channel, from_n=from_n, until_n=until_n, lock_n=lock_n)
    assert [n for n in range(1, 5) if window.covers(n)] == covered
    assert [n for n in range(1, 5) if window.is_after_lock(n)] == late


def test_only_texts_that_the_relay_has_are_counted(state: State) -> None:
    from cloister.client import exposure
    from cloister.client.identity import did_of

    commons = state.commons
    assert commons is not None

    def row(number: int, n: int, kind: MessageKind) -> Message:
        return Message(
            channel_id=commons.channel_id,
            message_id=number.to_bytes(16, "big"),
            position=number,
            sender=bytes(32),
            sender_name="Ada",
            own=True,
            kind=kind,
            state=MessageState.SENT,
            counter=number,
            n=n,
            at=1000 + number,
            text="text",
        )

    rows = [row(1, 5, MessageKind.TEXT), row(2, 0, MessageKind.TEXT), row(3, 6, MessageKind.NOTICE)]
    found: dict[str, Any] = exposure.report(state, did_of(state), {commons.channel_id: rows})
    (one,) = found["conversations"]
    assert (found["messages"], one["first_at"], one["last_at"]) == (1, 1001, 1001)
    assert one["message_ids"] == [row(1, 5, MessageKind.TEXT).message_id.hex()]

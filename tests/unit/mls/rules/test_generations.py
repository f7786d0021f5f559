"""Keys that were used before, and keys too far ahead.

Everybody who was in the group can keep old keys and derive others' keys for ever: what is replayed
here opens and is signed, and only its generation is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cloister.mls import ConsumedGeneration, Group, TooFarAhead
from cloister.mls.framing import ContentBody
from cloister.mls.limits import FORWARD_LIMIT, MAX_RETAINED_KEYS, RETAINED_KEY_LIFETIME_S
from cloister.mls.proposal import Proposal, Remove
from cloister.mls.rules import Rule
from cloister.testing.forge_framing import Sealing, content_of, encrypt
from unit.mls.members import CLASSICAL, NOW, group_of
from unit.mls.rules.verdict import accepts, refuses

ALICE, BOB, CAROL = group_of(3, CLASSICAL)
REMOVE = Proposal(body=Remove(removed=2))
BODIES: Sequence[ContentBody] = [b"text", REMOVE]
by_ratchet = pytest.mark.parametrize("body", BODIES, ids=["application", "handshake"])


def of_generation(generation: int, body: ContentBody = b"text", sender: Group = ALICE) -> bytes:
    """A message of the sender's, under the key of this generation."""
    return encrypt(sender, content_of(sender, body), sealing=Sealing(generation=generation))


def at(group: Group, message: bytes, now: int) -> Group:
    received = group.process(message, now=now)
    assert received.next is not None
    return received.next


@by_ratchet
def test_message_replayed_MLS_037(body: ContentBody) -> None:
    message = of_generation(0, body)
    bob = accepts(BOB, message)
    refuses(bob, message, ConsumedGeneration)
    refuses(accepts(bob, of_generation(1, body)), message, ConsumedGeneration)


@by_ratchet
def test_key_that_encrypts_two_messages_MLS_037(body: ContentBody) -> None:
    """The second is no replay but another content, well signed."""
    other = b"another" if body == b"text" else Proposal(body=Remove(removed=1))
    bob = accepts(BOB, of_generation(3, body))
    refuses(bob, of_generation(3, other), ConsumedGeneration)
    accepts(BOB, of_generation(3, other))
    accepts(bob, of_generation(4, other))


@by_ratchet
def test_late_message_is_taken_once_MLS_037(body: ContentBody) -> None:
    bob = accepts(BOB, of_generation(5, body))
    for generation in (2, 0, 4):
        late = of_generation(generation, body)
        bob = accepts(bob, late)
        refuses(bob, late, ConsumedGeneration)
    refuses(bob, of_generation(5, body), ConsumedGeneration)


def test_ratchets_of_one_member_are_consumed_apart_MLS_037() -> None:
    bob = accepts(BOB, of_generation(0, b"text"))
    refuses(bob, of_generation(0, b"text"), ConsumedGeneration)
    bob = accepts(bob, of_generation(0, REMOVE))
    refuses(bob, of_generation(0, REMOVE), ConsumedGeneration)
    accepts(bob, of_generation(0, b"text", CAROL))


def test_key_that_was_kept_too_long_MLS_037() -> None:
    late = of_generation(0)
    bob = at(BOB, of_generation(1), NOW - RETAINED_KEY_LIFETIME_S)
    accepts(bob, late)
    bob = at(BOB, of_generation(1), NOW - RETAINED_KEY_LIFETIME_S - 1)
    refuses(bob, late, ConsumedGeneration)


def test_key_that_was_skipped_long_ago_MLS_037() -> None:
    """Of the keys that were skipped the last are kept, and no more of them by skipping again."""
    first, last = 100 - MAX_RETAINED_KEYS, 99
    bob = accepts(BOB, of_generation(100))
    for generation in (first, last):
        accepts(bob, of_generation(generation))
    for generation in (0, first - 1):
        refuses(bob, of_generation(generation), ConsumedGeneration)
    bob = accepts(bob, of_generation(102))
    refuses(bob, of_generation(first), ConsumedGeneration)
    accepts(bob, of_generation(first + 1))


def test_refused_message_consumes_nothing_MLS_037() -> None:
    """A forged message must not use up the key of the genuine one."""
    lie = encrypt(
        ALICE,
        content_of(ALICE, b"text"),
        sealing=Sealing(change_plaintext=lambda plaintext: plaintext + b"\x01"),
    )
    refuses(BOB, lie, Rule.PADDING)
    refuses(accepts(BOB, of_generation(0)), lie, ConsumedGeneration)


# -- ahead -----------------------------------------------------------------------------------------


@by_ratchet
def test_generation_beyond_the_forward_limit_MLS_038(body: ContentBody) -> None:
    accepts(BOB, of_generation(FORWARD_LIMIT, body))
    refuses(BOB, of_generation(FORWARD_LIMIT + 1, body), TooFarAhead)


def test_forward_limit_counts_from_the_next_generation_MLS_038() -> None:
    bob = accepts(BOB, of_generation(9))
    accepts(bob, of_generation(FORWARD_LIMIT + 10))
    refuses(bob, of_generation(FORWARD_LIMIT + 11), TooFarAhead)
    # Skipping once does not bring a generation nearer than it is.
    refuses(accepts(bob, of_generation(5)), of_generation(FORWARD_LIMIT + 11), TooFarAhead)


@pytest.mark.parametrize("generation", [2**31, 2**32 - 1])
def test_generation_that_nobody_could_derive_MLS_038(generation: int) -> None:
    """The header costs its writer nothing; following it would cost the reader for ever."""

    def far(sender_data: bytes) -> bytes:
        return sender_data[:4] + generation.to_bytes(4, "big") + sender_data[8:]

    content = content_of(ALICE, b"text")
    accepts(BOB, encrypt(ALICE, content))
    refuses(BOB, encrypt(ALICE, content, sealing=Sealing(change_sender_data=far)), TooFarAhead)

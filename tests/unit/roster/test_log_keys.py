"""Log keys: one chain, the same for everybody."""

from __future__ import annotations

import pytest

from cloister.crypto.aead import aes256gcm_seal
from cloister.crypto.secret import Secret
from cloister.roster.content import LogKey, Tick
from cloister.roster.entry import SealedType
from cloister.roster.errors import LogBroken, LogKeyChainBroken
from cloister.roster.events import LogKeyAnnounced
from cloister.roster.labels import framed
from cloister.roster.log_keys import (
    LOG_KEY_WRAP_LABEL,
    log_key_commitment,
    make_log_key,
    next_log_key,
    recover_log_keys,
)
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.values import replace
from unit.roster.circle import (
    Circle,
    Person,
    SeededEntropy,
    circle_of_three,
    ignored,
    person,
    secret,
)

ADA, BEN, CLEO, DAN = (person(name) for name in ("Ada", "Ben", "Cleo", "Dan"))


def log_key_entry(
    circle: Circle, author: Person, content: LogKey, log_key: Secret, generation: int
) -> bytes:
    """A log_key entry with any content, under any key."""
    return circle.sealed(
        author,
        content,
        sealed_type=SealedType.LOG_KEY,
        generation=generation,
        log_key=log_key,
    )


def wrapping(generation: int, log_key: Secret, inside: bytes) -> LogKey:
    """The content of a log_key entry that wraps whatever is wanted."""
    aad = framed(LOG_KEY_WRAP_LABEL) + generation.to_bytes(4, "big")
    return LogKey(
        generation=generation,
        commitment=log_key_commitment(log_key),
        wrapped=bytes(12) + aes256gcm_seal(log_key, bytes(12), inside, aad),
    )


def with_next_key(circle: Circle) -> Secret:
    """Let every member know LK_1, as after a commit that removed somebody."""
    circle.log_key_entry(ADA)
    return circle.log_keys[1]


def test_generation_begins_and_the_old_key_is_over() -> None:
    circle = circle_of_three()
    assert circle.rotate(ADA) == (LogKeyAnnounced(seq=circle.roster.size - 1, generation=1),)
    assert circle.roster.log_key_commitment == log_key_commitment(circle.log_keys[1])
    assert circle.rule_broken(BEN, Tick()) is None


def test_attack_second_log_key_of_a_generation_ROS_100() -> None:
    circle = circle_of_three()
    first = circle.log_key_entry(ADA)
    circle.append(first)
    content = make_log_key(
        1,
        exported=circle.exported[1],
        previous=circle.log_keys[0],
        entropy=SeededEntropy("again"),
    )
    again = log_key_entry(circle, BEN, content, circle.log_keys[1], 1)
    assert ignored(circle.append(again)) is Rule.LOG_KEY_ONCE
    assert circle.roster.generation == 1


def test_log_key_is_sealed_under_the_generation_it_begins_ROS_100() -> None:
    circle = circle_of_three()
    with_next_key(circle)
    content = make_log_key(
        1, exported=circle.exported[1], previous=circle.log_keys[0], entropy=SeededEntropy("x")
    )
    under_old = log_key_entry(circle, ADA, content, circle.log_keys[0], 0)
    assert ignored(circle.append(under_old)) is Rule.LOG_KEY_ONCE
    skipping = replace(content, generation=2)
    assert ignored(circle.append(log_key_entry(circle, ADA, skipping, circle.log_keys[1], 1))) is (
        Rule.LOG_KEY_ONCE
    )


def test_attack_log_key_commits_to_another_key_ROS_101() -> None:
    circle = circle_of_three()
    key = with_next_key(circle)
    content = wrapping(1, key, bytes(64))
    content = replace(content, commitment=log_key_commitment(secret("other")))
    assert ignored(circle.append(log_key_entry(circle, CLEO, content, key, 1))) is (
        Rule.LOG_KEY_COMMITMENT
    )


def test_attack_log_key_wraps_a_wrong_key_ROS_102() -> None:
    circle = circle_of_three()
    exported, wrong = secret("exported 1"), secret("not log key 0")
    # The next key is derived from the wrong one, so only the commitment of generation 0 shows it.
    circle.log_keys[1] = next_log_key(1, exported, wrong)
    content = make_log_key(1, exported=exported, previous=wrong, entropy=SeededEntropy("x"))
    entry = log_key_entry(circle, CLEO, content, circle.log_keys[1], 1)
    assert ignored(circle.append(entry)) is Rule.LOG_KEY_WRAPS


def test_log_key_that_does_not_unwrap_is_ignored_and_the_next_is_valid_ROS_102() -> None:
    circle = circle_of_three()
    key = with_next_key(circle)
    content = replace(wrapping(1, key, bytes(64)), wrapped=bytes(92))
    assert ignored(circle.append(log_key_entry(circle, CLEO, content, key, 1))) is (
        Rule.LOG_KEY_WRAPS
    )
    assert ignored(circle.append(circle.log_key_entry(ADA))) is None
    assert circle.roster.generation == 1


def test_attack_log_key_not_derived_from_the_one_before_ROS_103() -> None:
    circle = circle_of_three()
    key = with_next_key(circle)
    inside = secret("any").expose() + circle.log_keys[0].expose()
    content = wrapping(1, key, inside)
    assert ignored(circle.append(log_key_entry(circle, CLEO, content, key, 1))) is (
        Rule.LOG_KEY_BINDS
    )


def test_attack_member_forks_the_chain_of_keys_for_newcomers_ROS_103() -> None:
    """Cleo makes a second generation 1 under a key of her own, and wraps it under the true LK_2.

    Were a log key any key, a newcomer who holds LK_2 could be led along the second chain, where
    the entries of the true generation 1 do not open: another roster than everybody else's.
    """
    circle = circle_of_three()
    own = next_log_key(1, secret("Cleo's"), circle.log_keys[0])
    fork = make_log_key(
        1, exported=secret("Cleo's"), previous=circle.log_keys[0], entropy=SeededEntropy("f")
    )
    with_next_key(circle)
    assert ignored(circle.append(log_key_entry(circle, CLEO, fork, own, 1))) is Rule.OPENS
    circle.append(circle.log_key_entry(ADA))
    circle.admit(DAN, ADA, BEN)
    entry = circle.log_key_entry(ADA)
    wrapped_fork = wrapping(2, circle.log_keys[2], circle.exported[2].expose() + own.expose())
    led_astray = log_key_entry(circle, CLEO, wrapped_fork, circle.log_keys[2], 2)
    assert ignored(circle.append(led_astray)) is Rule.LOG_KEY_BINDS
    circle.append(
        circle.sealed(ADA, content_of(circle), sealed_type=SealedType.LOG_KEY, generation=2)
    )
    assert len(entry) == len(led_astray)
    keys = recover_log_keys(circle.entries, 2, circle.log_keys[2])
    assert keys == circle.log_keys
    newcomer, _ = Roster.found(circle.entries[0], keys[0]).extend(circle.entries[1:], keys)
    assert newcomer.is_active(DAN.did)
    assert newcomer == circle.roster


def content_of(circle: Circle) -> LogKey:
    """The honest content for generation 2."""
    return make_log_key(
        2,
        exported=circle.exported[2],
        previous=circle.log_keys[1],
        entropy=SeededEntropy("honest"),
    )


def test_attack_removed_member_announces_a_log_key_ROS_025() -> None:
    circle = circle_of_three()
    circle.remove(ADA, CLEO, BEN)
    key = with_next_key(circle)
    content = make_log_key(
        1, exported=circle.exported[1], previous=circle.log_keys[0], entropy=SeededEntropy("x")
    )
    assert ignored(circle.append(log_key_entry(circle, CLEO, content, key, 1))) is Rule.AUTHOR


def test_keys_are_recovered_through_many_generations() -> None:
    circle = circle_of_three()
    for _ in range(5):
        circle.tick(BEN, circle.now + 1)
        circle.rotate(ADA)
    assert recover_log_keys(circle.entries, 5, circle.log_keys[5]) == circle.log_keys
    assert recover_log_keys(circle.entries, 0, circle.log_keys[0]) == {0: circle.log_keys[0]}


def test_newcomer_whose_own_epoch_began_a_generation_recovers_from_the_one_before() -> None:
    circle = circle_of_three()
    circle.rotate(ADA)
    keys = recover_log_keys(circle.entries, 1, circle.log_keys[1])
    exported = secret("exported by the newcomer's own epoch")
    keys[2] = next_log_key(2, exported, keys[1])
    circle.log_keys[2] = keys[2]
    content = make_log_key(
        2, exported=exported, previous=keys[1], entropy=SeededEntropy("newcomer")
    )
    circle.append(log_key_entry(circle, BEN, content, keys[2], 2))
    assert circle.roster.generation == 2


def test_missing_link_is_an_alarm() -> None:
    circle = circle_of_three()
    circle.rotate(ADA)
    with pytest.raises(LogKeyChainBroken):
        recover_log_keys(circle.entries, 1, secret("what a relay invented"))
    with pytest.raises(LogKeyChainBroken):
        recover_log_keys(circle.entries[:-1], 1, circle.log_keys[1])


def test_key_zero_of_another_circle_founds_nothing() -> None:
    circle = circle_of_three()
    with pytest.raises(LogBroken) as refused:
        Roster.found(circle.entries[0], secret("log key 0 of another circle"))
    assert refused.value.rule is Rule.GENESIS_FOUNDING


def test_next_key_depends_on_generation_exported_secret_and_key_before() -> None:
    a, b = secret("a"), secret("b")
    keys = [
        next_log_key(1, a, b),
        next_log_key(2, a, b),
        next_log_key(1, b, a),
        next_log_key(1, a, a),
        next_log_key(1, b, b),
    ]
    assert len({key.expose() for key in keys}) == len(keys)

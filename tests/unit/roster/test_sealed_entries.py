"""Sealed entries: who may write one, and what is ignored."""

from __future__ import annotations

import pytest

from cloister.codec import Reader
from cloister.crypto.aead import aes256gcm_open, aes256gcm_seal
from cloister.crypto.secret import Secret
from cloister.ids import ChannelId
from cloister.roster.content import Acquaintance, Tick, Vouch
from cloister.roster.entry import (
    SEALED_AAD_LABEL,
    SEALED_PADDING_BYTES,
    Entry,
    SealedContent,
    SealedType,
)
from cloister.roster.errors import NeedsLogKey, UpdateNeeded, WrongLogKey
from cloister.roster.events import Ignored
from cloister.roster.labels import framed
from cloister.roster.orders import ChannelReset
from cloister.roster.readable import ReadableType
from cloister.roster.roster import Roster
from cloister.roster.rules import Rule
from cloister.roster.voiding import Void, voids_in
from unit.roster.circle import Circle, circle_of_three, ignored, person, secret, steward_key

ADA, BEN, CLEO, EVE = person("Ada"), person("Ben"), person("Cleo"), person("Eve")


def resealed(circle: Circle, entry: bytes, inside: bytes) -> bytes:
    """The same entry with other plaintext under the right key."""
    header = Entry.decode(entry).header
    aad = framed(SEALED_AAD_LABEL) + header.encode()
    nonce = bytes(12)
    key = circle.log_keys[header.lk_gen]
    return Entry(header=header, body=nonce + aes256gcm_seal(key, nonce, inside, aad)).encode()


def inside_of(circle: Circle, entry: bytes) -> bytes:
    """The plaintext of a sealed entry, padding included."""
    read = Entry.decode(entry)
    aad = framed(SEALED_AAD_LABEL) + read.header.encode()
    return aes256gcm_open(circle.log_keys[0], read.body[:12], read.body[12:], aad)


def test_attack_relay_inserts_an_entry_without_the_log_key_ROS_022() -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick(), log_key=secret("not the log key"))
    assert ignored(circle.append(entry)) is Rule.OPENS
    short = Entry(header=Entry.decode(circle.sealed(ADA, Tick())).header, body=b"x").encode()
    assert ignored(circle.append(short)) is Rule.OPENS


def test_ignored_entry_changes_only_size_root_and_log_time() -> None:
    circle = circle_of_three()
    before = circle.roster
    circle.append(circle.sealed(ADA, Tick(), log_key=secret("not the log key")))
    after = circle.roster
    assert after.size == before.size + 1
    assert (after.members, after.devices, after.invites) == (
        before.members,
        before.devices,
        before.invites,
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda inside: inside + bytes(SEALED_PADDING_BYTES),
        lambda inside: inside[:-1],
        lambda inside: inside[:-1] + b"\1",
        lambda inside: b"",
        lambda inside: inside[:40],
        lambda inside: inside[:34] + b"\xff" + inside[35:],
    ],
    ids=["longer", "shorter", "not zero", "empty", "cut", "bad length"],
)
def test_inside_without_the_one_valid_form_is_ignored_ROS_023(change: object) -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick())
    assert callable(change)
    bad = resealed(circle, entry, change(inside_of(circle, entry)))
    assert ignored(circle.append(bad)) is Rule.SEALED_FORM


def test_types_do_not_show_by_length() -> None:
    circle = circle_of_three()
    seed, invite = circle.new_invite()
    vouch = Vouch(request_hash=bytes(32), how=Acquaintance.MET)
    lengths = {len(circle.sealed(ADA, content)) for content in (Tick(), vouch, invite)}
    assert len(lengths) == 1
    assert len(circle.log_key_entry(ADA)) in lengths
    assert seed.invite_id == invite.invite_id


def test_attack_relay_inserts_a_device_as_author_ROS_025() -> None:
    circle = circle_of_three()
    entry = circle.sealed(EVE, Tick())
    assert ignored(circle.append(entry)) is Rule.AUTHOR


def test_attack_removed_member_goes_on_writing_ROS_025() -> None:
    circle = circle_of_three()
    circle.remove(ADA, CLEO, BEN)
    assert circle.rule_broken(CLEO, Tick()) is Rule.AUTHOR


def test_attack_entry_in_the_name_of_another_device_ROS_026() -> None:
    circle = circle_of_three()
    entry = circle.sealed(EVE, Tick(), did=ADA.did)
    assert ignored(circle.append(entry)) is Rule.AUTHOR_SIGNATURE
    entry = circle.sealed(BEN, Tick(), did=ADA.did)
    assert ignored(circle.append(entry)) is Rule.AUTHOR_SIGNATURE


def test_attack_member_changes_the_type_another_signed_ROS_026() -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick())
    inside = SealedContent.read(Reader(inside_of(circle, entry)))
    other = SealedContent(
        type=SealedType.LEAVE,
        author=inside.author,
        content=inside.content,
        signature=inside.signature,
    ).encode()
    bad = resealed(circle, entry, other + bytes(-len(other) % SEALED_PADDING_BYTES))
    assert ignored(circle.append(bad)) is Rule.AUTHOR_SIGNATURE


@pytest.mark.parametrize("sealed_type", [0, 11, 22, 999])
def test_attack_old_client_meets_a_type_it_does_not_know_ROS_027(sealed_type: int) -> None:
    circle = circle_of_three()
    before = circle.roster.encode()
    with pytest.raises(UpdateNeeded) as stopped:
        circle.append(circle.sealed(ADA, b"", sealed_type=sealed_type))
    assert stopped.value.rule is Rule.SEALED_TYPE
    assert circle.roster.encode() == before


def test_attack_outsider_cannot_stop_a_circle_with_an_unknown_type_ROS_027() -> None:
    circle = circle_of_three()
    entry = circle.sealed(EVE, b"", sealed_type=999)
    assert ignored(circle.append(entry)) is Rule.AUTHOR
    entry = circle.sealed(EVE, b"", sealed_type=999, did=ADA.did)
    assert ignored(circle.append(entry)) is Rule.AUTHOR_SIGNATURE


@pytest.mark.parametrize(
    ("sealed_type", "content"),
    [
        (SealedType.TICK, b"\0"),
        (SealedType.VOUCH, bytes(32)),
        (SealedType.VOUCH, bytes(32) + b"\4"),
        (SealedType.JOIN_REQUEST, bytes(300)),
        (SealedType.INVITE, b""),
    ],
)
def test_content_that_does_not_decode_is_ignored_ROS_028(sealed_type: int, content: bytes) -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, content, sealed_type=sealed_type)
    assert ignored(circle.append(entry)) is Rule.CONTENT


def test_attack_entries_under_an_old_generation_ROS_020() -> None:
    circle = circle_of_three()
    circle.rotate(ADA)
    entry = circle.sealed(BEN, Tick(), generation=0)
    assert ignored(circle.append(entry)) is Rule.OLD_GENERATION


def test_generation_far_ahead_does_not_hold_up_the_fold_ROS_021() -> None:
    circle = circle_of_three()
    entry = circle.sealed(BEN, Tick(), generation=2, log_key=secret("far"))
    assert ignored(circle.append(entry)) is Rule.FAR_GENERATION


def reset_of(circle: Circle, generation: int) -> bytes:
    """The founder, the only steward, moves the commons: at once."""
    content = ChannelReset(
        old_id=circle.roster.commons_channel,
        new_id=ChannelId(b"the next commons"),
        key=steward_key().public.ed25519,
        generation=generation,
    )
    return circle.readable_entry(steward_key(), ReadableType.CHANNEL_RESET, content)


def test_attack_what_only_one_can_open_is_void_below_a_reset_ROS_029() -> None:
    """Ben owns the broken commons: a generation of his own, and what he does under it."""
    insider = circle_of_three()
    before, log_keys = insider.roster, dict(insider.log_keys)
    insider.rotate(BEN)
    insider.append(insider.sealed(BEN, Tick()))
    assert insider.roster.generation == 1
    insider.append(reset_of(insider, 0))
    taken = insider.entries[before.size :]
    # Nobody else needs the key to get past it.
    with pytest.raises(NeedsLogKey):
        before.extend(taken[:2], log_keys)
    after, events = before.extend(taken, log_keys)
    assert [event.rule for event in events if isinstance(event, Ignored)] == [Rule.VOID] * 2
    assert (after.generation, after.commons_channel) == (0, b"the next commons")
    # Whoever has the key comes to the same roster, and so does whoever folds entry by entry.
    other, _ = before.extend(taken, insider.log_keys)
    assert other.encode() == after.encode()
    voids = voids_in(before.governance, taken)
    assert voids == (Void(seq=before.size + 2, generation=0),)
    one_by_one = before
    for entry in taken:
        one_by_one, _ = one_by_one.append(entry, log_keys, voids)
    assert one_by_one.encode() == after.encode()


def test_a_reset_voids_nothing_that_its_author_could_open() -> None:
    circle = circle_of_three()
    circle.rotate(BEN)
    before = circle.roster
    circle.append(circle.sealed(BEN, Tick()))
    circle.append(reset_of(circle, 1))
    assert ignored(circle.append(circle.sealed(BEN, Tick()))) is None
    found = voids_in(before.governance, circle.entries[before.size :])
    assert found == (Void(seq=before.size + 1, generation=1),)
    derived, events = Roster.found(circle.entries[0], circle.log_keys[0]).extend(
        circle.entries[1:], circle.log_keys
    )
    assert derived.encode() == circle.roster.encode()
    assert not [event for event in events if isinstance(event, Ignored)]


def test_new_generation_begins_with_its_log_key_ROS_024() -> None:
    circle = circle_of_three()
    circle.log_key_entry(ADA)
    entry = circle.sealed(BEN, Tick(), generation=1)
    assert ignored(circle.append(entry)) is Rule.LOG_KEY_FIRST
    assert circle.roster.generation == 0


def test_next_generation_waits_for_its_key_and_nothing_is_taken() -> None:
    circle = circle_of_three()
    entry = circle.log_key_entry(ADA)
    key = circle.log_keys.pop(1)
    before = circle.roster
    with pytest.raises(NeedsLogKey) as waits:
        circle.append(entry)
    assert waits.value.generation == 1
    assert circle.roster is before
    circle.log_keys[1] = key
    circle.append(entry)
    assert circle.roster.generation == 1


def test_wrong_key_for_the_current_generation_is_our_own_mistake() -> None:
    circle = circle_of_three()
    entry = circle.sealed(ADA, Tick())
    with pytest.raises(WrongLogKey):
        circle.roster.append(entry, {0: Secret(bytes(32))})


def test_any_member_may_write() -> None:
    circle = circle_of_three()
    for member in (ADA, BEN, CLEO):
        assert circle.rule_broken(member, Tick()) is None


def test_content_that_fills_its_size_takes_no_padding_ROS_023() -> None:
    circle = circle_of_three()
    # 2 + 32 + 2 + n + 2 + 64 bytes: n is chosen so that the sum is a multiple of 256.
    content = bytes(SEALED_PADDING_BYTES - 102)
    entry = circle.sealed(ADA, content, sealed_type=SealedType.TICK)
    inside = inside_of(circle, entry)
    assert len(inside) == SEALED_PADDING_BYTES
    assert ignored(circle.clone().append(entry)) is Rule.CONTENT
    padded = resealed(circle, entry, inside + bytes(SEALED_PADDING_BYTES))
    assert ignored(circle.append(padded)) is Rule.SEALED_FORM

"""Who must have signed a head before anybody relies on it (T6, T9 to T12)."""

from __future__ import annotations

import pytest

from cloister.crypto.errors import BadPublicKey
from cloister.crypto.hybrid_signature import HybridPublic
from cloister.errors import LocalError, TrustError
from cloister.transparency import (
    BadNoteSignature,
    CheckpointError,
    MisusedLog,
    NoteError,
    NotSettled,
    RelayVerifier,
    UnsignedByLog,
    UnverifiedNote,
    WrongOrigin,
    cosign,
    sign_checkpoint,
    verify_logged,
    verify_settled,
    with_signatures,
)
from cloister.transparency.checkpoint import Checkpoint
from cloister.transparency.cosignature import cosignature_message, subtree_message
from cloister.transparency.note import MAX_NOTE_BYTES, SignatureLine, SignatureType, key_id
from cloister.values import replace
from unit.transparency.conftest import ORIGIN, TIME, Relay, make_relay


def line_of(relay: Relay, kind: SignatureType, note: bytes) -> SignatureLine:
    """Find the line a relay made with one of its keys."""
    public = relay.key.public
    key = public.ml_dsa_44 if kind == SignatureType.COSIGNATURE_ML_DSA_44 else public.ed25519
    wanted = key_id(relay.name, kind, key)
    (line,) = (s for s in UnverifiedNote.parse(note).signatures if s.key_id == wanted)
    return line


def without(note: bytes, line: SignatureLine) -> bytes:
    parsed = UnverifiedNote.parse(note)
    return replace(parsed, signatures=tuple(s for s in parsed.signatures if s != line)).encode()


def with_line(note: bytes, old: SignatureLine, signature: bytes) -> bytes:
    return with_signatures(note, replace(old, signature=signature).encode())


def test_a_head_with_both_pairs_of_signatures_is_settled(
    home: Relay, entry: Relay, settled: bytes, root: bytes
) -> None:
    head = verify_settled(settled, home.verifier, [entry.verifier], ORIGIN)
    assert (head.origin, head.size, head.root) == (ORIGIN, 7, root)
    assert head.newest_cosignature_time == TIME
    assert head.cosigners == (entry.name,)


def test_a_head_of_another_log_is_refused_T6(home: Relay, entry: Relay, settled: bytes) -> None:
    with pytest.raises(WrongOrigin):
        verify_settled(settled, home.verifier, [entry.verifier], ORIGIN + "0")
    with pytest.raises(WrongOrigin):
        verify_logged(settled, home.verifier, "other")


@pytest.mark.parametrize("kind", [SignatureType.ED25519, SignatureType.COSIGNATURE_ML_DSA_44])
def test_the_log_signs_with_both_keys_T9(
    home: Relay, entry: Relay, settled: bytes, kind: SignatureType
) -> None:
    note = without(settled, line_of(home, kind, settled))
    with pytest.raises(UnsignedByLog):
        verify_settled(note, home.verifier, [entry.verifier], ORIGIN)
    with pytest.raises(UnsignedByLog):
        verify_logged(note, home.verifier, ORIGIN)


def test_cosignatures_do_not_stand_for_the_log_T9(home: Relay, entry: Relay, logged: bytes) -> None:
    """The home relay cosigning its own log has not signed as the log."""
    lines = cosign(logged, home.name, home.key, TIME)
    note = with_signatures(logged, lines)
    with pytest.raises(BadNoteSignature, match="no time"):
        verify_logged(note, home.verifier, ORIGIN)


@pytest.mark.parametrize(
    "kind", [SignatureType.COSIGNATURE_ED25519, SignatureType.COSIGNATURE_ML_DSA_44]
)
def test_a_cosigner_counts_with_both_keys_only_T10(
    home: Relay, entry: Relay, settled: bytes, kind: SignatureType
) -> None:
    note = without(settled, line_of(entry, kind, settled))
    with pytest.raises(NotSettled):
        verify_settled(note, home.verifier, [entry.verifier], ORIGIN)


def test_two_cosignatures_of_one_relay_state_one_time_T10(
    home: Relay, entry: Relay, settled: bytes
) -> None:
    later = cosign(settled, entry.name, entry.key, TIME + 1)
    kinds = (SignatureType.COSIGNATURE_ED25519, SignatureType.COSIGNATURE_ML_DSA_44)
    refreshed = with_signatures(settled, later)
    for kind in kinds:
        mixed = with_signatures(settled, line_of(entry, kind, refreshed).encode())
        with pytest.raises(BadNoteSignature, match="common time"):
            verify_settled(mixed, home.verifier, [entry.verifier], ORIGIN)
    head = verify_settled(refreshed, home.verifier, [entry.verifier], ORIGIN)
    assert head.newest_cosignature_time == TIME + 1


def test_the_signature_of_a_log_is_no_cosignature_T10(
    home: Relay, entry: Relay, root: bytes
) -> None:
    """An entry relay that keeps a log of its own cannot be made to vouch for it as a cosigner."""
    own_log = sign_checkpoint(ORIGIN, 7, root, entry.name, entry.key)
    stolen = line_of(entry, SignatureType.COSIGNATURE_ML_DSA_44, own_log)
    logged = sign_checkpoint(ORIGIN, 7, root, home.name, home.key)
    note = with_signatures(logged, stolen.encode())
    with pytest.raises(BadNoteSignature):
        verify_settled(note, home.verifier, [entry.verifier], ORIGIN)


@pytest.mark.parametrize("timestamp", [0, 2**63, 2**64 - 1])
def test_a_time_out_of_range_is_refused_T10(
    home: Relay, entry: Relay, settled: bytes, timestamp: int
) -> None:
    checkpoint = Checkpoint.parse(UnverifiedNote.parse(settled).text)
    note = settled
    for kind, signature in (
        (
            SignatureType.COSIGNATURE_ED25519,
            entry.key.ed25519_sign_raw(cosignature_message(checkpoint, timestamp)),
        ),
        (
            SignatureType.COSIGNATURE_ML_DSA_44,
            entry.key.ml_dsa_44_sign_raw(subtree_message(checkpoint, entry.name, timestamp)),
        ),
    ):
        stamp = timestamp.to_bytes(8, "big")
        note = with_line(note, line_of(entry, kind, settled), stamp + signature)
    with pytest.raises(BadNoteSignature):
        verify_settled(note, home.verifier, [entry.verifier], ORIGIN)


def every_line(note: bytes) -> list[SignatureLine]:
    return list(UnverifiedNote.parse(note).signatures)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("change", ["first", "time", "middle", "last", "short", "long", "stub"])
def test_a_wrong_signature_of_a_known_key_refuses_the_note_T11(
    home: Relay,
    entry: Relay,
    second_entry: Relay,
    settled: bytes,
    number: int,
    change: str,
) -> None:
    """Also when another cosigner would be enough: what is damaged is not used."""
    note = with_signatures(settled, cosign(settled, second_entry.name, second_entry.key, TIME))
    line = every_line(settled)[number]
    value = bytearray(line.signature)
    match change:
        case "first":
            value[0] ^= 1
        case "time":
            value[7] ^= 1
        case "middle":
            value[len(value) // 2] ^= 0x40
        case "last":
            value[-1] ^= 1
        case "short":
            value = value[:-1]
        case "long":
            value.append(0)
        case _:
            value = value[:8]
    reason = "has .* bytes" if change in {"short", "long"} else None
    with pytest.raises(BadNoteSignature, match=reason) as caught:
        verify_settled(
            with_line(note, line, bytes(value)),
            home.verifier,
            [entry.verifier, second_entry.verifier],
            ORIGIN,
        )
    assert caught.value.name == line.name
    assert isinstance(caught.value, TrustError)


@pytest.mark.parametrize(
    ("before", "after"), [("7", "8"), (ORIGIN, ORIGIN[:-1] + "7"), ("root", "other root")]
)
def test_signatures_do_not_carry_over_to_another_head_T11(
    home: Relay, entry: Relay, settled: bytes, root: bytes, before: str, after: str
) -> None:
    parsed = UnverifiedNote.parse(settled)
    checkpoint = Checkpoint.parse(parsed.text)
    if before == "7":
        changed = replace(checkpoint, size=8)
    elif before == "root":
        changed = replace(checkpoint, root=root[::-1])
    else:
        changed = replace(checkpoint, origin=after)
    note = replace(parsed, text=changed.encode()).encode()
    with pytest.raises(BadNoteSignature):
        verify_settled(note, home.verifier, [entry.verifier], changed.origin)


def test_lines_of_unknown_keys_are_ignored_T11(
    home: Relay, entry: Relay, second_entry: Relay, settled: bytes
) -> None:
    stranger = make_relay(entry.name, 9)  # the name of a known relay, other keys
    note = settled
    for relay in (second_entry, stranger):
        note = with_signatures(note, cosign(note, relay.name, relay.key, TIME + 5))
    head = verify_settled(note, home.verifier, [entry.verifier], ORIGIN)
    assert head.newest_cosignature_time == TIME
    with pytest.raises(NotSettled):
        verify_settled(note, home.verifier, [make_relay("third.example", 8).verifier], ORIGIN)


def test_a_head_without_cosigner_is_logged_but_not_settled_T12(
    home: Relay, entry: Relay, logged: bytes, root: bytes
) -> None:
    assert verify_logged(logged, home.verifier, ORIGIN).root == root
    for cosigners in ([], [entry.verifier]):
        with pytest.raises(NotSettled) as caught:
            verify_settled(logged, home.verifier, cosigners, ORIGIN)
        assert (caught.value.found, caught.value.needed) == (0, 1)
        assert not isinstance(caught.value, TrustError)


def test_two_cosigners_are_counted_and_the_newest_time_told_T12(
    home: Relay, entry: Relay, second_entry: Relay, settled: bytes
) -> None:
    cosigners = [entry.verifier, second_entry.verifier]
    with pytest.raises(NotSettled):
        verify_settled(settled, home.verifier, cosigners, ORIGIN, needed=2)
    note = with_signatures(settled, cosign(settled, second_entry.name, second_entry.key, TIME - 9))
    head = verify_settled(note, home.verifier, cosigners, ORIGIN, needed=2)
    assert head.cosigners == (entry.name, second_entry.name)
    assert head.newest_cosignature_time == TIME


def test_the_log_is_no_cosigner_and_nobody_counts_twice_T12(
    home: Relay, entry: Relay, settled: bytes
) -> None:
    alias = RelayVerifier("alias.example", entry.key.public)
    half = RelayVerifier(
        "half.example",
        HybridPublic(
            ed25519=make_relay("x", 5).key.public.ed25519, ml_dsa_44=home.key.public.ml_dsa_44
        ),
    )
    for cosigners in (
        [home.verifier],
        [entry.verifier, entry.verifier],
        [entry.verifier, alias],
        [half],
        [make_relay(home.name, 6).verifier],
    ):
        with pytest.raises(MisusedLog):
            verify_settled(settled, home.verifier, cosigners, ORIGIN)
    with pytest.raises(MisusedLog):
        verify_settled(settled, home.verifier, [entry.verifier], ORIGIN, needed=0)


def test_a_cosignature_by_another_relay_under_this_name_does_not_count(
    home: Relay, entry: Relay, logged: bytes
) -> None:
    impostor = make_relay(entry.name, 7)
    note = with_signatures(logged, cosign(logged, impostor.name, impostor.key, TIME))
    with pytest.raises(NotSettled):
        verify_settled(note, home.verifier, [entry.verifier], ORIGIN)


def test_ml_dsa_signatures_are_bound_to_the_name_of_the_cosigner(
    home: Relay, entry: Relay, settled: bytes
) -> None:
    """Under a second name of the same keys the old signature does not verify."""
    renamed = RelayVerifier("renamed.example", entry.key.public)
    lines = b"".join(
        SignatureLine(
            name=renamed.name,
            key_id=key_id(renamed.name, kind, key),
            signature=line_of(entry, kind, settled).signature,
        ).encode()
        for kind, key in (
            (SignatureType.COSIGNATURE_ED25519, entry.key.public.ed25519),
            (SignatureType.COSIGNATURE_ML_DSA_44, entry.key.public.ml_dsa_44),
        )
    )
    with pytest.raises(BadNoteSignature, match="ML-DSA-44"):
        verify_settled(with_signatures(settled, lines), home.verifier, [renamed], ORIGIN)


def test_what_is_malformed_is_refused_as_such(home: Relay, entry: Relay, settled: bytes) -> None:
    with pytest.raises(NoteError):
        verify_settled(settled[:-1], home.verifier, [entry.verifier], ORIGIN)
    parsed = UnverifiedNote.parse(settled)
    extended = replace(parsed, text=parsed.text + b"extension\n").encode()
    with pytest.raises(CheckpointError):
        verify_settled(extended, home.verifier, [entry.verifier], ORIGIN)
    with pytest.raises(CheckpointError):
        cosign(extended, entry.name, entry.key, TIME)


def test_signing_refuses_what_nobody_could_verify(home: Relay, logged: bytes, root: bytes) -> None:
    for origin, size, hash_, name in (
        ("with space", 7, root, "n"),
        (ORIGIN, -1, root, "n"),
        (ORIGIN, 7, root[:-1], "n"),
        (ORIGIN, 0, root, "n"),
        (ORIGIN, 7, root, "a+b"),
        (ORIGIN, 7, root, ""),
    ):
        with pytest.raises(MisusedLog) as caught:
            sign_checkpoint(origin, size, hash_, name, home.key)
        assert isinstance(caught.value, LocalError)
    for timestamp in (0, -1, 2**63):
        with pytest.raises(MisusedLog):
            cosign(logged, "n", home.key, timestamp)
    with pytest.raises(MisusedLog):
        cosign(logged, "a b", home.key, TIME)


def test_a_relay_with_a_key_that_cannot_be_one_is_refused(home: Relay) -> None:
    with pytest.raises(BadPublicKey):
        RelayVerifier("n", HybridPublic(ed25519=bytes(32), ml_dsa_44=home.key.public.ml_dsa_44))


def test_added_lines_replace_those_of_the_same_key_and_keep_their_place(
    settled: bytes, entry: Relay
) -> None:
    again = with_signatures(settled, cosign(settled, entry.name, entry.key, TIME + 1))
    names = [(s.name, s.key_id) for s in every_line(again)]
    assert names == [(s.name, s.key_id) for s in every_line(settled)]
    with pytest.raises(NoteError):
        with_signatures(settled, b"")
    with pytest.raises(NoteError):
        with_signatures(settled, settled)


def test_a_note_that_would_grow_past_the_limit_is_not_made(logged: bytes) -> None:
    note = logged
    relays = [make_relay(f"relay{number}.example", 10) for number in range(20)]
    for relay in relays[:8]:
        note = with_signatures(note, cosign(note, relay.name, relay.key, TIME))
    assert len(every_line(note)) == 18
    lines = b"".join(cosign(note, relay.name, relay.key, TIME) for relay in relays[8:])
    with pytest.raises(NoteError, match=f"more than {MAX_NOTE_BYTES}"):
        with_signatures(note, lines)

"""What holds for every log, whatever its entries and sizes."""

from __future__ import annotations

import base64
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.errors import RemoteError
from cloister.transparency import (
    EMPTY_ROOT,
    Checkpoint,
    CheckpointError,
    Frontier,
    HashTree,
    NoteError,
    ProofError,
    SignatureLine,
    UnverifiedNote,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from counts import examples

QUICK = settings(max_examples=examples(60), deadline=None)

logs = st.lists(st.binary(max_size=8), min_size=1, max_size=70)
names = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="+"),
    min_size=1,
    max_size=40,
)
hashes = st.binary(min_size=32, max_size=32)


@QUICK
@given(logs, st.data())
def test_proofs_of_any_log_verify(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    tree = HashTree(leaves)
    new = data.draw(st.integers(1, len(leaves)))
    old = data.draw(st.integers(0, new))
    index = data.draw(st.integers(0, new - 1))
    verify_consistency(old, tree.root(old), new, tree.root(new), tree.consistency_proof(old, new))
    verify_inclusion(leaves[index], index, new, tree.inclusion_proof(index, new), tree.root(new))


@QUICK
@given(logs, st.data())
def test_a_frontier_may_be_stored_and_continued_anywhere(
    entries: list[bytes], data: st.DataObject
) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    cut = data.draw(st.integers(0, len(leaves)))
    stored = Frontier.empty().extend(leaves[:cut]).encode()
    continued = Frontier.decode(stored).extend(leaves[cut:])
    assert continued == HashTree(leaves).frontier(len(leaves))


@QUICK
@given(
    st.integers(-2, 2**64),
    st.integers(-2, 2**64),
    hashes,
    hashes,
    st.lists(st.binary(min_size=31, max_size=33) | hashes, max_size=70),
)
def test_arbitrary_proofs_are_refused_with_our_own_error(
    first: int, second: int, left: bytes, right: bytes, proof: list[bytes]
) -> None:
    # only what is trivially true may pass
    with suppress(ProofError):
        verify_inclusion(left, first, second, proof, right)
        assert (left, first, second, proof) == (right, 0, 1, [])
    with suppress(ProofError):
        verify_consistency(first, left, second, right, proof)
        assert (left, first, tuple(proof)) in {(right, second, ()), (EMPTY_ROOT, 0, ())}


@QUICK
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_note_or_an_error_of_ours(data: bytes) -> None:
    try:
        note = UnverifiedNote.parse(data)
    except RemoteError:
        return
    assert note.encode() == data


@QUICK
@given(
    names,
    st.integers(1, 2**63 - 1),
    hashes,
    st.lists(
        st.tuples(names, st.binary(min_size=4, max_size=4), st.binary(min_size=1, max_size=80)),
        min_size=1,
        max_size=16,
        unique_by=lambda line: line[:2],
    ),
)
def test_what_is_written_is_read_back(
    origin: str, size: int, root: bytes, lines: list[tuple[str, bytes, bytes]]
) -> None:
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    note = UnverifiedNote(
        text=checkpoint.encode(),
        signatures=tuple(
            SignatureLine(name=name, key_id=key_id, signature=signature)
            for name, key_id, signature in lines
        ),
    )
    parsed = UnverifiedNote.parse(note.encode())
    assert parsed == note
    assert Checkpoint.parse(parsed.text) == checkpoint


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_no_byte_of_a_note_can_change_without_changing_its_meaning(data: st.DataObject) -> None:
    """Canonical: two different texts are never the same note."""
    root = base64.b64encode(bytes(range(32))).decode()
    line = base64.b64encode(bytes(range(68))).decode()
    original = f"home.example/1\n5\n{root}\n\n\u2014 home.example {line}\n".encode()
    position = data.draw(st.integers(0, len(original) - 1))
    value = data.draw(st.integers(0, 255))
    changed = original[:position] + bytes([value]) + original[position + 1 :]
    try:
        note = UnverifiedNote.parse(changed)
        checkpoint = Checkpoint.parse(note.text)
    except (NoteError, CheckpointError):
        return
    rewritten = UnverifiedNote(text=checkpoint.encode(), signatures=note.signatures).encode()
    assert rewritten == changed
    assert (changed == original) == (note == UnverifiedNote.parse(original))

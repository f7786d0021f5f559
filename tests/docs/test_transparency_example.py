"""docs/spec/transparency.md: its example is what the code computes, its rules are tested."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.transparency import (
    Checkpoint,
    HashTree,
    RelayVerifier,
    UnverifiedNote,
    cosign,
    leaf_hash,
    sign_checkpoint,
    verify_settled,
    with_signatures,
)
from cloister.transparency.cosignature import cosignature_message, subtree_message
from cloister.transparency.note import SignatureType, key_id

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/spec/transparency.md").read_text(encoding="utf-8")
VECTOR = (ROOT / "tests/vectors/transparency/settled.note").read_bytes()
ORIGIN = "home.example/5d0c3a7b9e214f86"
TIME = 1_800_000_000

HOME = HybridKey(Secret(b"\x01" * 32), Secret(b"\x02" * 32))
ENTRY = HybridKey(Secret(b"\x03" * 32), Secret(b"\x04" * 32))
TREE = HashTree(leaf_hash(b"entry %d" % n) for n in range(5))
HEAD = Checkpoint(origin=ORIGIN, size=5, root=TREE.root(5))


def block(kind: str) -> str:
    """The fenced block of this kind."""
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def rows() -> dict[str, str]:
    """The table of values."""
    return dict(re.findall(r"^\| ([^|]+) \| ([0-9a-f ]+) \|$", PAGE, re.MULTILINE))


EXPECTED = {
    "leaf 0": leaf_hash(b"entry 0").hex(),
    "leaf 4": leaf_hash(b"entry 4").hex(),
    "root of 3": TREE.root(3).hex(),
    "root of 5": TREE.root(5).hex(),
    "frontier of 5": TREE.frontier(5).encode().hex(),
    "inclusion of 2 in 5": " ".join(h.hex() for h in TREE.inclusion_proof(2, 5)),
    "consistency of 3 with 5": " ".join(h.hex() for h in TREE.consistency_proof(3, 5)),
    "key id, home.example, 0x01": key_id(
        "home.example", SignatureType.ED25519, HOME.public.ed25519
    ).hex(),
    "key id, home.example, 0x06": key_id(
        "home.example", SignatureType.COSIGNATURE_ML_DSA_44, HOME.public.ml_dsa_44
    ).hex(),
    "key id, entry.example, 0x04": key_id(
        "entry.example", SignatureType.COSIGNATURE_ED25519, ENTRY.public.ed25519
    ).hex(),
    "key id, entry.example, 0x06": key_id(
        "entry.example", SignatureType.COSIGNATURE_ML_DSA_44, ENTRY.public.ml_dsa_44
    ).hex(),
    "cosigned_message of home.example": subtree_message(HEAD, "home.example", 0).hex(),
    "cosigned_message of entry.example": subtree_message(HEAD, "entry.example", TIME).hex(),
}


def test_the_table_holds_exactly_these_values() -> None:
    assert rows() == EXPECTED


@pytest.mark.parametrize(("name", "key"), [("home.example", HOME), ("entry.example", ENTRY)])
def test_the_keys_follow_from_the_seeds(name: str, key: HybridKey) -> None:
    (row,) = re.findall(rf"^\| {name} \| .*$", PAGE, re.MULTILINE)
    assert key.public.ed25519.hex() in row
    assert hashlib.sha256(key.public.ml_dsa_44).hexdigest() in row


def test_the_message_of_the_cosigner() -> None:
    assert block("cosignature").encode() == cosignature_message(HEAD, TIME)
    assert f"{datetime.fromtimestamp(TIME, UTC):%Y-%m-%d %H:%M:%S}" in PAGE


def test_the_note_on_the_page_is_the_one_in_the_vectors() -> None:
    shown = block("note").splitlines()
    stored = VECTOR.decode().splitlines()
    assert len(shown) == len(stored)
    for on_page, in_file in zip(shown, stored, strict=True):
        if on_page.endswith("..."):
            assert in_file.startswith(on_page.removesuffix("..."))
        else:
            assert on_page == in_file


def test_the_stored_note_is_settled() -> None:
    head = verify_settled(
        VECTOR,
        RelayVerifier("home.example", HOME.public),
        [RelayVerifier("entry.example", ENTRY.public)],
        ORIGIN,
    )
    assert (head.size, head.root, head.newest_cosignature_time) == (5, TREE.root(5), TIME)


def test_signing_again_gives_the_same_note_but_for_the_random_signatures() -> None:
    note = sign_checkpoint(ORIGIN, 5, TREE.root(5), "home.example", HOME)
    note = with_signatures(note, cosign(note, "entry.example", ENTRY, TIME))
    made, stored = UnverifiedNote.parse(note), UnverifiedNote.parse(VECTOR)
    assert made.text == stored.text
    for ours, theirs in zip(made.signatures, stored.signatures, strict=True):
        assert (ours.name, ours.key_id) == (theirs.name, theirs.key_id)
        assert len(ours.signature) == len(theirs.signature)
        if len(ours.signature) < 100:
            assert ours.signature == theirs.signature


def test_every_rule_of_the_page_has_a_test_that_names_it() -> None:
    stated = set(re.findall(r"^- \*\*(T\d+)\*\*", PAGE, re.MULTILINE))
    tested = {
        rule
        for path in (ROOT / "tests/unit/transparency").glob("test_*.py")
        for rule in re.findall(r"^def test_\w+_(T\d+)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert stated == tested == {f"T{n}" for n in range(1, 16)}

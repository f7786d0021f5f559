"""Every committed input of every fuzz target, and a little search around each; no atheris here."""

from __future__ import annotations

import random

import pytest

from cloister.bench.mutation import mutate
from cloister.codec import Reader
from fuzz.corpus import FOLDER, committed, pack, unpack
from fuzz.targets.edits import edited, example_scripts
from fuzz.targets.registry import TARGETS
from fuzz.targets.target import Finding
from fuzz.targets.world import world

# Mutations of each input. A script costs a signature and more, a structure some microseconds.
MUTATIONS_OF_A_SCRIPT = 4
MUTATIONS_OF_BYTES = 20


def replay(name: str, rounds: int = 1) -> None:
    target = TARGETS[name]
    inputs = committed(name)
    assert inputs
    rng = random.Random(name)
    mutations = MUTATIONS_OF_A_SCRIPT if target.is_script else MUTATIONS_OF_BYTES
    for data in (b"", *inputs):
        target.run(data)
        for _ in range(rounds * mutations):
            target.run(mutate(data or b"\x00", rng.getrandbits(64)))


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    replay(name)


def test_every_corpus_belongs_to_a_target() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(TARGETS)
    assert {path.suffix for path in FOLDER.iterdir()} <= {".seeds", ".found"}


def test_what_is_packed_is_unpacked() -> None:
    inputs = [b"", b"b", b"a" * 1000]
    assert unpack(pack([*inputs, b"b"])) == sorted(inputs)


def test_a_script_of_one_byte_changes_nothing_and_longer_ones_do() -> None:
    messages = [b"first message", b"second message"]
    assert [edited(bytes([n]), messages) for n in range(3)] == [*messages, messages[0]]
    changed = {edited(one, messages) for one in example_scripts(messages)}
    assert len(changed) > len(messages) + 4


# -- that a fault is seen -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Commit", "KeyPackage", "layouts"])
def test_a_second_encoding_of_a_value_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Reader) -> int:
        size = 1 << (self.uint8() >> 6)
        self.position -= 1
        return int.from_bytes(self.raw(size), "big") & ((1 << 8 * size - 2) - 1)

    monkeypatch.setattr(Reader, "varint", careless)
    with pytest.raises(Finding, match="other bytes"):
        replay(name, rounds=20)


def test_an_error_that_is_not_the_senders_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloister.mls.leaf_node.check_distinct", {}.__getitem__)
    with pytest.raises((KeyError, TypeError)):
        replay("LeafNode")


@pytest.mark.parametrize("name", ["process-commit", "process-public-commit"])
def test_a_check_that_is_left_out_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cloister.mls.receiving.check_confirmation_tag", lambda *_: None)
    with pytest.raises(Finding, match="confirmation tag"):
        replay(name)


def test_a_changed_group_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from cloister.mls.secret_tree import SecretTree

    kept = dict(world().victim.secret_tree.senders)
    take = SecretTree.take

    def leaking(self: SecretTree, *args: int, **named: int) -> object:
        key, tree = take(self, *args, **named)  # type: ignore[arg-type]
        self.senders.update(tree.senders)  # type: ignore[attr-defined]
        return key, tree

    monkeypatch.setattr(SecretTree, "take", leaking)
    try:
        with pytest.raises(Finding, match="changed the group"):
            replay("process-proposal")
    finally:
        senders = world().victim.secret_tree.senders
        senders.clear()  # type: ignore[attr-defined]
        senders.update(kept)  # type: ignore[attr-defined]

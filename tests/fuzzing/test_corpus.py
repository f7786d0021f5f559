"""Every committed input of every fuzz target, and a little search around each; no atheris here."""

from __future__ import annotations

import random

import pytest

from cloister.bench.mutation import mutate
from fuzz.corpus import FOLDER, committed, pack, unpack
from fuzz.targets.edits import edited, example_scripts
from fuzz.targets.registry import TARGETS

# Mutations of each input. A script costs a signature and more, a structure some microseconds.
MUTATIONS_OF_A_SCRIPT = 6
MUTATIONS_OF_BYTES = 20


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_promise(name: str) -> None:
    target = TARGETS[name]
    inputs = committed(name)
    assert inputs
    rng = random.Random(name)
    mutations = MUTATIONS_OF_A_SCRIPT if target.is_script else MUTATIONS_OF_BYTES
    for data in (b"", *inputs):
        target.run(data)
        for _ in range(mutations):
            target.run(mutate(data or b"\x00", rng.getrandbits(64)))


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

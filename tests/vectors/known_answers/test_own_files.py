"""That the verifier accepts our own files, and no longer does once a value in them is changed."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from cloister.mls.registry import CipherSuite
from cloister.mls.suite import suite_of
from vectors.known_answers.generate import DATA
from vectors.known_answers.generator import kinds as made
from vectors.known_answers.verifier.failure import Failure
from vectors.known_answers.verifier.kinds import load, verify_case
from vectors.known_answers.verify import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.vectors

Case = dict[str, Any]
SMALL = CipherSuite.X25519_AES128GCM_SHA256_ED25519
LARGE = CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519
Place = tuple[str | int, ...]


@pytest.mark.parametrize("kind", made.KINDS)
def test_the_verifier_accepts_the_file(kind: str) -> None:
    cases = load(DATA / f"{kind}.json")
    assert cases
    for case in cases:
        verify_case(kind, case)


@pytest.mark.parametrize("kind", made.KINDS)
@pytest.mark.parametrize("suite", [SMALL, LARGE])
def test_the_verifier_accepts_what_the_engine_makes_today(kind: str, suite: CipherSuite) -> None:
    if kind in made.WITHOUT_SUITE:
        cases = made.WITHOUT_SUITE[kind]()
    else:
        cases = made.FOR_EACH_SUITE[kind](suite_of(suite))
    for case in cases:
        verify_case(kind, case)


def test_there_is_a_file_of_each_kind_and_no_other() -> None:
    assert {path.stem for path in DATA.iterdir()} == {*made.KINDS}


@pytest.mark.parametrize("kind", made.FOR_EACH_SUITE)
def test_every_suite_of_the_engine_has_cases(kind: str) -> None:
    def suite(case: Case) -> int:
        # A case of messages does not say its suite, but its KeyPackage does, after the versions
        # and the wire format.
        if kind == "messages":
            return int(case["mls_key_package"][12:16], 16)
        stated: int = case["cipher_suite"]
        return stated

    assert {suite(case) for case in load(DATA / f"{kind}.json")} == {*CipherSuite}


# In which case the values are changed: one in which each of them matters.
CASES: dict[str, Callable[[list[Case]], Case]] = {
    "tree-math": lambda cases: cases[2],
    "deserialization": lambda cases: cases[4],
    "psk_secret": lambda cases: cases[2],
    # An Update: of an Add not all that is in its KeyPackage gets into the tree.
    "tree-operations": lambda cases: cases[2],
    "tree-validation": lambda cases: cases[1],
    "passive-client-welcome": lambda cases: cases[1],
    "passive-client-handling-commit": lambda cases: cases[2],
    "passive-client-random": lambda cases: cases[2],
}


def _values(value: object, place: Place = ()) -> Iterator[Place]:
    """Where the single values of a case are."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _values(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _values(inner, (*place, index))
    else:
        yield place


def _changed(kind: str, name: str | int, value: str | int | None) -> str | int:
    """Another value in the place of ``value``."""
    if name == "cipher_suite":
        # Suites 1 to 3 have one hash, and some kinds are about nothing but the hash.
        return 7
    if value is None:
        return 0 if kind == "tree-math" else "00"
    if isinstance(value, int):
        return value + 1
    if kind == "messages":
        # There the contents of a structure are not verified, only its form.
        return value[:-2]
    try:
        data = bytes.fromhex(value)
    except ValueError:
        return value + "!"
    return (data[:-1] + bytes([data[-1] ^ 1])).hex() if data else "00"


def _with_change(kind: str, case: Case, place: Place) -> Case:
    changed = copy.deepcopy(case)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = _changed(kind, place[-1], inner[place[-1]])
    return changed


@pytest.mark.parametrize("kind", made.KINDS)
def test_the_verifier_refuses_a_case_with_any_value_changed(kind: str) -> None:
    cases = load(DATA / f"{kind}.json")
    case = CASES[kind](cases) if kind in CASES else cases[0]
    verify_case(kind, case)
    accepted = []
    for place in _values(case):
        try:
            verify_case(kind, _with_change(kind, case, place))
        except Failure:
            continue
        accepted.append(place)
    assert not accepted


def test_the_verifier_as_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right = DATA / "psk_secret.json"
    assert main([str(right)]) == 0
    assert capsys.readouterr().out == "psk_secret: 40 of 40 cases right\n"
    cases = load(right)
    cases[3] = _with_change("psk_secret", cases[3], ("psk_secret",))
    wrong = tmp_path / "psk_secret.json"
    wrong.write_text(json.dumps(cases))
    assert main([str(right), str(wrong)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "psk_secret: 39 of 40 cases right"
    assert lines[2].startswith("  case 3, suite 1: psk_secret: computed ")
    wrong.write_text("[]")
    assert main([str(wrong)]) == 1
    assert main([]) == main(["psk.json"]) == 2

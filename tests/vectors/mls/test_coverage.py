"""That every file is used, our own included, and no case of a supported suite is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from vectors.mls import (
    material,
    test_hpke,
    test_key_schedule,
    test_messages,
    test_partial,
    test_passive_client,
    test_primitives,
    test_tree,
)

pytestmark = pytest.mark.vectors

MODULES = (
    test_hpke,
    test_key_schedule,
    test_messages,
    test_partial,
    test_passive_client,
    test_primitives,
    test_tree,
)
# Annotations of a draft for light clients; the structures inside are those of the other files.
UNUSED = {"mls-pq/message-syntax.json"}


def test_every_published_file_is_read() -> None:
    if not material.ROOT.is_dir():
        pytest.skip("no vectors beside the repository nor in CLOISTER_VECTORS")
    present = {str(path.relative_to(material.ROOT)) for path in material.ROOT.glob("mls*/*.json")}
    assert present == set(material.USED) | UNUSED


def test_every_case_of_a_supported_suite_has_an_id() -> None:
    if not material.ROOT.is_dir():
        pytest.skip("no vectors beside the repository nor in CLOISTER_VECTORS")
    for path, ids in material.USED.items():
        expected = [case for case in material.load(path) if material.is_supported(case)]
        assert len(ids) == len(set(ids)) == len(expected) > 0, path


def test_every_file_of_our_own_is_read() -> None:
    present = {path.name for path in material.OWN.glob("*.json")}
    used = {path.rpartition("/")[2] for path, ids in material.OWN_USED.items() if ids}
    assert used == present
    assert len(used) == 16


def test_every_case_of_our_own_has_an_id_and_a_suite_of_the_engine() -> None:
    for path, ids in material.OWN_USED.items():
        cases = material.load_own(path)
        assert len(ids) == len(set(ids)) == len(cases), path
        assert all(map(material.is_supported, cases)), path


# That each of them has cases of every suite is asked in known_answers/test_own_files.py.


def test_this_package_has_no_other_vector_tests() -> None:
    files = {path.stem for path in Path(__file__).parent.glob("test_*.py")}
    assert files == {module.__name__.rpartition(".")[2] for module in MODULES} | {"test_coverage"}

"""Finds the published vectors and our own known answers, and gives each case a name.

The published ones lie beside the repository, or nowhere; those of known_answers are part of it.
Both have the same formats and go through the same tests.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cloister.mls.errors import Unsupported
from cloister.mls.suite import suite_of

Case = dict[str, Any]

ROOT = Path(
    os.environ.get("CLOISTER_VECTORS", Path(__file__).parents[3] / ".." / "shared" / "vectors")
)
OWN = Path(__file__).parents[1] / "known_answers" / "data"

# The ids of each file that a test is parametrized over, for test_coverage.
USED: dict[str, list[str]] = {}
# The same of our own files, which have the names of published ones.
OWN_USED: dict[str, list[str]] = {}


@cache
def load(path: str) -> list[Case]:
    """All cases of a file below the vectors' folder."""
    loaded: list[Case] = json.loads((ROOT / path).read_bytes())
    return loaded


@cache
def load_own(path: str) -> list[Case]:
    """All cases of our own file of the same kind; of some kinds there is none."""
    own = OWN / Path(path).name
    loaded: list[Case] = json.loads(own.read_bytes()) if own.is_file() else []
    return loaded


def is_supported(case: Case) -> bool:
    """Whether the case has no suite, or one we have."""
    if "cipher_suite" not in case:
        return True
    try:
        suite_of(case["cipher_suite"])
    except Unsupported:
        return False
    return True


def _name(number: int, case: Case) -> str:
    return f"{number}-suite{case['cipher_suite']}" if "cipher_suite" in case else str(number)


def each(path: str) -> pytest.MarkDecorator:
    """Parametrize ``case`` over every case of a file whose suite we have, one id each.

    The cases of our own file follow; their ids begin with ``own-``.
    """
    own = load_own(path)
    OWN_USED[path] = [f"own-{_name(number, case)}" for number, case in enumerate(own)]
    params = [pytest.param(case, id=name) for case, name in zip(own, OWN_USED[path], strict=True)]
    if not (ROOT / path).is_file():
        reason = f"no vectors: neither {path} beside the repository nor in CLOISTER_VECTORS"
        missing = pytest.param({}, id="missing", marks=pytest.mark.skip(reason=reason))
        return pytest.mark.parametrize("case", [missing, *params])
    published = [
        pytest.param(case, id=_name(number, case))
        for number, case in enumerate(load(path))
        if is_supported(case)
    ]
    USED[path] = [str(param.id) for param in published]
    return pytest.mark.parametrize("case", [*published, *params])


def unhex(text: str) -> bytes:
    """Bytes of a hexadecimal field."""
    return bytes.fromhex(text)

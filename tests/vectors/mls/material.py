"""Finds the published vectors and gives each case a name."""

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


# The ids of each file that a test is parametrized over, for test_coverage.
USED: dict[str, list[str]] = {}


@cache
def load(path: str) -> list[Case]:
    """All cases of a file below the vectors' folder."""
    loaded: list[Case] = json.loads((ROOT / path).read_bytes())
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


def each(path: str) -> pytest.MarkDecorator:
    """Parametrize ``case`` over every case of a file whose suite we have, one id each."""
    if not (ROOT / path).is_file():
        reason = f"no vectors: neither {path} beside the repository nor in CLOISTER_VECTORS"
        return pytest.mark.parametrize(
            "case", [pytest.param({}, id="missing", marks=pytest.mark.skip(reason=reason))]
        )
    ids = [
        f"{n}-suite{case['cipher_suite']}" if "cipher_suite" in case else str(n)
        for n, case in enumerate(load(path))
        if is_supported(case)
    ]
    USED[path] = ids
    return pytest.mark.parametrize("case", [c for c in load(path) if is_supported(c)], ids=ids)


def unhex(text: str) -> bytes:
    """Bytes of a hexadecimal field."""
    return bytes.fromhex(text)

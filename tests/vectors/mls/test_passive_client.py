"""passive-client-*: join by Welcome and follow, proposals by value and by reference, with PSKs."""

from __future__ import annotations

import msgspec
import pytest

from cloister.mls.passive import PassiveCase, Verdict, run_case
from vectors.mls.material import Case, each

pytestmark = pytest.mark.vectors


def follow(case: Case) -> None:
    result = run_case(0, msgspec.convert(case, PassiveCase))
    assert (result.verdict, result.reason) == (Verdict.PASSED, "")
    assert result.epochs == len(case["epochs"])


@each("mls/passive-client-welcome.json")
def test_passive_client_welcome(case: Case) -> None:
    follow(case)


@each("mls/passive-client-handling-commit.json")
def test_passive_client_handling_commit(case: Case) -> None:
    follow(case)


@each("mls/passive-client-random.json")
def test_passive_client_random(case: Case) -> None:
    follow(case)

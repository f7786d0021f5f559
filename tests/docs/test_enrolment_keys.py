"""docs/spec/invitation.md 4.1: the labels of the enrolment's keys are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloister.client import enrolling, share_keys
from cloister.client.pool import POOL_LOW, STALE_BEFORE_END_S
from cloister.limits import RETENTION_S
from cloister.roster.errors import LetterRefused

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
INVITATION = (SPEC / "invitation.md").read_text(encoding="utf-8")
CONTENT = (SPEC / "content.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "label",
    [share_keys.UNLOCK_KEY_LABEL, share_keys.CONFIRM_KEY_LABEL, share_keys.OWNER_KEY_LABEL],
)
def test_every_label_stands_in_the_table(label: bytes) -> None:
    assert f"| `{label.decode()}` |" in INVITATION


def test_exit_codes_are_those_of_the_classes() -> None:
    assert enrolling.EnrolmentRefused.exit_code == 5
    assert enrolling.TicketsRefused.exit_code == LetterRefused.exit_code == 6


def test_the_numbers_of_the_pool_are_those_of_the_code() -> None:
    days = STALE_BEFORE_END_S // 86_400
    assert f"at least {POOL_LOW} in its pool that have {days} days to live" in CONTENT
    assert f"kept for {RETENTION_S // 86_400} days after its end" in CONTENT

"""What `relay check` and `doctor` say of one thing: how it stands, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

import msgspec

from cloister.errors import CloisterError, NotFoundError

T = TypeVar("T")


class Grade(StrEnum):
    """How a thing stands."""

    GOOD = "good"
    DOUBTFUL = "doubtful"
    """It works; somebody should look."""
    WRONG = "wrong"
    """It does not start, does not serve, or exposes what it should keep."""


class Finding(msgspec.Struct, frozen=True):
    """What was found of one thing."""

    subject: str
    grade: Grade
    text: str
    hint: str = ""
    exit_code: int = 1
    """What the command ends with when this is the first thing wrong."""

    def as_view(self) -> dict[str, str]:
        """Return it as plain values."""
        view = {"subject": self.subject, "grade": self.grade.value, "text": self.text}
        return {**view, "hint": self.hint} if self.hint else view


def wrong(subject: str, error: CloisterError) -> Finding:
    """Make a finding of the error that other commands would end with."""
    return Finding(subject, Grade.WRONG, str(error), error.hint or "", error.exit_code)


def read_or_wrong(
    subject: str, read: Callable[[], T], expected: type[CloisterError] = CloisterError
) -> tuple[T | None, list[Finding]]:
    """Read something; what it raises is a finding. Raises NotFoundError: there is no relay."""
    try:
        return read(), []
    except NotFoundError:
        raise
    except expected as error:
        return None, [wrong(subject, error)]


def status_of(findings: list[Finding]) -> int:
    """Return the exit status: of the first thing that is wrong, 0 without one."""
    return next((one.exit_code for one in findings if one.grade is Grade.WRONG), 0)


def lines_of(finding: Finding) -> str:
    """Say it in words, what to do on a line of its own."""
    line = f"{finding.grade.value:9} {finding.subject:12} {finding.text}"
    return f"{line}\n{'':9} do: {finding.hint}" if finding.hint else line

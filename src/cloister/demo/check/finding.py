"""What a check found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass


class Wrong(Exception):
    """Something is not as it must be; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the verdict."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """A named question; ``ask`` returns what it saw, or raises."""

    name: str
    ask: Callable[[], str]

    def finding(self) -> Finding:
        """Ask.  Whatever goes wrong while asking is an answer too: no."""
        try:
            return Finding(self.name, True, self.ask())
        except Wrong as wrong:
            return Finding(self.name, False, str(wrong))
        except Exception as error:  # noqa: BLE001 (damaged evidence may break anything)
            return Finding(self.name, False, f"{type(error).__name__}: {error}")


def demand(holds: bool, text: str) -> None:
    """Raise ``Wrong`` unless it holds."""
    if not holds:
        raise Wrong(text)


def all_hold(findings: Iterable[Finding]) -> bool:
    """Tell whether every check said yes."""
    return all(finding.ok for finding in findings)

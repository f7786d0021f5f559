"""Lines of shell blocks that no test runs, each with its reason.

All other lines of all shell blocks are run: a new one cannot be forgotten.
"""

from __future__ import annotations

from typing import Final

NOT_RUN: Final[dict[tuple[str, str], str]] = {}

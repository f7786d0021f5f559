"""Before the toolkit is imported: its side doors, which the environment opens, are closed."""

from __future__ import annotations

import os


def quiet_toolkit() -> None:
    """Take out of the environment what would have the toolkit log, take pictures or listen."""
    for name in [one for one in os.environ if one.startswith("TEXTUAL")]:
        del os.environ[name]
    os.environ["TEXTUAL_ANIMATIONS"] = "none"

"""Before the toolkit is imported: its side doors, which the environment opens, are closed."""

from __future__ import annotations

import os


def quiet_toolkit() -> None:
    """Take out of the environment what would have the toolkit log, take pictures or listen.

    Also a size that a shell may have put there: the terminal knows its own.
    """
    for name in [one for one in os.environ if one.startswith("TEXTUAL")]:
        del os.environ[name]
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)
    os.environ["TEXTUAL_ANIMATIONS"] = "none"

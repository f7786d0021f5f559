"""Layouts of the databases: a file of an earlier release is brought up, of a later one refused.

A layout is a number in ``PRAGMA user_version``.  All steps from the one found to the one wanted are
one transaction: whatever ends the program in between, the file is as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from sqlcipher3.dbapi2 import complete_statement

from cloister.errors import LocalError

Execute = Callable[[str], Any]


class LayoutRefused(LocalError):
    """The file has a layout that this program cannot use; it was not touched."""


def bring_up(
    execute: Execute, what: str, newest: int, *, fresh: str, steps: Mapping[int, str]
) -> int:
    """Make the tables of a new file, or bring an old one to the newest layout.

    Args:
        execute: runs one statement; outside of a transaction.
        what: the file, in words.
        newest: the layout wanted.
        fresh: all its statements, for a file without tables; empty: such a file is refused.
        steps: by the layout that each begins with, the statements that lead to the next one.

    Returns: the layout that was found; 0 for a new file.
    Raises LayoutRefused; whatever ``execute`` raises, and then nothing has changed."""
    (found,) = execute("PRAGMA user_version").fetchone()
    if found == newest:
        return int(found)
    if found > newest:
        raise LayoutRefused(
            f"{what} has layout {found}, and this program knows {newest} at most",
            hint="a newer version of Cloister wrote it: run that one, or restore a backup",
        )
    passed = range(found, newest)
    if (found or not fresh) and not all(layout in steps for layout in passed):
        raise LayoutRefused(
            f"{what} has layout {found}, from which no way leads to {newest}",
            hint="run the version of Cloister that wrote it; the changelog says what has changed",
        )
    scripts = [steps[layout] for layout in passed] if found else [fresh]
    execute("BEGIN IMMEDIATE")
    try:
        for script in scripts:
            for statement in statements_of(script):
                execute(statement)
        execute(f"PRAGMA user_version = {newest}")
        execute("COMMIT")
    except BaseException:
        # Some errors have taken it back already; what counts is the first one.
        with suppress(Exception):
            execute("ROLLBACK")
        raise
    return int(found)


def statements_of(script: str) -> list[str]:
    """Take a script apart; statements end at the end of a line."""
    statements, gathered = [], ""
    for line in script.splitlines(keepends=True):
        gathered += line
        if complete_statement(gathered):
            statements.append(gathered)
            gathered = ""
    return statements

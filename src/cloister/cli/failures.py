"""A bug of ours ends in one line with an id; what helps to find it goes into a private file.

The file names the exception's class and the places in the program it passed, no text and no
values: an exception's text may quote what somebody wrote.
"""

from __future__ import annotations

import os
import platform
import secrets
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cloister import __version__


def report_bug(error: BaseException) -> str:
    """Write the report; return the line for the person."""
    bug_id = secrets.token_hex(4)
    try:
        where = _write(bug_id, error)
    except OSError:
        return f"a bug of the program (id {bug_id}); no report could be written"
    return f"a bug of the program (id {bug_id}); the report holds no content: {where}"


def _write(bug_id: str, error: BaseException) -> Path:
    from cloister.device.paths import crash_folder

    folder = crash_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{bug_id}.txt"
    lines = [
        f"cloister {__version__}, Python {platform.python_version()}, {sys.platform}",
        *_chain(error),
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return path


def _chain(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        kind = type(following)
        yield f"{kind.__module__}.{kind.__qualname__}"
        for frame in traceback.extract_tb(following.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} {frame.name}"
        if isinstance(following, BaseExceptionGroup):
            for inner in following.exceptions:
                yield from _chain(inner)
        following = following.__cause__ or following.__context__

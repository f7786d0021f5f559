"""libsodium's ristretto255, through rbcl, with nothing left on the disk.

rbcl 1.1.2 carries the library as text.  When it is imported it writes it to a temporary file, loads
it from there, and leaves the file where it is: three megabytes for each process that ever started,
and no start at all where the folder is full or must not hold programs (``noexec``).  So it is
imported here only, and given a file in memory; where there are none (macOS), in a folder that goes.
It is a tenth of what a device loads, and few of its lives need it: it is imported when it is asked
for.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from types import SimpleNamespace
from typing import Any


def _place(stack: ExitStack) -> str:
    """Return the path of a file that is gone when the stack is closed."""
    if sys.platform == "linux":
        with suppress(OSError):  # a sandbox may forbid it
            number = os.memfd_create("libsodium")
            stack.callback(os.close, number)
            return f"/proc/self/fd/{number}"
    return stack.enter_context(tempfile.TemporaryDirectory()) + "/libsodium.so"


@contextmanager
def _one_temporary_file() -> Iterator[None]:
    """While this lasts, whoever asks for a named temporary file is given ours."""
    original = tempfile.NamedTemporaryFile
    with ExitStack() as stack:
        place = _place(stack)
        stack.callback(setattr, tempfile, "NamedTemporaryFile", original)
        tempfile.NamedTemporaryFile = lambda **_: SimpleNamespace(name=place)  # type: ignore[assignment]
        yield


@cache
def ristretto255() -> Any:
    """Return libsodium's functions on the group.  The first call takes a twentieth of a second."""
    with _one_temporary_file():
        import rbcl
    return rbcl

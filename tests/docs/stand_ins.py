"""Stand-ins for programs that a guide calls and no test may: what changes the machine itself.

A stand-in notes its arguments, one call a line, and does nothing, or what little is said here.
"""

from __future__ import annotations

import shlex
from typing import Final

from docs.shell_session import Shell

AGE: Final = 'for last; do :; done; if [ -f "$last" ]; then cat "$last"; else cat; fi'
"""Encrypts nothing: what goes in, or the file named last, comes out."""


class StandIns:
    """A folder of them, before all others in the shell's search path."""

    def __init__(self, shell: Shell) -> None:
        self._folder = shell.folder / "stand-ins"
        self._folder.mkdir(exist_ok=True)
        shell.type(f"PATH={shlex.quote(str(self._folder))}:$PATH")

    def add(self, name: str, does: str = "true") -> None:
        """Have one called ``name``."""
        path = self._folder / name
        path.write_text(f'#!/bin/sh\necho "$*" >> "{path}.calls"\n{does}\n')
        path.chmod(0o700)

    def calls(self, name: str) -> list[str]:
        """The arguments of each call so far."""
        path = self._folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []

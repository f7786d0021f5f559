"""What the later chapters share: the clock that skips, the notes for the checker, the thief."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from dataclasses import dataclass, field
from typing import Any, Final

from cloister.demo.children import Child, LifeLine
from cloister.demo.folder import Folder
from cloister.device.vault_files import DATABASE_NAME, KEY_NAME
from cloister.errors import NetworkError

DAY_S: Final = 86_400
MOST_TRIES: Final = 20
AGAIN_S: Final = 1.0


@dataclass
class Chapters:
    """``chapters.json`` in the making: written after every note."""

    folder: Folder
    notes: dict[str, Any] = field(default_factory=dict)

    def note(self, name: str, value: object) -> None:
        """Write something down for the checker."""
        self.notes[name] = value
        self.folder.chapters.write_text(json.dumps(self.notes, indent=1), encoding="utf-8")

    def skip(self, seconds: int) -> None:
        """Move the clock of every program here."""
        ahead = int(self.folder.clock.read_text("ascii")) + seconds
        # Renamed into place: a program reads the clock at any moment.
        written = self.folder.clock.with_suffix(".next")
        written.write_text(str(ahead), encoding="ascii")
        written.rename(self.folder.clock)

    def now(self) -> float:
        """The time of all programs here, s since the Unix epoch."""
        return time.time() + int(self.folder.clock.read_text("ascii"))


@dataclass
class Thief:
    """Somebody with a copy of a device's disk, and its PIN."""

    folder: Folder
    life: LifeLine
    secret: bytes
    attempts: list[dict[str, Any]] = field(default_factory=list)

    def copy_disk(self, profile: int) -> None:
        """Copy what lies on the lost device's disk."""
        self.folder.stolen.mkdir(mode=0o700)
        for name in (KEY_NAME, DATABASE_NAME, f"{DATABASE_NAME}-wal"):
            path = self.folder.profile(profile) / name
            if path.exists():
                shutil.copy2(path, self.folder.stolen / name)

    async def open(self, when: str) -> dict[str, Any]:
        """Try to open the copy, with the right PIN and both relays in reach."""
        for _ in range(MOST_TRIES):
            child = Child(
                f"thief-{len(self.attempts) + 1}",
                ["status", "--profile", str(self.folder.stolen), "--passphrase-fd", "{fd}"],
                folder=self.folder,
                life=self.life,
                secret=self.secret,
            )
            status = await child.run_to_end()
            # Killed, or no relay in reach because one was: neither is an answer.
            if status >= 0 and status != NetworkError.exit_code:
                break
            await asyncio.sleep(AGAIN_S)
        attempt = {"when": when, "status": status, "said": child.last_words()}
        self.attempts.append(attempt)
        return attempt

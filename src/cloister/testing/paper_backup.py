"""The side of a paper device that is asked for backups, and to look after its shares."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from cloister.client.effects import Message
from cloister.device.facade import View


class PaperBackups:
    """Says what a device would say, and notes what it was asked for; nothing is written."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Message]] = {}
        self.backups: list[str] = []
        """Files that were asked for."""
        self.share_checks = 0
        """How often it was asked to look after its unlock shares."""

    async def check_shares(self) -> None:
        """Note that it was asked to; the relays have all of them."""
        self.share_checks += 1

    async def backup(
        self, path: str, passphrase: str, *, force: bool = False
    ) -> AsyncGenerator[View, None]:
        """Say what a backup would say."""
        count = sum(map(len, self.rows.values()))
        self.backups.append(path)
        yield {"done": True, "messages": count, "file": path, "entry": "", "made_at": 0}

    async def restore(self, path: str, passphrase: str) -> AsyncGenerator[View, None]:
        """Say that the backup has nothing new."""
        self.backups.append(path)
        count = sum(map(len, self.rows.values()))
        made_at = max((row.at for rows in self.rows.values() for row in rows), default=0)
        yield {
            "done": True,
            "messages": count,
            "new": 0,
            "of": count,
            "made_at": made_at,
            "unknown": 0,
        }

"""Backup and restore of a running device, and the conversations that only its history knows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from cloister.client.contact_acts import RestoreSaid
from cloister.client.effects import Changed
from cloister.client.inputs import Act
from cloister.client.powers import TakeHistory
from cloister.client.safe_text import safe_line
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.archive import make_archive, restore_archive
from cloister.device.archive.header import ARCHIVE_COST
from cloister.device.archive.rows import Owner
from cloister.device.engine import Engine
from cloister.device.facade import View
from cloister.device.vault import Vault
from cloister.device.vault.kept_rows import SAID_TABLES
from cloister.device.views import Views
from cloister.errors import NotFoundError, UsageError
from cloister.roster.content import ExportScope

KEPT: Final = "kept"
"""State of a conversation whose history was restored, and which this device is not in."""
LEAST_ID_DIGITS: Final = 8
"""Hexadecimal digits by which a conversation may be named, as in ``views.channel_named``."""

KEPT_VIEW: Final[View] = {
    "kind": "conversation",
    "members": [],
    "changing": "everyone",
    "posting": "everyone",
    "admins": [],
    "leaving": False,
    "state": KEPT,
    "reason": "its history was restored; this device is not in it",
    "queued": 0,
    "receipts": "off",
    "epoch": 0,
    "lifetime_s": 0,
    "partner": "",
    "people": [],
    "bots": [],
    "muted_until": 0,
    "pinned": False,
    "blocked": False,
}
"""In the form of ``client.views.conversations_view``."""


class Keeping:
    """What a device does with its own history beside reading it."""

    def __init__(self, engine: Engine, vault: Vault, views: Views) -> None:
        self._engine = engine
        self._vault = vault
        self._views = views

    async def backup(
        self,
        path: str,
        passphrase: str,
        permitted: Callable[[TakeHistory], Awaitable[str]],
        *,
        force: bool,
    ) -> AsyncGenerator[View, None]:
        """Seal the whole history into a file; see ``Facade.backup``."""
        core = self._engine.core
        circle_id, member_id, did, name = self._views.whose(core)
        now = self._engine.now()
        owner = Owner(
            circle_id=circle_id, member_id=member_id, did=did, name=name, made_at=now, messages=0
        )
        titles = {
            bytes.fromhex(str(view["channel_id"])): str(view["title"])
            for view in self._views.conversations(core)
        }
        kept = await self._engine.on_disk(self._vault.kept.titles)
        entry = ""

        async def ask() -> str:
            nonlocal entry
            entry = await permitted(TakeHistory(ref=0, scope=ExportScope.BACKUP))
            return entry

        making = make_archive(
            _absolute(path),
            Secret(passphrase.encode("utf-8")),
            owner=owner,
            titles=kept | titles,
            source=self._vault.kept,
            on_disk=self._engine.on_disk,
            permitted=ask,
            entropy=SystemEntropy(),
            force=force,
            cost=ARCHIVE_COST,
        )
        count = 0
        async with aclosing(making) as steps:
            async for count in steps:
                yield {"done": False, "messages": count}
        yield {"done": True, "messages": count, "file": path, "entry": entry, "made_at": now}

    async def restore(
        self, path: str, passphrase: str, act: Callable[[Act], Awaitable[str]]
    ) -> AsyncGenerator[View, None]:
        """Read a backup as history; see ``Facade.restore``."""
        circle_id, member_id, did, name = self._views.whose(self._engine.core)
        owner = Owner(
            circle_id=circle_id, member_id=member_id, did=did, name=name, made_at=0, messages=0
        )

        async def keep_said(records: list[tuple[str, bytes, bytes]]) -> None:
            contacts, preferences = (
                tuple((key, value) for table, key, value in records if table == wanted)
                for wanted in SAID_TABLES
            )
            await act(RestoreSaid(ref=0, contacts=contacts, preferences=preferences))

        reading = restore_archive(
            _absolute(path),
            Secret(passphrase.encode("utf-8")),
            owner=owner,
            target=self._vault.kept,
            on_disk=self._engine.on_disk,
            keep_said=keep_said,
        )
        view: View = {}
        async with aclosing(reading) as steps:
            async for step in steps:
                view = {
                    "done": False,
                    "messages": step.read,
                    "new": step.new,
                    "of": step.of,
                    "made_at": step.made_at,
                    "unknown": step.unknown,
                }
                yield view
        self._engine.tell(Changed(what="restored"))
        yield view | {"done": True}

    async def conversations(self, live: Sequence[View]) -> list[View]:
        """Return those that only their history knows, in the form of the ``live`` ones.

        They have no member here, and nothing can be said in them.
        """
        titles = await self._engine.on_disk(self._vault.kept.titles)
        known = {bytes.fromhex(str(view["channel_id"])) for view in live}
        return [
            KEPT_VIEW
            | {
                "title": safe_line(title),
                "shown": safe_line(title),
                "channel_id": channel_id.hex(),
            }
            for channel_id, title in titles.items()
            if channel_id not in known
        ]

    def is_live(self, channel_id: bytes) -> bool:
        """Whether this device knows a conversation by more than its history."""
        views = self._views.conversations(self._engine.core)
        return any(view["channel_id"] == channel_id.hex() for view in views)

    async def channel(self, name: str) -> bytes:
        """Find a conversation, at last among those that only history knows.

        Raises ``NotFoundError``, ``UsageError`` when a title could mean two of them.
        """
        try:
            return self._views.channel_id(self._engine.core, name)
        except NotFoundError:
            titles = await self._engine.on_disk(self._vault.kept.titles)
            found = _named(titles, safe_line(name).casefold())
            if not found:
                raise
        if len(found) > 1:
            raise UsageError(
                f"several conversations are called “{safe_line(name)}”",
                hint="Name one by the start of its id; `cloister conversation list` shows it.",
            )
        return found[0]


def _named(titles: Mapping[bytes, str], wanted: str) -> list[bytes]:
    by_title = [one for one, title in titles.items() if safe_line(title).casefold() == wanted]
    if by_title or len(wanted) < LEAST_ID_DIGITS:
        return by_title
    return [one for one in titles if one.hex().startswith(wanted)]


def _absolute(path: str) -> Path:
    found = Path(path)
    if not found.is_absolute():
        raise UsageError("the process that holds the vault is elsewhere: give a whole path")
    return found

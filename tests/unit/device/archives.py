"""Archives for tests: a vault, a file made of it, and reading it into another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cloister.client.effects import Message, PutMessage
from cloister.client.kept import LOWEST
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.archive import (
    make_archive,
    restore_archive,
)
from cloister.device.archive.restoring import Restored
from cloister.device.archive.rows import Owner
from cloister.device.vault import Cost, Vault
from cloister.device.vault.kept_rows import KeptMessage
from cloister.values import replace
from unit.device.scripted import CHANNEL

PASSPHRASE = Secret("fünf lange Wörter".encode())
CHEAP = Cost(64, 1, 1)
OWNER = Owner(
    circle_id=b"c" * 32, member_id=b"m" * 16, did=b"d" * 32, name="Amira", made_at=7, messages=0
)
OTHER = bytes(15) + b"x"
T = TypeVar("T")


async def at_once(work: Callable[[], T]) -> T:
    return work()


async def nobody_says(records: list[tuple[str, bytes, bytes]]) -> None:
    raise AssertionError(records)


def kept(message: Message) -> KeptMessage:
    """A row with what the table has beside a message's fields."""
    return KeptMessage(**msgspec.structs.asdict(message))


async def nothing_to_ask() -> str:
    return ""


def vault_in(folder: Path, *rows: Message) -> Vault:
    folder.mkdir(exist_ok=True)
    vault = Vault.create(folder, Secret(b"pw"), entropy=SystemEntropy(), cost=CHEAP)
    vault.commit([PutMessage(message=row) for row in rows])
    return vault


def make(path: Path, vault: Vault, **changes: Any) -> int:
    """Make an archive of a vault; return how many rows went in."""
    arguments: dict[str, Any] = {
        "owner": OWNER,
        "titles": {CHANNEL: "desk", OTHER: "Rota"},
        "source": vault.kept,
        "on_disk": at_once,
        "permitted": nothing_to_ask,
        "entropy": SystemEntropy(),
        "cost": CHEAP,
    }

    async def making() -> int:
        count = 0
        async for step in make_archive(path, PASSPHRASE, **arguments | changes):
            count = step
        return count

    return asyncio.run(making())


def restore(path: Path, vault: Vault, passphrase: Secret = PASSPHRASE, **who: Any) -> Restored:
    """Restore an archive; return what was said last."""

    async def restoring() -> Restored:
        last: Restored | None = None
        async for step in restore_archive(
            path,
            passphrase,
            owner=replace(OWNER, **who),
            target=vault.kept,
            on_disk=at_once,
            keep_said=nobody_says,
        ):
            last = step
        assert last is not None
        return last

    return asyncio.run(restoring())


def timeline(vault: Vault, channel: bytes = CHANNEL) -> list[Message]:
    return vault.timeline.history(channel, limit=100_000, after=LOWEST - 1)


def texts(vault: Vault, channel: bytes = CHANNEL) -> list[str]:
    return [row.text for row in timeline(vault, channel)]

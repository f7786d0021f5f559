"""The drill: a relay is lost, and made again from a backup that is older than what it had done.

Nothing that was destroyed comes back, nothing that was given out is given again, no second history
is signed, and what is lost is told (docs/decisions/0035)."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.errors import NotFoundError, UsageError
from cloister.lives import LIFE_SHIFT, life_of
from cloister.relay.backup import copying
from cloister.relay.backup.copying import make_backup
from cloister.relay.backup.manifest import BackupDamaged
from cloister.relay.backup.restoring import restore
from cloister.relay.folder import Folder
from cloister.relay.shares.rows import TRIES
from cloister.roster.orders import EntryReference, Erase, EraseReason
from cloister.roster.readable import ReadableType
from cloister.roster.share import bind_of
from cloister.wire import commands, events
from cloister.wire.auth import ShareAct
from cloister.wire.codes import Refusal
from integration.relay_world import (
    CHANNEL,
    ENTROPY,
    INBOX,
    PATIENCE_S,
    Device,
    Pair,
    Relay,
    envelope_id,
)
from integration.share_world import GovernedCircle, Share, answers, become, enrol_at_both, to_entry

pytestmark = pytest.mark.process
ERASED = [Refusal.ERASED, Refusal.ERASED]


@dataclass
class Life:
    """What a circle did before its home was lost."""

    world: GovernedCircle
    bystander: tuple[Share, Share]
    latecomer: tuple[Share, Share]
    """Of a device that enrolled after the backup."""
    put_before: list[bytes]
    put_after: list[bytes]
    taken: set[bytes]
    size: int
    head: bytes


def lose_and_restore(relay: Relay, backup: Path) -> None:
    """The disk is gone; its folder is made again in the same place."""
    relay.stop(signal.SIGKILL)
    shutil.rmtree(relay.folder)
    restore(backup, relay.folder, int(time.time()))


async def put(world: GovernedCircle, count: int) -> list[bytes]:
    ids = [envelope_id() for _ in range(count)]
    for one in ids:
        await world.device.ask(commands.Put, world.circle.commons_id, 0, one, one * 64)
    return ids


async def live(pair: Pair, backups: Path) -> Life:
    """Work, be copied, and work on: each thing that the copy does not know of."""
    world = await GovernedCircle.found(pair)
    device, circle, steward = world.device, world.circle, world.steward
    opening = ENTROPY.random(32)
    bystander = await enrol_at_both(pair, bind_of(circle.origin, opening))
    await circle.prove(device)
    await device.prove(circle.inbox, INBOX, circle.inbox_id)
    pool = tuple(f"package {i}".encode() for i in range(6))
    await device.ask(commands.PublishKeyPackages, circle.inbox_id, pool)
    before = await put(world, 5)
    assert await answers(pair, world.shares) == [TRIES - 1, TRIES - 1]

    for relay in (pair.home, pair.entry):
        make_backup(relay.place, backups / relay.card.name, int(time.time()))

    latecomer = await enrol_at_both(pair, bind_of(circle.origin, ENTROPY.random(32)))
    after = await put(world, 5)
    taken = {
        (await device.ask(commands.TakeKeyPackage, circle.commons_id, circle.inbox_id)).package
        for _ in range(2)
    }
    erase = await steward.append(
        device,
        ReadableType.ORDER_ERASE,
        Erase(targets=steward.targets, reason=EraseReason.STOLEN, sealed_note=b"").encode(),
    )
    await steward.append(
        device, ReadableType.APPROVE, EntryReference(entry_hash=erase).encode(), world.keys[1]
    )
    await asyncio.sleep(1)  # log time moves on with the next entry
    await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
    await become(pair, world.shares, list(ERASED))
    size = len(circle.entries)
    await device.ask(commands.FollowLog, circle.origin, size)
    head = await device.next_of(events.Head)
    while int(head.note.split(b"\n")[1]) < size:
        head = await device.next_of(events.Head)
    return Life(world, bystander, latecomer, before, after, taken, size, head.note)


async def renew(pair: Pair, share: Share) -> int:
    """Put another scalar in the place of a lost one, as `cloister pin` does."""
    device = await (Device.connect if share.relay is pair.home else to_entry)(pair)
    share.generation = 2
    signature = share.sign(device, ShareAct.NEXT)
    done = await device.ask(commands.NextGeneration, share.handle, 2, signature)
    await device.close()
    return int(done.n)


async def come_back(pair: Pair, share: Share) -> None:
    """Enrol again at a relay whose backup is from before, and have a scalar made there."""
    device = await (Device.connect if share.relay is pair.home else to_entry)(pair)
    assert not (await share.enrol_again(device)).n
    await device.close()
    assert await renew(pair, share) == 2


async def go_on_after_the_home(pair: Pair, life: Life) -> None:
    world, circle = life.world, life.world.circle
    device = world.device = await Device.connect(pair)
    proved = await circle.prove(device)
    assert proved.next_n == life_of(proved.next_n) << LIFE_SHIFT > 10

    # Log: what the mirror had is taken over before anything is signed.
    head = await device.ask(commands.ReadHead, circle.origin)
    page = await device.ask(commands.ReadLog, circle.origin, 0)
    assert list(page.entries) == circle.entries
    assert head.note.split(b"\n\n")[0] == life.head.split(b"\n\n")[0]
    tick = circle.tick()
    await device.ask(commands.Append, circle.origin, life.size, tick)
    circle.entries.append(tick)

    # Messages: those of the copy are there; the index goes on where none was given.
    await device.ask(commands.Follow, CHANNEL, circle.commons_id, 0)
    items = [await device.next_of(events.Item) for _ in life.put_before]
    assert [one.envelope_id for one in items] == life.put_before
    assert [one.n for one in items] == list(range(5))
    again = await device.ask(
        commands.Put, circle.commons_id, 0, life.put_after[0], life.put_after[0] * 64
    )
    assert again.n == proved.next_n
    assert (await device.next_of(events.Item)).n == proved.next_n

    # Key packages: none that was handed out, nor any other, until the device publishes anew.
    await device.prove(circle.inbox, INBOX, circle.inbox_id)
    left = await device.ask(commands.PublishKeyPackages, circle.inbox_id, ())
    assert left.n == 0
    refused = await device.refusal(commands.TakeKeyPackage, circle.commons_id, circle.inbox_id)
    assert refused == Refusal.NO_KEY_PACKAGE

    # Shares: what was erased is that; what was lost opens nothing until it is made anew.
    await become(pair, world.shares, list(ERASED))
    assert await answers(pair, life.bystander) == [Refusal.GENERATION, TRIES - 1]
    assert await renew(pair, life.bystander[0]) == 2
    assert await answers(pair, life.bystander) == [TRIES - 1, TRIES - 1]
    assert await answers(pair, life.latecomer) == [Refusal.UNKNOWN_OBJECT, TRIES - 1]
    await come_back(pair, life.latecomer[0])
    assert await answers(pair, life.latecomer) == [TRIES - 1, TRIES - 1]
    await device.close()


async def go_on_after_the_entry(pair: Pair, life: Life) -> None:
    world, circle = life.world, life.world.circle
    await become(pair, world.shares, list(ERASED))
    wait_for(lambda: pair.entry.status()["entries_stored"] == len(circle.entries))
    device = await Device.connect(pair)
    await circle.prove(device)
    await device.ask(commands.Append, circle.origin, len(circle.entries), circle.tick())
    assert await answers(pair, life.bystander) == [TRIES - 1, Refusal.GENERATION]
    assert await renew(pair, life.bystander[1]) == 2
    assert await answers(pair, life.bystander) == [TRIES - 1, TRIES - 1]
    assert await answers(pair, life.latecomer) == [TRIES - 1, Refusal.UNKNOWN_OBJECT]
    await come_back(pair, life.latecomer[1])
    assert await answers(pair, life.latecomer) == [TRIES - 1, TRIES - 1]
    await device.close()


def test_home_and_then_its_mirror_are_lost_and_restored(own_pair: Pair, tmp_path: Path) -> None:
    life = asyncio.run(live(own_pair, tmp_path))
    for relay in (own_pair.home, own_pair.entry):
        see_that_it_holds_no_secret_of_a_share(tmp_path / relay.card.name, life)

    # A restored home serves nobody before its mirror has answered.
    own_pair.entry.stop()
    lose_and_restore(own_pair.home, tmp_path / own_pair.home.card.name)
    own_pair.home.begin()
    wait_for(lambda: b"restored-asking-mirrors" in own_pair.home.log())
    assert own_pair.home.status()["ready"] is False
    # It can be stopped while it waits, and has not forgotten when it starts again.
    assert own_pair.home.stop() == 0
    own_pair.home.begin()
    own_pair.entry.start()
    own_pair.home.wait()
    assert b"restored-logs-adopted" in own_pair.home.log()
    asyncio.run(go_on_after_the_home(own_pair, life))

    lose_and_restore(own_pair.entry, tmp_path / own_pair.entry.card.name)
    own_pair.entry.start()
    asyncio.run(go_on_after_the_entry(own_pair, life))


def see_that_it_holds_no_secret_of_a_share(backup: Path, life: Life) -> None:
    assert not list(backup.rglob("shares.key*"))
    for place in (backup, *backup.rglob("*")):
        assert place.stat().st_mode & 0o077 == 0, place
    with sqlite.connect(str(backup / "data" / "shares.sqlite3")) as shares:
        assert shares.execute("SELECT count(*) FROM scalar").fetchone() == (0,)
        assert shares.execute("SELECT count(*) FROM share").fetchone() == (2,)
    raw = b"".join(one.read_bytes() for one in backup.rglob("*") if one.is_file())
    assert not any(package in raw for package in life.taken)


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_backup_that_is_interrupted_leaves_no_copy_of_the_keys(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_path: Path) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(copying, "digest_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_backup(pair.home.place, tmp_path / "place" / "backup", int(time.time()))
    assert list((tmp_path / "place").iterdir()) == []


def test_a_folder_of_no_relay_has_no_backup(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        make_backup(Folder(tmp_path), tmp_path / "backup", int(time.time()))


def test_damaged_backups_and_full_folders_are_refused(pair: Pair, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    make_backup(pair.home.place, backup, int(time.time()))
    with pytest.raises(UsageError, match="is there already"):
        make_backup(pair.home.place, backup, int(time.time()))
    with pytest.raises(UsageError, match="not empty"):
        restore(backup, pair.home.folder, int(time.time()))
    (backup / "relay.toml").write_bytes(b"")
    with pytest.raises(BackupDamaged, match=r"relay\.toml was changed"):
        restore(backup, tmp_path / "new", int(time.time()))
    (backup / "relay.toml").unlink()
    with pytest.raises(BackupDamaged, match="lacks files"):
        restore(backup, tmp_path / "new", int(time.time()))
    assert not (tmp_path / "new").exists()

"""All that a relay acknowledges besides envelopes, under load: log entries, commits with staged
objects and mail, key packages.

Each kind goes on in order by itself, so that of each at most one is under way when the relay ends:
that one may be there or not, and what was acknowledged before must be, once and in its place.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from cloister.crypto.hashing import sha256
from cloister.ids import SHORT_ID_BYTES
from cloister.limits import COMMIT_BURST, SEALED_APPEND_BURST
from cloister.wire import commands, events
from cloister.wire.codes import Refusal
from integration.relay_world import CHANNEL, INBOX, Circle, Device, envelope_id, epoch_key

if TYPE_CHECKING:
    from collections.abc import Coroutine

PARTS: Final = 2
PART_BYTES: Final = 3000
PACKAGES: Final = 12
"""Published in one life of the relay; half of them are taken again."""


def parts_of(one: bytes) -> list[bytes]:
    """The staged object of a commit follows from the commit's id."""
    return [sha256(one, bytes([index])) * (PART_BYTES // 32) for index in range(PARTS)]


def item_of(one: bytes) -> bytes:
    """And so does what it puts into the inbox."""
    return one * (1024 // SHORT_ID_BYTES)


class RareWrites:
    """What was acknowledged, and what was under way when the relay ended."""

    def __init__(self, circle: Circle) -> None:
        self.circle = circle
        self.channel_id = envelope_id()
        self.seed = envelope_id()
        self.commits: list[bytes] = []
        """Ids of commits; the one at n ended epoch n."""
        self.entry: bytes | None = None
        self.commit: bytes | None = None
        self.staged = 0
        """Parts of ``commit`` that are staged."""
        self.published: set[bytes] = set()
        self.taken: set[bytes] = set()
        self.package: bytes | None = None
        self.takes = False
        self.counts = {"entries": 0, "commits": 0, "parts": 0, "packages": 0, "taken": 0}
        """What has been acknowledged so far."""

    async def open(self, device: Device) -> None:
        """Open the channel whose epochs are ended."""
        key = epoch_key(self.seed, 0).public
        await device.ask(commands.OpenChannel, self.circle.commons_id, self.channel_id, key)

    def work(self, device: Device) -> list[Coroutine[Any, Any, None]]:
        """Return what a connection that has proved the commons goes on with until it ends."""
        return [self._append(device), self._commit(device), self._pool(device)]

    async def _append(self, device: Device) -> None:
        for _ in range(SEALED_APPEND_BURST - 1):
            self.entry = self.circle.tick()
            await self._append_entry(device)

    async def _append_entry(self, device: Device) -> None:
        assert self.entry is not None
        seq = len(self.circle.entries)
        done = await device.ask(commands.Append, self.circle.origin, seq, self.entry)
        assert done.n == seq
        self.circle.entries.append(self.entry)
        self.entry = None
        self.counts["entries"] += 1

    async def _commit(self, device: Device) -> None:
        for _ in range(COMMIT_BURST - 1):
            await self._prove(device, len(self.commits))
            self.commit, self.staged = envelope_id(), 0
            await self._end_epoch(device)

    async def _prove(self, device: Device, epoch: int) -> events.Proved:
        return await device.prove(epoch_key(self.seed, epoch), CHANNEL, self.channel_id, epoch)

    async def _end_epoch(self, device: Device) -> None:
        """Stage what is not staged yet, and commit."""
        assert self.commit is not None
        one, epoch = self.commit, len(self.commits)
        parts = parts_of(one)
        whole = sha256(*parts)
        for index in range(self.staged, PARTS):
            await device.ask(
                commands.Stage, CHANNEL, self.channel_id, whole, index, PARTS, parts[index]
            )
            self.staged += 1
            self.counts["parts"] += 1
        following = epoch_key(self.seed, epoch + 1)
        done = await device.ask(
            commands.Commit,
            self.channel_id,
            epoch,
            one,
            b"",
            following.public,
            device.proof(following, CHANNEL, self.channel_id, epoch + 1),
            (commands.Delivery(self.circle.inbox_id, item_of(one)),),
            whole,
        )
        assert done.n == epoch
        self.commits.append(one)
        self.commit = None
        self.counts["commits"] += 1

    async def _pool(self, device: Device) -> None:
        inbox, circle = self.circle.inbox_id, self.circle
        await device.prove(circle.inbox, INBOX, inbox)
        for turn in range(PACKAGES):
            self.package = envelope_id() * 100
            await device.ask(commands.PublishKeyPackages, inbox, (self.package,))
            self.published.add(self.package)
            self.package = None
            self.counts["packages"] += 1
            if turn % 2:
                self.takes = True
                self._take(await device.ask(commands.TakeKeyPackage, circle.commons_id, inbox))
                self.takes = False

    def _take(self, got: events.Package) -> None:
        assert got.package not in self.taken, "a key package was given twice"
        assert got.package in self.published
        self.taken.add(got.package)
        self.counts["taken"] += 1

    async def check_entries(self, device: Device, first_seq: int) -> None:
        """What was acknowledged is there; what was under way is done now, as a device does it."""
        found: list[bytes] = []
        while True:
            seq = first_seq + len(found)
            page = await device.ask(commands.ReadLog, self.circle.origin, seq)
            found += page.entries
            if first_seq + len(found) >= page.size:
                break
        expected = self.circle.entries[first_seq:]
        assert found[: len(expected)] == expected, "an entry is lost"
        assert set(found[len(expected) :]) <= {self.entry}
        if self.entry is not None:
            await self._append_entry(device)

    async def check_commits(self, device: Device, first: int) -> None:
        """The same of commits, the parts staged for them, and the mail that came with them."""
        for epoch in range(first, len(self.commits) + 1):
            # Consecutive proofs open consecutive segments.
            await self._prove(device, epoch)
        if self.commit is not None:
            # Parts that were acknowledged are not staged again: the commit finds them.
            await self._end_epoch(device)
            await self._prove(device, len(self.commits))
        await device.ask(commands.Follow, CHANNEL, self.channel_id, first)
        for n in range(first, len(self.commits)):
            item = await device.next_of(events.CommitItem)
            assert (item.n, item.epoch, item.envelope_id) == (n, n, self.commits[n])
            for index, part in enumerate(parts_of(self.commits[n])):
                got = await device.ask(commands.ReadPart, CHANNEL, self.channel_id, n, index)
                assert got.part == part
        await device.prove(self.circle.inbox, INBOX, self.circle.inbox_id)
        await device.ask(commands.Follow, INBOX, self.circle.inbox_id, first)
        for n in range(first, len(self.commits)):
            mail = await device.next_of(events.MailItem)
            assert (mail.n, mail.item) == (n, item_of(self.commits[n]))

    async def check_pool(self, device: Device) -> None:
        """The same of key packages; one that was given is never given again."""
        inbox = self.circle.inbox_id
        if self.package is not None:
            await device.ask(commands.PublishKeyPackages, inbox, (self.package,))
            self.published.add(self.package)
            self.package = None
        while True:
            got = await device.ask_any(commands.TakeKeyPackage, self.circle.commons_id, inbox)
            if isinstance(got, events.Failed):
                assert got.code == Refusal.NO_KEY_PACKAGE
                break
            self._take(got)
        # A package whose taking was under way may be gone with it, and no other.
        assert len(self.published - self.taken) <= self.takes, "a key package is lost"
        self.published.clear()
        self.takes = False


async def run_until_gone(device: Device, works: list[Coroutine[Any, Any, None]]) -> None:
    """Run pieces of work until the connection ends; what fails before fails here."""
    tasks = [asyncio.create_task(work) for work in works]
    gone = asyncio.create_task(device.gone.wait())
    while not gone.done():
        running = [task for task in tasks if not task.done()]
        await asyncio.wait([gone, *running], return_when=asyncio.FIRST_COMPLETED)
        if not device.gone.is_set():  # what waited for an answer then ends with the connection
            for task in tasks:
                if task.done():
                    task.result()
    for task in tasks:
        task.cancel()
    for end in await asyncio.gather(*tasks, return_exceptions=True):
        assert end is None or isinstance(end, asyncio.CancelledError | ConnectionError), end

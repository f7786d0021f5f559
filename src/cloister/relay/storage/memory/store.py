"""The reference backend: the contract written as plainly as possible, in dictionaries.

For tests and for reading; nothing survives the process.
"""

from __future__ import annotations

import asyncio
from typing import assert_never

from cloister.crypto.hashing import sha256
from cloister.limits import (
    KEPT_TREE_EPOCHS,
    MAX_BOX_ITEMS,
    MAX_KEY_PACKAGES,
    MAX_STAGED_BYTES,
    MAX_STAGED_OBJECTS,
)
from cloister.relay.storage import api, writes
from cloister.relay.storage.api import EnvelopeKind
from cloister.relay.storage.memory.opening import OpeningWrites
from cloister.relay.storage.memory.rows import Channel, Log, Staged
from cloister.relay.storage.memory.seats import no_seat
from cloister.relay.storage.writes import Accepted, Bound, Delivered, Refused, Taken
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal


class MemoryStore(OpeningWrites):
    """See :class:`cloister.relay.storage.api.Store`."""

    def submit(self, write: writes.Write, done: api.Done) -> None:
        outcome = self.apply(write)
        asyncio.get_running_loop().call_soon(done, outcome)

    def close(self) -> None:
        """Nothing to finish: a write is applied when it is submitted."""

    # --- writes ------------------------------------------------------------------------------

    def apply(self, write: writes.Write) -> writes.Outcome:
        """Carry a write out at once."""
        match write:
            case writes.PutEnvelope():
                return self._put_envelope(write)
            case writes.PutCommit():
                return self._put_commit(write)
            case writes.StagePart():
                return self._stage_part(write)
            case writes.BindCode():
                known = self._codes.get(write.code_hash)
                if known is not None:
                    is_same = known[0] == write.setup_key
                    return Bound(known[1]) if is_same else Refused(Refusal.WRONG_CODE)
                if not self._reserve(write.reservation):
                    return no_seat(write.reservation)
                self._codes[write.code_hash] = (write.setup_key, write.origin)
                return Bound(write.origin)
            case writes.OpenCircle():
                return self._open_circle(write)
            case writes.OpenChannel():
                return self._open_channel(write, is_commons=False)
            case writes.AdoptCircle():
                return self._adopt_circle(write)
            case writes.OpenInbox():
                return self._open_inbox(write)
            case writes.OpenBox():
                is_new = (ObjectKind.BOX, write.box_id) not in self._mailboxes
                if is_new and not self._reserve(write.reservation):
                    return no_seat(write.reservation)
                return self._open_mailbox(
                    ObjectKind.BOX, write.origin, write.box_id, write.key, write.expires
                )
            case writes.ReserveSeat(reservation=wanted):
                return Accepted() if self._reserve(wanted) else no_seat(wanted)
            case writes.TakeSeat():
                return self._take_seat(write)
            case writes.PutBoxItem():
                return self._put_box_item(write)
            case writes.AddKeyPackages():
                return self._add_key_packages(write)
            case writes.TakeKeyPackage():
                inbox = self._mailboxes.get((ObjectKind.INBOX, write.inbox_id))
                if inbox is None or inbox.origin != write.origin:
                    return Refused(Refusal.UNKNOWN_OBJECT)
                return (
                    Taken(inbox.packages.pop(0))
                    if inbox.packages
                    else Refused(Refusal.NO_KEY_PACKAGE)
                )
            case writes.AppendEntry():
                return self._append_entry(write)
            case writes.MoveCommons():
                return self._move_commons(write)
            case writes.SetNote():
                log = self._logs[write.origin]
                if write.size != len(log.entries):
                    return Refused(Refusal.MOVED, len(log.entries))
                log.note = log.settled = write.note
                return Accepted(write.size)
            case writes.Expire():
                return self._expire(write)
            case writes.Tidy():
                return Accepted(0)
            case writes.MirrorEntries():
                return self._mirror_entries(write)
            case _:
                assert_never(write)

    def _put_envelope(self, write: writes.PutEnvelope) -> writes.Outcome:
        channel = self._channels[write.channel_id]
        known = channel.ids.get(write.envelope_id)
        if known is not None:
            if known[0] != sha256(write.envelope):
                return Refused(Refusal.ID_CONFLICT)
            return Accepted(known[1], fresh=False)
        if write.epoch != channel.epoch:
            return Refused(Refusal.STALE_EPOCH)
        refused = self._no_text(channel)
        if refused is not None:
            return refused
        row = api.EnvelopeRow(
            n=channel.next_n,
            kind=EnvelopeKind.MESSAGE,
            epoch=channel.epoch,
            envelope_id=write.envelope_id,
            envelope=write.envelope,
            object_hash=b"",
            parts=0,
            next_key=b"",
        )
        self._add(channel, row, sha256(write.envelope), write.now)
        return Accepted(row.n)

    def _add(self, channel: Channel, row: api.EnvelopeRow, digest: bytes, now: int) -> None:
        now = self._newest = max(now, self._newest)
        channel.envelopes[row.n] = row
        channel.times[row.n] = now
        channel.ids[row.envelope_id] = (digest, row.n, now)
        channel.size_bytes += len(row.envelope)
        channel.next_n += 1

    def _put_commit(self, write: writes.PutCommit) -> writes.Outcome:
        channel = self._channels[write.channel_id]
        digest = write.staged or sha256(write.envelope)
        known = channel.ids.get(write.envelope_id)
        if known is not None:
            if known[0] != digest:
                return Refused(Refusal.ID_CONFLICT)
            return Delivered(known[1], False, ())
        if write.epoch != channel.epoch:
            return Refused(Refusal.STALE_EPOCH)
        if channel.size_bytes > self._quotas.commits_full_at:
            return Refused(Refusal.QUOTA)
        named = [write.staged, write.tree, *(one.staged for one in write.mail)]
        for object_hash in filter(None, named):
            staged = self._staged.get((write.channel_id, object_hash))
            if staged is None or not staged.is_complete or staged.until < write.now:
                return Refused(Refusal.PARTS_MISSING)
        for one in write.mail:
            inbox = self._mailboxes.get((ObjectKind.INBOX, one.inbox_id))
            if inbox is None or inbox.origin != channel.origin:
                return Refused(Refusal.UNKNOWN_OBJECT)
        if any(self._is_full(one.inbox_id) for one in write.mail):
            return Refused(Refusal.QUOTA)
        n = channel.next_n
        parts = self._keep(write.channel_id, write.channel_id, write.staged)
        self._keep(write.channel_id, write.channel_id, write.tree)
        row = api.EnvelopeRow(
            n=n,
            kind=EnvelopeKind.COMMIT,
            epoch=write.epoch,
            envelope_id=write.envelope_id,
            envelope=write.envelope,
            object_hash=write.staged,
            parts=parts,
            next_key=write.next_key,
        )
        self._add(channel, row, digest, write.now)
        long_ago = channel.ladder.get(write.epoch - KEPT_TREE_EPOCHS)
        if long_ago is not None:
            self._kept.pop((write.channel_id, long_ago.tree), None)
        ended = channel.ladder[write.epoch]
        channel.ladder[write.epoch] = replace(
            ended, commit_n=n, log_size_end=len(self._logs[channel.origin].entries)
        )
        channel.epoch += 1
        channel.ladder[channel.epoch] = api.LadderRow(
            channel.epoch, write.next_key, n + 1, None, None, write.tree
        )
        delivered = []
        for one in write.mail:
            inbox = self._mailboxes[ObjectKind.INBOX, one.inbox_id]
            parts = self._keep(write.channel_id, one.inbox_id, one.staged)
            item = api.MailRow(inbox.next_n, one.item, one.staged, parts)
            inbox.items[item.n] = item
            inbox.times[item.n] = self._newest
            inbox.next_n += 1
            delivered.append((one.inbox_id, item.n))
        for object_hash in filter(None, named):
            self._staged.pop((write.channel_id, object_hash), None)
        return Delivered(n, True, tuple(delivered))

    def _keep(self, channel_id: bytes, owner_id: bytes, object_hash: bytes) -> int:
        if not object_hash:
            return 0
        staged = self._staged[channel_id, object_hash]
        self._kept[owner_id, object_hash] = staged
        return staged.count

    def _stage_part(self, write: writes.StagePart) -> writes.Outcome:
        objects = {key: one for key, one in self._staged.items() if one.until >= write.now}
        self._staged = objects
        key = (write.owner_id, write.object_hash)
        staged = objects.get(key)
        own = [one for (owner, _), one in objects.items() if owner == write.owner_id]
        held = sum(len(part) for one in own for part in one.parts.values())
        is_new = staged is None or write.index not in staged.parts
        if is_new and held + len(write.part) > MAX_STAGED_BYTES:
            return Refused(Refusal.QUOTA)
        if staged is None:
            if len(own) >= MAX_STAGED_OBJECTS:
                return Refused(Refusal.QUOTA)
            staged = objects[key] = Staged(write.count, write.until)
        if staged.count != write.count:
            return Refused(Refusal.ID_CONFLICT)
        staged.parts.setdefault(write.index, write.part)
        if staged.is_complete:
            whole = b"".join(staged.parts[index] for index in range(staged.count))
            if sha256(whole) != write.object_hash:
                del objects[key]
                return Refused(Refusal.PARTS_MISSING)
        return Accepted(len(staged.parts))

    def _move_commons(self, write: writes.MoveCommons) -> writes.Outcome:
        if write.origin not in self._logs:
            return Refused(Refusal.UNKNOWN_OBJECT)
        new = self._channels.get(write.new_id)
        if new is not None and not new.is_commons:
            return Refused(Refusal.ID_CONFLICT)
        opened = writes.OpenChannel(write.origin, write.new_id, write.key)
        outcome = self._open_channel(opened, is_commons=True)
        old = self._channels.get(write.old_id)
        if not isinstance(outcome, Accepted) or not outcome.fresh:
            return outcome
        if old is not None and old.origin == write.origin and old.is_commons:
            old.is_commons = False
            old.ladder[old.epoch] = replace(
                old.ladder[old.epoch], commit_n=old.next_n - 1, log_size_end=write.log_size
            )
            old.epoch += 1
            # No envelope stands before its first index: all that there are may age out.
            old.ladder[old.epoch] = api.LadderRow(
                old.epoch, writes.NO_MEMBER, old.next_n + 1, None, None, b""
            )
        return outcome

    def _open_inbox(self, write: writes.OpenInbox) -> writes.Outcome:
        box = self._mailboxes[ObjectKind.BOX, write.box_id]
        if box.inbox_id:
            inbox = self._mailboxes[ObjectKind.INBOX, box.inbox_id]
            same = (box.inbox_id, inbox.key) == (write.inbox_id, write.key)
            return Accepted(0, fresh=False) if same else Refused(Refusal.ID_CONFLICT)
        if box.expires < write.now:
            return Refused(Refusal.EXPIRED)
        if (ObjectKind.INBOX, write.inbox_id) in self._mailboxes:
            return Refused(Refusal.ID_CONFLICT)
        box.inbox_id = write.inbox_id
        return self._open_mailbox(ObjectKind.INBOX, box.origin, write.inbox_id, write.key, 0)

    def _put_box_item(self, write: writes.PutBoxItem) -> writes.Outcome:
        box = self._mailboxes[ObjectKind.BOX, write.box_id]
        for row in box.items.values():
            if row.item == write.item:
                return Accepted(row.n, fresh=False)
        if box.expires < write.now:
            return Refused(Refusal.EXPIRED)
        if len(box.items) >= MAX_BOX_ITEMS:
            return Refused(Refusal.QUOTA)
        row = api.MailRow(box.next_n, write.item, b"", 0)
        box.items[row.n] = row
        box.next_n += 1
        return Accepted(row.n)

    def _add_key_packages(self, write: writes.AddKeyPackages) -> writes.Outcome:
        pool = self._mailboxes[ObjectKind.INBOX, write.inbox_id].packages
        fresh = [one for one in dict.fromkeys(write.packages) if one not in pool]
        if len(pool) + len(fresh) > MAX_KEY_PACKAGES:
            return Refused(Refusal.QUOTA, len(pool))
        pool.extend(fresh)
        return Accepted(len(pool))

    def _append_entry(self, write: writes.AppendEntry) -> writes.Outcome:
        log = self._logs[write.origin]
        size = len(log.entries)
        if write.seq < size and log.entries[write.seq] == write.entry:
            return Accepted(write.seq, fresh=False)
        if write.seq != size:
            return Refused(Refusal.MOVED, size)
        log.entries.append(write.entry)
        log.root, log.note, log.fold = write.root, write.note, write.fold
        return Accepted(write.seq)

    def _mirror_entries(self, write: writes.MirrorEntries) -> writes.Outcome:
        log = self._logs.get(write.origin)
        size = len(log.entries) if log is not None else 0
        if write.from_seq != size:
            return Refused(Refusal.MOVED, size)
        if log is None:
            log = self._logs[write.origin] = Log([], b"", b"", b"")
        log.entries.extend(write.entries)
        log.root, log.note = write.root, write.note
        return Accepted(len(log.entries))

    def _expire(self, write: writes.Expire) -> writes.Outcome:
        deleted = 0
        self._take_back_the_future(write.now)
        for channel_id, channel in self._channels.items():
            if channel_id in write.held_channels or channel.origin in write.held_origins:
                continue
            opened = channel.ladder[channel.epoch].first_n - 1
            for n in sorted(channel.envelopes):
                if channel.times[n] >= write.before or deleted == write.limit:
                    break
                if n == opened:
                    continue
                row = channel.envelopes.pop(n)
                del channel.times[n]
                channel.size_bytes -= len(row.envelope)
                channel.floor_n = max(channel.floor_n, n + 1)
                self._kept.pop((channel_id, row.object_hash), None)
                deleted += 1
            channel.ids = {
                key: value
                for key, value in channel.ids.items()
                if value[1] in channel.envelopes or value[2] >= write.forget_before
            }
            for epoch, rung in list(channel.ladder.items()):
                ended_n = rung.commit_n
                if ended_n is not None and ended_n < channel.floor_n and ended_n != opened:
                    self._kept.pop((channel_id, rung.tree), None)
                    del channel.ladder[epoch]
        for (kind, object_id), mailbox in list(self._mailboxes.items()):
            if mailbox.origin in write.held_origins:
                continue
            if kind is ObjectKind.BOX and mailbox.expires < write.before:
                del self._mailboxes[kind, object_id]
                continue
            for n in list(mailbox.times):
                if mailbox.times[n] < write.before:
                    self._kept.pop((object_id, mailbox.items.pop(n).object_hash), None)
                    del mailbox.times[n]
                    mailbox.floor_n = max(mailbox.floor_n, n + 1)
        self._staged = {key: one for key, one in self._staged.items() if one.until >= write.now}
        reserved = self._reserved.items()
        self._reserved = {key: one for key, one in reserved if one[1] >= write.before}
        return Accepted(deleted)

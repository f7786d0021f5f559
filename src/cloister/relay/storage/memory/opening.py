"""Circles, channels and mailboxes that begin, and a circle that comes from another home."""

from __future__ import annotations

from cloister.relay.storage import api, writes
from cloister.relay.storage.memory.rows import Channel, Log, Mailbox
from cloister.relay.storage.memory.seats import SeatWrites
from cloister.relay.storage.writes import Accepted, Refused
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal


class OpeningWrites(SeatWrites):
    """The writes that make objects."""

    def _open_circle(self, write: writes.OpenCircle) -> writes.Outcome:
        if self._codes.get(write.code_hash) != (write.setup_key, write.origin):
            return Refused(Refusal.WRONG_CODE)
        log = self._logs.get(write.origin)
        if log is not None:
            channel = self._channels.get(write.commons_id)
            inbox = self._mailboxes.get((ObjectKind.INBOX, write.inbox_id))
            same = (
                log.entries[0] == write.genesis
                and channel is not None
                and channel.is_commons
                and channel.ladder.get(0, None) is not None
                and channel.ladder[0].key == write.commons_key
                and inbox is not None
                and inbox.key == write.inbox_key
            )
            return Accepted(0, fresh=False) if same else Refused(Refusal.ID_CONFLICT)
        taken = (
            write.commons_id in self._channels
            or (ObjectKind.INBOX, write.inbox_id) in self._mailboxes
        )
        if taken:
            return Refused(Refusal.ID_CONFLICT)
        self._logs[write.origin] = Log([write.genesis], write.root, write.note, write.fold)
        commons = writes.OpenChannel(write.origin, write.commons_id, write.commons_key)
        self._open_channel(commons, is_commons=True)
        self._open_mailbox(ObjectKind.INBOX, write.origin, write.inbox_id, write.inbox_key, 0)
        return Accepted(0)

    def _open_channel(self, write: writes.OpenChannel, *, is_commons: bool) -> writes.Outcome:
        channel = self._channels.get(write.channel_id)
        if channel is not None and not self._is_replaced(channel, write):
            rung = channel.ladder.get(write.epoch)
            same = channel.origin == write.origin and rung is not None and rung.key == write.key
            return Accepted(0, fresh=False) if same else Refused(Refusal.ID_CONFLICT)
        channel = self._channels[write.channel_id] = Channel(write.origin, is_commons)
        channel.epoch, channel.next_n, channel.floor_n = write.epoch, write.first_n, write.first_n
        channel.ladder[write.epoch] = api.LadderRow(
            write.epoch, write.key, write.first_n, None, None, b""
        )
        return Accepted(0)

    def _is_replaced(self, channel: Channel, write: writes.OpenChannel) -> bool:
        """Whether a channel in which nothing was stored is opened in a later epoch."""
        return (
            channel.origin == write.origin
            and not channel.is_commons
            and 0 < channel.epoch < write.epoch
            and channel.next_n == channel.ladder[channel.epoch].first_n
            and len(channel.ladder) == 1
        )

    def _drop_circle(self, origin: str) -> None:
        del self._logs[origin]
        for channel_id, channel in list(self._channels.items()):
            if channel.origin == origin:
                del self._channels[channel_id]
        for key, mailbox in list(self._mailboxes.items()):
            if mailbox.origin == origin:
                del self._mailboxes[key]

    def _adopt_circle(self, write: writes.AdoptCircle) -> writes.Outcome:
        bound = (write.setup_key, write.origin)
        if self._codes.get(write.code_hash, bound) != bound:
            return Refused(Refusal.WRONG_CODE)
        commons = self._channels.get(write.commons.channel_id)
        known = self._logs.get(write.origin)
        if known is not None:
            rung = commons.ladder.get(write.commons.epoch) if commons is not None else None
            same = commons is not None and commons.origin == write.origin and commons.is_commons
            same = same and rung is not None and rung.key == write.commons.key
            last = len(write.entries) - 1
            same = same and known.entries[last : last + 1] == [write.entries[last][1]]
            if same:
                return Accepted(len(write.entries), fresh=False)
            if known.settled:
                return Refused(Refusal.ID_CONFLICT)
        others = [commons.origin] if commons is not None else []
        for inbox_id, _ in write.inboxes:
            inbox = self._mailboxes.get((ObjectKind.INBOX, inbox_id))
            others += [inbox.origin] if inbox is not None else []
        if any(one != write.origin for one in others) or (others and known is None):
            return Refused(Refusal.ID_CONFLICT)
        if known is not None:
            self._drop_circle(write.origin)
        self._codes[write.code_hash] = bound
        entries = [entry for _, entry in write.entries]
        self._logs[write.origin] = Log(entries, write.root, write.note, write.fold)
        self._open_channel(write.commons, is_commons=True)
        for inbox_id, key in write.inboxes:
            self._open_mailbox(ObjectKind.INBOX, write.origin, inbox_id, key, 0)
        return Accepted(len(entries))

    def _open_mailbox(
        self, kind: ObjectKind, origin: str, object_id: bytes, key: bytes, expires: int
    ) -> writes.Outcome:
        mailbox = self._mailboxes.get((kind, object_id))
        if mailbox is not None:
            same = (mailbox.origin, mailbox.key, mailbox.expires) == (origin, key, expires)
            return Accepted(0, fresh=False) if same else Refused(Refusal.ID_CONFLICT)
        self._mailboxes[kind, object_id] = Mailbox(origin, key, expires)
        return Accepted(0)

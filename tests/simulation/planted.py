"""Bugs planted into the real code, each by the smallest change that makes it.

A bug is a context: while it lasts, runs of the world class that it gives have the bug.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

import pytest

from cloister import mls
from cloister.client import linking, merging, outbox
from cloister.client.effects import Effect, PutMessage, Send, Write
from cloister.client.inputs import AnyInput
from cloister.client.seam import ClientCore
from cloister.client.state import Channel
from cloister.client.turn import Turn
from cloister.device.engine import Engine
from cloister.relay.delivery import Follow
from cloister.relay.services.channels import Channels
from cloister.relay.services.live_channel import LiveChannel
from cloister.relay.session import Grant, Session
from cloister.relay.storage import api, writes
from cloister.relay.storage.memory import MemoryStore
from cloister.testing.simulation.device_disk import SimulatedVault
from cloister.testing.simulation.devices import Machine
from cloister.testing.simulation.relay_disk import SimulatedStore
from cloister.testing.simulation.world import World
from cloister.values import replace
from cloister.wire.events import CommitItem

Bug = Callable[[], AbstractContextManager[type[World]]]


@contextmanager
def lost_ack() -> Iterator[type[World]]:
    """The home relay answers a put before it is on disk; a crash then loses what was answered."""

    class HastyStore(SimulatedStore):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.unflushed: list[writes.PutEnvelope] = []
            self._crash_of_world = self._crash
            self._crash = self._lose_and_crash

        def submit(self, write: writes.Write, done: api.Done) -> None:
            if not isinstance(write, writes.PutEnvelope):
                super().submit(write, done)
                return
            done_at_once = self.rows.apply(write)
            if isinstance(done_at_once, writes.Accepted) and done_at_once.fresh:
                self.unflushed.append(write)
            super().submit(write, lambda outcome: self.flushed(write))
            asyncio.get_running_loop().call_soon(done, done_at_once)

        def flushed(self, write: writes.PutEnvelope) -> None:
            if write in self.unflushed:
                self.unflushed.remove(write)

        def _lose_and_crash(self, why: str) -> None:
            self.lose()
            self._crash_of_world(why)

        def lose(self) -> None:
            for write in reversed(self.unflushed):
                forget_put(self.rows, write)
            self.unflushed.clear()

    class Hasty(World):
        store_class = HastyStore
        _store: HastyStore | None = None

        def make_store(self, kind: type[SimulatedStore], *given: Any) -> api.Store:
            store = super().make_store(kind, *given)
            if isinstance(store, HastyStore):
                self._store = store
            return store

        def crash_home(self, why: str) -> None:
            if self.home is not None and self._store is not None:
                self._store.lose()
            super().crash_home(why)

    yield Hasty


def forget_put(rows: MemoryStore, write: writes.PutEnvelope) -> None:
    """Take the newest item of a channel out again, as if it had never been stored."""
    channel = rows._channels[write.channel_id]
    known = channel.ids.get(write.envelope_id)
    if known is not None and known[1] == channel.next_n - 1:
        del channel.ids[write.envelope_id]
        del channel.envelopes[known[1]]
        del channel.times[known[1]]
        channel.next_n -= 1


@contextmanager
def double_show() -> Iterator[type[World]]:
    """A device stores a received text at once, ratchet and cursor with the next transaction."""

    class LazyVault:
        def __init__(self, vault: SimulatedVault) -> None:
            self.vault = vault
            self.later: list[Write] = []
            self.entries = vault.entries
            self.close = vault.close

        def commit(self, given: Iterable[Write]) -> None:
            rows = list(given)
            texts = [one for one in rows if isinstance(one, PutMessage) and not one.message.own]
            self.vault.commit([*self.later, *(texts or rows)])
            self.later = [one for one in rows if one not in texts] if texts else []

    class Lazy(World):
        def vault_of(self, machine: Machine) -> Any:
            return LazyVault(machine.vault)

    yield Lazy


@contextmanager
def reordered_delivery() -> Iterator[type[World]]:
    """The home relay serves what a device has missed in the wrong order."""
    real = Channels.read

    def backwards(
        self: Channels, follow: Follow, max_items: int, max_bytes: int
    ) -> list[tuple[int, bytes]]:
        return real(self, follow, max_items, max_bytes)[::-1]

    with pytest.MonkeyPatch.context() as planting:
        planting.setattr(Channels, "read", backwards)
        yield World


@contextmanager
def early_delete() -> Iterator[type[World]]:
    """The home relay deletes an envelope as soon as somebody has been given it."""
    real = Channels._push

    def push(self: Channels, live: LiveChannel, write: writes.PutEnvelope, n: int) -> None:
        real(self, live, write, n)
        if any(follow.next_n > n for follow in live.follows):
            store = self._context.store
            assert isinstance(store, SimulatedStore)
            store.rows._channels[write.channel_id].envelopes.pop(n, None)

    with pytest.MonkeyPatch.context() as planting:
        planting.setattr(Channels, "_push", push)
        yield World


@contextmanager
def encrypted_again() -> Iterator[type[World]]:
    """A device encrypts anew what was not acknowledged when the link broke, under the same id."""
    real = linking.on_link_down

    def on_link_down(turn: Turn) -> None:
        real(turn)
        for channel in turn.state.channels.values():
            fresh = tuple(replace(one, envelope=b"", stale=False) for one in channel.outbox)
            turn.put_channel(replace(channel, outbox=fresh))

    with pytest.MonkeyPatch.context() as planting:
        planting.setattr(linking, "on_link_down", on_link_down)
        yield World


@contextmanager
def sent_anew() -> Iterator[type[World]]:
    """A device sends what was not acknowledged when the link broke as another message."""
    real = linking.on_link_down

    def on_link_down(turn: Turn) -> None:
        real(turn)
        for channel in turn.state.channels.values():
            fresh = tuple(
                replace(
                    one,
                    message_id=turn.entropy.random(16),
                    counter=one.counter + 1000,
                    envelope=b"",
                )
                for one in channel.outbox
            )
            turn.put_channel(replace(channel, outbox=fresh))

    with pytest.MonkeyPatch.context() as planting:
        planting.setattr(linking, "on_link_down", on_link_down)
        yield World


@contextmanager
def merged_lost_commit() -> Iterator[type[World]]:
    """A device merges its own commit although another's was first.

    That the relay has another key for the next epoch would stop it: that check is left out too.
    """
    real = merging._other

    def other(turn: Turn, channel: Channel, event: CommitItem) -> mls.CommitReceived:
        if channel.staged is not None:
            return merging._own(turn, channel, event)
        return real(turn, channel, event)

    with pytest.MonkeyPatch.context() as planting:
        planting.setattr(merging, "_other", other)
        planting.setattr(merging, "_check", lambda *_given: None)
        yield World


@contextmanager
def sent_before_stored() -> Iterator[type[World]]:
    """A device sends before the transaction that what it sends belongs to is on disk."""

    class Hasty(Engine):
        def _handle(
            self, core: ClientCore, given: AnyInput, now: int
        ) -> tuple[ClientCore, tuple[Effect, ...]]:
            after, effects = super()._handle(core, given, now)
            self._send([one.request for one in effects if isinstance(one, Send)], self._link)
            return after, tuple(one for one in effects if not isinstance(one, Send))

    class HastyWorld(World):
        engine_class = Hasty

    yield HastyWorld


@contextmanager
def overtaken_in_doubt() -> Iterator[type[World]]:
    """A device goes on to later texts while it is in doubt whether an earlier one is stored."""
    source = inspect.getsource(outbox._advance_channel)
    rule = "        elif in_doubt:\n            return\n"
    assert rule in source
    made: dict[str, Any] = dict(vars(outbox))
    exec(source.replace(rule, ""), made)
    with pytest.MonkeyPatch.context() as planting:
        planting.setattr(outbox, "_advance_channel", made["_advance_channel"])
        yield World


@contextmanager
def forgotten_ids() -> Iterator[type[World]]:
    """The home relay forgets over a restart which ids it has stored: a retry is stored twice."""

    class Forgetful(World):
        def start_home(self) -> None:
            for channel_id in self.home_rows.channel_ids():
                self.home_rows._channels[channel_id].ids.clear()
            super().start_home()

    yield Forgetful


@contextmanager
def unfollowed_log() -> Iterator[type[World]]:
    """With a proof of the commons that lapses the log is followed no more."""
    remove = Session.remove_grant

    def remove_with_log(self: Session, grant: Grant) -> None:
        opened_the_log = self.commons.get(grant.origin) is grant
        remove(self, grant)
        if opened_the_log:
            self.log_follow = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "remove_grant", remove_with_log)
        yield World


BUGS: Final[dict[str, Bug]] = {
    "lost ack": lost_ack,
    "double show": double_show,
    "reordered delivery": reordered_delivery,
    "early delete": early_delete,
    "re-encrypted retry": encrypted_again,
    "retry under another id": sent_anew,
    "merged lost commit": merged_lost_commit,
    "sent before stored": sent_before_stored,
    "overtaken in doubt": overtaken_in_doubt,
    "forgotten ids": forgotten_ids,
    "unfollowed log": unfollowed_log,
}

"""Asks the home relay as the removed device would: everything beyond its epoch must be refused.

Runs in a process of its own, over the removed device's vault, with the keys that lie there.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cloister.client.effects import Route
from cloister.client.linking import channel_key
from cloister.client.persistence import load_state
from cloister.client.state import Channel, State
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.demo.folder import append_line
from cloister.device.link import Link
from cloister.device.unlock.opening import open_vault
from cloister.errors import LocalError, NetworkError
from cloister.limits import ENVELOPE_SIZES
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.codes import Refusal
from cloister.wire.commands import AnyRequest, Follow, Prove, Put, ReadLog
from cloister.wire.events import AnyEvent, Challenge, CommitItem, Entries, Failed, Item, Proved

ANSWER_S: Final = 10.0
QUIET_S: Final = 0.5


class Asking:
    """One connection of the removed device."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[AnyEvent | None] = asyncio.Queue()
        self._rid = 0
        self.items: list[Item | CommitItem] = []

    def take(self, events: list[AnyEvent]) -> None:
        """Take what the relay sends."""
        for event in events:
            if isinstance(event, Item | CommitItem):
                self.items.append(event)
            else:
                self._events.put_nowait(event)

    async def challenge(self) -> Challenge:
        """Return the relay's first message."""
        event = await self._next(lambda one: isinstance(one, Challenge))
        if not isinstance(event, Challenge):
            raise NetworkError("the relay did not begin with a challenge")
        return event

    async def ask(self, link: Link, make: Callable[[int], AnyRequest]) -> AnyEvent:
        """Send a request and return its answer."""
        self._rid += 1
        rid = self._rid
        link.send([make(rid)])
        return await self._next(lambda one: getattr(one, "rid", 0) == rid)

    async def _next(self, fits: Callable[[AnyEvent], bool]) -> AnyEvent:
        async with asyncio.timeout(ANSWER_S):
            while True:
                event = await self._events.get()
                if event is None:
                    raise NetworkError("the connection was lost")
                if fits(event):
                    return event

    async def watch(self, link: Link) -> None:
        """Wake whoever waits for an answer when the link has ended."""
        await link.wait_closed()
        self._events.put_nowait(None)


def main(arguments: list[str]) -> None:
    """``PROFILE PASSPHRASE-FD FILE``: append what was asked and answered to the file."""
    profile, descriptor, record = arguments
    with os.fdopen(int(descriptor), "rb") as secret:
        passphrase = Secret(secret.read())
    try:
        vault = asyncio.run(open_vault(Path(profile), passphrase))
        try:
            state = load_state(vault.records())
        finally:
            vault.close()
        lines = asyncio.run(_probe(state))
    except (NetworkError, TimeoutError) as error:
        sys.stderr.write(f"not answered: {error}\n")
        sys.exit(NetworkError.exit_code)
    # All or nothing: a probe that was killed is repeated.
    append_line(Path(record), "\n".join(json.dumps(line) for line in lines))


async def _probe(state: State) -> list[dict[str, object]]:
    if state.roster is None or state.circle is None:
        raise LocalError("the removed device never was a member")
    asking = Asking()
    relays = state.roster.relay_set
    home, entry = relays.home, relays.entries[0]
    route = Route(
        entry_host=entry.host,
        entry_port=entry.port,
        entry_certificate=entry.tls_certificate,
        home_host=home.host,
        home_port=home.port,
        home_certificate=home.tls_certificate,
    )
    link = await Link.open(route, asking.take)
    link.start()
    watching = asyncio.create_task(asking.watch(link))
    lines: list[dict[str, object]] = []
    try:
        challenge = await asking.challenge()
        for channel in state.channels.values():
            name = "commons" if channel.channel_id == state.circle.commons_id else "conversation"
            lines += await _probe_channel(asking, link, challenge, channel, name)
        lines.append(await _read_log(asking, link, state.roster.origin))
    finally:
        link.close()
        await watching
    return lines


async def _probe_channel(
    asking: Asking, link: Link, challenge: Challenge, channel: Channel, name: str
) -> list[dict[str, object]]:
    signer = channel_key(channel.group, challenge.relay_id, channel.channel_id)
    epoch = channel.group.epoch

    async def proof(of_epoch: int) -> AnyEvent:
        kind, channel_id = ObjectKind.CHANNEL, channel.channel_id
        signature = prove(signer, challenge.relay_id, kind, channel_id, of_epoch, challenge.nonce)
        return await asking.ask(
            link,
            lambda rid: Prove(
                rid=rid,
                kind=int(kind),
                object_id=channel_id,
                epoch=of_epoch,
                signature=signature,
            ),
        )

    async def put(of_epoch: int) -> AnyEvent:
        return await asking.ask(
            link,
            lambda rid: Put(
                rid=rid,
                channel_id=channel.channel_id,
                epoch=of_epoch,
                envelope_id=SystemEntropy().random(16),
                envelope=SystemEntropy().random(ENVELOPE_SIZES[0]),
            ),
        )

    later = await proof(epoch + 1)
    lines = [_line(f"{name}: prove the epoch after the removal", later)]
    own = await proof(epoch)
    lines.append(_line(f"{name}: prove the last own epoch", own, must_be_refused=False))
    lines.append(_line(f"{name}: put into the last own epoch", await put(epoch)))
    lines.append(_line(f"{name}: put into the epoch after the removal", await put(epoch + 1)))
    if isinstance(own, Proved):
        lines.append(await _follow(asking, link, channel, own, name))
    return lines


async def _follow(
    asking: Asking, link: Link, channel: Channel, own: Proved, name: str
) -> dict[str, object]:
    asking.items.clear()
    answer = await asking.ask(
        link,
        lambda rid: Follow(
            rid=rid,
            kind=int(ObjectKind.CHANNEL),
            object_id=channel.channel_id,
            from_n=max(own.first_n, own.floor_n),
        ),
    )
    await asyncio.sleep(QUIET_S)
    beyond = [
        item
        for item in asking.items
        if item.channel_id == channel.channel_id and item.epoch > channel.group.epoch
    ]
    return _line(
        f"{name}: follow the last own epoch", answer, must_be_refused=False, beyond=len(beyond)
    )


async def _read_log(asking: Asking, link: Link, origin: str) -> dict[str, object]:
    answer = await asking.ask(link, lambda rid: ReadLog(rid=rid, origin=origin, from_seq=0))
    entries = len(answer.entries) if isinstance(answer, Entries) else 0
    return {**_line("log: read from the beginning", answer, must_be_refused=False), "n": entries}


def _line(
    request: str, answer: AnyEvent, *, must_be_refused: bool = True, beyond: int = 0
) -> dict[str, object]:
    refused = isinstance(answer, Failed)
    word = Refusal(answer.code).name if isinstance(answer, Failed) else type(answer).__name__
    return {
        "request": request,
        "must_be_refused": must_be_refused,
        "granted": not refused,
        "answer": word,
        "beyond_removal": beyond,
    }

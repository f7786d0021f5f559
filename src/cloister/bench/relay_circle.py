"""A circle for the relay bench: a genesis the home accepts, and one channel for each pair."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import RemoteError
from cloister.ids import ChannelId, InboxId, MemberId
from cloister.roster.device_card import DeviceCard
from cloister.roster.genesis import make_genesis
from cloister.roster.policy import default_policy
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.wire import commands, events
from cloister.wire.auth import OPEN_LABEL, ObjectKind, open_content, prove

ENTROPY = SystemEntropy()


@dataclass(frozen=True, slots=True)
class BenchCircle:
    """What the devices need to know."""

    channels: tuple[bytes, ...]


def pair_key(index: int) -> Ed25519Key:
    """The epoch key of a pair's channel; the relay cannot tell that no group is behind it."""
    return Ed25519Key(Secret(sha256(b"bench", index.to_bytes(4, "big"))))


async def found_circle(
    home: RelayCard,
    entry: RelayCard,
    code: str,
    pairs: int,
    challenge: events.AnyEvent,
    send: Callable[..., None],
    got: asyncio.Queue[events.AnyEvent],
) -> BenchCircle:
    """Found a circle on a fresh connection and open a channel for each pair."""
    if not isinstance(challenge, events.Challenge):
        raise RemoteError("the relay did not begin with its challenge")
    setup, inbox, device_key = (Ed25519Key(Secret(ENTROPY.random(32))) for _ in range(3))
    commons_id, inbox_id = ENTROPY.random(16), ENTROPY.random(16)
    commons_key = Ed25519Key(Secret(ENTROPY.random(32)))
    hashed = sha256(code.encode())

    def signed(genesis: bytes) -> bytes:
        return setup.sign(OPEN_LABEL, open_content(home.relay_id, hashed, genesis))

    send(commands.Begin(1, code.encode(), setup.public, signed(b"")))
    begun = await got.get()
    if not isinstance(begun, events.Begun):
        raise RemoteError("the activation code was refused")
    genesis = make_genesis(
        origin=begun.origin,
        relay_set=RelaySet(home=home, entries=(entry,)),
        policy=default_policy(test_circle=True),
        steward_key=HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32))),
        device_key=device_key,
        device=DeviceCard(
            device_key=device_key.public,
            hpke_key=HpkeKey(Secret(ENTROPY.random(32))).public,
            inbox_id=InboxId(inbox_id),
            inbox_key=inbox.public,
            bot=True,
        ),
        member_id=MemberId(ENTROPY.random(16)),
        name="Bench",
        commons_channel=ChannelId(commons_id),
        log_key=Secret(ENTROPY.random(32)),
        ts=int(time.time()),
        entropy=ENTROPY,
    )
    send(
        commands.OpenCircle(
            rid=2,
            code=code.encode(),
            setup_key=setup.public,
            signature=signed(genesis),
            genesis=genesis,
            commons_id=commons_id,
            commons_key=commons_key.public,
            inbox_id=inbox_id,
            inbox_key=inbox.public,
        )
    )
    await _done(got)
    kind = ObjectKind.CHANNEL
    proof = prove(commons_key, home.relay_id, kind, commons_id, 0, challenge.nonce)
    send(commands.Prove(3, int(kind), commons_id, 0, proof))
    await got.get()
    channels = tuple(ENTROPY.random(16) for _ in range(pairs))
    for start in range(0, pairs, 100):
        some = range(start, min(start + 100, pairs))
        send(*(commands.OpenChannel(4, commons_id, channels[i], pair_key(i).public) for i in some))
        for _ in some:
            await _done(got)
    return BenchCircle(channels)


async def _done(got: asyncio.Queue[events.AnyEvent]) -> None:
    answer = await got.get()
    if not isinstance(answer, events.Done):
        raise RemoteError(f"the relay refused: {answer}")

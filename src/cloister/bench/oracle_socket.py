"""The oracle bench as a stranger sees it: a real relay, TLS, an event loop, and the clock.

One connection after the other, as many proofs on each as a stranger may have, about channels that
exist and channels that do not, in random order.  The attacker is on the same machine: whoever
comes through an entry relay sees more noise, and no less.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import picows

from cloister.bench.oracle_statistics import THRESHOLD, Distance, distance
from cloister.bench.paired_load import BenchFailed
from cloister.bench.relay_circle import BenchCircle, found_circle
from cloister.bench.relay_process import ENTROPY, RelayProcess
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.pinning import pinned_context
from cloister.roster.relay_card import RelayCard
from cloister.wire import commands, events
from cloister.wire.auth import ObjectKind, prove
from cloister.wire.frame import HOME_PATH, decode_events, encode_frame

CHANNELS: Final = 200
_PROOFS: Final = 16
"""On one connection: each counts four of the 64 requests that a stranger has."""
_PATIENCE_S: Final = 10.0
_AGAIN_S: Final = 0.2
_GIVES_UP_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class AtTheSocket:
    """What a stranger measured, and how long telling the two apart would take it."""

    samples: int
    seconds: float
    median_us: float
    spread_us: float
    """Between the quartiles."""
    distance: Distance
    same_bytes: bool
    samples_for_one_us: int
    """That would show a difference of one microsecond, by the spread that was found."""


class _Stranger(picows.WSListener):  # type: ignore[misc, unused-ignore]
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self.got: asyncio.Queue[bytes] = asyncio.Queue()
        self.transport: picows.WSTransport | None = None

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take a frame."""
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.got.put_nowait(frame.get_payload_as_bytes())

    async def take(self) -> bytes:
        """Return the next frame."""
        return await asyncio.wait_for(self.got.get(), _PATIENCE_S)

    def send(self, *requests: commands.AnyRequest) -> None:
        """Send requests in one frame."""
        if self.transport is not None:
            self.transport.send(picows.WSMsgType.BINARY, encode_frame(requests))

    def close(self) -> None:
        """Hang up."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)


async def _connect(card: RelayCard) -> tuple[_Stranger, events.Challenge]:
    """Connect; the relay may make strangers wait.  Raises BenchFailed."""
    until = time.monotonic() + _GIVES_UP_S
    while True:
        try:
            transport, listener = await picows.ws_connect(
                _Stranger,
                f"wss://{card.host}:{card.port}{HOME_PATH}",
                ssl_context=pinned_context(card.tls_certificate),
            )
            stranger = cast("_Stranger", listener)
            stranger.transport = transport
            (challenge,) = decode_events(await stranger.take())
        except (OSError, picows.WSError, TimeoutError) as error:
            if time.monotonic() > until:
                raise BenchFailed("the relay takes no stranger") from error
            await asyncio.sleep(_AGAIN_S)
            continue
        if not isinstance(challenge, events.Challenge):
            raise BenchFailed("the relay did not begin with its challenge")
        return stranger, challenge


async def _found(home: RelayCard, entry: RelayCard, code: str) -> BenchCircle:
    founder, challenge = await _connect(home)
    got: asyncio.Queue[events.AnyEvent] = asyncio.Queue()

    async def pass_on() -> None:
        while True:
            for event in decode_events(await founder.got.get()):
                got.put_nowait(event)

    passing = asyncio.create_task(pass_on())
    try:
        return await found_circle(home, entry, code, CHANNELS, challenge, founder.send, got)
    finally:
        passing.cancel()
        founder.close()


async def _ask(home: RelayCard, circle: BenchCircle, seconds: float) -> AtTheSocket:
    rng = random.Random(0)
    key = Ed25519Key(Secret(ENTROPY.random(32)))
    kind = ObjectKind.CHANNEL
    times: dict[bool, list[int]] = {True: [], False: []}
    answers: dict[bool, set[bytes]] = {True: set(), False: set()}
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        stranger, challenge = await _connect(home)
        for _ in range(_PROOFS):
            is_known = rng.random() < 0.5
            channel_id = rng.choice(circle.channels) if is_known else rng.randbytes(16)
            proof = prove(key, home.relay_id, kind, channel_id, 0, challenge.nonce)
            request = commands.Prove(1, int(kind), channel_id, 0, proof)
            start = time.perf_counter_ns()
            stranger.send(request)
            answer = await stranger.take()
            times[is_known].append(time.perf_counter_ns() - start)
            answers[is_known].add(answer)
        stranger.close()
    both = sorted(times[True] + times[False])
    low, median, high = (value / 1000 for value in statistics.quantiles(both, n=4))
    spread_ns = (high - low) / 1.35 * 1000  # of a normal distribution with these quartiles
    return AtTheSocket(
        samples=len(both),
        seconds=round(time.monotonic() - began, 1),
        median_us=round(median, 1),
        spread_us=round(high - low, 1),
        distance=distance(times[True], times[False]),
        same_bytes=answers[True] == answers[False] and len(answers[True]) == 1,
        samples_for_one_us=round(4 * (THRESHOLD * spread_ns / 1000) ** 2),
    )


def measure(seconds: float) -> AtTheSocket:
    """Ask a relay of its own for so long.  Raises BenchFailed, LocalError."""
    with tempfile.TemporaryDirectory(prefix="cloister-bench-") as name:
        home = RelayProcess(Path(name) / "home", "home")
        entry = RelayProcess(Path(name) / "entry", "entry")
        home.folder.add_peer(entry.folder.card_path)
        code = home.folder.add_code(ENTROPY)
        try:
            home.start()

            async def main() -> AtTheSocket:
                return await _ask(home.card, await _found(home.card, entry.card, code), seconds)

            return asyncio.run(main())
        finally:
            home.stop()

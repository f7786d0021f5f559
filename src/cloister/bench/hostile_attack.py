"""What an attack of the bench of hostile load is, and the attacks of strangers.

Whatever is cut is begun anew at once, as somebody would who means it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import picows

from cloister.pinning import pinned_context
from cloister.roster.relay_card import RelayCard
from cloister.wire import commands
from cloister.wire.auth import ObjectKind
from cloister.wire.frame import HOME_PATH, encode_frame

PER_ADDRESS: Final = 60
"""Connections that come from one loopback address: below what an entry relay takes of one."""
CALM_S: Final = 0.2
"""What a new begin waits when it is refused, so that the attack does not only attack itself."""
_ADDRESSES: Final = 200


class AttackConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and to whom."""

    kind: str
    """A name in ``hostile_process.ATTACKS``."""
    home: str
    entry: str
    """Paths of the cards."""
    seconds: float
    """From ``ready`` on."""
    code: str = ""
    """An activation code, for attackers who are members."""
    members: int = 0
    """How many of them."""
    pids: tuple[int, ...] = ()
    """The processes of home and entry, whose memory is looked at."""
    home_health: int = 0
    """Port where the home says how many connections it has."""
    others: int = 0
    """Connections that the home has at the most beside the attacker's."""
    cores: frozenset[int] = frozenset()
    """The processors that the attacker stays on; empty: all."""


class Part(Protocol):
    """An attack with a beginning and an end of its own."""

    async def begin(self) -> None:
        """Connect; when this returns the attack stands."""

    async def end(self) -> dict[str, Any]:
        """The time is over: return what is to be told beside the counts."""


class Attack:
    """Connections that are kept up, and what became of them."""

    def __init__(self, config: AttackConfig) -> None:
        self.config = config
        self.home = RelayCard.decode(Path(config.home).read_bytes())
        self.entry = RelayCard.decode(Path(config.entry).read_bytes())
        self.counts: Counter[str] = Counter()
        self.longest_s: dict[str, float] = {}
        self.part: Part | None = None
        self.home_tls = pinned_context(self.home.tls_certificate)
        self.entry_tls = pinned_context(self.entry.tls_certificate)
        self._made = 0
        self._tasks: list[asyncio.Task[None]] = []

    # --- keeping up ----------------------------------------------------------------------------

    def keep(self, name: str, count: int, once: Callable[[], Awaitable[None]]) -> None:
        """Have ``count`` of these at any time."""
        for _ in range(count):
            self._tasks.append(asyncio.create_task(self._keep(name, once)))

    async def _keep(self, name: str, once: Callable[[], Awaitable[None]]) -> None:
        while True:
            began = time.monotonic()
            try:
                await once()
            except (OSError, EOFError, TimeoutError, picows.WSError, asyncio.IncompleteReadError):
                self.counts[f"{name}: failed"] += 1
                await asyncio.sleep(CALM_S)
            else:
                lived = time.monotonic() - began
                self.counts[f"{name}: cut"] += 1
                self.longest_s[name] = max(self.longest_s.get(name, 0.0), lived)

    def place(self) -> tuple[str, int]:
        """Return a local address that not many others use."""
        self._made += 1
        number = self._made // PER_ADDRESS % _ADDRESSES
        return f"127.0.{1 + number // 100}.{1 + number % 100}", 0

    async def run(self, begin: Callable[[Attack], None]) -> dict[str, Any]:
        """Attack until the time is over."""
        begin(self)
        if self.part is None:
            await asyncio.sleep(2)
        else:
            await self.part.begin()
        print("ready", flush=True)
        await asyncio.sleep(self.config.seconds)
        more = await self.part.end() if self.part is not None else {}
        return {
            "counts": dict(self.counts),
            "longest_s": {name: round(value, 1) for name, value in self.longest_s.items()},
            **more,
        }

    # --- what one connection does --------------------------------------------------------------

    async def silent(self, port: int) -> None:
        """Connect and say nothing."""
        await self._read_to_end(*await self._open(port))

    async def half(self, port: int) -> None:
        """Say the first word of TLS, and never answer."""
        hello = ssl.MemoryBIO()
        speaking = self.home_tls.wrap_bio(ssl.MemoryBIO(), hello)
        with suppress(ssl.SSLWantReadError):
            speaking.do_handshake()
        reader, writer = await self._open(port)
        writer.write(hello.read())
        await self._read_to_end(reader, writer)

    async def slow(self, tls: ssl.SSLContext, port: int) -> None:
        """A byte of a request each second, inside TLS."""
        reader, writer = await self._open(port, tls)
        ended = asyncio.create_task(self._read_to_end(reader, writer))
        while not ended.done():
            writer.write(b"C")
            await asyncio.wait([ended], timeout=1)
        await ended

    async def crowd(self) -> None:
        """One of many of one address."""
        reader, writer = await asyncio.open_connection(
            self.entry.host, self.entry.port, ssl=self.entry_tls, local_addr=("127.0.3.1", 0)
        )
        self.counts["crowd: inside"] += 1
        await self._read_to_end(reader, writer)

    async def flood(self, frame: bytes, *, reads: bool = True) -> None:
        """Send frames to the home as fast as it takes them, from a connection past the entry."""
        ended = asyncio.get_running_loop().create_future()
        listener = _Flood(ended)
        transport, _ = await picows.ws_connect(
            lambda: listener,
            f"wss://{self.home.host}:{self.home.port}{HOME_PATH}",
            ssl_context=self.home_tls,
            websocket_handshake_timeout=30,
            local_addr=self.place(),
        )
        if not reads:
            transport.underlying_transport.pause_reading()
        while not ended.done():
            if listener.may_write.is_set():
                transport.send(picows.WSMsgType.BINARY, frame)
                self.counts["frames"] += 1
            await asyncio.sleep(0)
            if not listener.may_write.is_set():
                await asyncio.wait([ended], timeout=0.05)

    async def _open(
        self, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.home.host, port, ssl=tls, local_addr=self.place())

    @staticmethod
    async def _read_to_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(4096):
                pass
        except OSError:
            pass  # cut, which is how these end
        finally:
            writer.transport.abort()


class _Flood(picows.WSListener):  # type: ignore[misc, unused-ignore]
    def __init__(self, ended: asyncio.Future[None]) -> None:
        super().__init__()
        self._ended = ended
        self.may_write = asyncio.Event()
        self.may_write.set()

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def pause_writing(self) -> None:
        self.may_write.clear()

    def resume_writing(self) -> None:
        self.may_write.set()


def slowloris(attack: Attack) -> None:
    """A thousand who say nothing or little, and five hundred half handshakes, at every face."""
    entry, home = attack.entry, attack.home
    for port in (entry.port, home.port, entry.mirror_port):
        attack.keep("silent", 250, lambda port=port: attack.silent(port))  # type: ignore[misc]
        attack.keep("half", 167, lambda port=port: attack.half(port))  # type: ignore[misc]
    attack.keep("slow", 150, lambda: attack.slow(attack.entry_tls, entry.port))
    attack.keep("slow", 50, lambda: attack.slow(attack.home_tls, home.port))
    attack.keep("slow", 50, lambda: attack.slow(attack.entry_tls, entry.mirror_port))


def floods(attack: Attack) -> None:
    """Strangers at the home who ask without end, or send what is no message."""
    wrong = commands.Prove(1, int(ObjectKind.CHANNEL), bytes(16), 0, bytes(64))
    frames = {
        "pings": encode_frame([commands.Ping(1)] * 256),
        "proofs": encode_frame([wrong] * 256),
        "follows": encode_frame([commands.Follow(1, 1, bytes(16), 0)] * 256),
        "nested": b"\x91" * 200_000 + b"\x00",
        "large": bytes(1024 * 1024 + 1),
        "nearly": b"\xc4" + bytes(1024 * 1024 - 1),
    }
    for name, frame in frames.items():
        attack.keep(name, 6, lambda frame=frame: attack.flood(frame))  # type: ignore[misc]
    ping = frames["pings"]
    attack.keep("reads nothing", 6, lambda: attack.flood(ping, reads=False))


def address(attack: Attack) -> None:
    """Three hundred connections that one address wants at the entry relay."""
    attack.keep("crowd", 300, attack.crowd)

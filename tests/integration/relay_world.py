"""Two real relay processes on loopback, and a bare device that speaks the protocol to them."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import picows

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hpke import HpkeKey
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import ChannelId, CircleId, InboxId, MemberId
from cloister.relay.folder import Folder
from cloister.relay.health import ask_status
from cloister.roster.content import Tick
from cloister.roster.device_card import DeviceCard
from cloister.roster.entry import SealedType, seal_entry
from cloister.roster.genesis import circle_id_of, make_genesis
from cloister.roster.policy import Policy, default_policy
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.transparency import Frontier, leaf_hash
from cloister.wire import commands, events
from cloister.wire.auth import OPEN_LABEL, ObjectKind, open_content, prove
from cloister.wire.frame import HOME_PATH, decode_events, encode_frame
from integration.relay_process import Launch, Process, launch_forked

ENTROPY = SystemEntropy()
SOURCE = Path(__file__).parents[2] / "src"
PATIENCE_S = 60.0
CHANNEL, INBOX, BOX = int(ObjectKind.CHANNEL), int(ObjectKind.INBOX), int(ObjectKind.BOX)


class Relay:
    """One relay: its folder, and its process while it runs."""

    def __init__(self, folder: Path, role: str, jurisdiction: str, operator: str) -> None:
        self.folder = folder
        self.place = Folder(folder)
        self.card = self.place.init(
            role="home" if role == "home" else "entry",
            host="127.0.0.1",
            port=0,
            jurisdiction=jurisdiction,
            operator=operator,
            name=None,
            now=int(time.time()),
            entropy=ENTROPY,
        )
        self.code = self.new_code() if role == "home" else ""
        self.program: tuple[str, ...] = ("-m", "cloister")
        """What Python runs; another one for a relay with a planted fault."""
        self.launch: Launch = launch_forked
        self.process: Process | None = None
        self.environment: dict[str, str] = {}
        """What the last start was given."""
        self._said = 0
        """How much of the log is of earlier starts, bytes."""

    def peer(self, other: Relay) -> None:
        """Put another relay onto the list of this one."""
        self.place.add_peer(other.place.card_path)

    def new_code(self) -> str:
        return self.place.add_code(ENTROPY)

    def start(self, **environment: str) -> None:
        """Start and wait for the readiness line."""
        self.begin(**environment)
        self.wait()

    def begin(self, **environment: str) -> None:
        """Start; ``wait`` says when it is ready."""
        self.environment = environment
        log = self.folder / "log"
        log.touch()
        self._said = log.stat().st_size
        arguments = (*self.program, "relay", "run", str(self.folder))
        self.process = self.launch(
            arguments,
            {
                **os.environ,
                "PYTHONPATH": str(SOURCE),
                "CLOISTER__LIMITS__MAX_CONNECTIONS_PER_ADDRESS": "64",
                **environment,
            },
            log,
        )

    def wait(self) -> None:
        """Wait for the readiness line."""
        until = time.monotonic() + PATIENCE_S
        while b'"ready"' not in self.log()[self._said :]:
            if self.process is None or self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"the relay did not start: {self.log().decode()}")
            time.sleep(0.02)

    def log(self) -> bytes:
        return (self.folder / "log").read_bytes()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status."""
        if self.process is None:
            return 0
        self.process.send_signal(number)
        status = self.process.wait(PATIENCE_S)
        self.process = None
        return status

    def status(self) -> dict[str, Any]:
        return ask_status(self.place.settings({}).listen.health_port)


@dataclass
class Pair:
    """A home and an entry relay that know each other."""

    home: Relay
    entry: Relay

    @classmethod
    def start(cls, folder: Path, **environment: str) -> Pair:
        pair = cls(
            Relay(folder / "home", "home", "HK", "North"),
            Relay(folder / "entry", "entry", "PA", "South"),
        )
        pair.home.peer(pair.entry)
        pair.entry.peer(pair.home)
        try:
            pair.entry.begin(**environment)
            pair.home.begin(**environment)
            pair.entry.wait()
            pair.home.wait()
        except BaseException:
            pair.stop()
            raise
        return pair

    def stop(self) -> None:
        self.home.stop(signal.SIGKILL)
        self.entry.stop(signal.SIGKILL)


def pinned(certificate: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=certificate)
    return context


class Refused(Exception):
    """The relay answered Failed."""

    def __init__(self, failed: events.Failed) -> None:
        super().__init__(f"refused: {failed}")
        self.code = failed.code
        self.detail = failed.detail


class _Listener(picows.WSListener):
    def __init__(self, device: Device) -> None:
        super().__init__()
        self.device = device

    def on_ws_frame(self, transport: Any, frame: Any) -> None:
        if frame.msg_type is picows.WSMsgType.BINARY:
            self.device.take(decode_events(frame.get_payload_as_bytes()))

    def on_ws_disconnected(self, transport: Any) -> None:
        self.device.end()


class Device:
    """One connection to the home through the entry."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.challenge: events.Challenge | None = None
        self.answers: dict[int, asyncio.Future[Any]] = {}
        self.pushed: asyncio.Queue[Any] = asyncio.Queue()
        self.greeted = asyncio.Event()
        self.gone = asyncio.Event()
        self.rid = 0
        self.transport: Any = None

    @classmethod
    async def connect(
        cls,
        pair: Pair,
        *,
        certificate: bytes | None = None,
        target: str | None = None,
        is_direct: bool = False,
    ) -> Device:
        """``is_direct``: past the entry relay, as somebody beside the home could."""
        device = cls(pair)
        home, entry = pair.home.card, pair.entry.card
        device.transport, _ = await picows.ws_connect(
            lambda: _Listener(device),
            f"wss://{target or f'{home.host}:{home.port}'}{HOME_PATH}",
            ssl_context=pinned(certificate or home.tls_certificate),
            proxy=None if is_direct else f"https://{entry.host}:{entry.port}",
            proxy_ssl_context=pinned(entry.tls_certificate),
        )
        await asyncio.wait_for(device.greeted.wait(), PATIENCE_S)
        return device

    def take(self, got: list[Any]) -> None:
        for event in got:
            if isinstance(event, events.Challenge):
                self.challenge = event
                self.greeted.set()
            elif getattr(event, "rid", 0) in self.answers:
                self.answers.pop(event.rid).set_result(event)
            else:
                self.pushed.put_nowait(event)

    def end(self) -> None:
        """Whoever still waits for an answer is told that none comes."""
        self.gone.set()
        for waiting in self.answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the relay ended the connection"))

    def send(self, *requests: Any) -> None:
        self.transport.send(picows.WSMsgType.BINARY, encode_frame(requests))

    async def ask_any(self, kind: Any, *values: Any, **named: Any) -> Any:
        """Send a request and return the answer, whichever it is; ConnectionError: there is none."""
        if self.gone.is_set():
            raise ConnectionError("the relay has ended the connection")
        self.rid += 1
        rid = self.rid
        future = self.answers[rid] = asyncio.get_running_loop().create_future()
        self.send(kind(rid, *values, **named))
        return await asyncio.wait_for(future, PATIENCE_S)

    async def ask(self, kind: Any, *values: Any, **named: Any) -> Any:
        answer = await self.ask_any(kind, *values, **named)
        if isinstance(answer, events.Failed):
            raise Refused(answer)
        return answer

    async def refusal(self, kind: Any, *values: Any, **named: Any) -> int:
        answer = await self.ask_any(kind, *values, **named)
        assert isinstance(answer, events.Failed), answer
        return answer.code

    async def next_push(self) -> Any:
        return await asyncio.wait_for(self.pushed.get(), PATIENCE_S)

    async def next_of(self, kind: type) -> Any:
        while not isinstance(event := await self.next_push(), kind):
            pass
        return event

    @property
    def nonce(self) -> bytes:
        assert self.challenge is not None
        return self.challenge.nonce

    def proof(self, key: Ed25519Key, kind: int, object_id: bytes, epoch: int = 0) -> bytes:
        relay_id = self.pair.home.card.relay_id
        return prove(key, relay_id, ObjectKind(kind), object_id, epoch, self.nonce)

    async def prove(
        self, key: Ed25519Key, kind: int, object_id: bytes, epoch: int = 0
    ) -> events.Proved:
        signature = self.proof(key, kind, object_id, epoch)
        proved = await self.ask(commands.Prove, kind, object_id, epoch, signature)
        assert isinstance(proved, events.Proved)
        return proved

    async def close(self) -> None:
        self.transport.disconnect(graceful=False)
        await asyncio.wait_for(self.gone.wait(), PATIENCE_S)


def epoch_key(seed: bytes, epoch: int) -> Ed25519Key:
    """The relay cannot tell how epoch keys are derived; here from a seed."""
    return Ed25519Key(Secret(sha256(seed, epoch.to_bytes(8, "big"))))


@dataclass
class Circle:
    """A founded circle with its commons, one conversation's worth of keys, and its log."""

    pair: Pair
    code: str
    setup: Ed25519Key
    seed: bytes
    commons_id: bytes
    inbox: Ed25519Key
    inbox_id: bytes
    device_key: Ed25519Key
    log_key: Secret
    origin: str = ""
    genesis: bytes = b""
    entries: list[bytes] = field(default_factory=list)
    did: Any = None
    steward: HybridKey = field(
        default_factory=lambda: HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32)))
    )
    policy: Policy = field(default_factory=default_policy)

    @classmethod
    async def found(cls, device: Device, code: str, policy: Policy | None = None) -> Circle:
        circle = cls(
            pair=device.pair,
            code=code,
            setup=Ed25519Key(Secret(ENTROPY.random(32))),
            seed=ENTROPY.random(32),
            commons_id=ENTROPY.random(16),
            inbox=Ed25519Key(Secret(ENTROPY.random(32))),
            inbox_id=ENTROPY.random(16),
            device_key=Ed25519Key(Secret(ENTROPY.random(32))),
            log_key=Secret(ENTROPY.random(32)),
            policy=policy or default_policy(),
        )
        begun = await device.ask(commands.Begin, *circle.signed(b""))
        circle.origin = begun.origin
        circle.make_genesis()
        await circle.open(device)
        return circle

    def signed(self, genesis: bytes) -> tuple[bytes, bytes, bytes]:
        code = self.code.encode()
        content = open_content(self.pair.home.card.relay_id, sha256(code), genesis)
        return code, self.setup.public, self.setup.sign(OPEN_LABEL, content)

    def make_genesis(self, ts: int | None = None, entries: tuple[RelayCard, ...] = ()) -> None:
        card = DeviceCard(
            device_key=self.device_key.public,
            hpke_key=HpkeKey(Secret(ENTROPY.random(32))).public,
            inbox_id=InboxId(self.inbox_id),
            inbox_key=self.inbox.public,
            bot=False,
        )
        self.did = card.did
        self.genesis = make_genesis(
            origin=self.origin,
            relay_set=RelaySet(
                home=self.pair.home.card, entries=entries or (self.pair.entry.card,)
            ),
            policy=self.policy,
            steward_key=self.steward,
            device_key=self.device_key,
            device=card,
            member_id=MemberId(ENTROPY.random(16)),
            name="Amira",
            commons_channel=ChannelId(self.commons_id),
            log_key=self.log_key,
            ts=int(time.time()) if ts is None else ts,
            entropy=ENTROPY,
        )
        self.entries = [self.genesis]

    async def open(self, device: Device, **changes: Any) -> Any:
        code, setup, signature = self.signed(self.genesis)
        values = {
            "code": code,
            "setup_key": setup,
            "signature": signature,
            "genesis": self.genesis,
            "commons_id": self.commons_id,
            "commons_key": epoch_key(self.seed, 0).public,
            "inbox_id": self.inbox_id,
            "inbox_key": self.inbox.public,
        }
        return await device.ask(commands.OpenCircle, **{**values, **changes})

    async def prove(self, device: Device, epoch: int = 0) -> events.Proved:
        return await device.prove(epoch_key(self.seed, epoch), CHANNEL, self.commons_id, epoch)

    def tick(self, ts: int | None = None) -> bytes:
        """The next entry of the log, as this device would make it."""
        frontier = Frontier.empty().extend(leaf_hash(one) for one in self.entries)
        return seal_entry(
            SealedType.TICK,
            Tick().encode(),
            author=self.did,
            device_key=self.device_key,
            circle_id=CircleId(circle_id_of(self.genesis)),
            seq=len(self.entries),
            root=frontier.root,
            ts=int(time.time()) if ts is None else ts,
            generation=0,
            log_key=self.log_key,
            entropy=ENTROPY,
        )

    def commit(
        self, device: Device, epoch: int, envelope_id: bytes, **changes: Any
    ) -> dict[str, Any]:
        """The values of a Commit that ends ``epoch`` of the commons."""
        following = epoch_key(self.seed, epoch + 1)
        return {
            "channel_id": self.commons_id,
            "epoch": epoch,
            "envelope_id": envelope_id,
            "envelope": b"c" * 1024,
            "next_key": following.public,
            "proof": device.proof(following, CHANNEL, self.commons_id, epoch + 1),
            **changes,
        }


def envelope_id() -> bytes:
    return ENTROPY.random(16)

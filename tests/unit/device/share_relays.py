"""Share relays without sockets: the relay's own judgement and file, behind a link in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from cloister.client.effects import Route
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.oprf import evaluate
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.device.link import Link, OnEvents
from cloister.device.unlock.enrolled import FIRST_GENERATION, EnrolledShare
from cloister.device.unlock.opening import open_vault
from cloister.device.unlock.upkeep import Upkeep
from cloister.device.vault import Cost, Vault
from cloister.device.vault.key_file import ShareReference, UnlockRoute
from cloister.errors import CloisterError, NetworkError
from cloister.ids import Handle, RelayId
from cloister.relay.shares.acts import ShareActs
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.worker import InlineWorker
from cloister.relay.storage.writes import Refused
from cloister.roster.share import UNSIGNED, ShareReceipt, sign_by_relay
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.codes import Refusal
from cloister.wire.events import AnyEvent, Challenge, Done, Evaluated, Failed

ENTROPY = SystemEntropy()
CHEAP = Cost(64, 1, 1)
PIN, OTHER_PIN = Secret(b"271353"), Secret(b"864209")


def seed(*parts: str) -> Secret:
    """A seed that a later process of the same test finds again."""
    return Secret(sha256("/".join(parts).encode()))


class ShareRelay:
    """One relay: its file of shares, its clock, and whether it can be reached."""

    def __init__(self, folder: Path, name: str, number: int) -> None:
        self.relay_id = RelayId(sha256(name.encode()))
        self.name = name
        self.route = Route(
            entry_host="127.0.0.1",
            entry_port=1,
            entry_certificate=b"entry",
            home_host=name,
            home_port=number,
            home_certificate=b"home",
        )
        place = folder / f"relay-{name}"
        place.mkdir(exist_ok=True)
        key_file = EpochKeyFile(place / "shares.key")
        self.store = ShareStore(place / "shares.sqlite3", key_file, ENTROPY)
        self.now = 1_800_000_000
        self.is_up = True
        self.answers_wrongly = False
        self.forgets = False
        """Whether it enrols nobody again."""
        self.requests: list[str] = []
        self._key = HybridKey(seed(name, "ed"), seed(name, "ml"))
        self._acts = ShareActs(self.relay_id, self._key, lambda: self.now)
        self._worker = InlineWorker(self.store)
        self.handle: Handle | None = None
        """Of the one share, also where it is forgotten."""

    def enrol(self) -> EnrolledShare:
        """Make a share, or find the one that this relay has, and say what a device knows of it."""
        unlock, confirm = seed(self.name, "unlock"), Ed25519Key(seed(self.name, "confirm"))
        owner = Ed25519Key(seed("owner"))
        row = self.store.connection.execute("SELECT handle FROM share").fetchone()
        handle = Handle(row[0]) if row is not None else self.handle
        if handle is None:
            handle = self.store.add(
                bytes(32), Ed25519Key(unlock).public, confirm.public, owner.public
            )
        self.handle = handle
        reference = ShareReference(
            relay_id=self.relay_id,
            handle=handle,
            generation=FIRST_GENERATION,
            unlock_seed=unlock.expose(),
            routes=(UnlockRoute.of(self.route),),
        )
        unsigned = ShareReceipt(
            relay_id=self.relay_id,
            handle=handle,
            bind=bytes(32),
            unlock_key=Ed25519Key(unlock).public,
            owner_key=owner.public,
            signature=UNSIGNED,
        )
        receipt = replace(unsigned, signature=sign_by_relay(unsigned, self._key))
        return EnrolledShare(reference, receipt, confirm, owner)

    @property
    def share(self) -> Any:
        """The row of the one share."""
        return self.store.share(Handle(self.enrol().reference.handle))

    @property
    def generations(self) -> list[int]:
        return self.store.generations(Handle(self.enrol().reference.handle))

    def lock(self, *, is_locked: bool = True) -> None:
        handle = Handle(self.enrol().reference.handle)
        self.store.set_lock(handle, 5 if is_locked else None, -1)

    def hold(self, is_held: bool) -> None:
        self.store.set_held(Handle(self.enrol().reference.handle), is_held)

    def answer(self, request: commands.AnyRequest, nonce: bytes) -> AnyEvent:
        """Judge a request as a relay does, each in a transaction of its own."""
        self.requests.append(type(request).__name__)
        outcome: list[Any] = []
        match request:
            case commands.Evaluate():
                self._worker.submit(
                    lambda store: self._acts.evaluate(store, request, nonce), outcome.append
                )
            case commands.Confirm():
                self._worker.submit(
                    lambda store: self._acts.confirm(store, request, nonce), outcome.append
                )
            case commands.NextGeneration():
                self._worker.submit(
                    lambda store: self._acts.next_generation(store, request, nonce), outcome.append
                )
            case commands.DropGeneration():
                self._worker.submit(
                    lambda store: self._acts.drop_generation(store, request, nonce), outcome.append
                )
            case commands.EnrolAgain():
                receipt = self._acts.check_again(request, nonce)
                if self.forgets or isinstance(receipt, Refused):
                    outcome.append(Refused(Refusal.UNKNOWN_OBJECT))
                else:
                    self._worker.submit(
                        lambda store: self._acts.enrol_again(store, request, receipt),
                        outcome.append,
                    )
            case _:
                raise AssertionError(request)
        result = outcome[0]
        if isinstance(result, Refused):
            return Failed(request.rid, int(result.code), result.detail)
        if isinstance(request, commands.Evaluate):
            scalar = Secret(b"\1" + bytes(31)) if self.answers_wrongly else result.scalar
            return Evaluated(request.rid, evaluate(scalar, request.blinded), result.left)
        return Done(request.rid, result.n)


class ShareLink:
    """A connection to one relay in memory.  ``step`` is called around everything that happens."""

    def __init__(self, relay: ShareRelay, on_events: OnEvents, step: Callable[[str], None]) -> None:
        self._relay = relay
        self._on_events = on_events
        self._step = step
        self._nonce = ENTROPY.random(32)
        self._closed: asyncio.Future[CloisterError | None] = asyncio.Future()

    def start(self) -> None:
        relay = self._relay
        self._on_events([Challenge((1,), relay.relay_id, self._nonce, relay.now)])

    def send(self, requests: Sequence[commands.AnyRequest]) -> None:
        for request in requests:
            name = f"{type(request).__name__} at {self._relay.name}"
            self._step(f"before {name}")
            answer = self._relay.answer(request, self._nonce)
            self._step(f"after {name}")
            self._on_events([answer])

    def close(self, reason: CloisterError | None = None) -> None:
        if not self._closed.done():
            self._closed.set_result(reason)

    async def wait_closed(self) -> CloisterError | None:
        return await asyncio.shield(self._closed)


@dataclass
class ShareWorld:
    """A profile's folder and the relays that hold its shares."""

    folder: Path
    relays: list[ShareRelay]
    step: Callable[[str], None] = lambda what: None

    @classmethod
    def at(cls, folder: Path, relays: int = 2) -> ShareWorld:
        profile = folder / "profile"
        profile.mkdir(exist_ok=True)
        names = ["home", "entry", "third"][:relays]
        return cls(profile, [ShareRelay(folder, name, n) for n, name in enumerate(names)])

    def make_vault(self) -> None:
        Vault.create(self.folder, PIN, entropy=ENTROPY, cost=CHEAP).close()

    async def open_link(self, route: Route, on_events: OnEvents) -> Link:
        relay = self.relays[route.home_port]
        if not relay.is_up:
            raise NetworkError(f"{relay.name} cannot be reached")
        return cast("Link", ShareLink(relay, on_events, self.step))

    async def open(self, pin: Secret = PIN, lease: Any = ()) -> Vault:
        return await open_vault(self.folder, pin, lease=lease, open_link=self.open_link)

    def upkeep(
        self, vault: Vault, relays: Sequence[ShareRelay] | None = None, **changes: Any
    ) -> Upkeep:
        """``relays``: where the device has enrolled, if not at all of them."""

        async def at_once(work: Callable[[], None]) -> None:
            work()

        shares = tuple(relay.enrol() for relay in relays or self.relays)
        return Upkeep(
            vault.key,
            lambda: shares,
            entropy=ENTROPY,
            open_link=self.open_link,
            on_disk=at_once,
            **{"uniform": lambda low, high: 0.0, **changes},
        )

    async def enrol(self) -> None:
        """Make a vault and put the shares in force."""
        self.make_vault()
        vault = await self.open()
        await self.upkeep(vault).settle()
        vault.close()

    async def open_and_settle(self, pin: Secret = PIN) -> None:
        vault = await self.open(pin)
        try:
            await self.upkeep(vault).settle()
        finally:
            vault.close()

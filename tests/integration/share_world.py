"""Unlock shares at real relays: a device's shares, and the steward whose orders they obey."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.oprf import blind, finalize
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import CircleId, Handle
from cloister.relay.shares.rows import FIRST_GENERATION
from cloister.roster.entry import Entry
from cloister.roster.genesis import circle_id_of
from cloister.roster.orders import (
    UNLOCK_CONSENT_LABEL,
    CarriedConsent,
    EntryReference,
    LockOrder,
    SignedLock,
    StewardSet,
    Target,
    Unlock,
    UnlockConsent,
    sign_lock_as_steward,
)
from cloister.roster.policy import default_policy
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.share import ShareReceipt, Ticket, bind_of, verify_by_relay
from cloister.transparency import Frontier, leaf_hash
from cloister.wire import commands
from cloister.wire.auth import ENROL_LABEL, SHARE_LABEL, EnrolContent, ShareAct, ShareContent
from cloister.wire.codes import Refusal
from integration.relay_world import ENTROPY, PATIENCE_S, Circle, Device, Pair, Refused, Relay


def fresh_hybrid() -> HybridKey:
    return HybridKey(Secret(ENTROPY.random(32)), Secret(ENTROPY.random(32)))


def fresh_key() -> Ed25519Key:
    return Ed25519Key(Secret(ENTROPY.random(32)))


@dataclass
class Share:
    """One device at one relay."""

    relay: Relay
    unlock: Ed25519Key
    confirm: Ed25519Key
    owner: Ed25519Key
    bind: bytes
    handle: bytes = b""
    receipt: bytes = b""
    generation: int = FIRST_GENERATION

    @classmethod
    def make(cls, relay: Relay, bind: bytes) -> Share:
        return cls(relay, fresh_key(), fresh_key(), fresh_key(), bind)

    async def enrol(self, device: Device, ticket: bytes, ticket_key: Ed25519Key) -> Any:
        values = {
            "ticket": ticket,
            "unlock_key": self.unlock.public,
            "confirm_key": self.confirm.public,
            "owner_key": self.owner.public,
            "bind": self.bind,
        }
        content = EnrolContent(relay_id=self.relay.card.relay_id, **values)
        signature = ticket_key.sign(ENROL_LABEL, content.encode())
        enrolled = await device.ask(commands.Enrol, **values, signature=signature)
        receipt = ShareReceipt.decode(enrolled.receipt)
        verify_by_relay(receipt, self.relay.card.key)
        self.handle, self.receipt = receipt.handle, enrolled.receipt
        return enrolled

    async def enrol_again(self, device: Device) -> Any:
        content = self._content(device, ShareAct.ENROL_AGAIN, 0, self.confirm.public)
        signatures = [one.sign(SHARE_LABEL, content) for one in (self.unlock, self.owner)]
        return await device.ask(commands.EnrolAgain, self.receipt, self.confirm.public, *signatures)

    def sign(self, device: Device, act: ShareAct, element: bytes = b"") -> bytes:
        key = self.unlock if act is ShareAct.EVALUATE else self.confirm
        return key.sign(SHARE_LABEL, self._content(device, act, self.generation, element))

    def _content(self, device: Device, act: ShareAct, generation: int, element: bytes) -> bytes:
        return ShareContent(
            relay_id=self.relay.card.relay_id,
            handle=self.handle,
            generation=generation,
            act=int(act),
            element=element,
            nonce=device.nonce,
        ).encode()

    async def evaluate(self, device: Device, pin: bytes) -> tuple[Secret, int]:
        blinding, element = blind(pin, ENTROPY)
        signature = self.sign(device, ShareAct.EVALUATE, element)
        answer = await device.ask(
            commands.Evaluate, self.handle, self.generation, element, signature
        )
        return finalize(pin, blinding, answer.element), answer.left

    async def confirm_open(self, device: Device) -> int:
        signature = self.sign(device, ShareAct.CONFIRM)
        done = await device.ask(commands.Confirm, self.handle, self.generation, signature)
        return int(done.n)


async def to_entry(pair: Pair) -> Device:
    """A connection to the entry's unlock face, through its own proxy."""
    card = pair.entry.card
    return await Device.connect(
        pair, certificate=card.tls_certificate, target=f"{card.unlock_host}:{card.unlock_port}"
    )


async def tickets_of(pair: Pair) -> tuple[Ed25519Key, dict[bytes, bytes]]:
    """What a founder's device gets: a setup key, and a ticket for each relay."""
    device = await Device.connect(pair)
    circle = Circle(
        pair=pair,
        code=pair.home.new_code(),
        setup=fresh_key(),
        seed=ENTROPY.random(32),
        commons_id=ENTROPY.random(16),
        inbox=fresh_key(),
        inbox_id=ENTROPY.random(16),
        device_key=fresh_key(),
        log_key=Secret(ENTROPY.random(32)),
    )
    ids = (pair.home.card.relay_id, pair.entry.card.relay_id)
    begun = await device.ask(commands.Begin, *circle.signed(b""), relays=ids)
    await device.close()
    assert [Ticket.decode(one).relay_id for one in begun.tickets] == list(ids)
    assert all(Ticket.decode(one).expires > time.time() for one in begun.tickets)
    return circle.setup, dict(zip(ids, begun.tickets, strict=True))


async def enrol_at_both(pair: Pair, bind: bytes = bytes(32)) -> tuple[Share, Share]:
    key, tickets = await tickets_of(pair)
    shares = []
    for relay, connect in ((pair.home, Device.connect), (pair.entry, to_entry)):
        device = await connect(pair)
        assert device.challenge is not None
        assert device.challenge.relay_id == relay.card.relay_id
        share = Share.make(relay, bind)
        await share.enrol(device, tickets[relay.card.relay_id], key)
        await device.close()
        shares.append(share)
    return shares[0], shares[1]


class Steward:
    """The one steward of a circle, and a device of it with a share at each relay."""

    def __init__(self, circle: Circle, opening: bytes, shares: tuple[Share, Share]) -> None:
        self.circle = circle
        self.shares = shares
        self.targets = tuple(
            Target(relay_id=one.relay.card.relay_id, handle=Handle(one.handle), opening=opening)
            for one in shares
        )

    @property
    def circle_id(self) -> CircleId:
        return CircleId(circle_id_of(self.circle.genesis))

    def lock(self, ahead_s: int = 0) -> SignedLock:
        order = LockOrder(
            circle_id=self.circle_id,
            log_size=len(self.circle.entries),
            ts=int(time.time()) + ahead_s,
            targets=self.targets,
        )
        key = self.circle.steward
        return sign_lock_as_steward(order, key, steward_key_id(key.public))

    def unlock(self) -> Unlock:
        consents = []
        for share, target in zip(self.shares, self.targets, strict=True):
            size = len(self.circle.entries)
            content = UnlockConsent(circle_id=self.circle_id, log_size=size, target=target)
            signature = share.owner.sign(UNLOCK_CONSENT_LABEL, content.encode())
            consents.append(CarriedConsent(log_size=size, signature=signature).encode())
        return Unlock(targets=self.targets, consents=tuple(consents))

    def readable(
        self,
        kind: ReadableType,
        content: bytes,
        key: HybridKey | None = None,
        ahead_s: int = 0,
    ) -> bytes:
        """The next entry of the log; ``key`` is another steward's."""
        entries = self.circle.entries
        frontier = Frontier.empty().extend(leaf_hash(one) for one in entries)
        return make_readable(
            kind,
            content,
            steward_key=key or self.circle.steward,
            circle_id=self.circle_id,
            seq=len(entries),
            root=frontier.root,
            ts=int(time.time()) + ahead_s,
        )

    async def append(
        self,
        device: Device,
        kind: ReadableType,
        content: bytes,
        key: HybridKey | None = None,
    ) -> bytes:
        """Append a readable entry, on its own signatures; its hash."""
        entry = self.readable(kind, content, key)
        await device.ask(commands.Append, self.circle.origin, len(self.circle.entries), entry)
        self.circle.entries.append(entry)
        return Entry.decode(entry).entry_hash

    async def refusal(
        self,
        device: Device,
        kind: ReadableType,
        content: bytes,
        key: HybridKey | None = None,
    ) -> Refusal:
        """Try to append one; why the home does not take it."""
        entry = self.readable(kind, content, key)
        size = len(self.circle.entries)
        code = await device.refusal(commands.Append, self.circle.origin, size, entry)
        return Refusal(code)


async def answers(pair: Pair, shares: tuple[Share, Share]) -> list[Refusal | int]:
    """What each relay says to the device: a refusal, or how many tries are left."""
    said: list[Refusal | int] = []
    for share, connect in zip(shares, (Device.connect, to_entry), strict=True):
        device = await connect(pair)
        try:
            said.append((await share.evaluate(device, b"271828"))[1])
            await share.confirm_open(device)
        except Refused as refused:
            said.append(Refusal(refused.code))
        await device.close()
    return said


async def become(pair: Pair, shares: tuple[Share, Share], expected: list[Refusal | int]) -> None:
    """Wait until the relays answer so: a log takes a moment to be mirrored."""
    until = time.monotonic() + PATIENCE_S
    while (said := await answers(pair, shares)) != expected:
        assert time.monotonic() < until, said
        await asyncio.sleep(0.1)


@dataclass
class GovernedCircle:
    """A circle with three stewards, an officer, no delays, and a device with shares."""

    device: Device
    circle: Circle
    steward: Steward
    keys: tuple[HybridKey, HybridKey, HybridKey]
    officer: HybridKey

    @property
    def shares(self) -> tuple[Share, Share]:
        return self.steward.shares

    @classmethod
    async def found(cls, pair: Pair) -> GovernedCircle:
        device = await Device.connect(pair)
        policy = default_policy(test_circle=True, cool_off_s=0, change_delay_s=0)
        circle = await Circle.found(device, pair.home.new_code(), policy)
        opening = ENTROPY.random(32)
        shares = await enrol_at_both(pair, bind_of(circle.origin, opening))
        steward = Steward(circle, opening, shares)
        others = [fresh_hybrid() for _ in range(3)]
        second, third, officer = others
        named = StewardSet(
            stewards=(circle.steward.public, second.public, third.public),
            officers=(officer.public,),
        )
        change = await steward.append(device, ReadableType.STEWARD_SET, named.encode())
        content = EntryReference(entry_hash=change).encode()
        for key in others:
            await steward.append(device, ReadableType.APPROVE, content, key)
        return cls(device, circle, steward, (circle.steward, second, third), officer)

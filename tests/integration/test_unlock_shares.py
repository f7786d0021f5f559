"""Unlock shares at real relays: the home's listener, the entry's face behind its own proxy."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import pytest
from python_socks import ProxyError

from cloister.crypto.oprf import blind, finalize
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import CircleId, Handle
from cloister.relay.shares.rows import FIRST_GENERATION, TRIES
from cloister.roster.genesis import circle_id_of
from cloister.roster.orders import (
    UNLOCK_CONSENT_LABEL,
    CarriedConsent,
    LockOrder,
    SignedLock,
    Target,
    Unlock,
    UnlockConsent,
    sign_lock_as_steward,
)
from cloister.roster.readable import ReadableType, make_readable, steward_key_id
from cloister.roster.share import ShareReceipt, Ticket, bind_of, verify_by_relay
from cloister.transparency import Frontier, leaf_hash
from cloister.wire import commands, events
from cloister.wire.auth import ENROL_LABEL, SHARE_LABEL, EnrolContent, ShareAct, ShareContent
from cloister.wire.codes import Refusal
from integration.relay_world import ENTROPY, PATIENCE_S, Circle, Device, Pair, Refused, Relay


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
        self.handle = receipt.handle
        return enrolled

    def sign(self, device: Device, act: ShareAct, element: bytes = b"") -> bytes:
        key = self.unlock if act is ShareAct.EVALUATE else self.confirm
        content = ShareContent(
            relay_id=self.relay.card.relay_id,
            handle=self.handle,
            generation=FIRST_GENERATION,
            act=int(act),
            element=element,
            nonce=device.nonce,
        )
        return key.sign(SHARE_LABEL, content.encode())

    async def evaluate(self, device: Device, pin: bytes) -> tuple[Secret, int]:
        blinding, element = blind(pin, ENTROPY)
        signature = self.sign(device, ShareAct.EVALUATE, element)
        answer = await device.ask(
            commands.Evaluate, self.handle, FIRST_GENERATION, element, signature
        )
        return finalize(pin, blinding, answer.element), answer.left

    async def confirm_open(self, device: Device) -> int:
        signature = self.sign(device, ShareAct.CONFIRM)
        done = await device.ask(commands.Confirm, self.handle, FIRST_GENERATION, signature)
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


def test_device_enrols_and_unlocks_at_both_relays(pair: Pair) -> None:
    async def run() -> None:
        home, entry = await enrol_at_both(pair)
        outputs = []
        for share, connect in ((home, Device.connect), (entry, to_entry)):
            device = await connect(pair)
            first, left = await share.evaluate(device, b"271828")
            assert left == TRIES - 1
            assert await share.confirm_open(device) == TRIES
            assert await share.evaluate(device, b"271828") == (first, TRIES - 1)
            outputs.append(first)
            await device.close()
        assert outputs[0] != outputs[1]

    asyncio.run(run())


def test_box_of_an_invitation_opens_without_tickets_where_the_circle_has_no_shares(
    pair: Pair,
) -> None:
    async def run() -> None:
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        await circle.prove(device)
        opened = await device.ask(
            commands.OpenBox,
            circle.commons_id,
            ENTROPY.random(16),
            fresh_key().public,
            int(time.time()) + 3600,
        )
        assert isinstance(opened, events.Opened)
        assert opened.tickets == ()
        await device.close()

    asyncio.run(run())


def test_unlock_face_takes_share_requests_only(pair: Pair) -> None:
    async def run() -> None:
        device = await to_entry(pair)
        ping = await device.ask(commands.Ping)
        assert abs(ping.n - time.time()) < 60
        assert await device.refusal(commands.ReadHead, "origin") == Refusal.NOT_PROVEN
        assert await device.refusal(commands.Begin, b"c", bytes(32), bytes(64)) == (
            Refusal.NOT_PROVEN
        )
        await device.close()

    asyncio.run(run())


def test_proxy_leads_to_its_own_unlock_face_and_to_no_other_port_of_its_machine(
    pair: Pair,
) -> None:
    async def run() -> None:
        card = pair.entry.card
        health = pair.entry.place.settings({}).listen.health_port
        for port in (card.port, card.mirror_port, health, pair.home.card.port + 1):
            with pytest.raises(ProxyError, match="403"):
                await Device.connect(pair, target=f"127.0.0.1:{port}")

    asyncio.run(run())


def test_tries_and_locks_outlive_a_kill(own_pair: Pair) -> None:
    async def before() -> tuple[Share, Share, list[Secret]]:
        shares = await enrol_at_both(own_pair)
        outputs = []
        for share, connect in zip(shares, (Device.connect, to_entry), strict=True):
            device = await connect(own_pair)
            outputs.append((await share.evaluate(device, b"271828"))[0])
            await share.evaluate(device, b"000000")
            await device.close()
        return (*shares, outputs)

    async def after(shares: tuple[Share, Share], outputs: list[Secret]) -> None:
        for share, connect, output in zip(shares, (Device.connect, to_entry), outputs, strict=True):
            device = await connect(own_pair)
            # The kill gave no try back: this is the third of ten.
            assert await share.evaluate(device, b"271828") == (output, TRIES - 3)
            await device.close()

    home, entry, outputs = asyncio.run(before())
    own_pair.home.stop(signal.SIGKILL)
    own_pair.entry.stop(signal.SIGKILL)
    own_pair.entry.start()
    own_pair.home.start()
    asyncio.run(after((home, entry), outputs))


def test_flood_of_share_requests_does_not_stall_the_rest(pair: Pair) -> None:
    async def run() -> None:
        flood, other = await Device.connect(pair), await Device.connect(pair)
        asked = 2_000
        for rid in range(1, asked + 1):
            flood.send(commands.ReadErasure(rid, bytes(16), bytes(32)))
        started = time.monotonic()
        await other.ask(commands.Ping)
        assert time.monotonic() - started < 2
        codes = [await flood.next_push() for _ in range(asked)]
        slow = [one for one in codes if isinstance(one, events.Failed)]
        assert {one.code for one in slow} == {Refusal.SLOW_DOWN}
        assert len(slow) > asked - 100
        await flood.close()
        await other.close()

    asyncio.run(run())


def test_neither_log_nor_counts_say_who_enrolled(pair: Pair) -> None:
    home, entry = asyncio.run(enrol_at_both(pair))
    for share in (home, entry):
        log = share.relay.log()
        for value in (share.handle, share.bind, share.unlock.public):
            assert value.hex().encode() not in log
        assert b"127.0.0.1" not in log
        # The first answer asks the worker; the next has it.
        share.relay.status()
        time.sleep(0.2)
        assert share.relay.status()["shares"] >= 1
        assert share.relay.status()["shares_erased"] == 0


def test_scalars_are_in_no_file_of_the_relay_in_the_clear(pair: Pair) -> None:
    home, _ = asyncio.run(enrol_at_both(pair))
    folder = pair.home.folder
    database = sqlite3.connect(f"file:{folder / 'data/shares.sqlite3'}?mode=ro", uri=True)
    (wrapped,) = database.execute(
        "SELECT wrapped FROM scalar WHERE handle = ?", (home.handle,)
    ).fetchone()
    database.close()
    assert len(wrapped) == 12 + 32 + 16
    assert (folder / "keys/shares.key").stat().st_mode & 0o077 == 0
    assert not list((folder / "keys").glob("shares.key.*"))


# --- orders ---------------------------------------------------------------------------------------


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

    def lock(self) -> SignedLock:
        order = LockOrder(
            circle_id=self.circle_id,
            log_size=len(self.circle.entries),
            ts=int(time.time()),
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

    async def append(self, device: Device, kind: ReadableType, content: bytes) -> None:
        """Append a readable entry, on its own signatures."""
        entries = self.circle.entries
        frontier = Frontier.empty().extend(leaf_hash(one) for one in entries)
        entry = make_readable(
            kind,
            content,
            steward_key=self.circle.steward,
            circle_id=self.circle_id,
            seq=len(entries),
            root=frontier.root,
            ts=int(time.time()),
        )
        await device.ask(commands.Append, self.circle.origin, len(entries), entry)
        entries.append(entry)


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


def test_orders_reach_both_relays_directly_and_by_the_log(pair: Pair) -> None:
    async def run() -> None:
        device = await Device.connect(pair)
        circle = await Circle.found(device, pair.home.new_code())
        opening = ENTROPY.random(32)
        shares = await enrol_at_both(pair, bind_of(circle.origin, opening))
        steward = Steward(circle, opening, shares)
        # The mirror gets the log in its own time.
        until = time.monotonic() + PATIENCE_S
        for connect in (Device.connect, to_entry):
            other = await connect(pair)
            lock = steward.lock().encode()
            while isinstance(answer := await other.ask_any(commands.Order, lock), events.Failed):
                assert time.monotonic() < until, answer
                await asyncio.sleep(0.1)
            assert answer.n == 1
            await other.close()
        assert await answers(pair, shares) == [Refusal.LOCKED, Refusal.LOCKED]
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        await steward.append(device, ReadableType.ORDER_UNLOCK, steward.unlock().encode())
        await become(pair, shares, [TRIES - 1, TRIES - 1])
        # This time nobody tells the relays but the log.
        await steward.append(device, ReadableType.ORDER_LOCK, steward.lock().encode())
        await become(pair, shares, [Refusal.LOCKED, Refusal.LOCKED])
        await device.close()

    asyncio.run(run())

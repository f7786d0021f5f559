"""Errands: what the core needs done at a relay over a connection of its own.

The core knows one connection, the one to its home relay.  Enrolling, locking and asking about an
erasure are done elsewhere: at every share relay, unlinked from the channels (flows D6).  Each is a
value here: where to go, and the one request that is sent when the relay's challenge has come.  The
program runs it, as often as it must, and tells the core what came of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from cloister.client.effects import Route
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import SHORT_ID_BYTES, Handle
from cloister.roster.relay_card import RelayCard
from cloister.wire.auth import ENROL_LABEL, EnrolContent
from cloister.wire.commands import AnyRequest, Enrol, Order, ReadErasure


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand(ABC):
    """One request at one relay.  Equal errands have equal ids, also after a restart."""

    card: RelayCard
    """The relay; its answers count only when its Challenge names this relay id."""
    routes: tuple[Route, ...]
    """Ways to it, tried in turn."""

    @property
    @abstractmethod
    def errand_id(self) -> bytes:
        """16 bytes that name it in ``ErrandDone`` and ``ErrandRefused``."""

    @abstractmethod
    def request(self, rid: int, relay_id: bytes, nonce: bytes) -> AnyRequest:
        """Make the request for a connection whose Challenge named ``relay_id`` and ``nonce``."""

    def _name(self, *parts: bytes) -> bytes:
        kind = type(self).__name__.encode()
        return sha256(kind, b"\0", self.card.relay_id, *parts)[:SHORT_ID_BYTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolErrand(Errand):
    """Put this device's keys under a fresh handle (flows 5.1).  Answer: ``Enrolled``."""

    ticket: bytes
    """Encoded."""
    ticket_seed: Secret = field(repr=False)
    """Of the Ed25519 key that the ticket names."""
    unlock_key: bytes
    confirm_key: bytes
    owner_key: bytes
    bind: bytes

    @property
    def errand_id(self) -> bytes:
        """See ``Errand``."""
        return self._name(sha256(self.ticket), self.bind)

    def request(self, rid: int, relay_id: bytes, nonce: bytes) -> Enrol:
        """See ``Errand``.  The nonce is not signed: a ticket is used once, and answers repeat."""
        content = EnrolContent(
            relay_id=relay_id,
            ticket=self.ticket,
            unlock_key=self.unlock_key,
            confirm_key=self.confirm_key,
            owner_key=self.owner_key,
            bind=self.bind,
        )
        return Enrol(
            rid=rid,
            ticket=self.ticket,
            unlock_key=self.unlock_key,
            confirm_key=self.confirm_key,
            owner_key=self.owner_key,
            bind=self.bind,
            signature=Ed25519Key(self.ticket_seed).sign(ENROL_LABEL, content.encode()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderErrand(Errand):
    """Lock shares on receipt (flows 5.2).  Answer: ``Done``."""

    order: bytes
    """Encoded ``SignedLock``: its signatures are all the right it needs."""

    @property
    def errand_id(self) -> bytes:
        """See ``Errand``."""
        return self._name(sha256(self.order))

    def request(self, rid: int, relay_id: bytes, nonce: bytes) -> Order:
        """See ``Errand``."""
        return Order(rid=rid, order=self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureErrand(Errand):
    """Ask how far the erasure of a handle has come.  Answer: ``Erasure``."""

    handle: Handle
    order_hash: bytes
    """Entry hash of the ``order_erase``."""

    @property
    def errand_id(self) -> bytes:
        """See ``Errand``."""
        return self._name(self.handle, self.order_hash)

    def request(self, rid: int, relay_id: bytes, nonce: bytes) -> ReadErasure:
        """See ``Errand``."""
        return ReadErasure(rid=rid, handle=self.handle, order_hash=self.order_hash)

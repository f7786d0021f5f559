"""Tickets: the home says who may enrol, and each share relay takes its word once (flows 5.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey
from cloister.errors import RemoteError
from cloister.ids import RelayId
from cloister.limits import MAX_CLOCK_SKEW_S, MAX_INVITE_LIFETIME_S
from cloister.relay.storage.writes import Refused
from cloister.roster.relay_card import RelayCard, RelayRole
from cloister.roster.share import UNSIGNED, Ticket, sign_by_relay, verify_by_relay
from cloister.values import replace
from cloister.wire.codes import Refusal

FOUNDER_TICKET_S: Final = 86_400
"""A founder enrols at once; a day leaves room for an entry relay that is away."""
MAX_TICKET_S: Final = MAX_INVITE_LIFETIME_S + MAX_CLOCK_SKEW_S
"""A ticket lives as long as an invitation, by two clocks; what is spent is remembered no longer."""


class TicketOffice:
    """Signs tickets with the home's key."""

    def __init__(self, relay_id: RelayId, key: HybridKey) -> None:
        self._relay_id = relay_id
        self._key = key

    def issue(self, relays: Iterable[bytes], ticket_key: bytes, expires: int) -> tuple[bytes, ...]:
        """Sign one encoded ticket for each relay; ``expires`` in seconds since the Unix epoch."""
        return tuple(self._issue(RelayId(one), ticket_key, expires) for one in relays)

    def _issue(self, relay_id: RelayId, ticket_key: bytes, expires: int) -> bytes:
        unsigned = Ticket(
            issuer=self._relay_id,
            relay_id=relay_id,
            key=ticket_key,
            expires=expires,
            signature=UNSIGNED,
        )
        return replace(unsigned, signature=sign_by_relay(unsigned, self._key)).encode()


class TicketCheck:
    """Takes tickets of this relay itself and of the home relays of the operator's list."""

    def __init__(self, card: RelayCard, peers: Callable[[], Mapping[bytes, RelayCard]]) -> None:
        self._card = card
        self._peers = peers

    def read(self, encoded: bytes) -> Ticket | Refused:
        """Return a ticket for this relay with a good signature; its time is not looked at."""
        try:
            ticket = Ticket.decode(encoded)
            issuer = self._issuer(ticket.issuer)
            if ticket.relay_id != self._card.relay_id or issuer is None:
                return Refused(Refusal.BAD_TICKET)
            verify_by_relay(ticket, issuer.key)
        except (RemoteError, BadSignature, BadPublicKey):
            return Refused(Refusal.BAD_TICKET)
        return ticket

    def _issuer(self, relay_id: RelayId) -> RelayCard | None:
        card = self._card if relay_id == self._card.relay_id else self._peers().get(relay_id)
        return card if card is not None and card.roles & RelayRole.HOME else None


def ticket_name(ticket: Ticket) -> bytes:
    """What is spent: not these bytes, but the right of this key, however often it was signed."""
    return sha256(ticket.issuer, ticket.key)

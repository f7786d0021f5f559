"""Relays as the roster names them: signed cards, the circle's relay set, and the pair rule."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from cloister.codec import (
    CachedStruct,
    layout,
    nested,
    opaque,
    text,
    uint8,
    uint16,
    vector,
)
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hybrid_signature import (
    HybridKey,
    HybridPublic,
    HybridSignature,
    check_hybrid_public,
    verify_hybrid,
)
from cloister.ids import RelayId
from cloister.roster.errors import RelayRefused
from cloister.roster.fields import RELAY_ID
from cloister.roster.labels import labelled_hash
from cloister.roster.name import has_name_form
from cloister.roster.policy import Policy

MAX_ENTRY_RELAYS: Final = 8
_MAX_CERTIFICATE_BYTES: Final = 2048
_MAX_HOST_BYTES: Final = 253  # RFC 1035 2.3.4, in its textual form
_SIGNATURE_BYTES: Final = 64 + 2420

# A relay id is the name of a key in the role of relay; the same key elsewhere has another name.
RELAY_ID_LABEL: Final = b"RelayCard id"
# The relay's own word for its addresses, its certificate, its jurisdiction and its operator.
RELAY_CARD_LABEL: Final = b"RelayCard"


class RelayRole(IntFlag):
    """What a relay does for a circle. One program can do both, for different circles."""

    ENTRY = 1
    HOME = 2


@layout
class RelayCard(CachedStruct):
    """struct { opaque relay_id[32]; HybridPublic key; opaque tls_certificate<V>;
    opaque jurisdiction<V>; opaque operator<V>; opaque host<V>; uint16 port;
    opaque mirror_host<V>; uint16 mirror_port; opaque unlock_host<V>; uint16 unlock_port;
    uint8 roles; opaque name<V>; HybridSignature self_signature; } RelayCard

    ``tls_certificate`` is DER, self-signed, and the only trust anchor for this relay.
    ``jurisdiction`` is an ISO 3166-1 alpha-2 code. ``port`` is the CONNECT listener of an entry
    relay, the TLS WebSocket listener of a home relay. ``mirror_host`` and ``mirror_port`` are
    where an entry relay takes entries to mirror, ``unlock_host`` and ``unlock_port`` where its
    own proxy leads to the unlock shares that it keeps; empty and 0 at a home relay, which serves
    shares at ``port``. ``name`` is the key name in its checkpoint notes.
    """

    relay_id: RelayId = RELAY_ID
    key: HybridPublic = nested(HybridPublic)
    tls_certificate: bytes = opaque(min_bytes=1, max_bytes=_MAX_CERTIFICATE_BYTES)
    jurisdiction: str = text(2)
    operator: str = text(64)
    host: str = text(_MAX_HOST_BYTES)
    port: int = uint16()
    mirror_host: str = text(_MAX_HOST_BYTES)
    mirror_port: int = uint16()
    unlock_host: str = text(_MAX_HOST_BYTES)
    unlock_port: int = uint16()
    roles: int = uint8()
    name: str = text(255)
    self_signature: HybridSignature = nested(HybridSignature)

    @property
    def signed_bytes(self) -> bytes:
        """Everything before the signature, which is the last field and of fixed length."""
        return self.encode()[:-_SIGNATURE_BYTES]


@layout
class RelaySet(CachedStruct):
    """struct { RelayCard home; RelayCard entries<V> (1 to 8); } RelaySet"""

    home: RelayCard = nested(RelayCard)
    entries: tuple[RelayCard, ...] = vector(RelayCard, min_items=1, max_items=MAX_ENTRY_RELAYS)


def relay_id_of(key: HybridPublic) -> RelayId:
    """The name of a relay: a hash of its keys, 32 bytes."""
    return RelayId(labelled_hash(RELAY_ID_LABEL, key.encode()))


def make_relay_card(
    key: HybridKey,
    *,
    tls_certificate: bytes,
    jurisdiction: str,
    operator: str,
    host: str,
    port: int,
    roles: RelayRole,
    name: str,
    mirror_host: str = "",
    mirror_port: int = 0,
    unlock_host: str = "",
    unlock_port: int = 0,
) -> RelayCard:
    """Make and sign a relay's card. Raises RelayRefused when a value breaks a rule of cards."""
    blank = HybridSignature(ed25519=bytes(64), ml_dsa_44=bytes(2420))
    unsigned = RelayCard(
        relay_id=relay_id_of(key.public),
        key=key.public,
        tls_certificate=tls_certificate,
        jurisdiction=jurisdiction,
        operator=operator,
        host=host,
        port=port,
        mirror_host=mirror_host,
        mirror_port=mirror_port,
        unlock_host=unlock_host,
        unlock_port=unlock_port,
        roles=int(roles),
        name=name,
        self_signature=blank,
    ).encode()
    body = unsigned[:-_SIGNATURE_BYTES]
    card = RelayCard.decode(body + key.sign(RELAY_CARD_LABEL, body).encode())
    check_relay_card(card)
    return card


def check_relay_card(card: RelayCard) -> None:
    """Demand that a card names its own keys, is signed by them and is filled in as its role says.

    Raises RelayRefused.
    """
    if card.relay_id != relay_id_of(card.key):
        raise RelayRefused("a relay card does not name its own keys")
    try:
        check_hybrid_public(card.key)
        verify_hybrid(card.key, RELAY_CARD_LABEL, card.signed_bytes, card.self_signature)
    except (BadPublicKey, BadSignature) as error:
        raise RelayRefused(f"relay card of {card.name!r}: {error}") from error
    problem = _problem_in(card)
    if problem is not None:
        raise RelayRefused(f"relay card of {card.name!r}: {problem}")


def check_pair(home: RelayCard, entry: RelayCard, policy: Policy) -> None:
    """Demand that home and entry relay are in two jurisdictions and of two operators.

    One state, or one operator, that held both would see both who and what. A test circle may
    share anything, a single-operator circle its operator. Raises RelayRefused.
    """
    if policy.is_test_circle:
        return
    if home.jurisdiction == entry.jurisdiction:
        raise RelayRefused(
            f"{home.name} and {entry.name} are both in {home.jurisdiction}",
            hint="Choose an entry relay in another jurisdiction.",
        )
    if not policy.is_single_operator and home.operator == entry.operator:
        raise RelayRefused(
            f"{home.name} and {entry.name} are both run by {home.operator}",
            hint="Choose an entry relay of another operator, or found a single-operator circle.",
        )


def check_relay_set(relays: RelaySet, policy: Policy) -> None:
    """Check each card, its role and each pair of home and entry relay. Raises RelayRefused."""
    cards = (relays.home, *relays.entries)
    # One key under two names would sign a checkpoint and cosign it: no second opinion at all.
    for parts in (
        {card.relay_id for card in cards},
        {card.name for card in cards},
        {card.key.ed25519 for card in cards},
        {card.key.ml_dsa_44 for card in cards},
    ):
        if len(parts) != len(cards):
            raise RelayRefused("two relays of the set share a name or a key")
    for card in cards:
        check_relay_card(card)
    if not relays.home.roles & RelayRole.HOME:
        raise RelayRefused(f"{relays.home.name} does not serve as a home relay")
    for entry in relays.entries:
        if not entry.roles & RelayRole.ENTRY:
            raise RelayRefused(f"{entry.name} does not serve as an entry relay")
        check_pair(relays.home, entry, policy)


def _problem_in(card: RelayCard) -> str | None:
    code = card.jurisdiction
    if len(code) != 2 or not (code.isascii() and code.isalpha() and code.isupper()):
        return "jurisdiction is not an ISO 3166 code of two capital letters"
    if not has_name_form(card.operator):
        return "operator is blank or not plain text"
    if not _is_token(card.name) or "+" in card.name:
        return "name is not a key name of a signed note"
    if not _is_token(card.host) or card.port == 0:
        return "host or port is missing"
    if card.roles & ~int(RelayRole.ENTRY | RelayRole.HOME) or card.roles == 0:
        return "role is unknown"
    is_entry = bool(card.roles & RelayRole.ENTRY)
    if not _fits_role(card.mirror_host, card.mirror_port, is_entry):
        return "mirror address does not fit the role"
    if not _fits_role(card.unlock_host, card.unlock_port, is_entry):
        return "unlock address does not fit the role"
    return None


def _fits_role(host: str, port: int, is_entry: bool) -> bool:
    """Whether an address that entry relays have, and no others, is there or left out."""
    return (_is_token(host) and port != 0) if is_entry else (not host and port == 0)


def _is_token(value: str) -> bool:
    """Whether ``value`` is visible ASCII without spaces, and something at all."""
    return bool(value) and all("!" <= character <= "~" for character in value)

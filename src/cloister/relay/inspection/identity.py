"""Keys, certificate, card and the cards of peers: does this relay still say what its card says?"""

from __future__ import annotations

from collections.abc import Iterator

from cloister.crypto.certificate import validity_of
from cloister.errors import CloisterError, LocalError, UsageError
from cloister.finding import Finding, Grade, wrong
from cloister.relay.folder import Folder, Identity
from cloister.relay.settings import Settings
from cloister.relay.startable import demand_as_on_card, demand_certificate
from cloister.roster.errors import RelayRefused
from cloister.roster.relay_card import RelayCard, RelayRole, check_relay_card

DAY_S = 86_400
_SOON_DAYS = 180
"""A certificate stands on the card, and a new card is a matter of months for circles."""


def look_at_identity(
    folder: Folder, settings: Settings, identity: Identity, now: int
) -> Iterator[Finding]:
    """Compare keys, card, certificate and settings."""
    card = identity.card
    try:
        check_relay_card(card)
    except RelayRefused as error:
        yield wrong("card", error)
        return
    yield Finding("keys", Grade.GOOD, "keys and card belong together")
    yield from _against_settings(card, settings)
    yield from _certificate(folder, card, now)


def _against_settings(card: RelayCard, settings: Settings) -> Iterator[Finding]:
    try:
        demand_as_on_card(card, settings)
    except UsageError as error:
        yield wrong("card", error)
        return
    role = settings.relay.role
    yield Finding("card", Grade.GOOD, f"the card says what the settings say ({role})")


def _certificate(folder: Folder, card: RelayCard, now: int) -> Iterator[Finding]:
    try:
        demand_certificate(folder, card)
    except LocalError as error:
        yield wrong("certificate", error)
        return
    begins, ends = validity_of(card.tls_certificate)
    days = (ends - now) // DAY_S
    if now < begins:
        yield Finding(
            "certificate", Grade.WRONG, "the certificate is not valid yet", "set the clock right"
        )
    elif days < 0:
        yield Finding(
            "certificate",
            Grade.WRONG,
            f"the certificate ran out {-days} days ago",
            "look at the clock; if it is right, this relay's time is over: make another",
        )
    elif days < _SOON_DAYS:
        yield Finding(
            "certificate",
            Grade.DOUBTFUL,
            f"the certificate runs out in {days} days, and the card cannot be changed",
            "make another relay, and let circles found anew with its card",
        )
    else:
        yield Finding("certificate", Grade.GOOD, f"the certificate is valid for {days} days")


def look_at_peers(
    folder: Folder, settings: Settings, identity: Identity | None
) -> Iterator[Finding]:
    """Is there a relay of the other role to work with, and may a circle have both?"""
    try:
        cards = folder.peers()
    except LocalError as error:
        yield wrong("peers", error)
        return
    except (OSError, CloisterError) as error:
        yield Finding("peers", Grade.WRONG, f"peers/ cannot be read: {error}", "make the folder")
        return
    is_entry = settings.relay.role == "entry"
    wanted = RelayRole.HOME if is_entry else RelayRole.ENTRY
    word = "home" if is_entry else "entry"
    fitting = [card for card in cards.values() if card.roles & wanted]
    if identity is not None and identity.card.relay_id in cards:
        yield Finding(
            "peers",
            Grade.DOUBTFUL,
            "the relay's own card lies among its peers",
            f"remove {identity.card.relay_id.hex()}.card from peers/",
        )
    if not fitting:
        has = ", only of the same role as this relay" if cards else ""
        yield Finding(
            "peers",
            Grade.DOUBTFUL,
            f"peers/ has no card of the role {word}{has}",
            f"get the {word} relay's card from its operator, then: cloister relay peer"
            f" {folder.path} CARD",
        )
        return
    shared = [
        card.name
        for card in fitting
        if card.jurisdiction == settings.relay.jurisdiction
        or card.operator == settings.relay.operator
    ]
    if len(shared) == len(fitting):
        yield Finding(
            "peers",
            Grade.DOUBTFUL,
            f"every {word} relay here shares your jurisdiction or operator: {', '.join(shared)}",
            "circles refuse such a pair; find a colleague elsewhere",
        )
    else:
        yield Finding("peers", Grade.GOOD, f"{word} relays on the list: {len(fitting)}")

"""The cards of a home and an entry relay that are played in one process."""

from __future__ import annotations

from cloister.crypto.hybrid_signature import HybridKey
from cloister.roster.relay_card import RelayCard, RelayRole, make_relay_card


def cards_of(home_key: HybridKey, entry_key: HybridKey) -> tuple[RelayCard, RelayCard]:
    """Return the cards of home and entry: two jurisdictions, two operators, and nobody listens."""
    home_card = make_relay_card(
        home_key,
        tls_certificate=b"home",
        jurisdiction="HK",
        operator="Harbour",
        host="127.0.0.1",
        port=2,
        roles=RelayRole.HOME,
        name="home.example",
    )
    entry_card = make_relay_card(
        entry_key,
        tls_certificate=b"entry",
        jurisdiction="PA",
        operator="Canal",
        host="127.0.0.1",
        port=1,
        roles=RelayRole.ENTRY,
        name="entry.example",
        mirror_host="127.0.0.1",
        mirror_port=3,
        unlock_host="127.0.0.1",
        unlock_port=4,
    )
    return home_card, entry_card

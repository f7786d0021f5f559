"""Where the circle's home is, and how far a move has come: a row for each relay."""

from __future__ import annotations

from typing import Any

from cloister.client.home_records import HomeStep
from cloister.client.routing import link_relays_of
from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.roster.share import share_relays

_WORDS = {
    HomeStep.READING: "reads the old home to its end",
    HomeStep.OPENING: "goes on at the new home",
    HomeStep.FOLLOWING: "follows a move notice",
}


def home_view(state: State, _about: str = "") -> list[dict[str, Any]]:
    """Return the relays: ``role`` is ``home``, ``entry``, ``candidate`` or ``former home``.

    ``move``: what this device does while the circle moves; ``channels`` are not found yet.
    """
    roster, move = state.roster, state.home_move
    if roster is None:
        return []
    rows = [_row("home", roster.relay_set.home)]
    rows += [_row("entry", card) for card in roster.relay_set.entries]
    if move is not None and move.step is HomeStep.FOLLOWING:
        rows.append(_row("candidate", RelaySet.decode(move.candidate).home))
    rows += [_row("former home", one.before.home) for one in roster.governance.moves]
    present = link_relays_of(state)
    for row in rows:
        is_talked_to = present is not None and row["relay_id"] == present.home.relay_id.hex()
        row["move"] = _WORDS[move.step] if move is not None and is_talked_to else None
        row["channels"] = len(move.unplaced) if move is not None and is_talked_to else 0
        row["brings"] = is_talked_to and state.adoption is not None
        row["shares"] = _keeps_shares(state, row["relay_id"])
    return rows


def _row(role: str, card: RelayCard) -> dict[str, Any]:
    return {
        "role": role,
        "name": safe_line(card.name),
        "relay_id": card.relay_id.hex(),
        "jurisdiction": card.jurisdiction,
        "operator": safe_line(card.operator),
    }


def _keeps_shares(state: State, relay_id: str) -> bool:
    """Whether unlock shares of devices are kept there."""
    roster = state.roster
    if roster is None or not roster.policy.unlock_shares:
        return False
    kept = {target.relay_id for one in roster.devices.values() for target in one.targets}
    asked = {card.relay_id for card in share_relays(roster.relay_set)}
    return relay_id in {one.hex() for one in kept | asked}

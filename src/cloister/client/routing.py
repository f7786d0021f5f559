"""Which relays this device talks to, and by which certificates it knows them."""

from __future__ import annotations

from cloister.client.effects import Route
from cloister.client.home_records import HomeStep
from cloister.client.identity import did_of
from cloister.client.records import JoiningStep
from cloister.client.standing import standing_of
from cloister.client.state import State
from cloister.roster.invitation import parse_invitation
from cloister.roster.letter import Letter
from cloister.roster.relay_card import RelayCard, RelaySet


def relay_set_of(state: State) -> RelaySet | None:
    """Return the relay set in force: the roster's, else the letter's, else the founder's choice."""
    if state.roster is not None:
        return state.roster.relay_set
    if state.joining is not None and state.joining.letter:
        return Letter.decode(state.joining.letter).relay_set
    if state.founding is not None:
        return RelaySet(
            home=RelayCard.decode(state.founding.home_card),
            entries=tuple(RelayCard.decode(card) for card in state.founding.entry_cards),
        )
    return None


def link_relays_of(state: State) -> RelaySet | None:
    """Return the relays to talk to: those of the old home while it is read before a move."""
    move = state.home_move
    if move is not None and move.step is HomeStep.READING:
        return RelaySet.decode(move.before)
    if move is not None and move.step is HomeStep.FOLLOWING:
        return RelaySet.decode(move.candidate)
    return relay_set_of(state)


def only_reads(state: State) -> bool:
    """Whether this device stores nothing at the relay that it talks to: the log does not say yet,
    or does not say any more, that it is the home."""
    return state.home_move is not None and state.home_move.step is not HomeStep.OPENING


def is_reading(state: State) -> bool:
    """Whether this device reads what the home holds that the circle has left."""
    return state.home_move is not None and state.home_move.step is HomeStep.READING


def home_of(state: State) -> RelayCard | None:
    """Return the card of the home relay to talk to, if it is known yet."""
    relay_set = link_relays_of(state)
    return None if relay_set is None else relay_set.home


def home_routes(relay_set: RelaySet) -> tuple[Route, ...]:
    """Return the ways to the home relay, one through each entry relay."""
    return tuple(_route(entry, relay_set.home) for entry in relay_set.entries)


def known_relays_of(state: State) -> tuple[RelayCard, ...]:
    """Return the relays in force, and those from before a change of home: they may keep shares."""
    if state.roster is not None:
        return state.roster.governance.known_relays()
    relay_set = relay_set_of(state)
    return () if relay_set is None else (relay_set.home, *relay_set.entries)


def unlock_route(relay_set: RelaySet, card: RelayCard) -> tuple[Route, ...]:
    """Return the ways to a relay's unlock face: the home's is that of its channels.

    An entry relay is reached through its own proxy: whoever runs it sees the address either way.
    """
    if card.relay_id == relay_set.home.relay_id or not card.unlock_host:
        # A former home too: the entry relay that stayed has it on its list.
        return tuple(_route(entry, card) for entry in relay_set.entries)
    return (
        Route(
            entry_host=card.host,
            entry_port=card.port,
            entry_certificate=card.tls_certificate,
            home_host=card.unlock_host,
            home_port=card.unlock_port,
            home_certificate=card.tls_certificate,
        ),
    )


def _route(entry: RelayCard, home: RelayCard) -> Route:
    return Route(
        entry_host=entry.host,
        entry_port=entry.port,
        entry_certificate=entry.tls_certificate,
        home_host=home.host,
        home_port=home.port,
        home_certificate=home.tls_certificate,
    )


def may_return(state: State) -> bool:
    """Whether a device that is out of its circle can come back, as far as it knows."""
    if state.roster is None or state.identity is None:
        return False
    return not standing_of(state.roster, did_of(state)).is_final


def routes_of(state: State) -> tuple[Route, ...]:
    """Return the ways to the home relay; none when this device has nobody to talk to."""
    if state.circle is not None and state.circle.left and not may_return(state):
        return ()
    relay_set = link_relays_of(state)
    if relay_set is not None:
        return home_routes(relay_set)
    if state.joining is not None and state.joining.step == JoiningStep.FETCHING_LETTER:
        # It had not expired when it was typed in; whether it has now is for the relay to say.
        code = parse_invitation(state.joining.code, now=0)
        (entry_host, entry_port), (home_host, home_port) = code.entry_address, code.home_address
        return (
            Route(
                entry_host=entry_host,
                entry_port=entry_port,
                entry_certificate=None,
                home_host=home_host,
                home_port=home_port,
                home_certificate=None,
            ),
        )
    return ()

"""Errands under way: which there are, and who hears what came of them."""

from __future__ import annotations

from collections.abc import Iterator

from cloister.client import enrolling, founding, joining, ordering, renewing
from cloister.client.errands import EnrolErrand, ErasureErrand, Errand, OrderErrand
from cloister.client.inputs import ErrandDone, ErrandRefused
from cloister.client.records import FoundingStep, JoiningStep
from cloister.client.state import State
from cloister.client.turn import Turn


def errands_of(state: State) -> tuple[Errand, ...]:
    """Return everything that has to be done over a connection of its own."""
    return tuple(_errands(state))


def _errands(state: State) -> Iterator[Errand]:
    if state.founding is not None and state.founding.step is FoundingStep.ENROLLING:
        yield from enrolling.errands_of(state, state.founding.origin)
    if state.joining is not None and state.joining.step is JoiningStep.ENROLLING:
        yield from enrolling.errands_of(state, joining.letter_of(state.joining).origin)
    if state.roster is not None and renewing.is_under_way(state):
        yield from enrolling.errands_of(state, state.roster.origin)
    yield from ordering.errands_of(state)


def on_done(turn: Turn, given: ErrandDone) -> None:
    """Take a relay's answer; what nobody waits for any more is ignored.

    Raises ``RemoteError`` when the answer is not one.
    """
    match _find(turn.state, given.errand_id):
        case EnrolErrand() as errand:
            finished = founding.on_enrolled if turn.state.founding else joining.on_enrolled
            if turn.state.roster is not None:
                finished = _nothing_more  # ``renewing`` looks by itself
            enrolling.on_done(turn, errand, given.event, finished)
        case OrderErrand() as errand:
            ordering.on_order_done(turn, errand, given.event)
        case ErasureErrand() as errand:
            ordering.on_erasure_done(turn, errand, given.event)
        case _:
            pass


def on_refused(turn: Turn, given: ErrandRefused) -> None:
    """Take a refusal: some end what the errand was for, the others only cost time."""
    match _find(turn.state, given.errand_id):
        case EnrolErrand() as errand:
            error = enrolling.refusal_of(errand, given.code)
            if error is not None and turn.state.founding is not None:
                if given.code in enrolling.STALE_TICKET:
                    founding.begin_again(turn, error)
                else:
                    founding.abandon(turn, error)
            elif error is not None and turn.state.roster is not None:
                renewing.on_refused(turn, errand.card.relay_id, str(error))
            elif error is not None:
                joining.abandon(turn, error)
        case OrderErrand() as errand:
            ordering.on_order_refused(turn, errand, given.code)
        case _:
            pass


def _nothing_more(turn: Turn) -> None:
    """A receipt is kept, and that is all."""
    del turn


def _find(state: State, errand_id: bytes) -> Errand | None:
    return next((one for one in errands_of(state) if one.errand_id == errand_id), None)

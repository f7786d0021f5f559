"""One errand of a simulated device, on a connection of its own to a simulated share relay."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from cloister.client.errands import Errand
from cloister.client.inputs import ErrandDone, ErrandRefused
from cloister.ids import RelayId
from cloister.relay.session import Session
from cloister.testing.simulated_relays import SimulatedRelays
from cloister.wire.events import AnyEvent, Challenge, Failed
from cloister.wire.frame import decode_events


class SimulatedErrand:
    """Asks when the challenge has come, and says what the core is told at the end."""

    def __init__(
        self,
        errand: Errand,
        relays: SimulatedRelays,
        tamper: Callable[[RelayId, AnyEvent], Iterable[AnyEvent]],
    ) -> None:
        """``tamper``: what a lying relay makes of each event on its way here."""
        self.errand: Final = errand
        self._relays = relays
        arrived: deque[AnyEvent] = deque()
        self._arrived = arrived
        relay_id = errand.card.relay_id
        self._session: Session = relays.connect_shares(
            relay_id,
            lambda frame: arrived.extend(
                told for event in decode_events(frame) for told in tamper(relay_id, event)
            ),
        )

    def step(self) -> ErrandDone | ErrandRefused | None:
        """Take what has arrived; return what the core is told at the end."""
        while self._arrived:
            event = self._arrived.popleft()
            if isinstance(event, Challenge):
                request = self.errand.request(1, event.relay_id, event.nonce)
                self._relays.send_share(self._session, self.errand.card.relay_id, request)
            elif isinstance(event, Failed):
                return ErrandRefused(
                    errand_id=self.errand.errand_id, code=event.code, detail=event.detail
                )
            else:
                return ErrandDone(errand_id=self.errand.errand_id, event=event)
        return None

    def close(self) -> None:
        """Hang up."""
        self._relays.disconnect_share(self._session, self.errand.card.relay_id)

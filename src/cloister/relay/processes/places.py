"""The entry's side of its tunnel processes: who may come in, counted over all of them."""

from __future__ import annotations

from collections import Counter

from cloister.relay.entry import Counted
from cloister.relay.processes import tunnels
from cloister.relay.processes.pipe import Pipe


class PlacesOf:
    """One child, as the main process sees it: its share of what is counted."""

    def __init__(self, counted: Counted, pipe: Pipe) -> None:
        self._counted = counted
        self._pipe = pipe
        self._addresses: Counter[str] = Counter()
        self._tunnels = 0

    def on_message(self, kind: int, number: int, payload: bytes) -> None:
        """The child asks or tells."""
        match kind:
            case tunnels.ENTER:
                address = payload.decode()
                may_enter = self._counted.may_enter(address)
                if may_enter:
                    self._addresses[address] += 1
                self._pipe.post(tunnels.COME if may_enter else tunnels.NO_PLACE, number)
            case tunnels.LEAVE:
                address = payload.decode()
                self._addresses[address] -= 1
                if not self._addresses[address]:
                    del self._addresses[address]
                self._counted.leave(address)
            case tunnels.JOIN:
                self._tunnels += 1
                self._counted.join()
            case tunnels.PART:
                self._tunnels -= 1
                self._counted.part()
            case tunnels.REFUSE:
                self._counted.refuse()
            case _:
                pass  # of a newer program: this one was exchanged while it ran

    def on_blocked(self, is_blocked: bool) -> None:
        """One short answer for each handshake under way cannot gather."""

    def on_lost(self) -> None:
        """All its tunnels are gone."""
        addresses, self._addresses = self._addresses, Counter()
        for address in addresses.elements():
            self._counted.leave(address)
        for _ in range(self._tunnels):
            self._counted.part()
        self._tunnels = 0

"""The relays that this one works with: the operator's list, read again when it has changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cloister.errors import LocalError
from cloister.relay.folder import Folder
from cloister.relay.logsafe import Cause, Log
from cloister.roster.relay_card import RelayCard, RelayRole


class PeerCards(Protocol):
    """What links between relays want of the list."""

    def cards(self) -> Mapping[bytes, RelayCard]:
        """Return all cards by relay id."""
        ...

    def mirrors(self) -> Mapping[bytes, RelayCard]:
        """Return the entry relays, which mirror, by relay id."""
        ...


class Peers:
    """The list.  A file that is no card leaves the last good list in force."""

    def __init__(self, folder: Folder, log: Log) -> None:
        self._folder = folder
        self._log = log
        self._changed_at = folder.peers_changed_at()
        self._cards = folder.peers()

    def cards(self) -> dict[bytes, RelayCard]:
        """Return all cards by relay id."""
        changed_at = self._folder.peers_changed_at()
        if changed_at != self._changed_at:
            self._changed_at = changed_at
            try:
                self._cards = self._folder.peers()
            except LocalError as error:
                self._log.warning("peers-not-read", cause=Cause(error))
        return self._cards

    def homes(self) -> dict[tuple[str, int], RelayCard]:
        """Return the home relays by the address that a device asks an entry for."""
        return {
            (card.host.lower(), card.port): card
            for card in self.cards().values()
            if card.roles & RelayRole.HOME
        }

    def mirrors(self) -> dict[bytes, RelayCard]:
        """Return the entry relays, which mirror, by relay id."""
        return {key: card for key, card in self.cards().items() if card.roles & RelayRole.ENTRY}

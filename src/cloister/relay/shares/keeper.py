"""Everything about shares that one relay runs: file, thread, service, enforcement."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from cloister.crypto.entropy import Entropy
from cloister.relay.folder import Folder, Identity
from cloister.relay.logsafe import Log
from cloister.relay.services.seats import SeatTaker
from cloister.relay.shares.enforcing import Enforcement
from cloister.relay.shares.epoch_key import EpochKeyFile
from cloister.relay.shares.logs import KeptLogs
from cloister.relay.shares.service import ShareService
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.tickets import TicketCheck
from cloister.relay.shares.worker import ThreadWorker
from cloister.relay.storage.writes import Refused
from cloister.roster.relay_card import RelayCard


class ShareKeeper:
    """The shares of a running relay.  Made inside a running event loop."""

    def __init__(
        self,
        folder: Folder,
        identity: Identity,
        logs: KeptLogs,
        peers: Callable[[], Mapping[bytes, RelayCard]],
        *,
        seats: SeatTaker | None,
        entropy: Entropy,
        log: Log,
        now: Callable[[], int],
        on_failure: Callable[[], None],
    ) -> None:
        """Raises StorageFailure."""
        store = ShareStore(folder.shares_path, EpochKeyFile(folder.epoch_key_path), entropy)
        self._shares, self._erased = store.counts()
        self._watching: asyncio.Task[None] | None = None
        self._worker = ThreadWorker(store, log, on_failure)
        card, key = identity.card, identity.key
        self.enforcement = Enforcement(logs, self._worker, card.relay_id, key, log, now)
        self.service = ShareService(
            card,
            key,
            self._worker,
            TicketCheck(card, peers),
            self.enforcement,
            seats=seats,
            now=now,
            monotonic=time.monotonic,
        )

    def start(self, group: asyncio.TaskGroup) -> None:
        """Do what the logs say already, before any device asks; then watch them."""
        self.enforcement.look_at_all()
        self._watching = group.create_task(self.enforcement.run())

    def close(self) -> None:
        """Finish what is under way and give its answers.  Blocks."""
        if self._watching is not None:
            self._watching.cancel()  # or it would look at logs whose file is closed
        self._worker.close()

    def counts(self) -> dict[str, int]:
        """Return how many shares there were lately."""
        self._worker.submit(ShareStore.counts, self._on_counts)
        return {"shares": self._shares, "shares_erased": self._erased}

    def _on_counts(self, counts: tuple[int, int] | Refused) -> None:
        if not isinstance(counts, Refused):
            self._shares, self._erased = counts

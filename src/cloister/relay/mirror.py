"""The entry organisation's mirror: it stores what a home pushes, and only then cosigns (flows 2).

A cosignature says: this is the largest head I know, it continues all I have seen, the entries are
on my disk.  So each push is folded anew from what is stored, and a contradiction is refused and
counted, for it is a second history or a home restored from a backup.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from cloister.errors import CloisterError
from cloister.limits import (
    MAX_ENTRY_BYTES,
    MAX_LOG_PAGE_BYTES,
)
from cloister.relay.folder import Identity
from cloister.relay.logsafe import Code, Log
from cloister.relay.metrics import Metrics
from cloister.relay.shares.logs import KeptLog
from cloister.relay.storage.api import Store
from cloister.relay.storage.writes import Accepted, MirrorEntries, Outcome
from cloister.roster.relay_card import RelayCard
from cloister.roster.relay_fold import RelayFold
from cloister.transparency import RelayVerifier, cosign, verify_logged
from cloister.wire.mirror import (
    MirrorBehind,
    MirrorCosigned,
    MirrorFetch,
    MirrorMessage,
    MirrorPage,
    MirrorPush,
    MirrorRefusal,
    MirrorRefused,
)

_PAGE_BYTES: Final = 256 * 1024

Answer = Callable[[MirrorMessage], None]


class Mirror:
    """Folds, stores and cosigns logs."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        metrics: Metrics,
        log: Log,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._identity = identity
        self._metrics = metrics
        self._log = log
        self._now = now
        self._folds: dict[str, RelayFold] = {}
        self.on_kept: Callable[[str], None] = _nobody
        """Told the origin of a log that has new entries on disk."""

    def push(self, home: RelayCard, push: MirrorPush, answer: Answer) -> None:
        """Take a push of ``home``; ``answer`` is called once, now or when it is on disk."""
        try:
            checkpoint = verify_logged(push.note, RelayVerifier(home.name, home.key), push.origin)
            held = self._fold(push.origin)
        except CloisterError:
            self._refuse(push.origin, MirrorRefusal.MALFORMED, answer)
            return
        size = held.size if held is not None else 0
        if push.from_seq > size:
            answer(MirrorBehind(push.origin, size))
            return
        if checkpoint.size < size or push.from_seq + len(push.entries) != checkpoint.size:
            is_older = checkpoint.size < size
            code = MirrorRefusal.FORK if is_older else MirrorRefusal.MALFORMED
            self._refuse(push.origin, code, answer)
            return
        overlap = push.entries[: size - push.from_seq]
        if overlap and list(overlap) != self._stored(push.origin, push.from_seq, len(overlap)):
            self._refuse(push.origin, MirrorRefusal.FORK, answer)
            return
        fresh = push.entries[size - push.from_seq :]
        try:
            before, fold = None, held
            for entry in fresh:
                before, fold = (
                    fold,
                    RelayFold.found(entry) if fold is None else fold.append(entry),
                )
        except CloisterError:
            # A wrong root in an entry is a fork of its author or of the home.
            self._refuse(push.origin, MirrorRefusal.MALFORMED, answer)
            return
        if fold is None or fold.size != checkpoint.size or fold.root != checkpoint.root:
            self._refuse(push.origin, MirrorRefusal.FORK, answer)
            return
        if not self._is_ours(before or fold, fold, home, push):
            self._refuse(push.origin, MirrorRefusal.NOT_YOURS, answer)
            return
        write = MirrorEntries(push.origin, size, tuple(fresh), fold.root, push.note)
        self._store.submit(write, partial(self._on_stored, fold, push, answer))

    def fetch(self, home: RelayCard, fetch: MirrorFetch) -> MirrorPage:
        """Give a home that was restored what it had pushed; what is not its own is not known."""
        fold = self._fold(fetch.origin)
        row = self._store.log(fetch.origin)
        if fold is None or row is None or fold.relay_set.home.relay_id != home.relay_id:
            return MirrorPage(fetch.origin, fetch.from_seq, (), 0, b"", self._now())
        entries = self._store.entries(
            fetch.origin, fetch.from_seq, fold.size, MAX_LOG_PAGE_BYTES - MAX_ENTRY_BYTES
        )
        return MirrorPage(
            fetch.origin, fetch.from_seq, tuple(entries), fold.size, row.note, self._now()
        )

    def _on_stored(
        self, fold: RelayFold, push: MirrorPush, answer: Answer, outcome: Outcome
    ) -> None:
        if not isinstance(outcome, Accepted):
            self._folds.pop(push.origin, None)
            answer(MirrorRefused(push.origin, int(MirrorRefusal.STORAGE)))
            return
        self._folds[push.origin] = fold
        self._metrics.entries += len(push.entries)
        self._metrics.cosignatures += 1
        name = self._identity.card.name
        lines = cosign(push.note, name, self._identity.key, self._now())
        answer(MirrorCosigned(push.origin, fold.size, lines))
        self.on_kept(push.origin)

    def origins(self) -> list[str]:
        """Return the origins of all logs (``shares.logs.KeptLogs``)."""
        return self._store.origins()

    def kept(self, origin: str) -> KeptLog | None:
        """Return a log for the shares' eyes: this relay stores nothing that it did not cosign."""
        fold = self._fold(origin)
        return None if fold is None else KeptLog(fold, is_settled=True)

    def entries_of(self, origin: str, from_seq: int, to_seq: int) -> list[bytes]:
        """Return a page of entries (``shares.logs.KeptLogs``)."""
        return self._store.entries(origin, from_seq, to_seq, _PAGE_BYTES)

    def _is_ours(
        self, before: RelayFold, fold: RelayFold, home: RelayCard, push: MirrorPush
    ) -> bool:
        """Tell whether the log names this relay and the home that pushes, as far as it has come.

        A relay that joins a circle gets its log from the beginning, where it is not named yet. A
        push as large as a page is is not the last; whoever is last must name this relay.  The entry
        by which another home takes over is the last that the old one pushes, and a new
        home brings all that was before to a mirror that has it from nobody else."""
        relays = fold.relay_set
        own = self._identity.card.relay_id
        goes_on = sum(map(len, push.entries)) > MAX_LOG_PAGE_BYTES - MAX_ENTRY_BYTES
        return (
            fold.origin == push.origin
            and (
                home.relay_id in {relays.home.relay_id, before.relay_set.home.relay_id}
                or (goes_on and self._is_fed_by(home, push.origin))
            )
            and (goes_on or any(entry.relay_id == own for entry in relays.entries))
        )

    def _is_fed_by(self, home: RelayCard, origin: str) -> bool:
        """Tell whether all that is stored of a log, if anything, was pushed by this home."""
        row = self._store.log(origin)
        if row is None or row.size == 0:
            return True
        try:
            verify_logged(row.note, RelayVerifier(home.name, home.key), origin)
        except CloisterError:
            return False
        return True

    def _fold(self, origin: str) -> RelayFold | None:
        """Return the fold of what is stored, computed anew after a start."""
        fold = self._folds.get(origin)
        if fold is not None:
            return fold
        row = self._store.log(origin)
        if row is None or row.size == 0:
            return None
        size = 0
        while size < row.size:
            for entry in self._store.entries(origin, size, row.size, _PAGE_BYTES):
                fold = RelayFold.found(entry) if fold is None else fold.append(entry)
                size += 1
        if fold is not None:
            self._folds[origin] = fold
        return fold

    def _stored(self, origin: str, from_seq: int, count: int) -> list[bytes]:
        entries: list[bytes] = []
        while len(entries) < count:
            page = self._store.entries(
                origin, from_seq + len(entries), from_seq + count, _PAGE_BYTES
            )
            if not page:
                break
            entries += page
        return entries

    def _refuse(self, origin: str, code: MirrorRefusal, answer: Answer) -> None:
        self._metrics.refusals += 1
        self._log.warning("mirror-refused", code=Code(code))
        answer(MirrorRefused(origin, int(code)))


def _nobody(_origin: str) -> None:
    """Nobody is told yet."""

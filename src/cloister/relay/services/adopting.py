"""A circle that moves here from another home (docs/decisions/0038).

Its log is brought in pages and folded; whoever brings it has an activation code of this relay and
the key of a steward whom the log obeys.  The log itself must say that this relay is the home, and
a cosigned head of the old home that this is its log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridSignature, verify_hybrid
from cloister.crypto.signature import check_ed25519_public
from cloister.errors import CloisterError
from cloister.ids import ChannelId
from cloister.relay.services.context import Context
from cloister.relay.services.founding import Foundings
from cloister.relay.services.log import Logs
from cloister.relay.services.seats import Seats
from cloister.relay.session import Session
from cloister.relay.storage.writes import Accepted, AdoptCircle, OpenChannel, Outcome
from cloister.roster.entry import Entry
from cloister.roster.genesis import commons_commitment_of
from cloister.roster.governance_state import Move
from cloister.roster.relay_card import RelayCard
from cloister.roster.relay_fold import RelayFold
from cloister.transparency import RelayVerifier, verify_settled
from cloister.wire import adopting
from cloister.wire.auth import ADOPT_LABEL, AdoptContent
from cloister.wire.codes import Refusal

MAX_BROUGHT: Final = 4
"""Logs that are being brought at once."""
MAX_BROUGHT_BYTES: Final = 128 * 1024 * 1024
"""Of all of them: a log of 100,000 entries is half of it."""
MAX_TAIL: Final = 16
"""Entries beyond the newest head of a home that is lost."""
WAIT_S: Final = 3600
"""How long pages wait for the next one."""


class _Brought:
    """A log as far as it has been brought under one activation code."""

    def __init__(self, setup_key: bytes) -> None:
        self.setup_key = setup_key
        self.entries: list[tuple[int, bytes]] = []
        self.size_bytes = 0
        self.fold: RelayFold | None = None
        self.until = 0


class Adoptions:
    """The service.  ``peers`` are the relays of the operator's list by relay id."""

    def __init__(
        self,
        context: Context,
        logs: Logs,
        foundings: Foundings,
        seats: Seats,
        *,
        card: RelayCard,
        peers: Callable[[], Mapping[bytes, RelayCard]],
    ) -> None:
        self._context = context
        self._logs = logs
        self._is_signed = foundings.is_signed
        self._seats = seats
        self._card = card
        self._peers = peers
        self._brought: dict[bytes, _Brought] = {}

    def take_page(self, session: Session, request: adopting.AdoptEntries) -> None:
        """Fold a page of a log on, in memory: after a restart it is brought again."""
        rid = request.rid
        if not self._is_signed(request.code, request.setup_key, b"", request.signature):
            session.refuse(rid, Refusal.WRONG_CODE)
            return
        now = self._context.now()
        self._brought = {key: one for key, one in self._brought.items() if one.until >= now}
        code_hash = sha256(request.code)
        brought = self._brought.get(code_hash)
        if brought is None or brought.setup_key != request.setup_key:
            if len(self._brought) >= MAX_BROUGHT and code_hash not in self._brought:
                session.refuse(rid, Refusal.QUOTA)
                return
            brought = self._brought[code_hash] = _Brought(request.setup_key)
        brought.until = now + WAIT_S
        if request.from_seq != len(brought.entries):
            session.refuse(rid, Refusal.MOVED, len(brought.entries))
            return
        size = sum(map(len, request.entries))
        if size + sum(one.size_bytes for one in self._brought.values()) > MAX_BROUGHT_BYTES:
            session.refuse(rid, Refusal.QUOTA)
            return
        try:
            fold = brought.fold
            kinds = []
            for entry in request.entries:
                fold = RelayFold.found(entry) if fold is None else fold.append(entry)
                kinds.append((int(Entry.decode(entry).header.kind), entry))
        except CloisterError:
            del self._brought[code_hash]
            session.refuse(rid, Refusal.BAD_ENTRY)
            return
        brought.fold = fold
        brought.entries += kinds
        brought.size_bytes += size
        session.grant_time(self._context.monotonic())
        session.done(rid, len(brought.entries))

    def adopt(self, session: Session, request: adopting.AdoptCircle) -> None:
        """Take the circle over, or refuse what is wrong with it."""
        rid = request.rid
        if not self._is_signed(request.code, request.setup_key, b"", request.signature):
            session.refuse(rid, Refusal.WRONG_CODE)
            return
        code_hash = sha256(request.code)
        brought = self._brought.get(code_hash)
        fold = brought.fold if brought is not None else None
        if brought is None or fold is None or brought.setup_key != request.setup_key:
            session.refuse(rid, Refusal.MOVED, 0)
            return
        account = self._seats.account_of_code(code_hash)
        if account is not None and account.seats < len(request.inboxes):
            session.refuse(rid, Refusal.NO_SEAT, account.seats)
            return
        if not (
            self._is_ours(brought, fold, request) and self._is_authorised(fold, request, code_hash)
        ):
            session.refuse(rid, Refusal.BAD_ENTRY)
            return
        write = AdoptCircle(
            code_hash=code_hash,
            setup_key=request.setup_key,
            origin=fold.origin,
            entries=tuple(brought.entries),
            fold=fold.encode(),
            root=fold.root,
            note=self._logs.sign(fold.origin, fold.size, fold.root),
            commons=OpenChannel(
                fold.origin,
                request.commons_id,
                request.commons_key,
                request.epoch,
                request.first_n,
            ),
            inboxes=tuple((one.inbox_id, one.inbox_key) for one in request.inboxes),
        )
        self._context.begin_write(session, brought.size_bytes)
        self._context.store.submit(
            write, partial(self._on_adopted, session, rid, write, brought.size_bytes)
        )

    def _on_adopted(
        self, session: Session, rid: int, write: AdoptCircle, size: int, outcome: Outcome
    ) -> None:
        self._context.end_write(session, size)
        if not isinstance(outcome, Accepted):
            self._context.refuse(session, rid, outcome)
            return
        self._brought.pop(write.code_hash, None)
        if outcome.fresh:
            self._context.metrics.entries += len(write.entries)
            self._logs.load_anew(write.origin)
            self._logs.on_grown(write.origin)
        session.done(rid, len(write.entries))

    def _is_ours(self, brought: _Brought, fold: RelayFold, request: adopting.AdoptCircle) -> bool:
        """Tell whether the log ends with this relay as the home and continues the old home's."""
        governance, relays, peers = fold.governance, fold.relay_set, self._peers()
        if fold.origin != request.origin or relays.home != self._card:
            return False
        if not all(peers.get(entry.relay_id) == entry for entry in relays.entries):
            return False
        if governance.commons_commitment != commons_commitment_of(ChannelId(request.commons_id)):
            return False
        move = governance.moves[-1] if governance.moves else None
        return (
            move is not None
            and move.seq + 1 == fold.size
            and _is_settled(brought, move, request.note)
        )

    def _is_authorised(
        self, fold: RelayFold, request: adopting.AdoptCircle, code_hash: bytes
    ) -> bool:
        """Tell whether a steward whom the log obeys wants this relay to take it over so."""
        key = fold.governance.steward_keys.get(request.key_id)
        if key is None or not fold.governance.obeys(request.key_id):
            return False
        content = AdoptContent(
            relay_id=self._context.relay_id,
            origin=fold.origin,
            root=fold.root,
            commons_id=request.commons_id,
            commons_key=request.commons_key,
            epoch=request.epoch,
            first_n=request.first_n,
            code_hash=code_hash,
        ).encode()
        try:
            check_ed25519_public(request.commons_key)
            for inbox in request.inboxes:
                check_ed25519_public(inbox.inbox_key)
            signature = HybridSignature.decode(request.steward_signature)
            verify_hybrid(key, ADOPT_LABEL, content, signature)
        except (BadSignature, BadPublicKey, DecodeError):
            return False
        return True


def _is_settled(brought: _Brought, move: Move, note: bytes) -> bool:
    """Tell whether a cosigned head of the old home covers this log, or all but what moves it.

    A home that is lost signed nothing over the last entries; the mirrors decide whether they are
    the continuation."""
    fold, home, entries = brought.fold, move.before.home, move.before.entries
    if fold is None:
        return False
    try:
        settled = verify_settled(
            note,
            RelayVerifier(home.name, home.key),
            [RelayVerifier(entry.name, entry.key) for entry in entries],
            fold.origin,
        )
    except CloisterError:
        return False
    if settled.size == fold.size:
        return settled.root == fold.root
    if not fold.size - MAX_TAIL <= settled.size < fold.size:
        return False
    return settled.root == Entry.decode(brought.entries[settled.size][1]).header.root

"""Inboxes, their pools of key packages, and the boxes of invitations."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from cloister.crypto.errors import BadPublicKey
from cloister.crypto.signature import check_ed25519_public
from cloister.limits import MAX_FOLLOWED_OBJECTS, MAX_INVITE_LIFETIME_S
from cloister.relay.delivery import Follow
from cloister.relay.services.context import Context
from cloister.relay.services.seats import Seats
from cloister.relay.session import Grant, Session, State
from cloister.relay.shares.tickets import FOUNDER_TICKET_S, TicketOffice
from cloister.relay.storage.api import MailRow
from cloister.relay.storage.writes import (
    Accepted,
    AddKeyPackages,
    OpenBox,
    OpenInbox,
    Outcome,
    PutBoxItem,
    Refused,
    ReserveSeat,
    TakeKeyPackage,
    Taken,
)
from cloister.roster.relay_card import RelayCard
from cloister.wire import commands
from cloister.wire.adopting import AskTickets
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.events import MailItem, Opened, Package, Proved
from cloister.wire.frame import encode_message

_Key = tuple[int, bytes]


class Mailboxes:
    """The service."""

    def __init__(
        self,
        context: Context,
        seats: Seats,
        tickets: TicketOffice,
        share_relays_of: Callable[[str], tuple[RelayCard, ...]],
    ) -> None:
        """``share_relays_of`` tells where devices enrol, by the origin of their circle's log."""
        self._context = context
        self._seats = seats
        self._tickets = tickets
        self._share_relays_of = share_relays_of
        self._follows: dict[_Key, dict[Follow, None]] = {}
        context.on_mail = self.on_mail

    def prove(self, session: Session, request: commands.Prove) -> None:
        """Check a proof of an inbox or a box."""
        kind = ObjectKind(request.kind)
        is_proven = self._context.check_proof(session, request)
        row = self._context.store.mailbox(kind, request.object_id) if is_proven else None
        if row is None:
            session.refuse(request.rid, Refusal.UNKNOWN_OBJECT)
            return
        if kind is ObjectKind.BOX and row.expires < self._context.now():
            session.refuse(request.rid, Refusal.EXPIRED)
            return
        place = (int(kind), request.object_id)
        session.grants[place] = Grant(kind, request.object_id, row.origin, 0, row.floor_n)
        session.state = State.PROVEN
        session.answer(Proved(request.rid, 0, row.floor_n, row.next_n, row.floor_n))

    def follow(self, session: Session, request: commands.Follow) -> None:
        """Begin to push the items of a proven inbox or box."""
        key = (request.kind, request.object_id)
        if key not in session.grants:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        old = session.follows.pop(key, None)
        if old is not None:
            self._discard(key, old)
        elif len(session.follows) >= MAX_FOLLOWED_OBJECTS:
            session.refuse(request.rid, Refusal.QUOTA)
            return
        follow = Follow(session.outbox, self, request.kind, request.object_id, request.from_n)
        session.follows[key] = follow
        self._follows.setdefault(key, {})[follow] = None
        session.done(request.rid)
        follow.pump()

    def forget(self, session: Session) -> None:
        """A connection has ended."""
        for key, follow in list(session.follows.items()):
            if key[0] != ObjectKind.CHANNEL:
                self._discard(key, follow)

    def _discard(self, key: _Key, follow: Follow) -> None:
        follow.drop()
        follows = self._follows.get(key)
        if follows is not None:
            follows.pop(follow, None)
            if not follows:
                del self._follows[key]

    def on_mail(self, inbox_id: bytes, n: int) -> None:
        """A Welcome is in an inbox: push it."""
        self._pump((int(ObjectKind.INBOX), inbox_id))

    def _pump(self, key: _Key) -> None:
        for follow in self._follows.get(key, ()):
            follow.pump()

    def read(self, follow: Follow, max_items: int, max_bytes: int) -> list[tuple[int, bytes]]:
        """Serve a follow from storage (``delivery.Source``)."""
        kind = ObjectKind(follow.kind)
        rows = self._context.store.mail(kind, follow.object_id, follow.next_n, max_items, max_bytes)
        return [(row.n, _encode(kind, follow.object_id, row)) for row in rows]

    def part_of(
        self, session: Session, kind: ObjectKind, n: int, object_id: bytes
    ) -> tuple[bytes, int] | Refused:
        """Return (hash, parts) of the large item ``n`` of a proven inbox."""
        if (int(kind), object_id) not in session.grants:
            return Refused(Refusal.NOT_PROVEN)
        rows = self._context.store.mail(kind, object_id, n, 1, 1)
        if not rows or rows[0].n != n:
            return Refused(Refusal.UNKNOWN_OBJECT)
        return rows[0].object_hash, rows[0].parts

    # --- opening and writing -----------------------------------------------------------------

    def open_box(self, session: Session, request: commands.OpenBox) -> None:
        """Open the box of an invitation."""
        grant = session.current_commons(request.commons_id)
        if grant is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        now = self._context.now()
        if not _is_key(request.box_key) or request.expires > now + MAX_INVITE_LIFETIME_S:
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        if request.expires <= now:
            session.refuse(request.rid, Refusal.EXPIRED)
            return
        reservation = self._seats.reserve_for_box(grant.origin, request.box_key, request.expires)
        write = OpenBox(grant.origin, request.box_id, request.box_key, request.expires, reservation)
        self._context.begin_write(session, 0)
        self._context.store.submit(write, partial(self._on_box_open, session, request, write))

    def _on_box_open(
        self, session: Session, request: commands.OpenBox, write: OpenBox, outcome: Outcome
    ) -> None:
        self._context.end_write(session, 0)
        if not isinstance(outcome, Accepted):
            self._context.refuse(session, request.rid, outcome)
            return
        relays = [card.relay_id for card in self._share_relays_of(write.origin)]
        tickets = self._tickets.issue(relays, request.box_key, request.expires)
        session.answer(Opened(request.rid, tickets))

    def issue_tickets(self, session: Session, request: AskTickets) -> None:
        """Let a member's device enrol where the circle has other share relays than before."""
        grant = session.current_commons(request.commons_id)
        if grant is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        if not _is_key(request.ticket_key):
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        wanted = self._seats.reserve_for_device(grant.origin, request.ticket_key)
        if wanted is None:
            self._give_tickets(session, request, grant.origin)
            return
        self._context.begin_write(session, 0)
        self._context.store.submit(
            ReserveSeat(wanted), partial(self._on_reserved, session, request, grant.origin)
        )

    def _on_reserved(
        self, session: Session, request: AskTickets, origin: str, outcome: Outcome
    ) -> None:
        self._context.end_write(session, 0)
        if isinstance(outcome, Accepted):
            self._give_tickets(session, request, origin)
        else:
            self._context.refuse(session, request.rid, outcome)

    def _give_tickets(self, session: Session, request: AskTickets, origin: str) -> None:
        relays = [card.relay_id for card in self._share_relays_of(origin)]
        expires = self._context.now() + FOUNDER_TICKET_S
        tickets = self._tickets.issue(relays, request.ticket_key, expires)
        session.answer(Opened(request.rid, tickets))

    def open_inbox(self, session: Session, request: commands.OpenInbox) -> None:
        """Open the inbox of a newcomer who has proved a box."""
        if (ObjectKind.BOX, request.box_id) not in session.grants:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        if not _is_key(request.inbox_key):
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        now = self._context.now()
        write = OpenInbox(request.box_id, request.inbox_id, request.inbox_key, now)
        self._context.submit_simple(session, request.rid, write)

    def put_box(self, session: Session, request: commands.PutBox) -> None:
        """Put an item into a proven box."""
        if (ObjectKind.BOX, request.box_id) not in session.grants:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        write = PutBoxItem(request.box_id, request.item, self._context.now())
        self._context.begin_write(session, len(request.item))
        self._context.store.submit(write, partial(self._on_box_item, session, request))

    def _on_box_item(self, session: Session, request: commands.PutBox, outcome: Outcome) -> None:
        self._context.end_write(session, len(request.item))
        if isinstance(outcome, Accepted):
            session.done(request.rid, outcome.n)
            if outcome.fresh:
                self._pump((int(ObjectKind.BOX), request.box_id))
        else:
            self._context.refuse(session, request.rid, outcome)

    def publish(self, session: Session, request: commands.PublishKeyPackages) -> None:
        """Add to the pool of a proven inbox; with nothing to add, tell its size."""
        if (ObjectKind.INBOX, request.inbox_id) not in session.grants:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        self._context.submit_simple(
            session, request.rid, AddKeyPackages(request.inbox_id, request.packages)
        )

    def take(self, session: Session, request: commands.TakeKeyPackage) -> None:
        """Take a key package of an inbox of the same circle."""
        grant = session.current_commons(request.commons_id)
        if grant is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        write = TakeKeyPackage(grant.origin, request.inbox_id)
        self._context.begin_write(session, 0)
        self._context.store.submit(write, partial(self._on_taken, session, request.rid))

    def _on_taken(self, session: Session, rid: int, outcome: Outcome) -> None:
        self._context.end_write(session, 0)
        if isinstance(outcome, Taken):
            session.answer(Package(rid, outcome.package))
        else:
            self._context.refuse(session, rid, outcome)


def _is_key(key: bytes) -> bool:
    try:
        check_ed25519_public(key)
    except BadPublicKey:
        return False
    return True


def _encode(kind: ObjectKind, object_id: bytes, row: MailRow) -> bytes:
    return encode_message(
        MailItem(int(kind), object_id, row.n, row.item, row.parts, row.object_hash)
    )

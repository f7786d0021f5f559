"""What a device may do with its share: enrol, also again, evaluate, confirm, change generations.

Each act runs as one job of the worker: rights, state and effect in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, BadSignature
from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.oprf import check_element
from cloister.crypto.secret import Secret
from cloister.crypto.signature import check_ed25519_public, verify_ed25519
from cloister.ids import Handle, RelayId
from cloister.relay.nobody import NO_KEY
from cloister.relay.shares.rows import DELAYS_S, TRIES, Enrolment, Share
from cloister.relay.shares.store import ShareStore
from cloister.relay.shares.tickets import MAX_TICKET_S, ticket_name
from cloister.relay.storage.writes import Accepted, Refused
from cloister.roster.share import (
    UNSIGNED,
    ShareReceipt,
    Ticket,
    sign_by_relay,
    verify_by_relay,
)
from cloister.values import replace
from cloister.wire import commands
from cloister.wire.auth import (
    ENROL_LABEL,
    SHARE_LABEL,
    EnrolContent,
    ShareAct,
    ShareContent,
)
from cloister.wire.codes import Refusal


class Try(msgspec.Struct, frozen=True):
    """A try that is used up: what it is evaluated under, and how many are left."""

    scalar: Secret
    left: int


class ShareActs:
    """Judges requests against the rows of a store."""

    def __init__(self, relay_id: RelayId, key: HybridKey, now: Callable[[], int]) -> None:
        self._relay_id = relay_id
        self._key = key
        self._now = now

    # --- enrolling ---------------------------------------------------------------------------

    def check_enrol(self, request: commands.Enrol, ticket: Ticket) -> Refused | None:
        """Check keys and signature of an enrolment, which needs no row."""
        keys = (request.unlock_key, request.confirm_key, request.owner_key)
        content = EnrolContent(
            relay_id=self._relay_id,
            ticket=request.ticket,
            unlock_key=request.unlock_key,
            confirm_key=request.confirm_key,
            owner_key=request.owner_key,
            bind=request.bind,
        )
        try:
            for key in keys:
                check_ed25519_public(key)
            verify_ed25519(ticket.key, ENROL_LABEL, content.encode(), request.signature)
        except (BadPublicKey, BadSignature):
            return Refused(Refusal.BAD_TICKET)
        # The unlock key lies outside the vault: were it the confirm key too, ten tries would
        # never run out.
        return Refused(Refusal.MALFORMED) if len(set(keys)) < len(keys) else None

    def enrol(
        self, store: ShareStore, request: commands.Enrol, ticket: Ticket
    ) -> Enrolment | Refused:
        """Spend a ticket; to the same keys again, give the same answer again."""
        name = ticket_name(ticket)
        before = store.enrolment(name)
        if before is not None:
            share = store.share(before.handle)
            if share is None or not _is_of(share, request, request.confirm_key):
                held = share is not None and share.is_held
                return Refused(Refusal.HELD if held else Refusal.BAD_TICKET)
            return before
        if not 0 < ticket.expires - self._now() <= MAX_TICKET_S:
            return Refused(Refusal.BAD_TICKET)
        handle = store.add(request.bind, request.unlock_key, request.confirm_key, request.owner_key)
        unsigned = ShareReceipt(
            relay_id=self._relay_id,
            handle=handle,
            bind=request.bind,
            unlock_key=request.unlock_key,
            owner_key=request.owner_key,
            signature=UNSIGNED,
        )
        receipt = replace(unsigned, signature=sign_by_relay(unsigned, self._key))
        enrolment = Enrolment(handle, receipt.encode())
        store.spend(name, enrolment, ticket.expires)
        return enrolment

    def check_again(self, request: commands.EnrolAgain, nonce: bytes) -> ShareReceipt | Refused:
        """Check what an enrolment again stands on: this relay's own word, and two of the device's
        keys, of which the disk alone has one and another device of the member the other.

        Whatever is wrong is answered as an unknown handle is."""
        try:
            receipt = ShareReceipt.decode(request.receipt)
            if receipt.relay_id != self._relay_id:
                return Refused(Refusal.UNKNOWN_OBJECT)
            verify_by_relay(receipt, self._key.public)
            check_ed25519_public(request.confirm_key)
            element = request.confirm_key
            content = self._content(receipt.handle, 0, ShareAct.ENROL_AGAIN, element, nonce)
            verify_ed25519(receipt.unlock_key, SHARE_LABEL, content, request.unlock_signature)
            verify_ed25519(receipt.owner_key, SHARE_LABEL, content, request.owner_signature)
        except (DecodeError, BadPublicKey, BadSignature):
            return Refused(Refusal.UNKNOWN_OBJECT)
        if request.confirm_key in (receipt.unlock_key, receipt.owner_key):
            return Refused(Refusal.MALFORMED)
        return receipt

    def enrol_again(
        self, store: ShareStore, request: commands.EnrolAgain, receipt: ShareReceipt
    ) -> Accepted | Refused:
        """Put the row back that a receipt tells of, as a restored relay has it: without a scalar.

        No row is ever deleted, so one that is missing was never erased here: it came after the
        backup.  What the log says of the handle is carried out before anything else is asked."""
        share = store.share(receipt.handle)
        if share is None:
            store.add_again(receipt, request.confirm_key)
        elif not _is_of(share, receipt, request.confirm_key):
            return Refused(Refusal.UNKNOWN_OBJECT)
        return Accepted()

    # --- unlocking ---------------------------------------------------------------------------

    def evaluate(
        self, store: ShareStore, request: commands.Evaluate, nonce: bytes
    ) -> Try | Refused:
        """Use up a try.  The caller evaluates, when that is on disk and not before."""
        share = self._proven(store, request, ShareAct.EVALUATE, nonce, request.blinded)
        if isinstance(share, Refused):
            return share
        refused = _closed(share)
        if refused is not None:
            return refused
        if share.tries_left <= 0:
            return Refused(Refusal.SEALED)
        now = self._now()
        if share.next_at > now:
            return Refused(Refusal.SLOW_DOWN, share.next_at - now)
        scalar = store.scalar(share.handle, request.generation)
        if scalar is None:
            return _missing(store, share, request.generation) or Refused(Refusal.GENERATION)
        try:
            check_element(request.blinded)
        except BadPublicKey:
            return Refused(Refusal.MALFORMED)
        left = share.tries_left - 1
        delay = DELAYS_S[TRIES - left] if left else 0
        store.set_tries(share.handle, left, now + delay if delay else 0)
        return Try(scalar, left)

    def confirm(
        self, store: ShareStore, request: commands.Confirm, nonce: bytes
    ) -> Accepted | Refused:
        """Give the tries back: the confirm key is inside the vault, so the vault is open.

        Also when none is left: the last try may have been the right one."""
        share = self._proven(store, request, ShareAct.CONFIRM, nonce)
        if isinstance(share, Refused):
            return share
        refused = _closed(share) or _missing(store, share, request.generation)
        if refused is not None:
            return refused
        store.set_tries(share.handle, TRIES, 0)
        return Accepted(TRIES)

    # --- generations -------------------------------------------------------------------------

    def next_generation(
        self, store: ShareStore, request: commands.NextGeneration, nonce: bytes
    ) -> Accepted | Refused:
        """Make the next scalar; the same again finds it made.  At most two are kept."""
        share = self._proven(store, request, ShareAct.NEXT, nonce)
        if isinstance(share, Refused):
            return share
        if not store.generations(share.handle):
            return self._replace_lost(store, share, request.generation)
        refused = _closed(share)
        if refused is None and request.generation == share.generation:
            return Accepted(share.generation)  # under a hold too: nothing is made or destroyed
        refused = refused or _held(share)
        if refused is not None:
            return refused
        if request.generation != share.generation + 1:
            return Refused(Refusal.GENERATION, share.generation)
        if len(store.generations(share.handle)) > 1:
            return Refused(Refusal.QUOTA)
        store.add_scalar(share.handle, request.generation)
        return Accepted(request.generation)

    def _replace_lost(self, store: ShareStore, share: Share, generation: int) -> Accepted | Refused:
        """Draw a scalar where a restored relay has none: the vault is open, and wraps its key anew.

        Also under a hold, as there is nothing to destroy. Any later generation: the backup may be
        older than the last change of the PIN. The newest again: the backup may be from when that
        was made, and no vault needed it yet; one that does asks for the next."""
        refused = _closed(share)
        if refused is not None:
            return refused
        if generation < share.generation:
            return Refused(Refusal.GENERATION)
        store.add_scalar(share.handle, generation)
        store.set_tries(share.handle, TRIES, 0)
        return Accepted(generation)

    def drop_generation(
        self, store: ShareStore, request: commands.DropGeneration, nonce: bytes
    ) -> Accepted | Refused:
        """Destroy the scalars before a generation, never that one itself."""
        share = self._proven(store, request, ShareAct.DROP, nonce)
        if isinstance(share, Refused):
            return share
        # What is lost is said under a hold too: the device must make it anew while it is open.
        refused = _closed(share) or _missing(store, share, request.generation) or _held(share)
        if refused is not None:
            return refused
        store.drop_scalars(share.handle, request.generation)
        return Accepted()

    # --- rights ------------------------------------------------------------------------------

    def _proven(
        self,
        store: ShareStore,
        request: (
            commands.Evaluate | commands.Confirm | commands.NextGeneration | commands.DropGeneration
        ),
        act: ShareAct,
        nonce: bytes,
        element: bytes = b"",
    ) -> Share | Refused:
        """Return the share whose key signed this act on this connection.

        An unknown handle and a wrong signature get one answer after the same work: whoever has
        no key learns not even which handles exist."""
        share = store.look_up(Handle(request.handle))
        if share is None:
            key = NO_KEY
        else:
            key = share.unlock_key if act is ShareAct.EVALUATE else share.confirm_key
        content = self._content(request.handle, request.generation, act, element, nonce)
        try:
            verify_ed25519(key, SHARE_LABEL, content, request.signature)
        except (BadSignature, BadPublicKey):
            return Refused(Refusal.UNKNOWN_OBJECT)
        return Refused(Refusal.UNKNOWN_OBJECT) if share is None else share

    def _content(
        self, handle: bytes, generation: int, act: ShareAct, element: bytes, nonce: bytes
    ) -> bytes:
        return ShareContent(
            relay_id=self._relay_id,
            handle=handle,
            generation=generation,
            act=int(act),
            element=element,
            nonce=nonce,
        ).encode()


def _is_of(share: Share, named: commands.Enrol | ShareReceipt, confirm_key: bytes) -> bool:
    return (share.bind, share.unlock_key, share.confirm_key, share.owner_key) == (
        named.bind,
        named.unlock_key,
        confirm_key,
        named.owner_key,
    )


def _closed(share: Share) -> Refused | None:
    """Refuse what is erased or locked: an erased share stays one whatever else is said."""
    if share.erased_at is not None:
        return Refused(Refusal.ERASED)
    return None if share.locked_at is None else Refused(Refusal.LOCKED)


def _held(share: Share) -> Refused | None:
    return Refused(Refusal.HELD) if share.is_held else None


def _missing(store: ShareStore, share: Share, generation: int) -> Refused | None:
    generations = store.generations(share.handle)
    if generation in generations:
        return None
    # Detail 0: none is kept, as a restored relay has lost it.
    return Refused(Refusal.GENERATION, share.generation if generations else 0)

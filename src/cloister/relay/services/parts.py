"""Large objects: staged in parts, named by a commit, read part by part (flows 4.4)."""

from __future__ import annotations

from cloister.limits import STAGED_LIFETIME_S
from cloister.relay.services.channels import Channels
from cloister.relay.services.context import Context
from cloister.relay.services.mailboxes import Mailboxes
from cloister.relay.session import Session
from cloister.relay.storage.writes import (
    Refused,
    StagePart,
)
from cloister.wire import commands
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.events import Part


class Parts:
    """The service."""

    def __init__(self, context: Context, channels: Channels, mailboxes: Mailboxes) -> None:
        self._context = context
        self._channels = channels
        self._mailboxes = mailboxes

    def stage(self, session: Session, request: commands.Stage) -> None:
        """Park a part under a channel whose current epoch is proven, or a proven inbox."""
        grant = session.grants.get((request.kind, request.object_id))
        if grant is None or not grant.is_current or request.kind == ObjectKind.BOX:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        if request.index >= request.count:
            session.refuse(request.rid, Refusal.MALFORMED)
            return
        now = self._context.now()
        write = StagePart(
            owner_id=request.object_id,
            object_hash=request.object_hash,
            index=request.index,
            count=request.count,
            part=request.part,
            until=now + STAGED_LIFETIME_S,
            now=now,
        )
        self._context.submit_simple(session, request.rid, write)

    def read_part(self, session: Session, request: commands.ReadPart) -> None:
        """Read a part of a large item."""
        kind = ObjectKind(request.kind)
        if kind is ObjectKind.CHANNEL:
            found = self._channels.part_of(session, request.n, request.object_id)
        else:
            found = self._mailboxes.part_of(session, kind, request.n, request.object_id)
        if isinstance(found, Refused):
            session.refuse(request.rid, found.code)
            return
        self._answer(session, request.rid, request.object_id, found[0], request.index)

    def read_tree(self, session: Session, request: commands.ReadTree) -> None:
        """Read a part of the encrypted ratchet tree of the proven epoch, ended or not."""
        grant = session.channel_grant(request.channel_id)
        if grant is None:
            session.refuse(request.rid, Refusal.NOT_PROVEN)
            return
        rung = self._context.store.ladder(request.channel_id, grant.epoch)
        if rung is None or not rung.tree:
            session.refuse(request.rid, Refusal.UNKNOWN_OBJECT)
            return
        self._answer(session, request.rid, request.channel_id, rung.tree, request.index)

    def _answer(
        self, session: Session, rid: int, owner_id: bytes, object_hash: bytes, index: int
    ) -> None:
        found = self._context.store.part(owner_id, object_hash, index) if object_hash else None
        if found is None:
            session.refuse(rid, Refusal.UNKNOWN_OBJECT)
        else:
            session.answer(Part(rid, found[0], found[1]))

"""Large objects of a commit: staged in parts before it, read in parts after it (flows 4.4).

A commit of a large group may be larger than an envelope, and so may its ratchet tree.  Both are
parked at the relay under their hash; the commit names the hashes.  Whoever receives the commit
reads its parts and checks the hash before anything looks at the bytes.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import msgspec

from cloister.client.linking import on_common_refusal
from cloister.client.records import Staged
from cloister.client.state import Purpose, Work, with_item, without
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.errors import RemoteError
from cloister.limits import ENVELOPE_SIZES, MAX_PARTS, PART_BYTES
from cloister.wire.auth import ObjectKind
from cloister.wire.commands import ReadPart, Stage
from cloister.wire.events import CommitItem, Failed, Part

MAX_INLINE_BYTES: Final = ENVELOPE_SIZES[-1]
"""A commit up to this size travels as an envelope."""
COMMIT_SIZES: Final = (*ENVELOPE_SIZES, *(PART_BYTES * parts for parts in (2, 4, 8, MAX_PARTS)))
"""Sizes a commit is padded to: those of envelopes, and beyond them a few whole numbers of parts."""


def is_large(envelope: bytes) -> bool:
    """Whether a commit has to be staged."""
    return len(envelope) > MAX_INLINE_BYTES


# --- the committer --------------------------------------------------------------------------------


def stage_parts(turn: Turn, channel_id: bytes, staged: Staged) -> bool:
    """Stage what of a commit is large; return whether all its parts are at the relay."""
    objects = [staged.tree] if staged.tree else []
    if is_large(staged.envelope):
        objects.append(staged.envelope)
    for whole in objects:
        whole_hash = sha256(whole)
        count = -(-len(whole) // PART_BYTES)
        for index in range(count):
            purpose = Purpose(Work.STAGE, channel_id + whole_hash, index)
            if purpose in turn.session.done:
                continue
            part = whole[index * PART_BYTES : (index + 1) * PART_BYTES]
            fields = (int(ObjectKind.CHANNEL), channel_id, whole_hash, index, count, part)
            turn.ask(purpose, partial(_stage, fields))
            return False  # one part at a time: a part fills a quarter of the largest frame
    return True


def _stage(fields: tuple[int, bytes, bytes, int, int, bytes], rid: int) -> Stage:
    return Stage(rid, *fields)


def forget_parts(turn: Turn, channel_id: bytes) -> None:
    """Stage anew: the relay says that parts are missing."""
    kept = frozenset(
        one
        for one in turn.session.done
        if one.work is not Work.STAGE or not one.subject.startswith(channel_id)
    )
    turn.change_session(done=kept)


# --- those who receive ----------------------------------------------------------------------------


def whole_commit(turn: Turn, event: CommitItem, own: bytes) -> CommitItem | None:
    """Return a commit with its bytes; ``None`` while parts are missing.

    ``own`` is this device's staged commit, which need not be read back.  Raises ``RemoteError``
    when the parts are not the object that the relay named.
    """
    if not event.parts:
        return event
    if not 0 < event.parts <= MAX_PARTS:
        raise RemoteError("a large commit has more parts than an object may have")
    if own and sha256(own) == event.object_hash:
        return msgspec.structs.replace(event, envelope=own, parts=0)
    parts = turn.session.commit_parts.get(_key(event), ())
    if len(parts) < event.parts:
        return None
    whole = b"".join(parts)
    if sha256(whole) != event.object_hash:
        raise RemoteError("the parts of a large commit do not fit its hash")
    return msgspec.structs.replace(event, envelope=whole, parts=0)


def advance(turn: Turn) -> None:
    """Read the parts of large commits that hold their channels up."""
    for events in turn.session.held.values():
        first = events[0]
        if not isinstance(first, CommitItem) or not 0 < first.parts <= MAX_PARTS:
            continue
        index = len(turn.session.commit_parts.get(_key(first), ()))
        if index < first.parts:
            turn.ask(Purpose(Work.READ_PART, _key(first), index), partial(_read, first, index))


def _read(event: CommitItem, index: int, rid: int) -> ReadPart:
    return ReadPart(
        rid=rid,
        kind=int(ObjectKind.CHANNEL),
        object_id=event.channel_id,
        n=event.n,
        index=index,
    )


def on_part(turn: Turn, purpose: Purpose, event: Part) -> None:
    """Take a part, in order."""
    parts = turn.session.commit_parts.get(purpose.subject, ())
    if purpose.number == len(parts):
        kept = with_item(turn.session.commit_parts, purpose.subject, (*parts, event.part))
        turn.change_session(commit_parts=kept)
        turn.release = True


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Begin anew after a pause."""
    if not on_common_refusal(turn, purpose, event):
        turn.change_session(commit_parts=without(turn.session.commit_parts, purpose.subject))
        turn.delay(purpose, 5)


def _key(event: CommitItem) -> bytes:
    return event.channel_id + event.n.to_bytes(8, "big")

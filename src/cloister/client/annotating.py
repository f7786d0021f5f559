"""What is said of a message: its author edits it or takes it back, anybody reacts to it.

An annotation names its target by the message id and makes no row of its own.  The core cannot see
whether the target is there: the vault applies an edit or a retraction only to a text of the same
member, by the devices that the roster has for it (``effects.Annotation.dids``).  Of two that
contradict each other the later one in the channel counts, so all devices end alike.
"""

from __future__ import annotations

from typing import Final

from cloister.client.content import (
    ANNOTATING,
    ContentKind,
    check_text,
    shown_text,
)
from cloister.client.effects import Annotation, AnnotationKind, MessageState
from cloister.client.identity import did_of
from cloister.client.inputs import Annotate
from cloister.client.records import Outgoing
from cloister.client.safe_text import safe_line
from cloister.client.state import Channel, State
from cloister.client.turn import Turn
from cloister.codec import DecodeError, Struct, fixed, layout, opaque
from cloister.errors import RemoteError, UsageError
from cloister.ids import SHORT_ID_BYTES, DeviceId

MAX_MARK_BYTES: Final = 32
"""A word, or a few signs: what is longer is a reply."""


@layout
class Edit(Struct):
    """Body of an EDIT: the text that stands in the place of the target's."""

    target: bytes = fixed(16)
    text: bytes = opaque()


@layout
class Retraction(Struct):
    """Body of a RETRACT: the target's author takes it back."""

    target: bytes = fixed(16)


@layout
class ReactionBody(Struct):
    """Body of a REACTION; an empty mark takes the author's own back."""

    target: bytes = fixed(16)
    mark: bytes = opaque(max_bytes=MAX_MARK_BYTES)


def body_of(act: Annotate) -> tuple[ContentKind, bytes]:
    """Return kind and body of what a person says.  Raises ``UsageError``."""
    if len(act.message_id) != SHORT_ID_BYTES:
        raise UsageError("a message is named by its id of 16 bytes")
    match act.kind:
        case AnnotationKind.EDIT:
            text = check_text(act.text)
            return ContentKind.EDIT, Edit(target=act.message_id, text=text).encode()
        case AnnotationKind.RETRACTION:
            return ContentKind.RETRACT, Retraction(target=act.message_id).encode()
        case AnnotationKind.REACTION:
            mark = checked_mark(act.text)
            return ContentKind.REACTION, ReactionBody(target=act.message_id, mark=mark).encode()
        case _:
            raise UsageError("a message is edited, taken back or reacted to")


def checked_mark(text: str) -> bytes:
    """Return the bytes of a mark that may be sent.  Raises ``UsageError``."""
    mark = safe_line(text).encode()
    if len(mark) > MAX_MARK_BYTES:
        raise UsageError(
            f"a reaction has at most {MAX_MARK_BYTES} bytes", hint="Answer it with a text instead."
        )
    if text and not mark:
        raise UsageError("the reaction is empty")
    return mark


def target_and_text(kind: int, body: bytes) -> tuple[bytes, str]:
    """Return whom an annotation is of, and its text or mark, sanitised.  Raises ``DecodeError``."""
    match kind:
        case ContentKind.EDIT:
            edit = Edit.decode(body)
            text = shown_text(edit.text)
            if not text.strip():
                raise DecodeError("an edit leaves nothing of a text")
            return edit.target, text
        case ContentKind.RETRACT:
            return Retraction.decode(body).target, ""
        case ContentKind.REACTION:
            reaction = ReactionBody.decode(body)
            try:
                return reaction.target, safe_line(reaction.mark.decode("utf-8"))
            except UnicodeDecodeError:
                raise DecodeError("a reaction is not UTF-8") from None
        case _:
            raise DecodeError("this is no annotation")


def store_own(
    turn: Turn, channel: Channel, outgoing: Outgoing, state: MessageState, n: int, reason: str
) -> None:
    """Write one's own: queued, in the channel, or failed for a reason."""
    target, text = target_and_text(outgoing.kind, outgoing.body)
    _store(
        turn,
        channel,
        did_of(turn.state),
        outgoing.message_id,
        target=target,
        kind=outgoing.kind,
        state=state,
        n=n,
        at=outgoing.at,
        text=text,
        reason=reason,
    )


def store_received(
    turn: Turn, channel: Channel, did: DeviceId, place: tuple[bytes, int, int], said: Said
) -> None:
    """Write what another device said; ``place``: its id, the channel's index, its clock."""
    kind, target, text = said
    message_id, n, at = place
    _store(
        turn,
        channel,
        did,
        message_id,
        target=target,
        kind=kind,
        state=MessageState.RECEIVED,
        n=n,
        at=at,
        text=text,
        reason="",
    )


Said = tuple[int, bytes, str]
"""Kind of the content, target, text or mark."""


def said_of(kind: int, body: bytes) -> Said | None:
    """Return what a content says of a message; nothing when it is of another kind.

    Raises ``DecodeError``."""
    return (kind, *target_and_text(kind, body)) if kind in ANNOTATING else None


def _store(
    turn: Turn,
    channel: Channel,
    did: DeviceId,
    message_id: bytes,
    *,
    target: bytes,
    kind: int,
    state: MessageState,
    n: int,
    at: int,
    text: str,
    reason: str,
) -> None:
    member_id, name, dids = _author(turn.state, did)
    turn.store_annotation(
        Annotation(
            channel_id=channel.channel_id,
            message_id=message_id,
            target=target,
            kind=AnnotationKind(kind),
            member_id=member_id,
            name=name,
            dids=dids,
            own=did == did_of(turn.state),
            state=state,
            n=n,
            at=at,
            text=text,
            reason=reason,
        )
    )


def _author(state: State, did: DeviceId) -> tuple[bytes, str, tuple[bytes, ...]]:
    roster = state.roster
    record = roster.devices.get(did) if roster is not None else None
    if roster is None or record is None:
        raise RemoteError("the author of a message is not in the circle")
    member = roster.members[record.member_id]
    return bytes(member.member_id), safe_line(member.name), tuple(map(bytes, member.devices))

"""Appending to the log: intents, signed at the tail, stored, sent, seen to be settled (flows 2).

One entry is under way at a time.  Its bytes are stored before they are sent; after a crash the
same bytes go out again and get the same answer.  When another entry took the place, the intent is
asked whether it is still meant, and signed anew.

Sealed entries are signed by the device and sealed under the newest log key; they need the commons.
Readable ones are signed with the device's steward key and need nothing but the log's tail: stewards
are heard even while somebody else owns the commons, and before a log key is announced.
"""

from __future__ import annotations

from typing import Final

from cloister.client.identity import did_of, identity_of, steward_key
from cloister.client.linking import on_common_refusal, refusal_error
from cloister.client.log import tail
from cloister.client.meaning import why_pointless
from cloister.client.records import Intent, kind_of
from cloister.client.state import Purpose, State, Work
from cloister.client.turn import SettledEntry, Turn
from cloister.crypto.hashing import sha256
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, PolicyError
from cloister.ids import SHORT_ID_BYTES
from cloister.roster.entry import Entry, EntryKind, SealedType, seal_entry
from cloister.roster.events import Ignored
from cloister.roster.readable import ReadableType, make_readable
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.commands import Append
from cloister.wire.events import Done, Failed

REFUSED_PAUSE_S: Final = 30
"""Wait after an entry that the relay would not have, before any other is tried."""
_POWERS: Final = frozenset(
    {
        SealedType.REMOVE,
        SealedType.APPROVE,
        SealedType.DEVICE_REVOKE,
        SealedType.SUSPEND,
        SealedType.REINSTATE,
        SealedType.STEWARD_KEY,
        SealedType.POLICY,
        SealedType.OBJECTION,
        SealedType.EXPORT,
    }
)
"""Sealed acts of power, answered with the entry's hash; so are all readable ones."""
_ANY: Final = Purpose(Work.APPEND)


def intend(turn: Turn, entry_type: SealedType | ReadableType, content: bytes) -> bytes:
    """Queue something to be appended; return the intent's id.  Equal ones are queued once."""
    for intent in turn.state.intents:
        if intent.is_of(entry_type) and intent.content == content:
            return intent.intent_id
    intent = intent_of(entry_type, content, turn.entropy.random(SHORT_ID_BYTES))
    turn.change(intents=(*turn.state.intents, intent))
    return intent.intent_id


def intent_of(
    entry_type: SealedType | ReadableType, content: bytes, intent_id: bytes = bytes(SHORT_ID_BYTES)
) -> Intent:
    """Return an intent that is not signed yet; without an id it is only to be looked at."""
    return Intent(
        intent_id=intent_id,
        kind=kind_of(entry_type),
        entry_type=int(entry_type),
        content=content,
        entry=b"",
        seq=0,
        appended=False,
    )


def has_intent(
    state: State, entry_type: SealedType | ReadableType, content: bytes | None = None
) -> bool:
    """Return whether such an entry is queued already."""
    return any(
        intent.is_of(entry_type) and content in (None, intent.content) for intent in state.intents
    )


def newest_generation(state: State) -> int:
    """Return the generation of the newest log key that this device holds."""
    return max(state.log_keys, default=0)


def advance(turn: Turn) -> None:
    """Sign the first intent that may go at the log's tail, and send it."""
    state = turn.state
    roster = state.roster
    if roster is None or state.identity is None or not turn.is_linked:
        return
    intent = next((one for one in state.intents if _may_go(turn, one)), None)
    if intent is None or intent.appended:
        return
    if not (turn.may_ask(_purpose(intent)) and turn.may_ask(_ANY)):
        return
    size, root = tail(turn)
    if size < turn.session.tail_hint:
        return
    if not intent.entry or intent.seq != size or Entry.decode(intent.entry).header.root != root:
        if intent.entry and intent.entry in turn.session.pending:
            return  # it is in the log already and only waits to be settled
        pointless = why_pointless(state.roster_ahead or roster, intent)
        if pointless is not None:
            _drop(turn, intent, pointless)
            return
        last = turn.session.pending[-1:]
        floor = Entry.decode(last[0]).header.ts if last else roster.ts
        entry = sign(turn, intent, seq=size, root=root, ts=max(turn.now, floor))
        intent = replace(intent, entry=entry, seq=size)
        _put(turn, intent)
    origin, entry, expected = roster.origin, intent.entry, intent.seq
    turn.ask(
        _purpose(intent),
        lambda rid: Append(rid=rid, origin=origin, expected=expected, entry=entry),
    )


def _may_go(turn: Turn, intent: Intent) -> bool:
    """Whether the relay would take such an entry now, and members count it."""
    if intent.kind is EntryKind.READABLE:
        return True
    roster, commons = turn.state.roster, turn.state.commons
    if roster is None or commons is None or not turn.is_current(commons.channel_id):
        return False
    # Nothing is appended in a generation before its log_key has been (flows 2).
    return intent.is_of(SealedType.LOG_KEY) or newest_generation(turn.state) == roster.generation


def sign(
    turn: Turn,
    intent: Intent,
    *,
    seq: int,
    root: bytes,
    ts: int,
    generation: int | None = None,
) -> bytes:
    """Make the entry of an intent for a place in the log; ``ts`` in s since the Unix epoch.

    ``generation``: of the log key that seals it; the newest unless said otherwise.
    """
    state = turn.state
    identity = identity_of(state)
    roster = state.roster
    if roster is None:
        raise PolicyError("there is no log to write to yet")
    if intent.kind is EntryKind.READABLE:
        return make_readable(
            intent.entry_type,
            intent.content,
            steward_key=steward_key(identity),
            circle_id=roster.circle_id,
            seq=seq,
            root=root,
            ts=ts,
        )
    if generation is None:
        generation = newest_generation(state)
    if intent.is_of(SealedType.LOG_KEY):
        # Two removals may come before the first is announced: one after the other.
        generation = roster.generation + 1
    return seal_entry(
        intent.entry_type,
        intent.content,
        author=did_of(state),
        device_key=Ed25519Key(identity.device_seed),
        circle_id=roster.circle_id,
        seq=seq,
        root=root,
        ts=ts,
        generation=generation,
        log_key=state.log_keys[generation],
        entropy=turn.entropy,
    )


def on_done(turn: Turn, purpose: Purpose, event: Done) -> None:
    """The relay stored the entry; it counts when it is settled."""
    intent = _find(turn.state, purpose.subject)
    if intent is not None:
        _put(turn, replace(intent, appended=True))
        turn.change_session(tail_hint=max(turn.session.tail_hint, intent.seq + 1))


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Another entry was first, or the relay will not have this one."""
    intent = _find(turn.state, purpose.subject)
    if intent is None or on_common_refusal(turn, purpose, event):
        return
    if event.code == Refusal.MOVED and event.detail <= intent.seq and intent.entry:
        turn.alarm(
            "rollback",
            f"The relay says that the log has {event.detail} entries, and it has shown "
            f"{intent.seq} to this device: it was set back to an earlier copy, or lies.",
        )
        turn.delay(_ANY, REFUSED_PAUSE_S)
    elif event.code == Refusal.MOVED:
        turn.change_session(tail_hint=max(turn.session.tail_hint, event.detail))
    elif event.code == Refusal.NOT_PROVEN:
        turn.delay(purpose)
    else:
        # What a duty wants again at once would be refused again at once.
        turn.delay(_ANY, REFUSED_PAUSE_S)
        _drop(turn, intent, refusal_error(event, "the log entry"))


def resolve(turn: Turn) -> None:
    """After entries were settled: answer what they carried out, re-sign what they displaced."""
    for settled in turn.settled:
        turn.change(newest_is_own=any(one.entry == settled.entry for one in turn.state.intents))
        for intent in turn.state.intents:
            if intent.entry == settled.entry:
                _answer_settled(turn, intent, settled)
            elif intent.entry and intent.seq == settled.seq:
                _put(turn, replace(intent, entry=b"", seq=0, appended=False))


def resolve_ahead(turn: Turn) -> None:
    """Answer readable intents that are settled, though what comes before them cannot be folded.

    The relay takes no readable entry that breaks a rule.
    """
    roster, ahead = turn.state.roster, turn.session.ahead
    if roster is None or ahead is None:
        return
    settled = turn.session.pending[: ahead.size - roster.size]
    for intent in turn.state.intents:
        if intent.kind is EntryKind.READABLE and intent.entry in settled:
            _drop(turn, intent, None, sha256(intent.entry).hex())


def _answer_settled(turn: Turn, intent: Intent, settled: SettledEntry) -> None:
    ignored = [event for event in settled.events if isinstance(event, Ignored)]
    error: CloisterError | None = None
    if ignored:
        error = PolicyError(f"the circle's rules do not allow it: {ignored[0].reason}")
    # The hash is what others name the entry by when they approve, refuse or object.
    name = sha256(settled.entry).hex() if _is_power(intent) and error is None else ""
    _drop(turn, intent, error, name)


def _is_power(intent: Intent) -> bool:
    return intent.kind is EntryKind.READABLE or intent.entry_type in _POWERS


def _drop(turn: Turn, intent: Intent, error: CloisterError | None, text: str = "") -> None:
    turn.change(
        intents=tuple(one for one in turn.state.intents if one.intent_id != intent.intent_id)
    )
    turn.finished.append((intent, error))
    turn.answer(intent.intent_id, text=text, error=error)


def _purpose(intent: Intent) -> Purpose:
    return Purpose(Work.APPEND, intent.intent_id)


def _find(state: State, intent_id: bytes) -> Intent | None:
    return next((one for one in state.intents if one.intent_id == intent_id), None)


def _put(turn: Turn, intent: Intent) -> None:
    turn.change(
        intents=tuple(
            intent if one.intent_id == intent.intent_id else one for one in turn.state.intents
        )
    )

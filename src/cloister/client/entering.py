"""Entering the circle by the Welcome of its commons (flows 3.6).

Nothing is stored as a group before everything has been checked: the whole log against a settled
head, its beginning against the circle id, the log keys against their commitments, the own
admission, and every leaf at the size in the GroupContext.
"""

from __future__ import annotations

from functools import partial

from cloister import mls
from cloister.client import joining as joining_flow
from cloister.client import pool, taking_up
from cloister.client.binding import BindingError, checkpoint_of, conversation_of
from cloister.client.checking import check_group
from cloister.client.folding import Folded, fold_on, log_key_of
from cloister.client.identity import did_of, identity_of
from cloister.client.joining import JoiningEvent
from cloister.client.linking import follow, prove_key, prove_welcome, unprove
from cloister.client.records import (
    RECORD_VERSION,
    ChannelKind,
    Circle,
    InboxItem,
    Joining,
    JoiningStep,
)
from cloister.client.state import Purpose, State, Work, with_item, without
from cloister.client.taking_up import add_channel
from cloister.client.trees import TreeNotYet, tree_for
from cloister.client.turn import Turn
from cloister.client.welcomes import drop_unproven, open_item
from cloister.crypto.hashing import sha256
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, RemoteError, TrustError
from cloister.ids import SHORT_ID_BYTES
from cloister.roster.log_keys import recover_log_keys
from cloister.roster.roster import Roster
from cloister.roster.voiding import voids_in
from cloister.transparency.merkle import EMPTY_ROOT, Frontier, leaf_hash
from cloister.transparency.proof import verify_consistency
from cloister.values import replace
from cloister.wire.auth import ObjectKind
from cloister.wire.codes import Refusal
from cloister.wire.commands import ReadHead, ReadLog, ReadProof
from cloister.wire.events import Entries, Failed, Head, Proof


def advance_inbox(turn: Turn) -> None:
    """Prove and follow the own inbox as soon as this device has one."""
    state = turn.state
    joins = state.joining is not None and state.joining.step >= JoiningStep.WAITING
    if not turn.is_linked or not (state.roster is not None or joins):
        return
    identity = identity_of(state)
    inbox_key = partial(Ed25519Key, identity.inbox_seed)
    if prove_key(turn, ObjectKind.INBOX, identity.inbox_id, inbox_key):
        follow(turn, ObjectKind.INBOX, identity.inbox_id, state.inbox_cursor)
        if state.circle is not None:
            pool.advance(turn, state.circle.circle_id)
        elif state.joining is not None:
            pool.advance(turn, joining_flow.code_of(state.joining).circle_id)


def advance(turn: Turn) -> None:
    """As a newcomer take up the Welcome of the commons; as a member those of conversations."""
    state = turn.state
    if state.joining is not None:
        if state.joining.step is JoiningStep.WAITING:
            _find_commons(turn)
        _advance_commons(turn)
    elif state.roster is not None:
        taking_up.advance(turn)


# --- the commons, as a newcomer -------------------------------------------------------------------


def _find_commons(turn: Turn) -> None:
    """Take the Welcome of the commons; those of conversations wait for membership."""
    for key, encoded in turn.state.welcomes.items():
        try:
            opened, _ = open_item(turn.state, InboxItem.decode(encoded))
            kind = conversation_of(opened.group_context.extensions).kind
        except (mls.MLSError, BindingError) as error:
            turn.alarm("welcome", f"A Welcome was refused: {error}.")
            turn.change(welcomes=without(turn.state.welcomes, key))
            continue
        if kind == ChannelKind.COMMONS:
            turn.change(welcomes=without(turn.state.welcomes, key))
            turn.change_session(
                head=b"", head_settled=None, pending=(), pending_bytes=0, tail=None, readable=0
            )
            joining_flow.on_event(turn, JoiningEvent.WELCOME, encoded)
            return


def _advance_commons(turn: Turn) -> None:
    joining = turn.state.joining
    if joining is None or joining.step is not JoiningStep.ENTERING or not turn.is_linked:
        return
    item = InboxItem.decode(joining.welcome)
    try:
        opened, _ = open_item(turn.state, item)
    except (mls.MLSError, BindingError) as error:
        _reject(turn, joining, error)
        return
    channel_id = item.channel_id
    if not prove_welcome(turn, opened, channel_id):
        return
    session = turn.session
    letter = joining_flow.letter_of(joining)
    origin = letter.origin
    if session.head_settled is None:
        turn.ask(Purpose(Work.READ_HEAD), lambda rid: ReadHead(rid=rid, origin=origin))
        return
    size, head = len(session.pending), session.head_settled.size
    if head < checkpoint_of(opened.group_context.extensions).size:
        # The Welcome stands on entries that the entry relay has yet to cosign.
        again = Purpose(Work.READ_HEAD)
        turn.delay(again, 1)
        turn.change_session(head=b"", head_settled=None)
        _set_aside(turn, joining)
        return
    if size < head and not (size and size == session.readable):
        turn.ask(
            Purpose(Work.READ_LOG, b"entering", size),
            lambda rid: ReadLog(rid=rid, origin=origin, from_seq=size),
        )
    elif size < head:
        turn.ask(
            Purpose(Work.READ_PROOF, b"entering", size),
            lambda rid: ReadProof(rid=rid, origin=origin, old_size=size, new_size=head),
        )
    else:
        covered = Frontier.empty().extend(leaf_hash(one) for one in session.pending[:head])
        if covered.root != session.head_settled.root:
            # The relay's lie, not the Welcome's fault: the next connection asks for it again.
            raise TrustError("the log that the relay serves does not fit its signed head")
        _enter_commons(turn, joining, session.pending[:head])


def on_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """A Welcome's channel is not the relay's: drop it.  Else let another Welcome try first."""
    joining = turn.state.joining
    if joining is None or joining.step is not JoiningStep.ENTERING:
        if purpose.work is Work.PROVE_CHANNEL and event.code == Refusal.UNKNOWN_OBJECT:
            drop_unproven(turn, purpose)
    elif purpose.work is Work.PROVE_CHANNEL and event.code == Refusal.UNKNOWN_OBJECT:
        if purpose.subject == InboxItem.decode(joining.welcome).channel_id:
            _reject(turn, joining, BindingError("it leads into no channel of the relay"))
    elif purpose.work in (Work.READ_LOG, Work.READ_HEAD, Work.READ_PROOF):
        _set_aside(turn, joining)


def _set_aside(turn: Turn, joining: Joining) -> None:
    """Put the Welcome behind the others that wait: it may be one that can never be taken up."""
    if not turn.state.welcomes:
        return
    key = sha256(joining.welcome)[:SHORT_ID_BYTES]
    turn.change(welcomes=with_item(turn.state.welcomes, key, joining.welcome))
    joining_flow.on_event(turn, JoiningEvent.REFUSED, b"")
    turn.change_session(pending=(), pending_bytes=0, tail=None, readable=0)


def on_head(turn: Turn, event: Head) -> None:
    """Take the newest head, verified against the letter's relays."""
    joining = turn.state.joining
    if joining is not None and joining.step is JoiningStep.ENTERING:
        settled = joining_flow.settled_by(joining_flow.letter_of(joining), event.note)
        turn.change_session(head=event.note, head_settled=settled)


def on_entries(turn: Turn, event: Entries) -> None:
    """Take a page of the log while there is no roster yet."""
    if event.from_seq == len(turn.session.pending):
        turn.change_session(pending=(*turn.session.pending, *event.entries), readable=event.size)


def on_proof(turn: Turn, purpose: Purpose, event: Proof) -> None:
    """The entries this epoch may read are a prefix of the head: enter with them."""
    joining, head = turn.state.joining, turn.session.head_settled
    if joining is None or head is None or purpose.number != len(turn.session.pending):
        return
    entries = turn.session.pending
    root = Frontier.empty().extend(leaf_hash(one) for one in entries).root
    verify_consistency(len(entries), root, head.size, head.root, event.hashes)
    _enter_commons(turn, joining, entries)


def _enter_commons(turn: Turn, joining: Joining, entries: tuple[bytes, ...]) -> None:
    item = InboxItem.decode(joining.welcome)
    try:
        opened, reference = open_item(turn.state, item)
        log_keys = recover_log_keys(entries, *log_key_of(opened))
        tree = tree_for(turn, item.channel_id, opened)
        group = opened.join(tree, now=turn.now)
        first = Folded(Roster.found(entries[0], log_keys[0]), log_keys)
        size = joining_flow.code_of(joining).size
        voids = voids_in(first.roster.governance, entries[1:])
        seen = fold_on(first, entries[1:size], group, voids)
        folded = fold_on(seen, entries[size:], group, voids)
        roots = (EMPTY_ROOT, *folded.roots_before(), folded.roster.root)
        roster = folded.roster
        state = replace(turn.state, roster=roster, roots=roots, log_keys=folded.log_keys)
        check_seen(joining, seen.roster)
        check_entry(state, item, group)
    except TreeNotYet:
        return
    except (RemoteError, TrustError) as error:
        _reject(turn, joining, error)
        return
    head = turn.session.head_settled
    member = roster.members[roster.devices[did_of(turn.state)].member_id]
    turn.change(
        # One more device of a member bears the member's name, whatever was typed here.
        identity=replace(identity_of(turn.state), name=member.name),
        roster=roster,
        roots=state.roots,
        log_keys=state.log_keys,
        joining=None,
        key_packages=without(turn.state.key_packages, reference),
        head_time=head.newest_cosignature_time if head else 0,
        circle=Circle(
            version=RECORD_VERSION,
            circle_id=roster.circle_id,
            commons_id=item.channel_id,
            left=False,
            head=turn.session.head,
        ),
    )
    for seq, entry in enumerate(entries[: roster.size]):
        turn.store_entry(seq, entry)
    left = entries[roster.size :]
    turn.change_session(pending=left, pending_bytes=sum(map(len, left)), tail=None)
    add_channel(turn, item.channel_id, group)
    turn.changed("entered", "This device is in the circle.")


def check_seen(joining: Joining, seen: Roster) -> None:
    """The log is the one the inviter saw, with the relays and rules of the letter.

    ``seen`` is the roster at the size in the code; later relays and rules follow from the log.
    Raises ``TrustError``.
    """
    code, letter = joining_flow.code_of(joining), joining_flow.letter_of(joining)
    if seen.circle_id != code.circle_id:
        raise TrustError("the log is of another circle than the invitation")
    if (seen.size, seen.root) != (code.size, code.root):
        raise TrustError("the log does not contain what the inviter saw")
    if (seen.relay_set, seen.policy, seen.origin) != (
        letter.relay_set,
        letter.policy,
        letter.origin,
    ):
        raise TrustError("the log names other relays or rules than the letter")


def check_entry(state: State, item: InboxItem, group: mls.Group) -> None:
    """The group is the commons, and this device and every other in it belongs (flows 3.6.2).

    Raises subclasses of RemoteError.
    """
    roster = state.roster
    if roster is None:
        raise TrustError("there is no log to enter by")
    if roster.commons_channel != item.channel_id or group.group_id != item.channel_id:
        raise TrustError("the Welcome is not for the commons of this circle")
    if conversation_of(group.extensions).kind != ChannelKind.COMMONS:
        raise BindingError("the Welcome leads into a group that is not the commons")
    if not roster.is_active(did_of(state)):
        raise TrustError("the log does not admit this device")
    check_group(state, group, minimum=1)


def _reject(turn: Turn, joining: Joining, error: CloisterError) -> None:
    """Discard the Welcome and wait for another; the person can tell the inviter why."""
    turn.alarm(
        "welcome", f"The circle's Welcome was refused: {error}.  Tell the person who invited you."
    )
    joining_flow.on_event(turn, JoiningEvent.REFUSED, b"")
    turn.change_session(pending=(), pending_bytes=0, tail=None, readable=0)
    unprove(turn, ObjectKind.CHANNEL, InboxItem.decode(joining.welcome).channel_id)

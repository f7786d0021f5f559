"""Entering groups by Welcome (flows 3.6), the commons first.

Nothing is stored as a group before everything has been checked: the whole log against a settled
head, its beginning against the circle id, the log keys against their commitments, the own
admission, and every leaf at the size in the GroupContext.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from cloister import mls
from cloister.client import joining as joining_flow
from cloister.client import pool
from cloister.client.binding import (
    LOG_KEY,
    BindingError,
    GroupLogKey,
    checkpoint_of,
    conversation_of,
    find_extension,
)
from cloister.client.checking import LogBehind, check_group
from cloister.client.content import chain_start
from cloister.client.identity import did_of, identity_of
from cloister.client.joining import JoiningEvent
from cloister.client.linking import follow, prove_key, prove_welcome, unprove
from cloister.client.merging import exported_log_secret
from cloister.client.records import (
    RECORD_VERSION,
    ChannelKind,
    ChannelState,
    Circle,
    InboxItem,
    Joining,
    JoiningStep,
)
from cloister.client.safe_text import safe_line
from cloister.client.state import (
    UNPLACED,
    Channel,
    Purpose,
    State,
    Work,
    with_item,
    without,
)
from cloister.client.trees import TreeNotYet, tree_for
from cloister.client.turn import Turn
from cloister.client.welcomes import drop_unproven, open_item
from cloister.codec import DecodeError
from cloister.crypto.hashing import sha256
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.errors import CloisterError, RemoteError, TrustError
from cloister.ids import SHORT_ID_BYTES
from cloister.limits import MAX_NAME_BYTES
from cloister.roster.entry import Entry
from cloister.roster.errors import NeedsLogKey
from cloister.roster.events import LogKeyAnnounced
from cloister.roster.log_keys import next_log_key, recover_log_keys
from cloister.roster.roster import Roster
from cloister.transparency.merkle import Frontier, leaf_hash
from cloister.transparency.proof import verify_consistency
from cloister.wire.auth import (
    ObjectKind,
)
from cloister.wire.codes import Refusal
from cloister.wire.commands import ReadHead, ReadLog, ReadProof
from cloister.wire.events import Entries, Failed, Head, Proof

FIRST_UPDATE_WITHIN_S: Final = 600
"""A device commits its first own update within this time, so that its leaf is merged (3.6.4)."""


def advance_inbox(turn: Turn) -> None:
    """Prove and follow the own inbox as soon as this device has one."""
    state = turn.state
    joins = state.joining is not None and state.joining.step >= JoiningStep.WAITING
    if not turn.is_linked or not (state.roster is not None or joins):
        return
    identity = identity_of(state)
    key = Ed25519Key(identity.inbox_seed)
    if prove_key(turn, ObjectKind.INBOX, identity.inbox_id, key):
        follow(turn, ObjectKind.INBOX, identity.inbox_id, state.inbox_cursor)
        if state.circle is not None:
            pool.advance(turn, state.circle.circle_id)
        elif state.joining is not None:
            pool.advance(turn, joining_flow.code_of(state.joining).circle_id)


def advance(turn: Turn) -> None:
    """Take up Welcomes: as a newcomer the commons, as a member conversations."""
    state = turn.state
    if state.joining is not None:
        if state.joining.step is JoiningStep.WAITING:
            _find_commons(turn)
        _advance_commons(turn)
    elif state.roster is not None:
        for key, item in state.welcomes.items():
            _enter_conversation(turn, key, InboxItem.decode(item))


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
        generation, log_key = _log_key_of(opened)
        log_keys = recover_log_keys(entries, generation, log_key)
        tree = tree_for(turn, item.channel_id, opened)
        group = opened.join(tree, now=turn.now)
        roster, log_keys = _fold_all(entries, log_keys, group)
        state = replace(turn.state, roster=roster, roots=_roots(entries, roster), log_keys=log_keys)
        check_entry(state, joining, item, group)
    except TreeNotYet:
        return
    except (RemoteError, TrustError) as error:
        _reject(turn, joining, error)
        return
    head = turn.session.head_settled
    turn.change(
        roster=roster,
        roots=state.roots,
        log_keys=log_keys,
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
    _add_channel(turn, item.channel_id, group)
    turn.changed("entered", "This device is in the circle.")


def _log_key_of(opened: mls.OpenedWelcome) -> tuple[int, Secret]:
    data = find_extension(opened.extensions, LOG_KEY)
    if data is None:
        raise BindingError("the Welcome carries no log key")
    try:
        carried = GroupLogKey.decode(data)
    except DecodeError:
        raise BindingError("the Welcome's log key is malformed") from None
    return carried.generation, Secret(carried.key)


def _fold_all(
    entries: tuple[bytes, ...], log_keys: dict[int, Secret], group: mls.Group
) -> tuple[Roster, dict[int, Secret]]:
    """Fold the log from its genesis; a key that only this epoch exports is tried once (3.5.2)."""
    roster = Roster.found(entries[0], log_keys[0])
    for entry in entries[1:]:
        try:
            roster, _ = roster.append(entry, log_keys)
        except NeedsLogKey as needed:
            newest = max(log_keys)
            if needed.generation != newest + 1:
                break
            candidate = next_log_key(
                needed.generation, exported_log_secret(group), log_keys[newest]
            )
            tried = {**log_keys, needed.generation: candidate}
            after, events = roster.append(entry, tried)
            if not any(isinstance(event, LogKeyAnnounced) for event in events):
                break  # junk under a generation that has not begun: keep no guess
            roster, log_keys = after, tried
    return roster, log_keys


def _roots(entries: tuple[bytes, ...], roster: Roster) -> tuple[bytes, ...]:
    return (*(Entry.decode(one).header.root for one in entries[: roster.size]), roster.root)


def check_entry(state: State, joining: Joining, item: InboxItem, group: mls.Group) -> None:
    """All that flows 3.6.2 demands.  Raises subclasses of RemoteError."""
    roster = state.roster
    code, letter = joining_flow.code_of(joining), joining_flow.letter_of(joining)
    if roster is None or roster.circle_id != code.circle_id:
        raise TrustError("the log is of another circle than the invitation")
    if roster.size < code.size or state.root_at(code.size) != code.root:
        raise TrustError("the log does not contain what the inviter saw")
    if (roster.relay_set, roster.policy, roster.origin) != (
        letter.relay_set,
        letter.policy,
        letter.origin,
    ):
        raise TrustError("the log names other relays or rules than the letter")
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


# --- conversations --------------------------------------------------------------------------------


def _enter_conversation(turn: Turn, key: bytes, item: InboxItem) -> None:
    channel_id = item.channel_id
    known = turn.state.channels.get(channel_id)
    if known is not None and known.state is ChannelState.ACTIVE:
        turn.change(welcomes=without(turn.state.welcomes, key))
        return
    try:
        opened, reference = open_item(turn.state, item)
        if not prove_welcome(turn, opened, channel_id):
            return
        group = opened.join(tree_for(turn, channel_id, opened), now=turn.now)
        if group.group_id != channel_id:
            raise BindingError("the Welcome is for another channel than it says")
        if conversation_of(group.extensions).kind != ChannelKind.CONVERSATION:
            raise BindingError("the Welcome is not for a conversation")
        check_group(turn.state, group, minimum=1)
    except TreeNotYet:
        return
    except LogBehind as behind:
        turn.change_session(heard_size=max(turn.session.heard_size, behind.size))
        return
    except RemoteError as error:
        turn.alarm("welcome", f"An invitation into a conversation was refused: {error}.")
        turn.change(welcomes=without(turn.state.welcomes, key))
        return
    turn.change(
        welcomes=without(turn.state.welcomes, key),
        key_packages=without(turn.state.key_packages, reference),
    )
    _add_channel(turn, channel_id, group)
    turn.changed("conversations")


def _shown_title(title: str) -> str:
    """What another member called it, safe to show and no longer than a title may be."""
    return safe_line(title).encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _add_channel(turn: Turn, channel_id: bytes, group: mls.Group) -> None:
    info = conversation_of(group.extensions)
    wait = int.from_bytes(turn.entropy.random(2), "big") % FIRST_UPDATE_WITHIN_S
    # Back in a conversation that this device had left: its timeline goes on where it stood.
    before = turn.state.channels.get(channel_id)
    turn.put_channel(
        Channel(
            channel_id=channel_id,
            kind=ChannelKind(info.kind),
            state=ChannelState.ACTIVE,
            title=_shown_title(info.title),
            group=group,
            next_n=UNPLACED,
            chain=chain_start(group.epoch_authenticator),
            update_at=turn.now + 1 + wait,
            position=before.position if before else 0,
            own_counter=before.own_counter if before else 0,
        )
    )
    unprove(turn, ObjectKind.CHANNEL, channel_id)

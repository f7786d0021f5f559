"""Back into the commons: after an absence that the log has ended, or a reset of the commons.

The device was suspended, locked or not paid for, and lost its leaf; or it was in another epoch when
the circle's home was lost, and its leaf was taken out and put in again; or the commons itself was
broken, and a steward has made a new one, which the log names.  The device kept
its inbox, its own roster and its log keys.  Others add it like a newcomer, and it checks what a
newcomer checks; only it need not believe anybody about the beginning of the log: it goes on from
the roster that it has, and
every entry since must continue that history and be covered by a signed head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloister import mls
from cloister.client import leaving
from cloister.client.binding import BindingError, checkpoint_of, conversation_of
from cloister.client.checking import LogBehind, check_group
from cloister.client.folding import Folded, fold_on, log_key_of
from cloister.client.linking import prove_welcome, unprove
from cloister.client.log import check_relays, must_rewind
from cloister.client.moving import move_to
from cloister.client.placing import has_fallen_behind
from cloister.client.records import ChannelKind, InboxItem
from cloister.client.state import Purpose, State, Work, without
from cloister.client.taking_up import add_channel
from cloister.client.trees import TreeNotYet, tree_for
from cloister.client.turn import Turn
from cloister.client.welcomes import Waiting, in_order, leads_to_new_commons
from cloister.crypto.secret import Secret
from cloister.errors import RemoteError, TrustError
from cloister.roster.log_keys import recover_log_keys
from cloister.roster.roster import Roster
from cloister.transparency.merkle import leaf_hash
from cloister.values import replace
from cloister.wire.auth import ObjectKind

BACK = "This device is back in the circle."


def advance(turn: Turn) -> None:
    """Take up a Welcome of the commons: while this device is out, or into one after a reset.

    Those of one channel one after the other; a channel that only says it is the commons keeps
    nobody waiting.
    """
    circle = turn.state.circle
    if circle is None or not turn.is_linked:
        return
    busy: set[bytes] = set()
    for waiting in in_order(turn):
        channel_id = waiting.item.channel_id
        is_own = channel_id == circle.commons_id and (circle.left or _fell_behind(turn.state))
        is_wanted = is_own or leads_to_new_commons(turn.state, waiting)
        if is_wanted and channel_id not in busy:
            busy.add(channel_id)
            _come_back(turn, waiting)


def _fell_behind(state: State) -> bool:
    """Whether the commons stands still here because others go on from another epoch."""
    return state.commons is not None and has_fallen_behind(state.commons)


def _come_back(turn: Turn, waiting: Waiting) -> None:
    key, item, opened = waiting.key, waiting.item, waiting.opened
    roster, circle = turn.state.roster, turn.state.circle
    if roster is None or circle is None:
        return
    try:
        if not prove_welcome(turn, opened, item.channel_id):
            return
        turn.change_session(moving=item.channel_id)
        entries = _settled_tail(turn, roster)
        wanted = checkpoint_of(opened.group_context.extensions).size
        if entries is None or roster.size + len(entries) < wanted:
            turn.change_session(heard_size=max(turn.session.heard_size, wanted))
            return
        if must_rewind(turn, entries):
            return
        check_relays(turn.state, roster, entries)
        log_keys = _log_keys(turn.state, roster, entries, opened)
        group = opened.join(tree_for(turn, item.channel_id, opened), now=turn.now)
        folded = fold_on(Folded(roster, log_keys), entries, group)
        after = _with(turn.state, folded)
        _check(after, roster, item, group)
    except (TreeNotYet, LogBehind):
        return
    except (RemoteError, TrustError) as error:
        turn.alarm("welcome", f"A Welcome back into the circle was refused: {error}.")
        turn.change(welcomes=without(turn.state.welcomes, key))
        unprove(turn, ObjectKind.CHANNEL, item.channel_id)
        return
    head = turn.session.head_settled
    turn.change(
        roster=after.roster,
        roots=after.roots,
        log_keys=after.log_keys,
        welcomes=without(turn.state.welcomes, key),
        key_packages=without(turn.state.key_packages, waiting.reference),
        head_time=head.newest_cosignature_time if head else turn.state.head_time,
        circle=replace(circle, left=False, head=turn.session.head or circle.head),
    )
    for one in folded.settled:
        turn.store_entry(one.seq, one.entry)
        turn.settled.append(one)
    left = turn.session.pending[len(folded.settled) :]
    turn.change_session(pending=left, pending_bytes=sum(map(len, left)), tail=None)
    add_channel(turn, item.channel_id, group)
    is_new = item.channel_id != circle.commons_id
    move_to(turn, item.channel_id)
    leaving.begin(turn, roster, folded.roster)
    words = "The commons was reset: it goes on in a new group." if is_new else BACK
    turn.changed("entered", words)


def _settled_tail(turn: Turn, roster: Roster) -> Sequence[bytes] | None:
    """Return the entries after the roster that a signed head covers; nothing while more come.

    Raises ``TrustError`` when they are not what the head was signed over.
    """
    session = turn.session
    head = session.head_settled
    size = roster.size + len(session.pending)
    if head is None:
        return None
    if head.size <= size:
        covered = session.pending[: max(head.size - roster.size, 0)]
        frontier = roster.frontier.extend(leaf_hash(entry) for entry in covered)
        if frontier.size == head.size and frontier.root != head.root:
            raise TrustError("the log that the relay serves does not fit its signed head")
        return covered
    # The epoch of the Welcome has ended since: what it may read is a prefix, by a proof (``log``).
    is_proved = Purpose(Work.READ_PROOF, number=size) in session.done
    return session.pending if is_proved and size == session.readable else None


def _log_keys(
    state: State, roster: Roster, entries: Sequence[bytes], opened: mls.OpenedWelcome
) -> Mapping[int, Secret]:
    """Return the own keys with those since, by the chain that ends in the Welcome's.

    A key that the log has not committed to may be of a commons that a reset has ended.
    """
    generation, log_key = log_key_of(opened)
    oldest = min(roster.generation, generation)
    found = recover_log_keys(entries, generation, log_key, oldest=oldest)
    if found[oldest] != state.log_keys[oldest]:
        raise TrustError("the Welcome's log key belongs to another history of the circle")
    return {**{g: key for g, key in state.log_keys.items() if g <= generation}, **found}


def _with(state: State, folded: Folded) -> State:
    return replace(
        state,
        roster=folded.roster,
        roots=(*state.roots[:-1], *folded.roots_before(), folded.roster.root),
        log_keys=folded.log_keys,
    )


def _check(after: State, before: Roster, item: InboxItem, group: mls.Group) -> None:
    """The group is the commons, of this device's own history, and later than its absence."""
    if group.group_id != item.channel_id:
        raise BindingError("the Welcome is for another channel than it says")
    if conversation_of(group.extensions).kind != ChannelKind.COMMONS:
        raise BindingError("the Welcome leads into a group that is not the commons")
    if after.roster is None or after.roster.commons_channel != item.channel_id:
        raise BindingError("the log says that another channel is the commons")
    check_group(after, group, minimum=before.size)

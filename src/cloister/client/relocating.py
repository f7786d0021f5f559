"""The circle moves to another home (decision 0038): read the old one to its end, go on at the new.

    READING   everything there is at the old home, which stores nothing more
    OPENING   a steward's device brings the log, then each channel is opened where it stood

Nothing changes in the groups: the epoch keys of the new home follow from the same epochs, as its
id is in the exporter's context.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.client.home_records import Adoption, HomeMove, HomeStep
from cloister.client.identity import identity_of, own_steward_key_id, steward_key
from cloister.client.leaving import go_on
from cloister.client.linking import channel_key, on_common_refusal, refusal_error
from cloister.client.placing import fell_behind
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.standing import standing_of
from cloister.client.state import UNPLACED, Channel, Purpose, State, Work
from cloister.client.turn import Turn
from cloister.crypto.hashing import sha256
from cloister.crypto.signature import Ed25519Key
from cloister.limits import MAX_LOG_PAGE_BYTES
from cloister.roster.roster import Roster
from cloister.transparency.merkle import leaf_hash
from cloister.wire.adopting import AdoptCircle, AdoptEntries, Inbox
from cloister.wire.auth import ADOPT_LABEL, OPEN_LABEL, AdoptContent, ObjectKind, open_content
from cloister.wire.codes import Refusal
from cloister.wire.commands import OpenChannel
from cloister.wire.events import Done, Failed

RETRY_S: Final = 5
"""What a new home does not have yet is asked for again this often."""
REFUSED_S: Final = 300
"""Before a circle that the new home refused is brought again."""
BRING: Final = Purpose(Work.BRING_LOG)
ADOPT: Final = Purpose(Work.ADOPT_CIRCLE)


def advance(turn: Turn) -> None:
    """Leave the old home when it is read; open at the new one what is not there."""
    move = turn.state.home_move
    if move is None:
        return
    if turn.is_linked and turn.session.home_step != move.step:
        turn.drop_link("the circle moves to another home")
    elif move.step is HomeStep.READING:
        if turn.now >= move.until or _has_read_all(turn):
            go_on(turn)
            turn.drop_link("the old home is read")
    elif turn.is_linked:
        _adopt(turn)
        if move.step is HomeStep.OPENING:
            _open_conversations(turn, move)


def _has_read_all(turn: Turn) -> bool:
    """Whether this session has shown where each mailbox ends, and all up to there is taken."""
    session, state = turn.session, turn.state
    inbox = identity_of(state).inbox_id
    if state.welcomes or state.inbox_cursor < session.promised.get(inbox, UNPLACED):
        return False
    return all(
        turn.is_current(one.channel_id)
        and one.next_n >= session.promised.get(one.channel_id, UNPLACED)
        and one.channel_id not in session.held
        for one in state.channels.values()
        if one.state is ChannelState.ACTIVE
    )


def may_prove(turn: Turn, channel: Channel) -> bool:
    """Whether a channel is at the relay, as far as this device knows."""
    move = turn.state.home_move
    if move is not None and move.step is HomeStep.FOLLOWING:
        return channel.kind is ChannelKind.COMMONS
    return (
        move is None
        or channel.channel_id not in move.unplaced
        or channel.kind is ChannelKind.COMMONS
        or channel.next_n == UNPLACED
        or _opening(channel) in turn.session.done
    )


def _opening(channel: Channel) -> Purpose:
    return Purpose(Work.MOVE_CHANNEL, channel.channel_id, channel.group.epoch)


def _open_conversations(turn: Turn, move: HomeMove) -> None:
    """Open each conversation where it stands; whoever comes later finds it open."""
    circle = turn.state.circle
    if circle is None or not turn.is_current(circle.commons_id):
        return
    commons_id, relay_id = circle.commons_id, turn.session.relay_id
    for channel_id in move.unplaced:
        channel = turn.state.channels.get(channel_id)
        if channel is None or channel.state is not ChannelState.ACTIVE or may_prove(turn, channel):
            continue
        turn.ask_once(
            _opening(channel),
            lambda rid, channel=channel: OpenChannel(  # type: ignore[misc]
                rid=rid,
                commons_id=commons_id,
                channel_id=channel.channel_id,
                channel_key=channel_key(channel.group, relay_id, channel.channel_id).public,
                epoch=channel.group.epoch,
                first_n=channel.next_n,
            ),
        )


def on_channel_refused(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Others have opened it otherwise: a proof will show whether this device finds it."""
    if not on_common_refusal(turn, purpose, event):
        turn.mark_done(purpose)


def on_unproven(turn: Turn, purpose: Purpose) -> None:
    """A channel is not at the new home in this epoch, though it has been opened there."""
    move, channel = turn.state.home_move, turn.state.channels.get(purpose.subject)
    circle, identity = turn.state.circle, turn.state.identity
    if move is None or channel is None or circle is None or identity is None:
        return
    if channel.state is not ChannelState.ACTIVE or purpose.number != channel.group.epoch:
        return
    if channel.channel_id == circle.commons_id:
        # Inboxes begin with the commons there; before, the circle has not come.
        is_there = (int(ObjectKind.INBOX), identity.inbox_id) in turn.session.proven
        is_own = turn.state.adoption is not None
        if is_there and not is_own:
            fell_behind(turn, channel)
    elif channel.channel_id in move.unplaced and _opening(channel) in turn.session.done:
        fell_behind(turn, channel)


# --- the steward's device brings the circle -------------------------------------------------------


def wants_page(state: State) -> bool:
    """Whether a page of the log is to be brought to the new home now."""
    session, circle, roster = state.session, state.circle, state.roster
    adoption, move = state.adoption, state.home_move
    return (
        adoption is not None
        and roster is not None
        and circle is not None
        and move is not None
        and (move.step is HomeStep.FOLLOWING or circle.commons_id in move.unplaced)
        and move.step is not HomeStep.READING
        and bool(session.nonce)
        and session.relay_id == adoption.home_id
        and session.brought < roster.size + len(move.tail)
        and not {BRING, ADOPT} & session.asked
        and session.not_before.get(BRING, 0) <= state.handled_at
    )


def on_log_read(turn: Turn, entries: Sequence[bytes]) -> None:
    """Bring the next page."""
    adoption, roster, move = turn.state.adoption, turn.state.roster, turn.state.home_move
    if adoption is None or roster is None or move is None or not wants_page(turn.state):
        return
    first = turn.session.brought
    page: list[bytes] = []
    size = 0
    for entry in (*entries[: roster.size], *move.tail)[first:]:
        size += len(entry)
        if page and size > MAX_LOG_PAGE_BYTES:
            break
        page.append(entry)
    code, setup, signature = _authority(turn, adoption)
    turn.ask(
        BRING,
        lambda rid: AdoptEntries(
            rid=rid,
            code=code,
            setup_key=setup,
            signature=signature,
            from_seq=first,
            entries=tuple(page),
        ),
    )


def on_brought(turn: Turn, event: Done) -> None:
    """The relay holds so many entries."""
    turn.change_session(brought=event.n)


def _authority(turn: Turn, adoption: Adoption) -> tuple[bytes, bytes, bytes]:
    """Return code, setup key and its signature, as a founder shows them."""
    code, setup = adoption.code.encode(), Ed25519Key(adoption.setup_seed)
    content = open_content(turn.session.relay_id, sha256(code), b"")
    return code, setup.public, setup.sign(OPEN_LABEL, content)


def _adopt(turn: Turn) -> None:
    state = turn.state
    adoption, roster, circle, commons = state.adoption, state.roster, state.circle, state.commons
    if adoption is None or roster is None or circle is None or commons is None:
        return
    move = state.home_move
    size = roster.size + (len(move.tail) if move is not None else 0)
    is_brought = turn.session.relay_id == adoption.home_id and turn.session.brought >= size
    if not is_brought or (1, circle.commons_id) in turn.session.proven:
        return
    turn.ask_once(ADOPT, lambda rid: _request(turn, adoption, roster, commons, rid))


def _request(
    turn: Turn, adoption: Adoption, roster: Roster, commons: Channel, rid: int
) -> AdoptCircle:
    code, setup, signature = _authority(turn, adoption)
    identity, relay_id = identity_of(turn.state), turn.session.relay_id
    tail = turn.state.home_move.tail if turn.state.home_move is not None else ()
    key = channel_key(commons.group, relay_id, commons.channel_id).public
    content = AdoptContent(
        relay_id=relay_id,
        origin=roster.origin,
        root=roster.frontier.extend(leaf_hash(one) for one in tail).root,
        commons_id=commons.channel_id,
        commons_key=key,
        epoch=commons.group.epoch,
        first_n=commons.next_n,
        code_hash=sha256(code),
    ).encode()
    # Also of those who are out for a time: nobody else could open it for them to come back by.
    inboxes = tuple(
        Inbox(inbox_id=record.card.inbox_id, inbox_key=record.card.inbox_key)
        for did, record in roster.devices.items()
        if not standing_of(roster, did).is_final
    )
    return AdoptCircle(
        rid=rid,
        code=code,
        setup_key=setup,
        signature=signature,
        origin=roster.origin,
        note=turn.state.circle.head if turn.state.circle is not None else b"",
        commons_id=commons.channel_id,
        commons_key=key,
        epoch=commons.group.epoch,
        first_n=commons.next_n,
        inboxes=inboxes,
        key_id=own_steward_key_id(identity),
        steward_signature=steward_key(identity).sign(ADOPT_LABEL, content).encode(),
    )


def on_adopted(turn: Turn) -> None:
    """The new home has the circle: everybody finds it there."""
    turn.mark_done(ADOPT)
    turn.change(adoption=None)
    turn.change_session(not_before={})
    turn.changed("home", "The new home relay has taken the circle over.")


def on_refused(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """Bring it again from where the relay is, or say what is wrong."""
    if event.code == Refusal.MOVED:
        turn.change_session(brought=event.detail)
        turn.delay(purpose, 1)
        return
    if on_common_refusal(turn, purpose, event):
        return
    words = refusal_error(event, "to take the circle over")
    hint = "Its operator must have listed the circle's entry relays."
    if event.code == Refusal.NO_SEAT:
        hint = f"The account there has {event.detail} seats, and the circle has more devices."
    turn.alarm("home", f"{words}.  {hint}")
    turn.change_session(brought=0)
    turn.delay(BRING, REFUSED_S)
    turn.delay(ADOPT, REFUSED_S)
    if event.code == Refusal.WRONG_CODE:
        turn.change(adoption=None)

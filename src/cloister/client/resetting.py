"""The reset of the commons (flows 4.3): proposed by a person, carried out by the steward's device.

When somebody has put a commit into the commons that others cannot process, its group is lost.  A
steward, whom the relay lets read the log by the steward's key, makes a new group and proposes it.
When the log shows that the reset took effect, the author's device begins the next log key in the
new group, and the duties bring in everybody who belongs.
"""

from __future__ import annotations

from typing import Final

from cloister.client import appending
from cloister.client.appending import has_intent, intend
from cloister.client.binding import COMMONS_INFO, group_extensions
from cloister.client.content import chain_start
from cloister.client.effects import Answer
from cloister.client.foresight import check
from cloister.client.governing_devices import is_obeyed
from cloister.client.identity import identity_of, make_group, steward_key
from cloister.client.linking import channel_key
from cloister.client.log import STEWARD_PROOF, is_caught_up
from cloister.client.merging import begin_generation
from cloister.client.moving import move_to
from cloister.client.naming import name_of_key, own_key_id, roster_in_force
from cloister.client.powers import ResetCommons
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.routing import home_of
from cloister.client.state import UNPLACED, Channel, Purpose, Work, without
from cloister.client.turn import Turn
from cloister.errors import PolicyError
from cloister.ids import SHORT_ID_BYTES, ChannelId
from cloister.roster.governance_state import RESET_LIFETIME_S, ReadableProposal
from cloister.roster.orders import ChannelReset, EntryReference
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayCard
from cloister.roster.roster import Roster
from cloister.values import replace
from cloister.wire.auth import prove_steward
from cloister.wire.commands import ProveSteward

ACT: Final = b"reset of the commons"
"""Key under which the act waits until the log has been read."""
LEFT_OUT_S: Final = 3600
"""Who has not been brought into a new commons for so long may propose another (flows 4.3)."""


def on_reset(turn: Turn, act: ResetCommons) -> None:
    """Make a new group and propose that it be the commons."""
    state = turn.state
    roster = roster_in_force(state)
    if not is_obeyed(state):
        raise PolicyError(
            "only a steward can do that, on the device that holds the steward's key",
            hint="`cloister steward list` shows who is one.",
        )
    commons = state.commons
    if commons is None or not state.has_lost_commons:
        raise PolicyError(
            "the commons is not broken on this device: nothing is reset",
            hint="Whoever's device says that it stands still runs this, if they are a steward.",
        )
    is_moved = roster.commons_channel != commons.channel_id
    if is_moved and turn.now - roster.ts < LEFT_OUT_S:
        raise PolicyError(
            "the commons has been reset already",
            hint="This device is brought in by others; if that takes hours, run this again.",
        )
    _demand_none(turn, roster)
    turn.owe(ACT, act.ref)


def _demand_none(turn: Turn, roster: Roster) -> None:
    waits = any(turn.now <= one.ts + RESET_LIFETIME_S for one in _open_resets(roster))
    if waits or has_intent(turn.state, ReadableType.CHANNEL_RESET):
        raise PolicyError(
            "a reset is proposed already",
            hint="`cloister pending` shows it; a second steward approves it.",
        )


def _propose(turn: Turn, roster: Roster, home: RelayCard) -> None:
    """Do what a person wants, now that this device has read the log to its end."""
    refs = turn.state.owed.get(ACT, ())
    turn.change(owed=without(turn.state.owed, ACT))
    try:
        _demand_none(turn, roster)
        channel = _make_commons(turn, roster)
        reset = ChannelReset(
            old_id=roster.commons_channel,
            new_id=ChannelId(channel.channel_id),
            key=channel_key(channel.group, home.relay_id, channel.channel_id).public,
            generation=roster.generation,
        ).encode()
        check(turn, ReadableType.CHANNEL_RESET, reset)
    except PolicyError as error:
        for ref in refs:
            turn.notices.append(Answer(ref=ref, error=error))
        return
    turn.put_channel(channel)
    intent_id = intend(turn, ReadableType.CHANNEL_RESET, reset)
    for ref in refs:
        turn.owe(intent_id, ref)


def _make_commons(turn: Turn, roster: Roster) -> Channel:
    channel_id = turn.entropy.random(SHORT_ID_BYTES)
    group = make_group(
        turn.state,
        roster.circle_id,
        channel_id,
        group_extensions(roster.origin, roster.size, roster.root, COMMONS_INFO),
        turn.now,
        turn.entropy,
    )
    return Channel(
        channel_id=channel_id,
        kind=ChannelKind.COMMONS,
        state=ChannelState.OPENING,
        title="",
        group=group,
        next_n=UNPLACED,
        chain=chain_start(group.epoch_authenticator),
    )


def advance(turn: Turn) -> None:
    """Read the log as a steward, move when a reset took effect, refuse one that nobody needs."""
    state = turn.state
    roster, circle, home = state.roster_ahead, state.circle, home_of(state)
    if roster is None or circle is None or home is None or circle.left or not turn.is_linked:
        return
    _move(turn)
    appending.resolve_ahead(turn)
    if not is_obeyed(turn.state):
        return
    _prove(turn, roster)
    if ACT in turn.state.owed and _has_read_all(turn, roster):
        _propose(turn, roster, home)
    for proposal in _open_resets(roster):
        if is_needless(turn, roster, ChannelReset.decode(proposal.content)):
            content = EntryReference(entry_hash=proposal.entry_hash).encode()
            if not has_intent(turn.state, ReadableType.REFUSE, content):
                intend(turn, ReadableType.REFUSE, content)
        elif proposal.author == own_key_id(turn.state):
            _let_time_pass(turn, roster, proposal)
        elif turn.session.ahead is not None:
            _tell(turn, roster, proposal)


def _move(turn: Turn) -> None:
    """Take the own new group into use when the reset took effect; forget it when it never will.

    As long as the commons is lost, a proposal may be open that this device has not been shown.
    """
    roster, commons = turn.state.roster, turn.state.commons
    if roster is None or commons is None:
        return
    is_over = not (turn.state.has_lost_commons or _open_resets(roster)) and is_caught_up(turn)
    for channel in turn.state.channels.values():
        if channel.state is not ChannelState.OPENING or channel.kind is not ChannelKind.COMMONS:
            continue
        if roster.commons_channel == channel.channel_id:
            move_to(turn, channel.channel_id)
            turn.put_channel(replace(channel, state=ChannelState.ACTIVE))
            begin_generation(turn, channel.group, own=True)
            turn.changed("commons")
        elif is_over and not has_intent(turn.state, ReadableType.CHANNEL_RESET):
            turn.change(channels=without(turn.state.channels, channel.channel_id))


def _has_read_all(turn: Turn, roster: Roster) -> bool:
    """Whether the log has been read to its end, by a steward's key."""
    head = turn.session.head_settled
    is_read = head is not None and roster.size >= max(head.size, turn.session.tail_hint)
    return is_read and STEWARD_PROOF in turn.session.done


def _open_resets(roster: Roster) -> list[ReadableProposal]:
    return [
        one
        for one in roster.governance.proposals.values()
        if one.kind is ReadableType.CHANNEL_RESET
    ]


def _prove(turn: Turn, roster: Roster) -> None:
    """Open the log by the steward's key while the commons does not."""
    session = turn.session
    if not turn.state.has_lost_commons:
        return
    key, key_id = steward_key(identity_of(turn.state)), own_key_id(turn.state)
    turn.ask_once(
        STEWARD_PROOF,
        lambda rid: ProveSteward(
            rid=rid,
            origin=roster.origin,
            key_id=key_id,
            signature=prove_steward(key, session.relay_id, roster.origin, session.nonce),
        ),
    )


def _tell(turn: Turn, roster: Roster, proposal: ReadableProposal) -> None:
    """Say once a connection what waits for this steward: the log tells when it can be folded."""
    told = Purpose(Work.PROVE_STEWARD, proposal.entry_hash)
    if told not in turn.session.done:
        turn.mark_done(told)
        by, reference = name_of_key(roster, proposal.author), proposal.entry_hash.hex()[:8]
        turn.alarm("power", f"{by} proposes to reset the commons. Approve: {reference}.")


def _let_time_pass(turn: Turn, roster: Roster, proposal: ReadableProposal) -> None:
    """Propose the same again when it is due by the clock and no entry has told the log (D2).

    A tick is a sealed entry, for which nobody honest has the commons.
    """
    if roster.ts < proposal.due <= turn.now <= proposal.ts + RESET_LIFETIME_S:
        intend(turn, ReadableType.CHANNEL_RESET, proposal.content)


def is_needless(turn: Turn, roster: Roster, reset: ChannelReset) -> bool:
    """Whether this device sits in a working commons, or can open more of the log than the author.

    As long as anything of the commons or of the log is on its way here, it is not said to work.
    """
    if roster.generation > reset.generation:
        return True
    commons = turn.state.commons
    return (
        commons is not None
        and commons.state is ChannelState.ACTIVE
        and commons.channel_id == reset.old_id
        and turn.is_current(commons.channel_id)
        and commons.channel_id not in turn.session.held
        and commons.channel_id not in turn.state.suspects
        and is_caught_up(turn)
    )

"""Duties: work that follows from the log or a group, done by whoever caused it or by rank (D1).

Each duty has an id.  Whoever caused it acts at once; every other device waits by its rank among
the eligible, looks again, then acts.  Double work is harmless: appends and commits are compared
and swapped, and what is already so is not wanted any more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from cloister import mls
from cloister.client import committing
from cloister.client.appending import has_intent, intend, newest_generation
from cloister.client.binding import ConversationInfo, conversation_of, dids_of
from cloister.client.checking import PackageError, PackageExpired, check_package, has_ended
from cloister.client.identity import did_of
from cloister.client.linking import on_common_refusal
from cloister.client.records import ChannelKind, ChannelState
from cloister.client.rights import rights_of
from cloister.client.state import Channel, Purpose, State, Work, with_item, without
from cloister.client.turn import Turn
from cloister.client.wishes import leaves_of_leavers, wished_info, wished_removals
from cloister.crypto.hashing import sha256
from cloister.errors import LocalError
from cloister.ids import DeviceId
from cloister.limits import MAX_TREE_IN_WELCOME, STALE_FORBID_S
from cloister.roster.content import Tick
from cloister.roster.entry import SealedType
from cloister.roster.roster import Roster
from cloister.roster.state import RequestState
from cloister.values import replace
from cloister.wire.codes import Refusal
from cloister.wire.commands import TakeKeyPackage
from cloister.wire.events import Failed, Package

RANK_DELAY_S: Final = 5
MAX_RANK: Final = 12
"""Beyond this rank nobody waits longer: a minute is the most that one absence costs."""
MAX_BATCH: Final = 10
"""Newcomers in one commit; ``limits.MAX_NEWCOMERS_PER_COMMIT`` is what the relay takes."""
NO_PACKAGE_RETRY_S: Final = 30
NO_COMMIT_RETRY_S: Final = 300
DUTY_LABEL: Final = b"Cloister 1.0 duty"

_Difference = tuple[tuple[int, ...], tuple[DeviceId, ...]]
_KEPT: Final = 256
_kept: dict[tuple[DeviceId, bytes], tuple[Roster, tuple[object, ...], _Difference]] = {}


def advance(turn: Turn) -> None:
    """Look for work in the log and in every group, and do what is due."""
    if turn.state.roster is None or not turn.is_linked:
        return
    _announce_log_key(turn)
    _tick(turn)
    for channel_id in turn.state.channels:
        channel = turn.state.channels[channel_id]
        is_former = turn.state.is_former_commons(channel)
        if channel.state is ChannelState.ACTIVE and channel.staged is None and not is_former:
            _keep_members(turn, channel)


# --- the log key of a new generation ------------------------------------------------------------


def _announce_log_key(turn: Turn) -> None:
    state = turn.state
    roster = state.roster
    if roster is None:
        return
    done = [generation for generation in state.announcements if generation <= roster.generation]
    if done:
        kept = {g: one for g, one in state.announcements.items() if g not in done}
        kept_intents = tuple(one for one in state.intents if not one.is_of(SealedType.LOG_KEY))
        turn.change(announcements=kept, intents=kept_intents)
        return
    generation = roster.generation + 1
    content = state.announcements.get(generation)
    if content is None or has_intent(state, SealedType.LOG_KEY):
        return
    duty = sha256(DUTY_LABEL, b"log_key", roster.circle_id, generation.to_bytes(4, "big"))
    if is_due(turn, duty, caused_it=generation in turn.state.own_generations):
        intend(turn, SealedType.LOG_KEY, content)


# --- log time -----------------------------------------------------------------------------------


def _tick(turn: Turn) -> None:
    """Append a ``tick`` when a deadline has passed by the clock and no entry has since (D2)."""
    roster = turn.state.roster
    if roster is None or has_intent(turn.state, SealedType.TICK):
        return
    passed = any(roster.ts < one <= turn.now for one in deadlines(roster))
    if not passed and not roster.needs_tick(turn.now):
        return
    duty = sha256(DUTY_LABEL, b"tick", roster.size.to_bytes(8, "big"))
    if is_due(turn, duty, caused_it=False):
        intend(turn, SealedType.TICK, Tick().encode())


def deadlines(roster: Roster) -> set[int]:
    """Return the log times at which an open request may become an admission, s."""
    found: set[int] = set()
    for asked in roster.requests.values():
        if asked.state is not RequestState.OPEN or not asked.vouches:
            continue
        found.add(asked.ts + roster.policy.veto_s)
        for vouch in asked.vouches:
            found.add(roster.members[vouch.voucher].probation_until)
    return found


# --- who is in a group --------------------------------------------------------------------------


def _difference(state: State, channel: Channel) -> _Difference:
    """Return ``leaves_to_remove`` and ``devices_to_add``.

    Kept for the channels asked about last: every input asks of every channel, and a look through
    a circle of hundreds costs more than most inputs.  A roster never changes, and an epoch's
    authenticator names its leaves and rights.
    """
    roster = state.roster
    if roster is None:
        return (), ()
    place = (did_of(state), channel.channel_id)
    made_of = (
        channel.group.epoch_authenticator,
        channel.kind,
        channel.wanted,
        channel.dropped,
        channel.leaving,
    )
    known = _kept.get(place)
    if known is not None and known[0] is roster and known[1] == made_of:
        return known[2]
    found = leaves_to_remove(state, channel), devices_to_add(state, channel)
    if len(_kept) >= _KEPT and place not in _kept:
        _kept.pop(next(iter(_kept)))
    _kept[place] = roster, made_of, found
    return found


def leaves_to_remove(state: State, channel: Channel) -> tuple[int, ...]:
    """Return the leaves of devices that are not active in the newest settled log (C3)."""
    roster = state.roster
    if roster is None:
        return ()
    return tuple(leaf for leaf, did in dids_of(channel.group).items() if not roster.is_active(did))


def devices_to_add(state: State, channel: Channel) -> tuple[DeviceId, ...]:
    """Return the active devices that belong into the group and are not there yet."""
    roster = state.roster
    if roster is None:
        return ()
    inside = set(dids_of(channel.group).values())
    if channel.kind is ChannelKind.COMMONS:
        wanted: Sequence[DeviceId] = [record.did for record in roster.active_devices()]
    else:
        wanted = [did for did in channel.wanted if roster.is_active(did)]
        wanted += [did for did in _to_bring_back(state, channel, roster) if did not in wanted]
        if not channel.leaving:
            wanted += [did for did in _own_others(state, roster) if did not in wanted]
    missing = tuple(did for did in wanted if did not in inside)
    return missing[: batch_size(len(inside))]


def _to_bring_back(state: State, channel: Channel, roster: Roster) -> Sequence[DeviceId]:
    """Return who was out for a time and is active again, as far as this member may add them."""
    if not channel.dropped:
        return []
    rights = rights_of(roster, channel.group)
    own = roster.devices[did_of(state)].member_id
    return [
        did
        for did in channel.dropped
        if roster.is_active(did) and rights.may_add(own, roster.devices[did].member_id)
    ]


def _own_others(state: State, roster: Roster) -> Sequence[DeviceId]:
    """Return this member's other active devices: what one of them reads, all do."""
    record = roster.devices.get(did_of(state))
    if record is None:
        return ()
    devices = roster.members[record.member_id].devices
    return [did for did in devices if did != record.did and roster.is_active(did)]


def batch_size(leaves: int) -> int:
    """Return how many newcomers one commit may bring, so that it fits a frame with its Welcomes.

    With the tree inside, a Welcome of up to 20 leaves fits 64 KiB and one of 32 needs 256 KiB;
    with the tree outside, ten newcomers make Welcomes of 16 KiB.
    """
    return 3 if 20 - MAX_BATCH < leaves <= MAX_TREE_IN_WELCOME else MAX_BATCH


def _keep_members(turn: Turn, channel: Channel) -> None:
    if not turn.is_current(channel.channel_id):
        return
    removes, adds = _difference(turn.state, channel)
    if channel.group.own_leaf in removes:
        return  # this device itself is out: others commit that
    if removes and _is_removal_due(turn, channel, removes):
        _commit(turn, channel, removes)
        return
    if not removes and _change(turn, channel):
        return
    if adds and not removes and _may_add(turn, channel):
        _add(turn, channel, adds)
    elif not adds and channel.update_at and channel.update_at <= turn.now:
        turn.put_channel(replace(channel, update_at=0))
        _commit(turn, turn.state.channels[channel.channel_id], ())


def _change(turn: Turn, channel: Channel) -> bool:
    """Take out who leaves, or make the first change that was asked of this device."""
    roster = turn.state.roster
    leavers = leaves_of_leavers(turn.state, channel)
    if leavers:
        duty = sha256(DUTY_LABEL, b"leave", channel.channel_id, *sorted(channel.leavers))
        if is_due(turn, duty, caused_it=bool(channel.outbox)):
            _commit(turn, channel, leavers)
            return True
    if roster is None or not channel.wishes:
        return False
    wish = channel.wishes[0]
    info = wished_info(conversation_of(channel.group.extensions), wish)
    removals = wished_removals(roster, channel.group, wish)
    _commit(turn, channel, removals, info)
    return True


def _commit(
    turn: Turn,
    channel: Channel,
    removes: tuple[int, ...],
    info: ConversationInfo | None = None,
) -> None:
    """Stage a commit that adds nobody; one that cannot be made stops nothing else."""
    again = Purpose(Work.COMMIT, channel.channel_id)
    if not turn.may_ask(again):
        return
    try:
        committing.stage(turn, channel, packages={}, removes=removes, info=info)
    except (mls.MLSError, LocalError) as error:
        turn.alarm("commit", f"A change of members cannot be made: {error}.")
        turn.delay(again, NO_COMMIT_RETRY_S)


def _is_removal_due(turn: Turn, channel: Channel, removes: tuple[int, ...]) -> bool:
    if channel.outbox:
        return True  # C3: whoever wants to speak removes first, at once
    duty = sha256(
        DUTY_LABEL,
        b"remove",
        channel.channel_id,
        *(did for leaf, did in dids_of(channel.group).items() if leaf in removes),
    )
    return is_due(turn, duty, caused_it=turn.state.newest_is_own)


def _may_add(turn: Turn, channel: Channel) -> bool:
    state = turn.state
    if state.roster is None or newest_generation(state) != state.roster.generation:
        return False  # the log key of the current generation comes first (3.5.1)
    if channel.kind is ChannelKind.COMMONS and has_intent(state, SealedType.SUSPEND):
        return False  # who is about to be suspended is not brought in first
    return turn.now - state.head_time <= STALE_FORBID_S


def _add(turn: Turn, channel: Channel, adds: tuple[DeviceId, ...]) -> None:
    # The opener brings in whom it wants, and each member its own devices; who was out for a time
    # is everybody's to bring back, as the newcomers of the circle are.
    if channel.kind is ChannelKind.COMMONS or set(adds) & set(channel.dropped):
        duty = sha256(DUTY_LABEL, b"add", channel.channel_id, *adds)
        if not is_due(turn, duty, caused_it=turn.state.newest_is_own):
            return
    waiting = False
    for did in adds:
        if did not in turn.session.packages:
            waiting |= _take_package(turn, channel, did)
    packages = {did: turn.session.packages[did] for did in adds if did in turn.session.packages}
    if not packages or waiting:
        return
    # One newcomer's bad key package must not keep the others out, nor this device busy.
    for batch in (packages, *({did: one} for did, one in packages.items())):
        try:
            committing.stage(turn, channel, packages=batch, removes=())
            return
        except (mls.MLSError, LocalError) as error:
            if len(batch) > 1:
                continue
            for did, package in batch.items():
                turn.change_session(packages=without(turn.session.packages, did))
                if not has_ended(package, turn.now):  # kept over a long wait: the next may hold
                    turn.alarm("key package", f"A newcomer's key package cannot be used: {error}.")
                    turn.delay(Purpose(Work.TAKE_PACKAGE, did), NO_PACKAGE_RETRY_S)


def _take_package(turn: Turn, channel: Channel, did: DeviceId) -> bool:
    """Ask for a key package of the device; return whether an answer is still to come."""
    roster, circle = turn.state.roster, turn.state.circle
    record = roster.devices.get(did) if roster is not None else None
    if record is None or circle is None:
        return False
    purpose = Purpose(Work.TAKE_PACKAGE, did)
    inbox_id, commons_id = record.card.inbox_id, circle.commons_id
    turn.ask(
        purpose,
        lambda rid: TakeKeyPackage(rid=rid, commons_id=commons_id, inbox_id=inbox_id),
    )
    return purpose in turn.session.asked


def on_package(turn: Turn, purpose: Purpose, event: Package) -> None:
    """Keep a key package for the next commit, if it is the device's own."""
    roster = turn.state.roster
    did = DeviceId(purpose.subject)
    record = roster.devices.get(did) if roster is not None else None
    if roster is None or record is None:
        return
    try:
        check_package(event.package, record, roster.circle_id, turn.now)
    except PackageExpired:
        return  # the pool hands out the oldest first: the next one may hold
    except PackageError as error:
        turn.alarm("key package", f"A key package of a member was refused: {error}.")
        turn.delay(purpose, NO_PACKAGE_RETRY_S)  # each try uses one up
        return
    packages = with_item(turn.session.packages, did, event.package)
    turn.change_session(packages=packages)


def on_package_failed(turn: Turn, purpose: Purpose, event: Failed) -> None:
    """No key package is left: the newcomer stays admitted and waits (3.5.1)."""
    if not on_common_refusal(turn, purpose, event):
        turn.delay(purpose, NO_PACKAGE_RETRY_S if event.code == Refusal.NO_KEY_PACKAGE else 2)


# --- rank -----------------------------------------------------------------------------------------


def is_due(
    turn: Turn, duty: bytes, *, caused_it: bool, eligible: Collection[DeviceId] | None = None
) -> bool:
    """Return whether this device may act on a duty now, and remember when it may if not.

    ``eligible``: who can do it, if not every active device.
    """
    if caused_it:
        return True
    turn.looked_at.add(duty)
    due = turn.state.duties.get(duty)
    if due is None:
        due = turn.now + min(_rank(turn.state, duty, eligible), MAX_RANK) * RANK_DELAY_S
        turn.change(duties=with_item(turn.state.duties, duty, due))
    return due <= turn.now


def forget_done(turn: Turn) -> None:
    """Forget the duties that no flow wants any more: somebody has done them."""
    left = {duty: due for duty, due in turn.state.duties.items() if duty in turn.looked_at}
    if turn.is_linked and len(left) != len(turn.state.duties):
        turn.change(duties=left)


def _rank(state: State, duty: bytes, eligible: Collection[DeviceId] | None) -> int:
    """This device's place, from 0, among those eligible by SHA-256(duty id || did)."""
    roster = state.roster
    if roster is None:
        return MAX_RANK
    dids = [record.did for record in roster.active_devices()] if eligible is None else eligible
    order = sorted(sha256(duty, did) for did in dids)
    own = sha256(duty, did_of(state))
    return order.index(own) if own in order else MAX_RANK

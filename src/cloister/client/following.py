"""A home that is lost: stewards decide in a notice that people carry, and devices follow it.

Nobody can append any more, so the entries of the move (proposal, approval, and a tick when the
delay is over) are signed one after the other in a file.  Who reads it judges them by its roster.
Following means to ask the new home for the log; what settles there decides, not the notice.
"""

from __future__ import annotations

from contextlib import suppress

from cloister.client.appending import intent_of, sign
from cloister.client.foresight import check
from cloister.client.heads import lead_to
from cloister.client.home_records import HomeMove, HomeStep, MoveNotice
from cloister.client.leaving import READ_S
from cloister.client.naming import own_key_id, roster_in_force
from cloister.client.powers import FollowHome, StopFollowing
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.errors import CloisterError, PolicyError, TrustError, UsageError
from cloister.roster.content import Tick
from cloister.roster.entry import Entry, EntryKind, SealedType
from cloister.roster.governance import Governance
from cloister.roster.governance_state import ReadableProposal
from cloister.roster.orders import EntryReference
from cloister.roster.readable import ReadableType, read_body
from cloister.roster.relay_card import RelayCard, RelaySet
from cloister.roster.relay_fold import RelayFold
from cloister.roster.roster import Roster
from cloister.values import replace


def begin_notice(turn: Turn, wanted: RelaySet) -> MoveNotice:
    """Propose another home in a notice instead of the log.  Raises ``CloisterError``."""
    roster = roster_in_force(turn.state)
    check(turn, ReadableType.RELAY_SET, wanted.encode())
    entry = _signed(turn, ReadableType.RELAY_SET, wanted.encode(), _fold_of(roster))
    notice = MoveNotice(
        version=1,
        circle_id=roster.circle_id,
        origin=roster.origin,
        size=roster.size,
        root=roster.root,
        entries=(entry,),
    )
    _judge(roster, notice)
    return notice


def on_follow(turn: Turn, act: FollowHome) -> None:
    """Read a notice, add what this device has to add, and follow it if it is complete.

    Answered with the notice as it is then, in hexadecimal.
    """
    roster = roster_in_force(turn.state)
    try:
        notice = MoveNotice.decode(act.notice)
    except DecodeError:
        raise UsageError("the move notice is damaged, or is not one") from None
    governance = _judge(roster, notice)
    if len(governance.moves) == len(roster.governance.moves):
        notice, governance = _extend(turn, roster, notice, governance, approves=act.approve)
    if len(governance.moves) > len(roster.governance.moves):
        _follow(turn, notice, governance.relay_set)
    key = b"follow" + notice.root
    turn.owe(key, act.ref)
    turn.answer(key, text=notice.encode().hex())


def on_stop(turn: Turn, act: StopFollowing) -> None:
    """Go back to the home that the log names: the notice led nowhere."""
    move = turn.state.home_move
    if move is None or move.step is not HomeStep.FOLLOWING:
        raise PolicyError("this device follows no move notice")
    turn.change(home_move=None)
    turn.owe(b"stop following", act.ref)
    turn.answer(b"stop following")
    turn.drop_link("the notice is not followed any more")


def _follow(turn: Turn, notice: MoveNotice, relays: RelaySet) -> None:
    roster, move = roster_in_force(turn.state), turn.state.home_move
    if move is not None and move.step is not HomeStep.FOLLOWING:
        raise PolicyError("this device is on its way to another home already")
    turn.change(
        home_move=HomeMove(
            before=roster.relay_set.encode(),
            step=HomeStep.FOLLOWING,
            until=turn.now + READ_S,
            unplaced=(),
            candidate=relays.encode(),
            tail=notice.entries,
        )
    )
    if turn.session.up:
        turn.drop_link("another home is followed")


def _fold_of(roster: Roster) -> RelayFold:
    """The log as relays fold it, at the size of a roster."""
    return RelayFold(
        origin=roster.origin,
        governance=roster.governance,
        frontier=roster.frontier,
        ts=roster.ts,
    )


def _judge(roster: Roster, notice: MoveNotice) -> Governance:
    """Return what the entries of a notice lead to.  Raises ``TrustError``, ``PolicyError``."""
    if (notice.circle_id, notice.origin) != (roster.circle_id, roster.origin):
        raise TrustError("the notice is of another circle")
    if notice.size < roster.size and _names(notice, roster.relay_set.home):
        raise PolicyError(
            "this device has moved to the home that the notice names already",
            hint="There is nothing left to do with the notice on this device.",
        )
    if notice.size < roster.size:
        raise PolicyError(
            f"this device has seen {roster.size - notice.size} entries of the log that the notice "
            "does not build on",
            hint="The move has to be proposed anew on a device that has seen them, such as this.",
        )
    try:
        if notice.size > roster.size:
            # What lies between comes from the new home; the signatures are judged by what is known.
            return lead_to(roster.governance, notice.entries)
        fold = _fold_of(roster)
        for entry in notice.entries:
            fold = fold.append(entry)
    except CloisterError as error:
        raise TrustError(f"the notice does not continue the circle's log: {error}") from None
    return fold.governance


def _names(notice: MoveNotice, home: RelayCard) -> bool:
    """Tell whether a notice proposes this home; for what is said of it, and nothing else."""
    for data in notice.entries:
        with suppress(CloisterError):
            body = read_body(Entry.decode(data))
            if body.type == ReadableType.RELAY_SET:
                return RelaySet.decode(body.content).home == home
    return False


def _extend(
    turn: Turn, roster: Roster, notice: MoveNotice, governance: Governance, *, approves: bool
) -> tuple[MoveNotice, Governance]:
    """Add the approval of this steward, or the tick by which the change takes effect."""
    proposal = _open(roster, governance)
    if proposal is None:
        raise TrustError("the notice proposes no other home, or not by a steward of this circle")
    if notice.size != roster.size:
        return notice, governance
    fold = _fold_of(roster)
    for entry in notice.entries:
        fold = fold.append(entry)
    own = own_key_id(turn.state)
    if approves and not governance.obeys(own):
        raise PolicyError(
            "only a steward can approve that, on the device that holds the steward's key",
            hint="`cloister steward list` says who the stewards are.",
        )
    if approves and own in proposal.approvals:
        raise PolicyError(
            "you have proposed or approved this move already",
            hint="Another steward approves it: `cloister home follow FILE --approve`.",
        )
    if approves:
        content = EntryReference(entry_hash=proposal.entry_hash).encode()
        entry = _signed(turn, ReadableType.APPROVE, content, fold)
    elif proposal.due and turn.now >= proposal.due:
        entry = _signed(turn, SealedType.TICK, Tick().encode(), fold)
    else:
        return notice, governance
    extended = replace(notice, entries=(*notice.entries, entry))
    return extended, _judge(roster, extended)


def _open(roster: Roster, governance: Governance) -> ReadableProposal | None:
    """Return the proposal of another home that a notice brought."""
    for key, proposal in governance.proposals.items():
        if proposal.kind is ReadableType.RELAY_SET and key not in roster.governance.proposals:
            return proposal
    return None


def _signed(
    turn: Turn, entry_type: SealedType | ReadableType, content: bytes, fold: RelayFold
) -> bytes:
    intent = intent_of(entry_type, content)
    is_sealed = intent.kind is EntryKind.SEALED
    generation = roster_in_force(turn.state).generation if is_sealed else None
    return sign(
        turn,
        intent,
        seq=fold.size,
        root=fold.root,
        ts=max(turn.now, fold.ts),
        generation=generation,
    )

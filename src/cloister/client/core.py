"""The core: one frozen value that takes inputs and says what has to happen.

    handle(input, now, entropy) -> (next core, effects)

It dispatches: the connection's events to the flow that asked, the person's acts to theirs, and
after each input every flow may look whether there is something to do (``_ADVANCE``).  Foreign
bytes that break a rule end in an alarm and an unchanged state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Self

import msgspec

from cloister.client import (
    appending,
    changing,
    channels,
    committing,
    contacting,
    conversing,
    covering,
    duties,
    entering,
    exposure,
    founding,
    governance_duties,
    inviting,
    joining,
    log,
    merging,
    moving,
    objects,
    outbox,
    pool,
    putting_again,
    receipts,
    relocating,
    renewing,
    resetting,
    returning,
    seating,
    telling,
)
from cloister.client.dispatch import dispatch
from cloister.client.effects import (
    Alarm,
    Answer,
    Disconnect,
    Effect,
    Notify,
    Persist,
    Route,
    Send,
)
from cloister.client.enrolling import enrolled_shares
from cloister.client.errands import Errand
from cloister.client.inputs import (
    Act,
    AnyInput,
    ErrandDone,
    Received,
)
from cloister.client.persistence import fold_anew, load_state, writes_between
from cloister.client.records import ChannelState, JoiningStep
from cloister.client.routing import is_reading, only_reads, routes_of
from cloister.client.running import errands_of
from cloister.client.seam import Records
from cloister.client.state import Channel, State
from cloister.client.turn import Turn
from cloister.crypto.entropy import Entropy
from cloister.errors import CloisterError, LocalError, RemoteError
from cloister.roster.entry import Entry
from cloister.roster.relay_card import RelayCard
from cloister.roster.share import OpenedReceipt
from cloister.transparency.merkle import EMPTY_ROOT
from cloister.values import replace

CLOCK_STEP_S: Final = 120
"""A clock that goes further than this between two inputs has been set, not corrected: while there
is a link, one comes every minute."""
LOOK_AROUND_S: Final = 60
"""Deadlines of log time are looked at this often; nothing but a ``tick`` depends on it."""
SOON_S: Final = 15
"""A duty this near is worth waiting for."""


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """The device's mind as a value.  ``state`` is for views; programs do not change it."""

    state: State = msgspec.field(default_factory=State)

    @classmethod
    def load(cls, records: Records, entries: tuple[bytes, ...]) -> Self:
        """Rebuild from the vault.  Raises ``VaultContentError``."""
        state = fold_anew(load_state(records), records, entries)
        if state.roster is not None:
            roots = [Entry.decode(entry).header.root for entry in entries[: state.roster.size]]
            state = replace(state, roots=(*roots, state.roster.root))
            if state.circle is not None and state.circle.head:
                state = replace(state, head_time=_head_time(state, state.circle.head))
        else:
            state = replace(state, roots=(EMPTY_ROOT,))
        return cls(state=state)

    @property
    def routes(self) -> tuple[Route, ...]:
        """Ways to the home relay, tried in turn; empty: do not connect."""
        return routes_of(self.state)

    @property
    def errands(self) -> tuple[Errand, ...]:
        """What has to be done at relays over connections of their own, until it is gone here."""
        return errands_of(self.state)

    @property
    def enrolled_shares(self) -> tuple[tuple[OpenedReceipt, RelayCard], ...]:
        """This device's unlock shares, once it has enrolled at every share relay; else nothing."""
        return enrolled_shares(self.state)

    @property
    def wants_log(self) -> bool:
        """Whether the log of the vault is wanted: to fold it anew, or to bring it to a new home."""
        return bool(self.state.rewind) or relocating.wants_page(self.state)

    @property
    def wake_at(self) -> int | None:
        """When to call with ``Tick``; ``None``: not before another input."""
        if not self.state.session.nonce:
            move = self.state.home_move
            waits = [move.until] if move is not None and is_reading(self.state) else []
            return min((*waits, *putting_again.forgets_at(self.state)), default=None)
        times = [
            *putting_again.forgets_at(self.state),
            *self.state.session.not_before.values(),
            *self.state.duties.values(),
            *(one.update_at for one in self.state.channels.values() if one.update_at),
            *(one.due for one in self.state.givings.values()),
            self.state.cover_at,
        ]
        later = [one for one in times if one > self.state.handled_at]
        return min((*later, self.state.handled_at + LOOK_AROUND_S))

    @property
    def is_busy(self) -> bool:
        """Whether something is under way, or falls due within ``SOON_S``."""
        state = self.state
        soon = state.handled_at + SOON_S
        return bool(
            state.session.outstanding
            or state.founding
            or (state.joining and state.joining.step is not JoiningStep.WAITING)
            or any(not intent.appended for intent in state.intents)
            or any(one.staged for one in state.channels.values())
            or state.orders
            or is_reading(state)
            or (state.home_move and state.adoption)
            or any(self._is_on_its_way(one) for one in state.channels.values())
            or any(state.handled_at < due <= soon for due in state.duties.values())
        )

    def _is_on_its_way(self, channel: Channel) -> bool:
        """Whether the relay has said that it has more of a channel, and has not sent it yet."""
        session = self.state.session
        return (
            channel.state is ChannelState.ACTIVE
            and channel.channel_id not in session.held
            and channel.next_n < session.promised.get(channel.channel_id, 0)
        )

    def handle(
        self, given: AnyInput, now: int, entropy: Entropy
    ) -> tuple[Self, tuple[Effect, ...]]:
        """Take one input.  Foreign bytes raise nothing here; a bug of ours does."""
        turn = Turn(self.state, now, entropy)
        try:
            _mind_the_clock(turn)
            dispatch(turn, given)
            _advance(turn)
            return self._finish(turn)
        except CloisterError as error:
            if isinstance(given, Act):
                return self, (Notify(notice=Answer(ref=given.ref, error=error)),)
            if isinstance(error, LocalError) and not isinstance(given, Received | ErrandDone):
                raise
            alarm = Notify(notice=Alarm(code=type(error).__name__, text=str(error)))
            if isinstance(given, ErrandDone):
                return self, (alarm,)  # another relay's, or another connection's, fault
            return self, (alarm, Disconnect(reason="refused"))

    def _finish(self, turn: Turn) -> tuple[Self, tuple[Effect, ...]]:
        turn.change(handled_at=turn.now)
        writes = (*turn.messages, *turn.entries, *writes_between(self.state, turn.state))
        effects: list[Effect] = []
        if writes:
            effects.append(Persist(writes=writes))
        effects.extend(Send(request=request) for request in turn.requests)
        effects.extend(Notify(notice=notice) for notice in turn.notices)
        if turn.disconnect is not None:
            effects.append(Disconnect(reason=turn.disconnect))
        return type(self)(state=turn.state), tuple(effects)


_ADVANCE: Final[tuple[Callable[[Turn], None], ...]] = (
    founding.advance,
    founding.advance_settling,
    joining.advance,
    relocating.advance,
    entering.advance_inbox,
    entering.advance,
    returning.advance,
    channels.advance,
    merging.advance,
    objects.advance,
    resetting.advance,
    log.advance,
    moving.advance,
    inviting.advance,
    inviting.advance_found,
    conversing.advance,
    changing.advance,
    pool.advance_stale,
    seating.advance,
    renewing.advance,
    duties.advance,
    governance_duties.advance,
    appending.advance,
    committing.advance,
    receipts.advance,
    covering.advance,
    putting_again.advance,
    outbox.advance,
)
_ADVANCE_READING: Final[tuple[Callable[[Turn], None], ...]] = (
    entering.advance_inbox,
    entering.advance,
    returning.advance,
    channels.advance,
    merging.advance,
    objects.advance,
    log.advance,
    relocating.advance,
)
"""What a device does at a home that the circle has left: it reads."""
_ADVANCE_OUT: Final[tuple[Callable[[Turn], None], ...]] = (
    entering.advance_inbox,
    returning.advance,
    channels.advance,
    merging.advance,
    objects.advance,
    log.advance,
    putting_again.advance,
)
"""What a device does that is out: it reads what it may, and waits for a Welcome."""


def _advance(turn: Turn) -> None:
    """Let every flow look once; then act on what was settled, as long as anything was."""
    circle = turn.state.circle
    flows = _ADVANCE_OUT if circle is not None and circle.left else _ADVANCE
    for flow in _ADVANCE_READING if only_reads(turn.state) else flows:
        if turn.disconnect is not None:
            return
        flow(turn)
        if turn.settled:
            for settled in turn.settled:
                exposure.on_settled(turn, settled)
                telling.tell(turn, settled)
                contacting.on_settled(turn, settled)
            appending.resolve(turn)
            turn.settled.clear()
            turn.release = True
        if turn.release:
            turn.release = False
            channels.release(turn)
        while turn.finished:
            intent, error = turn.finished.pop(0)
            inviting.on_intent_finished(turn, intent, error)
    duties.forget_done(turn)


def _head_time(state: State, head: bytes) -> int:
    """How fresh the log is counts from the head's own signatures, also after a restart."""
    try:
        return log.verify_head(state, head).newest_cosignature_time
    except RemoteError:
        return 0  # under other relays than it was signed by: as old as can be


def _mind_the_clock(turn: Turn) -> None:
    """Forget waits that a clock set back would stretch to hours; and where a clock was set while
    the link stood, count on from there: nothing has been kept back for a day that did not pass."""
    step = turn.now - turn.state.handled_at
    if step < -CLOCK_STEP_S:
        turn.change(duties={}, cover_at=0)
        turn.change_session(not_before={})
    session = turn.session
    if not session.nonce or abs(step) <= CLOCK_STEP_S:
        return
    turn.change_session(
        waiting_since={one: since + step for one, since in session.waiting_since.items()},
        moved_on={one: since + step for one, since in session.moved_on.items()},
    )
    size, since = turn.state.log_ahead
    if size:
        turn.change(log_ahead=(size, since + step))

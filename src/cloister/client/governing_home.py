"""Acts of stewards that move the circle to another home relay (decision 0038)."""

from __future__ import annotations

from cloister.client.following import begin_notice
from cloister.client.foresight import append
from cloister.client.home_records import Adoption
from cloister.client.naming import roster_in_force
from cloister.client.powers import ALREADY_HOME, FORMER_HOME, BringCircle, MoveHome
from cloister.client.turn import Turn
from cloister.codec import DecodeError
from cloister.crypto.secret import Secret
from cloister.errors import PolicyError, UsageError
from cloister.roster.readable import ReadableType
from cloister.roster.relay_card import RelayCard, RelaySet, check_relay_set
from cloister.roster.roster import Roster
from cloister.wire.request import MAX_CODE_BYTES


def on_move_home(turn: Turn, act: MoveHome) -> None:
    """Propose another home; the code waits until the change is in force."""
    roster = roster_in_force(turn.state)
    try:
        home = RelayCard.decode(act.home_card)
    except DecodeError:
        raise UsageError("the relay card is damaged, or is not a relay card") from None
    demand_movable(roster, home)
    wanted = RelaySet(home=home, entries=roster.relay_set.entries)
    check_relay_set(wanted, roster.policy)
    if act.activation_code:
        _keep(turn, home, act.activation_code)
    if act.lost:
        notice = begin_notice(turn, wanted)
        key = b"notice" + notice.root
        turn.owe(key, act.ref)
        turn.answer(key, text=notice.encode().hex())
        return
    append(turn, act.ref, ReadableType.RELAY_SET, wanted.encode())


def on_bring(turn: Turn, act: BringCircle) -> None:
    """Let this device bring the circle to the home that the log names."""
    roster, move = roster_in_force(turn.state), turn.state.home_move
    if move is None:
        raise PolicyError(
            "the circle is not on its way to another home relay",
            hint="`cloister home show` says which one it has.",
        )
    _keep(turn, roster.relay_set.home, act.activation_code)
    turn.owe(b"bring", act.ref)
    turn.answer(b"bring")


def demand_movable(roster: Roster, home: RelayCard) -> None:
    """Raise ``PolicyError`` with the reason why the circle cannot have this home."""
    if home.relay_id == roster.relay_set.home.relay_id:
        raise UsageError(ALREADY_HOME)
    if roster.governance.had_home(home.relay_id):
        raise PolicyError(FORMER_HOME)


def _keep(turn: Turn, home: RelayCard, code: str) -> None:
    if not 0 < len(code.encode()) <= MAX_CODE_BYTES:
        raise UsageError("that is not an activation code")
    turn.change(
        adoption=Adoption(
            home_id=home.relay_id, code=code, setup_seed=Secret(turn.entropy.random(32))
        )
    )

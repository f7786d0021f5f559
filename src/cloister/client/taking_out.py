"""May history be taken out of the vault, and who is told? The circle's policy says it.

It binds programs like this one. Whoever can read a text can copy it down.
"""

from __future__ import annotations

from typing import NamedTuple

from cloister.client.effects import Answer
from cloister.client.foresight import append
from cloister.client.identity import did_of
from cloister.client.naming import shown
from cloister.client.powers import TakeHistory
from cloister.client.state import State
from cloister.client.turn import Turn
from cloister.errors import NotFoundError, PolicyError, UsageError
from cloister.ids import SHORT_ID_BYTES
from cloister.roster.content import Export, ExportScope
from cloister.roster.entry import SealedType
from cloister.roster.policy import ExportRule


def on_take_history(turn: Turn, act: TakeHistory) -> None:
    """Answer at once where it is free, and when it stands in the log where that is asked for.

    A sealed backup is nobody else's to read: it is not refused, but told where exports are.
    """
    try:
        scope = ExportScope(act.scope)
    except ValueError:
        raise UsageError("say what is taken out: a conversation, everything or a backup") from None
    state = turn.state
    roster = state.roster_ahead or state.roster
    rule = ExportRule.FREE if roster is None else roster.policy.export
    if rule is ExportRule.FREE:
        turn.notices.append(Answer(ref=act.ref))
        return
    if rule is ExportRule.REFUSED and scope is not ExportScope.BACKUP:
        raise PolicyError(
            "the circle's rules refuse exports",
            hint="`cloister policy show` has them. A backup, which stays sealed, can be made:"
            " cloister backup FILE.",
        )
    if state.circle is not None and state.circle.left:
        raise PolicyError(
            "the circle wants to be told of this, and this device is not in it any more",
            hint="What is here can be read here: cloister read NAME --offline.",
        )
    content = Export(export_id=turn.entropy.random(SHORT_ID_BYTES), scope=scope)
    append(turn, act.ref, SealedType.EXPORT, content.encode())


class Whose(NamedTuple):
    """Whose history a vault holds."""

    circle_id: bytes
    member_id: bytes
    did: bytes
    name: str


def whose_history(state: State) -> Whose:
    """Say whose device this is.  Raises ``NotFoundError`` before it has been let in."""
    roster = state.roster
    device = None if roster is None or state.identity is None else roster.devices.get(did_of(state))
    if roster is None or device is None:
        raise NotFoundError(
            "this device is not in a circle yet", hint="`cloister status` says what it waits for"
        )
    name = shown(roster, device.member_id)
    return Whose(roster.circle_id, device.member_id, device.card.did, name)

"""The roster is made anew when a reset takes back what is in it already (flows 4.3).

A device that sat in a broken commons and could open what came of it has folded entries that are
void now.  The core does not keep the log in memory: it asks the program for it, and folds it from
the genesis, without what the reset took back.
"""

from __future__ import annotations

from cloister.client.inputs import LogRead
from cloister.client.log import forget_generations
from cloister.client.turn import Turn
from cloister.roster.roster import Roster
from cloister.roster.voiding import voids_in


def on_log_read(turn: Turn, given: LogRead) -> None:
    """Fold the log anew; what is beyond it is fetched again on a fresh connection."""
    roster, voids = turn.state.roster, turn.state.rewind
    if roster is None or not voids:
        return
    entries = given.entries[: roster.size]
    forget_generations(turn, above=min(void.generation for void in voids))
    log_keys = turn.state.log_keys
    founded = Roster.found(entries[0], log_keys[0])
    before = voids_in(founded.governance, entries[1:])
    rewound, _ = founded.extend(entries[1:], log_keys, (*before, *voids))
    turn.change(roster=rewound, rewind=())
    turn.alarm(
        "rewound",
        "The commons was reset, and entries of the log that only some members could read are void. "
        "What they did has to be done again: see `cloister log list`.",
    )
    turn.drop_link("rewound")

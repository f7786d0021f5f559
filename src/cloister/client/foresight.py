"""What the fold would say to an entry, asked before anything is appended.

An act that the circle's rules do not allow is refused at once, in words, and leaves no trace in
the log.  The rules are not written down here a second time: the entry is made for the newest
settled size and handed to the roster itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cloister.client.appending import intend, intent_of, sign
from cloister.client.naming import roster_in_force
from cloister.client.turn import Turn
from cloister.errors import PolicyError
from cloister.roster.entry import SealedType
from cloister.roster.errors import NeedsLogKey, UpdateNeeded
from cloister.roster.events import Ignored
from cloister.roster.readable import ReadableType
from cloister.roster.rules import Rule

EntryType = SealedType | ReadableType

_STEWARDS = "`cloister steward list` shows who is one."
_WORDS: Final[Mapping[Rule, tuple[str, str]]] = {
    Rule.STEWARD_KEY: (
        "only a steward can do that, on the device that holds the steward's key",
        _STEWARDS,
    ),
    Rule.NOT_A_STEWARD: ("an officer places holds, and does nothing else of it", _STEWARDS),
    Rule.KEY_SUSPENDED: (
        "your steward's key is suspended: nothing that it signs counts",
        "It ends after seven days unless a second steward confirms it.",
    ),
    Rule.APPROVE_AGAIN: (
        "you have proposed or approved this already, or it is about yourself",
        "Another person has to approve: `cloister pending` says who may.",
    ),
    Rule.APPROVE_STEWARD: (
        "only a steward can be the second person here",
        "With a single steward it cannot be had: `cloister steward add` another one first.",
    ),
    Rule.APPROVE_OTHER: (
        "the second person must be another than the first, and than who it is about",
        "`cloister pending` says who may approve.",
    ),
    Rule.APPROVE_LAPSED: ("the proposal is older than seven days", "Propose it anew."),
    Rule.SUSPEND_LAST: (
        "of two stewards neither suspends the other: one stolen key would rule the circle",
        "Lock the device (`cloister lost`), or make a third steward first.",
    ),
    Rule.REFUSE_NOTHING: (
        "it is not yours to withdraw, or cannot be stopped any more",
        "`cloister pending` shows what waits.",
    ),
    Rule.ERASE_HELD: (
        "a legal hold forbids it",
        "`cloister hold list` shows who placed it and when.",
    ),
    Rule.ERASE_AGAIN: (
        "it is being erased already, or has been",
        "See `cloister erase --status`.",
    ),
    Rule.UNLOCK_CONSENT: (
        "the owner's consent does not fit this lock",
        "It was made for another one: the owner runs `cloister unlock-device --consent` anew.",
    ),
    Rule.CONSENT: (
        "the owner's consent is older than the lock, or not the owner's",
        "The owner runs `cloister unlock-device --consent` anew, and another steward uses it.",
    ),
    Rule.OBJECTION_AGAIN: ("you have objected already", "A second member's objection pauses it."),
    Rule.EXPORT_REFUSED: (
        "the circle's rules refuse exports",
        "`cloister policy show` has them. A sealed backup can be made: cloister backup FILE.",
    ),
    Rule.REVOUCH_TWICE: ("you stand behind this member already", "Somebody else has to vouch."),
}
"""Rule -> what it means to the person, and what to do.  Others are shown as they stand."""


class Forbidden(PolicyError):
    """The circle's rules do not allow an act; ``rule`` says which."""

    def __init__(self, rule: Rule, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.rule = rule


def foresee(turn: Turn, entry_type: EntryType, content: bytes) -> Rule | None:
    """Return the rule that such an entry would break now, or ``None``."""
    roster = roster_in_force(turn.state)
    intent = intent_of(entry_type, content)
    entry = sign(
        turn,
        intent,
        seq=roster.size,
        root=roster.root,
        ts=max(turn.now, roster.ts),
        generation=roster.generation,
    )
    try:
        _, events = roster.append(entry, turn.state.log_keys)
    except (NeedsLogKey, UpdateNeeded):
        return None  # this device is behind: the log will tell
    return next((event.rule for event in events if isinstance(event, Ignored)), None)


def check(turn: Turn, entry_type: EntryType, content: bytes) -> None:
    """Raise ``Forbidden`` when the roster would ignore such an entry."""
    rule = foresee(turn, entry_type, content)
    if rule is None:
        return
    message, hint = _WORDS.get(rule, (f"the circle's rules forbid it: {rule.demand}", None))
    raise Forbidden(rule, f"{message} ({rule.rule_id})", hint=hint)


def append(turn: Turn, ref: int, entry_type: EntryType, content: bytes) -> None:
    """Queue an entry for a person's act, if the rules allow it; answered when it is settled."""
    check(turn, entry_type, content)
    turn.owe(intend(turn, entry_type, content), ref)

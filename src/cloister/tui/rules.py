"""The circle's rules in sentences: what the fields of the policy mean to a member.

A field that is not here is shown by its name and value; a new one gets its sentence here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from cloister.client.spans import span_in_words
from cloister.errors import UsageError

_SENTENCES: Final[Mapping[str, Callable[[Any], str]]] = {
    "vouches": lambda n: f"A newcomer needs {_counted(n, 'vouch', 'vouches')}",
    "vouches_large": lambda n: f"From 11 members on, {n}",
    "probation_s": lambda s: f"A newcomer's own vouches count {_after(s, 'admission')}",
    "vouch_lifetime_s": lambda s: f"A vouch counts for {span_in_words(s)}",
    "veto_s": lambda s: f"Who has enough vouches is in {_after(s, 'asking')}",
    "max_open_invites": lambda n: (
        f"A member has {_counted(n, 'invitation', 'invitations')} open at most"
    ),
    "unlock_shares": lambda n: (
        "Relays hold unlock shares: a lost device is locked there"
        if n
        else "Relays hold no unlock shares: a lost device opens with its PIN alone"
    ),
    "seats": lambda n: "Each device needs a paid seat" if n else "No seats are sold",
    "cool_off_s": lambda s: f"What is approved for erasure is erased {_after(s, 'approval')}",
    "change_delay_s": lambda s: f"Other rules and other stewards hold {_after(s, 'approval')}",
    "export": lambda word: {
        "free": "Members write their history out, and nobody is told",
        "logged": "Members write their history out, and it stands in the log",
        "refused": "Nobody writes history out; a sealed backup stands in the log",
    }.get(word, f"export: {word}"),
    "cover_per_day": lambda n: (
        f"Every device sends {n} messages a day at the least that say nothing"
        if n
        else "A device sends messages that say nothing only if its person wants it"
    ),
}
_FLAGS: Final = ((1, "This is a test circle"), (2, "One operator runs all relays"))


EXPORTS: Final = ("free", "logged", "refused")
"""What may become of exports; the place is the number of the rule (``roster.policy``)."""
COVERS: Final = (0, 12, 48, 240)
"""The rates of cover that a circle may ask of its devices (``roster.policy``), messages a day."""
_SECONDS: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}


def rule_sentence(field: str, value: Any) -> str:
    """Return what a rule says, without a stop."""
    say = _SENTENCES.get(field)
    return say(value) if say else f"{field}: {value}"


def number_of(field: str, typed: str) -> int:
    """Return the value that somebody typed for a rule: a count, or a span of time in seconds.

    Raises ``UsageError``."""
    given = "".join(typed.split()).casefold()
    if not field.endswith("_s"):
        if not given.isdecimal():
            raise UsageError("this is no number")
        return int(given)
    if given == "0":
        return 0
    if not given[:-1].isdecimal() or given[-1:] not in _SECONDS:
        raise UsageError("this is no span of time", hint="for example 14d, 12h, 30m, or 0")
    return int(given[:-1]) * _SECONDS[given[-1]]


def rule_lines(views: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a line for each rule; ``views``: field, value and whether two stewards change it."""
    lines = []
    for view in views:
        field, value = str(view["field"]), view["value"]
        end = "." if view["can_change"] else ". (fixed)"
        if field == "flags":
            lines += [said + end for flag, said in _FLAGS if int(value) & flag]
        else:
            lines.append(rule_sentence(field, value) + end)
    return lines


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _after(seconds: int, what: str) -> str:
    return f"{span_in_words(seconds)} after {what}" if seconds else "at once"

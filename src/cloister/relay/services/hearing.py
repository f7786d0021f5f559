"""Whose entries a log hears without a proof of its commons: those of whom it names (flows 2)."""

from __future__ import annotations

from contextlib import suppress

from cloister.crypto.errors import BadSignature
from cloister.relay.nobody import NO_HYBRID_KEY
from cloister.roster.entry import Entry
from cloister.roster.errors import RuleViolation, UpdateNeeded
from cloister.roster.governance import Governance
from cloister.roster.readable import read_body, verify_readable
from cloister.roster.rules import Rule


def check_author(entry: Entry, governance: Governance) -> None:
    """Demand the signatures of a key that the log names, whatever the entry's type: an obeyed
    steward's or officer's, or one of a proposed set, which has to show that somebody holds it.

    A key that the log does not name costs the check of a signature as a wrong one does.  Raises
    RuleViolation."""
    body = read_body(entry)
    try:
        governance.read(entry)
    except UpdateNeeded:
        # Authentic; what it says is judged where it is appended.
        return
    except RuleViolation as violation:
        if violation.rule is not Rule.STEWARD_SIGNATURE:
            with suppress(BadSignature):
                verify_readable(entry.header, body, NO_HYBRID_KEY)
        raise

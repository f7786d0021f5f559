"""A device takes its history out of its vault, where the circle wants that to be known."""

from __future__ import annotations

from cloister.roster.content import Export, ExportScope
from cloister.roster.draft import Act, Draft
from cloister.roster.errors import RuleViolation
from cloister.roster.events import Event, Exported
from cloister.roster.policy import ExportRule
from cloister.roster.rules import Rule


def on_export(draft: Draft, act: Act, export: Export) -> Event:
    """Apply an export entry: it changes nothing, and everybody can read it.

    The device writes when the entry is settled, so it is the log that decides whether a policy
    that refuses came first.
    """
    refuses = draft.policy.export is ExportRule.REFUSED
    if refuses and export.scope is not ExportScope.BACKUP:
        raise RuleViolation(Rule.EXPORT_REFUSED)
    return Exported(
        seq=act.seq,
        member_id=act.author.member_id,
        did=act.author.card.did,
        scope=export.scope,
    )

"""What can go wrong with a roster, by what the caller can do about it."""

from __future__ import annotations

from cloister.errors import LocalError, PolicyError, RemoteError, TrustError, UsageError
from cloister.roster.rules import Rule


class RuleViolation(RemoteError):
    """An entry, or what it would carry, breaks one rule. Inside the fold it becomes ``Ignored``."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(f"{rule.rule_id}: {rule.demand}")
        self.rule = rule


class LogBroken(TrustError):
    """The bytes are not the continuation of this log; nothing of them was taken."""

    def __init__(self, rule: Rule, seq: int) -> None:
        super().__init__(
            f"entry {seq} breaks {rule.rule_id}: {rule.demand}",
            hint="Do not go on with this relay. Compare checkpoints with another member.",
        )
        self.rule = rule
        self.seq = seq


class NeedsLogKey(RemoteError):
    """The entry is sealed under a generation whose key is not at hand yet."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"the log key of generation {generation} is not known yet")
        self.generation = generation


class UpdateNeeded(RemoteError):
    """The entry is authentic, or of a later format, and this program cannot judge it."""

    exit_code = 5

    def __init__(self, rule: Rule, seq: int, what: str) -> None:
        super().__init__(
            f"entry {seq} of the roster log needs a newer program: {what}",
            hint="Update Cloister. Until then the roster stands still on this device.",
        )
        self.rule = rule
        self.seq = seq


class WrongLogKey(LocalError):
    """A log key handed to the fold is not the one its generation committed to."""


class LogKeyChainBroken(TrustError):
    """The log keys before the one at hand cannot be recovered from the log."""


class RelayRefused(TrustError):
    """A relay card or a pair of relays does not keep the rules."""


class NameRefused(UsageError):
    """A name has characters, or a length, that names may not have."""


class InvitationError(UsageError):
    """What was typed or scanned is not an invitation."""


class InvitationExpired(PolicyError):
    """The invitation was genuine and its time is over."""


class LetterRefused(TrustError):
    """The letter in the invite box does not belong to this invitation."""


class SnapshotError(LocalError):
    """A stored roster cannot be read back."""

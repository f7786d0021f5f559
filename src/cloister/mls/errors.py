"""What the engine refuses, and whose fault it is.

One class per decision a caller can take; everything a foreign message can cause is an
:class:`MLSError`. ``RuleViolation`` carries the rule of :mod:`cloister.mls.rules` that was broken.
"""

from __future__ import annotations

from types import TracebackType

from cloister.codec import DecodeError
from cloister.crypto.errors import BadPublicKey, DecryptError
from cloister.errors import LocalError, RemoteError
from cloister.mls.rules import Rule


class MLSError(RemoteError):
    """A message, Welcome, tree or KeyPackage was refused. The group value is untouched."""


class Malformed(MLSError):
    """The bytes are not an MLS structure."""


class Undecryptable(MLSError):
    """A ciphertext does not open: damaged, forged, or for somebody else."""

    def __init__(self) -> None:
        super().__init__("does not decrypt")


class RuleViolation(MLSError):
    """A structure breaks a rule of RFC 9420; ``rule`` says which, and what it demands."""

    def __init__(self, rule: Rule, detail: str = "") -> None:
        found = f" ({detail})" if detail else ""
        super().__init__(
            f"{rule.rule_id} {rule.name} is broken{found}: {rule.demand} ({rule.section})"
        )
        self.rule = rule


class WrongGroup(MLSError):
    """The message belongs to another group."""


class WrongEpoch(MLSError):
    """The message belongs to another epoch of this group.

    ``message_epoch`` is what its unauthenticated header says.
    """

    def __init__(self, message_epoch: int, group_epoch: int) -> None:
        super().__init__(f"message of epoch {message_epoch} in epoch {group_epoch}")
        self.message_epoch = message_epoch
        self.group_epoch = group_epoch


class OwnMessage(MLSError):
    """The message names this member as its sender: an echo, which the sender never processes."""

    def __init__(self) -> None:
        super().__init__("own message")


class ConsumedGeneration(MLSError):
    """The key of this message was used and deleted: a replay, or too far behind."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"key of generation {generation} is gone")


class TooFarAhead(MLSError):
    """The generation is further ahead than the forward limit allows."""

    def __init__(self, generation: int) -> None:
        super().__init__(f"generation {generation} is beyond the forward limit")


class UnknownProposal(MLSError):
    """A commit refers to a proposal that has not been received in this epoch."""


class UnknownPsk(MLSError):
    """A pre-shared key that is needed is not known. There is no substitute for it."""


class Unsupported(MLSError):
    """Part of MLS, but not of what was allowed here: a suite, ReInit, an external commit."""


class NotForUs(MLSError):
    """The Welcome holds no secrets for this KeyPackage."""


class Misuse(LocalError):
    """The engine was called with arguments it cannot work with."""


class ForeignInput:
    """Wraps the entry points: what the layers below refuse becomes an MLSError."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, MLSError):
            return
        if isinstance(error, DecodeError | BadPublicKey):
            raise Malformed(str(error)) from None
        if isinstance(error, DecryptError):
            raise Undecryptable from None


FOREIGN = ForeignInput()

"""Why a log, a head or a proof is not accepted. One class for each decision a caller can take."""

from __future__ import annotations

from cloister.errors import LocalError, RemoteError, TrustError


class TransparencyError(TrustError):
    """What a relay says about the log does not hold. Nothing of it may be used."""


class NoteError(TransparencyError):
    """The bytes are not a signed note (C2SP signed-note)."""


class CheckpointError(TransparencyError):
    """The text of a note is not a checkpoint as we accept it (C2SP tlog-checkpoint)."""


class WrongOrigin(TransparencyError):
    """A well-formed checkpoint, but of another log."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(f"checkpoint of log {found}, not of {expected}")
        self.expected = expected
        self.found = found


class BadNoteSignature(TransparencyError):
    """A line under the name and key id of a known relay does not verify: the note is refused."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"signature of {name}: {reason}")
        self.name = name


class UnsignedByLog(TransparencyError):
    """One of the log's two signatures is missing."""

    def __init__(self, name: str) -> None:
        super().__init__(f"not signed by the log {name} with both its keys")
        self.name = name


class NotSettled(RemoteError):
    """Signed by the log, but not yet by enough cosigners.

    Not a trust problem by itself: a cosigner may be out of reach. It becomes one when it lasts.
    """

    def __init__(self, found: int, needed: int) -> None:
        super().__init__(f"{found} of {needed} cosignatures")
        self.found = found
        self.needed = needed


class ProofError(TransparencyError):
    """An inclusion or consistency proof does not lead to the root it should."""


class MisusedLog(LocalError, ValueError):
    """A value of our own that no tree, checkpoint or signature can have.

    Also a ValueError, which `codec` turns into a DecodeError when the value came from bytes.
    """

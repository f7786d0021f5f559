"""Is this head settled? The log signed it, and enough cosigners did (compare C2SP tlog-policy).

A head is *logged* when it has both signatures of the home relay, and *settled* when it has, too,
both signatures of at least one cosigner. Only settled heads may gate who belongs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from cloister.transparency.checkpoint import Checkpoint
from cloister.transparency.cosignature import RelayVerifier
from cloister.transparency.errors import MisusedLog, NotSettled, WrongOrigin
from cloister.transparency.note import UnverifiedNote


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """A head that was verified: what it says, who cosigned it, and how fresh it is.

    `newest_cosignature_time` is the latest time, in seconds, that a cosigner stated. Whether it is
    too old, or lies ahead of one's own clock, is for the caller to judge.
    """

    origin: str
    size: int
    root: bytes
    newest_cosignature_time: int
    cosigners: tuple[str, ...]


def verify_logged(note: bytes, log: RelayVerifier, origin: str) -> Checkpoint:
    """Verify that the log `origin` signed this head with both its keys; cosignatures are ignored.

    What a mirror checks before it asks for entries. Raises NoteError, CheckpointError, WrongOrigin,
    UnsignedByLog, BadNoteSignature; any other exception is a bug.
    """
    parsed = UnverifiedNote.parse(note)
    return _verify_log(parsed, log, origin)


def verify_settled(
    note: bytes,
    log: RelayVerifier,
    cosigners: Sequence[RelayVerifier],
    origin: str,
    *,
    needed: int = 1,
) -> Settled:
    """Verify that a head is signed by its log and by at least `needed` of the cosigners.

    Args:
        note: a signed note, untrusted.
        log: the home relay of the relay set in force.
        cosigners: the other relays of the set, each run by another organisation than the log. Of
            relays run by one organisation the caller passes those it would count once.
        origin: the log's origin, from the circle's genesis or relay set.

    Lines of unknown keys are ignored. A wrong line of a known key refuses the note, even when
    enough others are right: it is either damaged or an attempt.

    Raises what `verify_logged` raises, and NotSettled; MisusedLog when the relays are not distinct.
    Any other exception is a bug.
    """
    _check_distinct(log, cosigners)
    if needed < 1:
        raise MisusedLog("a quorum needs a cosigner")
    parsed = UnverifiedNote.parse(note)
    checkpoint = _verify_log(parsed, log, origin)
    times: dict[str, int] = {}
    for cosigner in cosigners:
        time = cosigner.verify_cosignature(parsed, checkpoint)
        if time is not None:
            times[cosigner.name] = time
    if len(times) < needed:
        raise NotSettled(len(times), needed)
    return Settled(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root,
        newest_cosignature_time=max(times.values()),
        cosigners=tuple(times),
    )


def _verify_log(note: UnverifiedNote, log: RelayVerifier, origin: str) -> Checkpoint:
    checkpoint = Checkpoint.parse(note.text)
    if checkpoint.origin != origin:
        raise WrongOrigin(origin, checkpoint.origin)
    log.verify_log(note, checkpoint)
    return checkpoint


def _check_distinct(log: RelayVerifier, cosigners: Sequence[RelayVerifier]) -> None:
    """One key under two names would count twice; the log's own key is no second opinion."""
    relays = (log, *cosigners)
    for parts in (
        {relay.name for relay in relays},
        {relay.public.ed25519 for relay in relays},
        {relay.public.ml_dsa_44 for relay in relays},
    ):
        if len(parts) != len(relays):
            raise MisusedLog("log and cosigners must have distinct names and keys")

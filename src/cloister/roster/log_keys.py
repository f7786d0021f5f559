"""Log keys: how a generation follows from the one before, and how old ones are found again.

    LK_0                random, by the founder
    LK_g+1              = HKDF-Expand(HKDF-Extract(salt = LK_g, ikm = X_g+1), label || g+1, 32)
    log_key{g+1}        sealed under LK_g+1; wraps X_g+1 || LK_g under LK_g+1

X_g+1 is what the commons exports in the epoch that follows a removal. Because a key is made from
the one before, a key fits exactly one history of keys: whoever is given LK_g can check every older
key, and no member, however many keys he holds, can make a second chain that ends in the same LK_g
and lets a newcomer read another history than everybody else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from cloister.codec import DecodeError
from cloister.crypto.aead import NONCE_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.hashing import hkdf_expand, hkdf_extract
from cloister.crypto.secret import Secret
from cloister.roster.content import LogKey
from cloister.roster.entry import EntryKind, SealedType, open_sealed
from cloister.roster.errors import LogKeyChainBroken, RuleViolation
from cloister.roster.events import Event, LogKeyAnnounced
from cloister.roster.fields import LOG_KEY_BYTES
from cloister.roster.form import read_entry
from cloister.roster.labels import framed, labelled_hash
from cloister.roster.rules import Rule

if TYPE_CHECKING:
    from cloister.roster.draft import Act, Draft

# A commitment shows nothing of the key: no other use of a log key has this label.
LOG_KEY_COMMITMENT_LABEL: Final = b"log key commitment"
# The derivation of a generation from the exported secret and the generation before.
LOG_KEY_DERIVE_LABEL: Final = b"log key"
# The wrapped older key cannot be taken for an entry sealed under the same key.
LOG_KEY_WRAP_LABEL: Final = b"log key wrap"


def log_key_commitment(log_key: Secret) -> bytes:
    """What stands in the log for a log key, 32 bytes."""
    return labelled_hash(LOG_KEY_COMMITMENT_LABEL, log_key.expose())


def next_log_key(generation: int, exported: Secret, previous: Secret) -> Secret:
    """Return LK of ``generation``.

    Args:
        generation: g + 1, the number of the key to be made.
        exported: 32 bytes exported by the commons in the epoch that begins the generation.
        previous: LK_g, 32 bytes.
    """
    extracted = hkdf_extract("sha256", previous.expose(), exported.expose())
    info = framed(LOG_KEY_DERIVE_LABEL) + generation.to_bytes(4, "big")
    return hkdf_expand("sha256", extracted, info, LOG_KEY_BYTES)


def make_log_key(
    generation: int, *, exported: Secret, previous: Secret, entropy: Entropy
) -> LogKey:
    """Make the content of the entry that begins ``generation``; arguments as in next_log_key.

    The entry is to be sealed under ``next_log_key(generation, exported, previous)`` with that
    generation in its header.
    """
    log_key = next_log_key(generation, exported, previous)
    nonce = entropy.random(NONCE_LENGTH)
    sealed = aes256gcm_seal(log_key, nonce, exported.expose() + previous.expose(), _aad(generation))
    return LogKey(
        generation=generation, commitment=log_key_commitment(log_key), wrapped=nonce + sealed
    )


def unwrap_previous(content: LogKey, log_key: Secret) -> Secret:
    """Return LK_g from the entry that begins g+1, sealed under ``log_key`` = LK_g+1.

    Raises RuleViolation when it does not unwrap or LK_g+1 is not derived from what is inside.
    """
    nonce, sealed = content.wrapped[:NONCE_LENGTH], content.wrapped[NONCE_LENGTH:]
    try:
        inside = aes256gcm_open(log_key, nonce, sealed, _aad(content.generation))
    except DecryptError:
        raise RuleViolation(Rule.LOG_KEY_WRAPS) from None
    exported, previous = Secret(inside[:LOG_KEY_BYTES]), Secret(inside[LOG_KEY_BYTES:])
    if next_log_key(content.generation, exported, previous) != log_key:
        raise RuleViolation(Rule.LOG_KEY_BINDS)
    return previous


def on_log_key(draft: Draft, act: Act, content: LogKey) -> Event:
    """Apply a log_key entry: the generation it begins is current from here."""
    if content.generation != draft.generation + 1 or act.generation != content.generation:
        raise RuleViolation(Rule.LOG_KEY_ONCE)
    if content.commitment != log_key_commitment(act.log_key):
        raise RuleViolation(Rule.LOG_KEY_COMMITMENT)
    previous = unwrap_previous(content, act.log_key)
    if log_key_commitment(previous) != draft.log_key_commitment:
        raise RuleViolation(Rule.LOG_KEY_WRAPS)
    draft.generation = content.generation
    draft.log_key_commitment = content.commitment
    return LogKeyAnnounced(seq=act.seq, generation=content.generation)


def recover_log_keys(
    entries: Sequence[bytes], generation: int, log_key: Secret, *, oldest: int = 0
) -> dict[int, Secret]:
    """Find all log keys up to ``generation`` from the newest, for a newcomer.

    Args:
        entries: the log from its genesis on, or from where the key ``oldest`` was the current one.
        generation, log_key: what the group information of the Welcome carried.
        oldest: the first key wanted.

    Returns: generation to key, from ``oldest`` to ``generation``. The caller compares the oldest
    with what it knows: key 0 with the genesis, which ``Roster.found`` does.

    Raises: LogKeyChainBroken when a link is missing; LogBroken for entries without valid form.
    """
    keys = {generation: log_key}
    position = len(entries)
    while generation > oldest:
        found = _previous_in(entries[:position], generation, keys[generation])
        if found is None:
            raise LogKeyChainBroken(
                f"the log has no valid log_key entry of generation {generation}"
            )
        position, keys[generation - 1] = found
        generation -= 1
    return keys


def _previous_in(
    entries: Sequence[bytes], generation: int, log_key: Secret
) -> tuple[int, Secret] | None:
    """The first entry that begins ``generation`` under ``log_key``: its position and LK before."""
    for position, data in enumerate(entries):
        entry = read_entry(data, position)
        header = entry.header
        if header.kind is not EntryKind.SEALED or header.lk_gen != generation:
            continue
        try:
            sealed = open_sealed(entry, log_key)
            if sealed.type != SealedType.LOG_KEY:
                continue
            content = LogKey.decode(sealed.content)
            if content.generation == generation:
                return position, unwrap_previous(content, log_key)
        except (DecryptError, DecodeError, RuleViolation):
            # Others may have put junk under this generation; the valid entry is further on.
            continue
    return None


def _aad(generation: int) -> bytes:
    return framed(LOG_KEY_WRAP_LABEL) + generation.to_bytes(4, "big")

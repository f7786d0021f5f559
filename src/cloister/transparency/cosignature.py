"""The signatures under a checkpoint: two by the log, two by each cosigner, one of each key.

| who      | Ed25519                                   | ML-DSA-44                          |
| -------- | ----------------------------------------- | ---------------------------------- |
| log      | 0x01 over the text (C2SP signed-note)     | 0x06 with timestamp 0              |
| cosigner | 0x04 over "cosignature/v1", time and text | 0x06 with the time of cosigning    |

(C2SP tlog-cosignature v1.) A relay has one pair of keys and is the log of some circles, a cosigner
of others. The roles cannot be confused: the Ed25519 messages differ in their second line, and a
0x06 signature says in its timestamp whether it is the statement of a log (zero) or of a cosigner
that also mirrors the entries (not zero).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from cloister.codec import Writer
from cloister.crypto.errors import BadSignature
from cloister.crypto.hybrid_signature import (
    ML_DSA_44_SIGNATURE_LENGTH,
    HybridKey,
    HybridPublic,
    check_hybrid_public,
    verify_ml_dsa_44_raw,
)
from cloister.crypto.signature import ED25519_SIGNATURE_LENGTH, verify_raw_under_checked_key
from cloister.transparency.checkpoint import Checkpoint
from cloister.transparency.errors import BadNoteSignature, MisusedLog, UnsignedByLog
from cloister.transparency.note import (
    SignatureLine,
    SignatureType,
    UnverifiedNote,
    check_own_name,
    key_id,
    parse_lines,
)

COSIGNATURE_HEADER: Final = b"cosignature/v1\n"
"""First line of what a cosigner's Ed25519 key signs. The second begins with "time", where a
checkpoint has digits: no log signature is ever a cosignature."""
SUBTREE_LABEL: Final = b"subtree/v1\n\x00"
"""First twelve bytes of what an ML-DSA-44 key signs, for logs and cosigners alike."""
LOG_TIMESTAMP: Final = 0
"""In the ML-DSA-44 signature of the log, which states nothing about time."""
MAX_TIMESTAMP: Final = 2**63 - 1
_TIMESTAMP_LENGTH: Final = 8


def cosignature_message(checkpoint: Checkpoint, timestamp: int) -> bytes:
    """Return what a cosigner's Ed25519 key signs (tlog-cosignature, "Ed25519 signed message")."""
    return COSIGNATURE_HEADER + f"time {timestamp}\n".encode("ascii") + checkpoint.encode()


def subtree_message(checkpoint: Checkpoint, name: str, timestamp: int) -> bytes:
    """Return what the ML-DSA-44 key of `name` signs: `cosigned_message` for the whole tree.

    struct {
        uint8 label[12] = "subtree/v1\\n\\0";
        opaque cosigner_name<1..2^8-1>;
        uint64 timestamp;
        opaque log_origin<1..2^8-1>;
        uint64 start;
        uint64 end;
        uint8 hash[32];
    } cosigned_message;

    In the notation of RFC 8446: lengths are one byte, not the varints of `codec`.
    """
    writer = Writer()
    writer.raw(SUBTREE_LABEL)
    writer.uint8(len(name))
    writer.raw(name.encode("ascii"))
    writer.uint64(timestamp)
    writer.uint8(len(checkpoint.origin))
    writer.raw(checkpoint.origin.encode("ascii"))
    writer.uint64(0)
    writer.uint64(checkpoint.size)
    writer.raw(checkpoint.root)
    return writer.getvalue()


@dataclass(frozen=True, slots=True)
class RelayVerifier:
    """A relay as the relay set knows it: the name in its signature lines, and its public keys.

    Raises MisusedLog for a name we do not give, BadPublicKey for keys that cannot be keys.
    """

    name: str
    public: HybridPublic
    _log_id: bytes = field(init=False, repr=False, compare=False)
    _cosigner_id: bytes = field(init=False, repr=False, compare=False)
    _ml_dsa_id: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_own_name(self.name)
        check_hybrid_public(self.public)
        ed25519, ml_dsa = self.public.ed25519, self.public.ml_dsa_44
        ids = {
            "_log_id": key_id(self.name, SignatureType.ED25519, ed25519),
            "_cosigner_id": key_id(self.name, SignatureType.COSIGNATURE_ED25519, ed25519),
            "_ml_dsa_id": key_id(self.name, SignatureType.COSIGNATURE_ML_DSA_44, ml_dsa),
        }
        for attribute, value in ids.items():
            object.__setattr__(self, attribute, value)

    def verify_log(self, note: UnverifiedNote, checkpoint: Checkpoint) -> None:
        """Verify both signatures of this relay as the log.

        Raises UnsignedByLog when one is missing, BadNoteSignature when one is wrong.
        """
        plain = note.find(self.name, self._log_id)
        stamped = note.find(self.name, self._ml_dsa_id)
        if plain is None or stamped is None:
            raise UnsignedByLog(self.name)
        self._verify_ed25519(checkpoint.encode(), plain)
        timestamp, signature = self._split(stamped)
        if timestamp != LOG_TIMESTAMP:
            raise BadNoteSignature(self.name, "a log's signature carries no time")
        self._verify_ml_dsa(subtree_message(checkpoint, self.name, timestamp), signature)

    def verify_cosignature(self, note: UnverifiedNote, checkpoint: Checkpoint) -> int | None:
        """Verify the signatures of this relay as a cosigner.

        Returns: the time of cosigning in seconds; None when one of the two signatures is missing.
        Raises BadNoteSignature when one that is there is wrong, or when their times differ.
        """
        stamped = note.find(self.name, self._cosigner_id)
        stamped_ml_dsa = note.find(self.name, self._ml_dsa_id)
        times = set()
        if stamped is not None:
            timestamp, signature = self._split(stamped)
            self._verify_ed25519(cosignature_message(checkpoint, timestamp), signature)
            times.add(timestamp)
        if stamped_ml_dsa is not None:
            timestamp, signature = self._split(stamped_ml_dsa)
            self._verify_ml_dsa(subtree_message(checkpoint, self.name, timestamp), signature)
            times.add(timestamp)
        # Equal, and not a log's: else one broken algorithm could make an old head look fresh.
        if len(times) > 1 or LOG_TIMESTAMP in times:
            raise BadNoteSignature(self.name, "the two cosignatures state no common time")
        if stamped is None or stamped_ml_dsa is None:
            return None
        return times.pop()

    def _split(self, stamped: bytes) -> tuple[int, bytes]:
        """Take a `timestamped_signature` apart; the length of the signature is checked with it."""
        timestamp = int.from_bytes(stamped[:_TIMESTAMP_LENGTH], "big")
        if len(stamped) <= _TIMESTAMP_LENGTH or timestamp > MAX_TIMESTAMP:
            raise BadNoteSignature(self.name, "malformed timestamp")
        return timestamp, stamped[_TIMESTAMP_LENGTH:]

    def _verify_ed25519(self, message: bytes, signature: bytes) -> None:
        if len(signature) != ED25519_SIGNATURE_LENGTH:
            raise BadNoteSignature(self.name, "an Ed25519 signature has 64 bytes")
        try:
            verify_raw_under_checked_key(self.public.ed25519, message, signature)
        except BadSignature:
            raise BadNoteSignature(self.name, "Ed25519 does not verify") from None

    def _verify_ml_dsa(self, message: bytes, signature: bytes) -> None:
        if len(signature) != ML_DSA_44_SIGNATURE_LENGTH:
            raise BadNoteSignature(self.name, "an ML-DSA-44 signature has 2420 bytes")
        try:
            verify_ml_dsa_44_raw(self.public.ml_dsa_44, message, signature)
        except BadSignature:
            raise BadNoteSignature(self.name, "ML-DSA-44 does not verify") from None


def sign_checkpoint(origin: str, size: int, root: bytes, name: str, key: HybridKey) -> bytes:
    """Sign a head as its log: the note with both signatures of relay `name`.

    The caller has made sure that the head continues every head it signed before for `origin`, and
    that the entries are on disk. Raises MisusedLog for values no checkpoint can have.
    """
    check_own_name(name)
    checkpoint = Checkpoint(origin=origin, size=size, root=root)
    text = checkpoint.encode()
    lines = (
        SignatureLine(
            name=name,
            key_id=key_id(name, SignatureType.ED25519, key.public.ed25519),
            signature=key.ed25519_sign_raw(text),
        ),
        _ml_dsa_line(checkpoint, name, key, LOG_TIMESTAMP),
    )
    return UnverifiedNote(text=text, signatures=lines).encode()


def cosign(note: bytes, name: str, key: HybridKey, timestamp: int) -> bytes:
    """Cosign the head in `note`: the two signature lines of relay `name` at this time in seconds.

    It states that this is the largest head of the log this relay has seen, that it continues all
    it saw before, and that the entries below it are stored here. The caller has verified that
    (`verify_logged`, `verify_consistency`) and written the new head down before it calls this.

    Raises NoteError and CheckpointError for a malformed note, MisusedLog for a time out of range.
    """
    check_own_name(name)
    if not LOG_TIMESTAMP < timestamp <= MAX_TIMESTAMP:
        raise MisusedLog("a cosignature needs a time")
    checkpoint = Checkpoint.parse(UnverifiedNote.parse(note).text)
    stamp = timestamp.to_bytes(_TIMESTAMP_LENGTH, "big")
    ed25519_line = SignatureLine(
        name=name,
        key_id=key_id(name, SignatureType.COSIGNATURE_ED25519, key.public.ed25519),
        signature=stamp + key.ed25519_sign_raw(cosignature_message(checkpoint, timestamp)),
    )
    return ed25519_line.encode() + _ml_dsa_line(checkpoint, name, key, timestamp).encode()


def with_signatures(note: bytes, lines: bytes) -> bytes:
    """Return the note with these signature lines added.

    A line takes the place of one with the same name and key id, so a later cosignature replaces
    the earlier one. Raises NoteError when the note, the lines or the result are malformed.
    """
    before = UnverifiedNote.parse(note)
    signatures = {(line.name, line.key_id): line for line in before.signatures}
    signatures.update({(line.name, line.key_id): line for line in parse_lines(lines)})
    joined = UnverifiedNote(text=before.text, signatures=tuple(signatures.values())).encode()
    # parsed once more for the limits on size and number
    return UnverifiedNote.parse(joined).encode()


def _ml_dsa_line(
    checkpoint: Checkpoint, name: str, key: HybridKey, timestamp: int
) -> SignatureLine:
    message = subtree_message(checkpoint, name, timestamp)
    return SignatureLine(
        name=name,
        key_id=key_id(name, SignatureType.COSIGNATURE_ML_DSA_44, key.public.ml_dsa_44),
        signature=timestamp.to_bytes(_TIMESTAMP_LENGTH, "big") + key.ml_dsa_44_sign_raw(message),
    )

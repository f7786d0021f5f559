"""Notes of orders and holds: what members read and relays only keep (orders.Erase, orders.Hold).

    struct { uint32 generation; opaque nonce[12]; opaque ciphertext<V>; } SealedNote

The ciphertext is AES-256-GCM under the log key of ``generation``, of the text filled with zeros
to a multiple of 64 bytes: a relay learns neither the reason nor how long it took to give it.
"""

from __future__ import annotations

from typing import Final

from cloister.client.safe_text import safe_line
from cloister.client.state import State
from cloister.codec import DecodeError, Struct, fixed, layout, opaque, uint32
from cloister.crypto.aead import NONCE_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import DecryptError
from cloister.errors import UsageError
from cloister.roster.orders import MAX_NOTE_BYTES

# The log key seals entries too: under this label a note is no body of an entry.
NOTE_AAD_LABEL: Final = b"Cloister 1.0 order note"
NOTE_PADDING_BYTES: Final = 64
MAX_TEXT_BYTES: Final = 512
"""What fits ``MAX_NOTE_BYTES`` with room to spare."""


@layout
class SealedNote(Struct):
    """See the module."""

    generation: int = uint32()
    nonce: bytes = fixed(NONCE_LENGTH)
    ciphertext: bytes = opaque(max_bytes=MAX_NOTE_BYTES)


def seal_note(state: State, text: str, entropy: Entropy) -> bytes:
    """Seal a note under the newest log key that the log has announced; nothing for no text."""
    plain = safe_line(text).encode()
    if not plain or state.roster is None:
        return b""
    if len(plain) > MAX_TEXT_BYTES:
        raise UsageError(f"a note may have {MAX_TEXT_BYTES} bytes")
    generation = state.roster.generation
    nonce = entropy.random(NONCE_LENGTH)
    padded = plain + bytes(-len(plain) % NOTE_PADDING_BYTES)
    ciphertext = aes256gcm_seal(state.log_keys[generation], nonce, padded, NOTE_AAD_LABEL)
    return SealedNote(generation=generation, nonce=nonce, ciphertext=ciphertext).encode()


def read_note(state: State, sealed: bytes) -> str:
    """Return a note's text; empty when there is none, or none that this device can read."""
    if not sealed:
        return ""
    try:
        note = SealedNote.decode(sealed)
        log_key = state.log_keys[note.generation]
        plain = aes256gcm_open(log_key, note.nonce, note.ciphertext, NOTE_AAD_LABEL)
        return safe_line(plain.rstrip(b"\0").decode())
    except (DecodeError, DecryptError, KeyError, UnicodeDecodeError):
        return ""  # written before this device came, or by a program that seals otherwise

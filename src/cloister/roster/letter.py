"""The letter in an invite box: what a newcomer must know before it can trust a relay."""

from __future__ import annotations

from typing import Final

from cloister.codec import (
    OPAQUE,
    DecodeError,
    Struct,
    enum8,
    layout,
    nested,
    opaque,
    optional,
    text,
    vector,
)
from cloister.crypto.aead import NONCE_LENGTH, TAG_LENGTH, aes256gcm_open, aes256gcm_seal
from cloister.crypto.entropy import Entropy
from cloister.crypto.errors import BadPublicKey, DecryptError
from cloister.crypto.hpke import check_hpke_public
from cloister.ids import CircleId, MemberId
from cloister.roster.content import InviteKind
from cloister.roster.errors import LetterRefused
from cloister.roster.fields import CIRCLE_ID, HPKE_PUBLIC_BYTES, MEMBER_ID
from cloister.roster.genesis import MAX_ORIGIN_BYTES
from cloister.roster.invitation import InvitationSeed
from cloister.roster.labels import framed
from cloister.roster.policy import Policy
from cloister.roster.relay_card import RelaySet, check_relay_set

MAX_TICKETS: Final = 4
_MAX_CHECKPOINT_BYTES: Final = 16_384

# Ties the letter to its box: a relay cannot put one letter into another box of the same seed.
LETTER_AAD_LABEL: Final = b"letter"


@layout
class Letter(Struct):
    """struct { opaque circle_id[32]; opaque origin<V>; RelaySet relay_set; Policy policy;
    opaque checkpoint<V>; opaque invite_hpke_key<V> (1216 bytes); InviteKind kind;
    optional<MemberId> subject; opaque tickets<V><V>; opaque owner_secret<V> (0 or 32); } Letter

    ``policy`` is the genesis's: the newcomer must know, before it connects through the pair,
    whether the circle may share an operator. ``checkpoint`` is a settled note.
    ``kind`` and ``subject`` are the invitation's: whose device the newcomer's is to be.
    ``tickets`` are encoded, one for each share relay. ``owner_secret`` is what the owner keys of
    the member's devices are made of: for one more device of the same member (DEVICE), empty
    otherwise. The seed that opens the letter is then known to two devices of that member alone,
    and whoever steals it can ask in the member's name anyway, before a voucher's eyes.
    """

    circle_id: CircleId = CIRCLE_ID
    origin: str = text(MAX_ORIGIN_BYTES)
    relay_set: RelaySet = nested(RelaySet)
    policy: Policy = nested(Policy)
    checkpoint: bytes = opaque(min_bytes=1, max_bytes=_MAX_CHECKPOINT_BYTES)
    invite_hpke_key: bytes = opaque(min_bytes=HPKE_PUBLIC_BYTES, max_bytes=HPKE_PUBLIC_BYTES)
    kind: InviteKind = enum8(InviteKind)
    subject: MemberId | None = optional(MEMBER_ID)
    tickets: tuple[bytes, ...] = vector(OPAQUE, max_items=MAX_TICKETS)
    owner_secret: bytes = opaque(max_bytes=32)


def seal_letter(letter: Letter, seed: InvitationSeed, *, entropy: Entropy) -> bytes:
    """Seal a letter for the box of ``seed``."""
    nonce = entropy.random(NONCE_LENGTH)
    return nonce + aes256gcm_seal(seed.letter_key, nonce, letter.encode(), _aad(seed))


def open_letter(sealed: bytes, seed: InvitationSeed, *, circle_id: CircleId | None) -> Letter:
    """Open the letter of an invitation and check all that can be checked without the log.

    Args:
        circle_id: what the code says; None when only the seed was typed.

    Raises: LetterRefused; RelayRefused when the circle's relays break the pair rule.
    """
    if len(sealed) < NONCE_LENGTH + TAG_LENGTH:
        raise LetterRefused("the letter of this invitation is cut off")
    try:
        plaintext = aes256gcm_open(
            seed.letter_key, sealed[:NONCE_LENGTH], sealed[NONCE_LENGTH:], _aad(seed)
        )
        letter = Letter.decode(plaintext)
        check_hpke_public(letter.invite_hpke_key)
    except DecryptError:
        raise LetterRefused(
            "the letter in the box does not open with this invitation",
            hint="The code is wrong, or the relay put something else there. Ask the inviter.",
        ) from None
    except (DecodeError, BadPublicKey):
        raise LetterRefused("the letter of this invitation is malformed") from None
    if circle_id is not None and letter.circle_id != circle_id:
        raise LetterRefused(
            "the letter is of another circle than the code",
            hint="Do not go on. Ask the inviter, in person or by voice.",
        )
    check_relay_set(letter.relay_set, letter.policy)
    return letter


def _aad(seed: InvitationSeed) -> bytes:
    return framed(LETTER_AAD_LABEL) + seed.box_id

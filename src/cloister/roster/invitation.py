"""Invitations as people hand them on: a seed, and the code that carries it.

The seed is 128 random bits and everything else about an invitation follows from it, so a typed
code can be the seed alone. No circle id goes into the derivation: whoever holds a typed seed does
not know the circle before the letter has been opened.
"""

from __future__ import annotations

from typing import Final, Self

from cloister.codec import (
    DecodeError,
    Struct,
    fixed,
    layout,
    text,
    uint8,
    uint16,
    uint64,
)
from cloister.crypto.entropy import Entropy
from cloister.crypto.hashing import hkdf_expand, hkdf_extract
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.ids import BoxId, CircleId, InviteId
from cloister.roster.content import invite_id_of
from cloister.roster.errors import InvitationError, InvitationExpired
from cloister.roster.fields import CIRCLE_ID, HASH_BYTES
from cloister.roster.labels import framed

SEED_BYTES: Final = 16
CODE_PREFIX: Final = "CLOISTER1:"
CODE_VERSION: Final = 1

# One label for each thing made of a seed: the relay learns the box id and the box key's public
# half, and neither tells it anything of the other keys.
BOX_ID_LABEL: Final = b"invitation box id"
BOX_KEY_LABEL: Final = b"invitation box key"
INV_KEY_LABEL: Final = b"invitation key"
LETTER_KEY_LABEL: Final = b"invitation letter key"

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_VALUES: Final = {symbol: value for value, symbol in enumerate(_ALPHABET)} | {
    "O": 0,
    "I": 1,
    "L": 1,
}
_IGNORED: Final = frozenset(" -\t\r\n")
# A prime below 32 squared: every wrong symbol and every swapped pair of neighbours shows.
_CHECK_MODULUS: Final = 1021
_CHECK_SYMBOLS: Final = 2
_TYPED_SYMBOLS: Final = 26


class InvitationSeed:
    """128 bits from which the keys of one invitation follow."""

    __slots__ = ("_extracted", "seed")

    def __init__(self, seed: Secret) -> None:
        if len(seed) != SEED_BYTES:
            raise InvitationError("the seed of an invitation has 16 bytes")
        self.seed: Final = seed
        self._extracted: Final = hkdf_extract("sha256", b"", seed.expose())

    @classmethod
    def generate(cls, entropy: Entropy) -> Self:
        """A fresh seed."""
        return cls(Secret(entropy.random(SEED_BYTES)))

    def _derive(self, label: bytes, length: int) -> Secret:
        return hkdf_expand("sha256", self._extracted, framed(label), length)

    @property
    def box_id(self) -> BoxId:
        """The invite box at the home relay, 16 bytes."""
        return BoxId(self._derive(BOX_ID_LABEL, 16).expose())

    @property
    def box_key(self) -> Ed25519Key:
        """The key that lets inviter and newcomer use the box."""
        return Ed25519Key(self._derive(BOX_KEY_LABEL, 32))

    @property
    def inv_key(self) -> Ed25519Key:
        """The key that signs the newcomer's own keys."""
        return Ed25519Key(self._derive(INV_KEY_LABEL, 32))

    @property
    def letter_key(self) -> Secret:
        """The key that seals the letter, 32 bytes."""
        return self._derive(LETTER_KEY_LABEL, 32)

    @property
    def invite_id(self) -> InviteId:
        """The name of the invitation in the log."""
        return invite_id_of(self.inv_key.public)


@layout
class _CodeBody(Struct):
    """What a code carries, before base 32.

    struct { uint8 version = 1; opaque circle_id[32]; uint64 size; opaque root[32];
             opaque seed[16]; uint64 expires; opaque entry_host<V>; uint16 entry_port;
             opaque home_host<V>; uint16 home_port; } InvitationCode
    """

    version: int = uint8()
    circle_id: CircleId = CIRCLE_ID
    size: int = uint64()
    root: bytes = fixed(HASH_BYTES)
    seed: bytes = fixed(SEED_BYTES)
    expires: int = uint64()
    entry_host: str = text(253)
    entry_port: int = uint16()
    home_host: str = text(253)
    home_port: int = uint16()


class InvitationCode:
    """An invitation as a QR code or a pasted line carries it.

    ``size`` and ``root`` are the settled checkpoint the inviter saw: a relay cannot show the
    newcomer a log that does not contain it. ``expires`` is in seconds since the Unix epoch.
    """

    __slots__ = ("_body", "seed")

    def __init__(
        self,
        *,
        circle_id: CircleId,
        size: int,
        root: bytes,
        seed: InvitationSeed,
        expires: int,
        entry_host: str,
        entry_port: int,
        home_host: str,
        home_port: int,
    ) -> None:
        self.seed: Final = seed
        self._body: Final = _CodeBody(
            version=CODE_VERSION,
            circle_id=circle_id,
            size=size,
            root=root,
            seed=seed.seed.expose(),
            expires=expires,
            entry_host=entry_host,
            entry_port=entry_port,
            home_host=home_host,
            home_port=home_port,
        )

    @property
    def circle_id(self) -> CircleId:
        """The circle, 32 bytes."""
        return self._body.circle_id

    @property
    def size(self) -> int:
        """The size of the log at the inviter's checkpoint."""
        return self._body.size

    @property
    def root(self) -> bytes:
        """The root at that size, 32 bytes."""
        return self._body.root

    @property
    def expires(self) -> int:
        """When the invitation ends, in seconds since the Unix epoch."""
        return self._body.expires

    @property
    def entry_address(self) -> tuple[str, int]:
        """Host and port of the entry relay."""
        return self._body.entry_host, self._body.entry_port

    @property
    def home_address(self) -> tuple[str, int]:
        """Host and port of the home relay, to be dialled through the entry relay."""
        return self._body.home_host, self._body.home_port

    def to_text(self) -> str:
        """``CLOISTER1:`` and capital letters and digits, which a QR code stores densely.

        Raises LocalError when a value does not fit its field.
        """
        return CODE_PREFIX + _with_check(_to_base32(self._body.encode()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InvitationCode):
            return NotImplemented
        return self._body == other._body

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "InvitationCode(...)"


def parse_invitation(code: str, *, now: int) -> InvitationCode:
    """Read a code that was scanned or pasted; case, spaces and hyphens do not matter.

    Args:
        now: seconds since the Unix epoch, for a kind answer only: the fold judges by log time.

    Raises: InvitationError when it is not a code; InvitationExpired.
    """
    compact = _compact(code)
    if not compact.startswith(CODE_PREFIX):
        raise InvitationError(
            f"an invitation begins with {CODE_PREFIX}",
            hint="Copy the whole line, or scan it again.",
        )
    symbols = _without_check(compact[len(CODE_PREFIX) :])
    try:
        body = _CodeBody.decode(_from_base32(symbols))
    except DecodeError:
        raise InvitationError(
            "this is not an invitation", hint="Ask for the code again; a part of it is missing."
        ) from None
    if body.version != CODE_VERSION:
        raise InvitationError("this invitation needs a newer program", hint="Update Cloister.")
    if body.expires < now:
        raise InvitationExpired("this invitation has expired", hint="Ask to be invited anew.")
    return InvitationCode(
        circle_id=body.circle_id,
        size=body.size,
        root=body.root,
        seed=InvitationSeed(Secret(body.seed)),
        expires=body.expires,
        entry_host=body.entry_host,
        entry_port=body.entry_port,
        home_host=body.home_host,
        home_port=body.home_port,
    )


def typed_seed(seed: InvitationSeed) -> str:
    """The seed alone, for typing: 26 symbols and 2 of check, in groups of four."""
    symbols = _with_check(_to_base32(seed.seed.expose()))
    return "-".join(symbols[start : start + 4] for start in range(0, len(symbols), 4))


def parse_typed_seed(typed: str) -> InvitationSeed:
    """Read what typed_seed made. Raises InvitationError."""
    symbols = _without_check(_compact(typed))
    if len(symbols) != _TYPED_SYMBOLS:
        raise InvitationError("a typed invitation has 28 letters and digits")
    return InvitationSeed(Secret(_from_base32(symbols)))


def _compact(code: str) -> str:
    # Letters of other alphabets stay as they are: some have capitals that occur in codes.
    return "".join(
        symbol.upper() if symbol.isascii() else symbol for symbol in code if symbol not in _IGNORED
    )


def _to_base32(data: bytes) -> str:
    bits = 8 * len(data)
    count = -(-bits // 5)
    number = int.from_bytes(data, "big") << (5 * count - bits)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (count - 1), -1, -5))


def _from_base32(symbols: str) -> bytes:
    spare = 5 * len(symbols) % 8
    number = _number(symbols)
    if number & ((1 << spare) - 1) or spare >= 5:
        raise InvitationError("this is not an invitation")
    return (number >> spare).to_bytes(5 * len(symbols) // 8, "big")


def _number(symbols: str) -> int:
    number = 0
    for symbol in symbols:
        value = _VALUES.get(symbol)
        if value is None:
            raise InvitationError(f"{symbol!r} does not occur in invitations")
        number = number << 5 | value
    return number


def _check_of(symbols: str) -> str:
    check = _number(symbols) % _CHECK_MODULUS
    return _ALPHABET[check >> 5] + _ALPHABET[check & 31]


def _with_check(symbols: str) -> str:
    return symbols + _check_of(symbols)


def _without_check(symbols: str) -> str:
    body, check = symbols[:-_CHECK_SYMBOLS], symbols[-_CHECK_SYMBOLS:]
    if len(symbols) <= _CHECK_SYMBOLS or _number(check) != _number(_check_of(body)):
        raise InvitationError(
            "the invitation has a typing error", hint="Compare it letter by letter, or scan it."
        )
    return body

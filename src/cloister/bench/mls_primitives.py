"""Which primitives an operation calls, and what those calls alone cost on this machine now.

The floor of an operation is the sum of its primitive calls, each priced by itself in the same
run. Nothing is guessed: the operation runs once with the primitives of ``cloister.crypto``
counted, by size of input where that matters. What the engine could leave out is in the count too,
so counts are printed beside the floor.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from cloister.crypto import hashing
from cloister.crypto.aead import Aead
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.hpke import CLOISTER_HPKE, HpkePrivateKey, HpkeSuite
from cloister.crypto.kem import Kem
from cloister.crypto.scheme import SignatureScheme
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key

_ENTROPY: Final = SystemEntropy()
_PATH_SECRET_BYTES: Final = 48
_HASH: Final = "sha384"
_LEAST_BATCH_MS: Final = 0.2
_INPUTS: Final = 8


@dataclass(slots=True)
class Calls:
    """Calls by primitive and by size class of the input, each with the bytes that went in."""

    number: Counter[tuple[str, int]] = field(default_factory=Counter)
    size: Counter[tuple[str, int]] = field(default_factory=Counter)

    def note(self, name: str, size: int) -> None:
        """Count one call."""
        # Classes of powers of two: within one, cost is near enough linear in size.
        key = (name, size.bit_length())
        self.number[key] += 1
        self.size[key] += size

    def by_name(self) -> dict[str, int]:
        """Number of calls of each primitive, whatever the size."""
        found: Counter[str] = Counter()
        for (name, _), number in self.number.items():
            found[name] += number
        return {name: found[name] for name in _SIZES if name in found}


# What the cost of a call depends on, from its arguments: bytes hashed or encrypted.
_SIZES: Final[dict[str, Callable[..., int]]] = {
    "sign": lambda key, message: len(message),
    "verify": lambda scheme, public, message, signature: len(message),
    "signature key": lambda scheme, seed: 0,
    "HPKE seal": lambda suite, public, info, plaintext: len(info) + len(plaintext),
    "HPKE open": lambda suite, key, info, kem_output, ciphertext: len(info) + len(ciphertext),
    "KEM derive": lambda kem, ikm: 0,
    "KEM key pair": lambda kem, seed: 0,
    "KEM public key": lambda kem, public: 0,
    "KEM key check": lambda kem, public: 0,
    "AEAD seal": lambda aead, key, nonce, plaintext, aad: len(plaintext) + len(aad),
    "AEAD open": lambda aead, key, nonce, ciphertext, aad: len(ciphertext) + len(aad),
    "hash": lambda name, data: len(data),
    "MAC": lambda name, key, data, *received: len(data),
    "extract": lambda name, salt, ikm: len(ikm),
    "expand": lambda name, prk, info, length: len(info),
}
_METHODS: Final[tuple[tuple[Any, str, str], ...]] = (
    (Ed25519Key, "sign_raw", "sign"),
    (SignatureScheme, "verify", "verify"),
    (SignatureScheme, "key", "signature key"),
    (HpkeSuite, "seal", "HPKE seal"),
    (HpkeSuite, "open", "HPKE open"),
    (Kem, "derive_seed", "KEM derive"),
    (Kem, "parse_private", "KEM key pair"),
    (Kem, "parse_public", "KEM public key"),
    (Kem, "check_public", "KEM key check"),
    (Aead, "seal", "AEAD seal"),
    (Aead, "open", "AEAD open"),
)
_FUNCTIONS: Final[tuple[tuple[Callable[..., Any], str], ...]] = (
    (hashing.digest, "hash"),
    (hashing.mac, "MAC"),
    (hashing.check_mac, "MAC"),
    (hashing.hkdf_extract, "extract"),
    (hashing.hkdf_expand, "expand"),
)


@contextmanager
def counted() -> Iterator[Calls]:
    """Count the primitives that the engine calls within the block, on this thread."""
    calls = Calls()
    replaced: list[tuple[Any, str, Any]] = []

    def replace(owner: Any, attribute: str, name: str) -> None:
        original = getattr(owner, attribute)
        size_of = _SIZES[name]

        def counting(*arguments: Any) -> Any:
            calls.note(name, size_of(*arguments))
            return original(*arguments)

        replaced.append((owner, attribute, original))
        setattr(owner, attribute, counting)

    try:
        for owner, attribute, name in _METHODS:
            replace(owner, attribute, name)
        engine = [m for name, m in sys.modules.items() if name.startswith("cloister.mls.")]
        for module in engine:
            for function, name in _FUNCTIONS:
                for attribute, value in list(vars(module).items()):
                    if value is function:
                        replace(module, attribute, name)
        yield calls
    finally:
        for owner, attribute, original in reversed(replaced):
            setattr(owner, attribute, original)


def count(operation: Callable[[], object]) -> Calls:
    """The primitives that one run of an operation calls."""
    with counted() as calls:
        operation()
    return calls


def fastest_ms(operation: Callable[[], object], seconds: float) -> float:
    """The least CPU time of repeated runs, at least three.

    Of this thread: where other programs take turns, waiting for a core is not what an operation
    costs. They also push it out of the caches, and that only ever adds.
    """
    best = float("inf")
    until = time.perf_counter() + seconds
    runs = 0
    while runs < 3 or time.perf_counter() < until:
        start = time.thread_time()
        operation()
        best = min(best, time.thread_time() - start)
        runs += 1
    return best * 1000


class Prices:
    """Unit costs in ms, timed when first asked for and then kept for this run.

    Each is the mean over several inputs in turn: one that is repeated is up to a tenth cheaper,
    because the processor remembers which way its branches go.
    """

    def __init__(self, seconds: float) -> None:
        """``seconds``: how long each is repeated."""
        self._seconds = seconds
        self._kept: dict[tuple[str, int], float] = {}

    def floor_ms(self, calls: Calls) -> float:
        """What these calls cost by themselves."""
        return sum(
            number * self._price(key, calls.size[key] // number)
            for key, number in calls.number.items()
        )

    def _price(self, key: tuple[str, int], size: int) -> float:
        if key not in self._kept:
            self._kept[key] = self._time([_sample(key[0], size) for _ in range(_INPUTS)])
        return self._kept[key]

    def _time(self, samples: Sequence[Callable[[], object]]) -> float:
        """Many calls between two looks at the clock, whose own cost then does not count."""
        once = fastest_ms(samples[0], 0)
        rounds = max(1, int(_LEAST_BATCH_MS / max(once * _INPUTS, 1e-5)))

        def batch() -> None:
            for _ in range(rounds):
                for sample in samples:
                    sample()

        return fastest_ms(batch, self._seconds) / (rounds * len(samples))


def _sample(name: str, size: int) -> Callable[[], object]:
    """One call of this primitive with fresh keys and an input of ``size`` bytes."""
    kem, aead, scheme = Kem.MLKEM768_X25519, Aead.AES_256_GCM, SignatureScheme.ED25519
    data, nonce = _ENTROPY.random(size), _ENTROPY.random(12)
    seed, secret = Secret(_ENTROPY.random(32)), Secret(_ENTROPY.random(_PATH_SECRET_BYTES))
    match name:
        case "sign" | "verify":
            key = Ed25519Key(seed)
            if name == "sign":
                return lambda: key.sign_raw(data)
            signature = key.sign_raw(data)
            return lambda: scheme.verify(key.public, data, signature)
        case "signature key":
            return lambda: scheme.key(seed)
        case "HPKE seal" | "HPKE open":
            private = HpkePrivateKey(kem, seed)
            public = kem.parse_public(private.public)
            inside = min(size, _PATH_SECRET_BYTES)
            info, plaintext = data[inside:], data[:inside]
            if name == "HPKE seal":
                return lambda: CLOISTER_HPKE.seal(public, info, plaintext)
            sealed = CLOISTER_HPKE.seal(public, info, plaintext)
            return lambda: CLOISTER_HPKE.open(private, info, *sealed)
        case "KEM derive":
            return lambda: kem.derive_seed(secret)
        case "KEM key pair":
            return lambda: kem.parse_private(seed)
        case "KEM public key" | "KEM key check":
            encoded = HpkePrivateKey(kem, seed).public
            act = kem.parse_public if name == "KEM public key" else kem.check_public
            return lambda: act(encoded)
        case "AEAD seal":
            return lambda: aead.seal(seed, nonce, data, b"")
        case "AEAD open":
            ciphertext = aead.seal(seed, nonce, data, b"")
            return lambda: aead.open(seed, nonce, ciphertext, b"")
        case "hash":
            return lambda: hashing.digest(_HASH, data)
        case "MAC":
            return lambda: hashing.mac(_HASH, secret, data)
        case "extract":
            return lambda: hashing.hkdf_extract(_HASH, secret.expose(), data)
        case "expand":
            return lambda: hashing.hkdf_expand(_HASH, secret, data, _PATH_SECRET_BYTES)
        case _:
            raise ValueError(name)

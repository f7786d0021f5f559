"""A home relay that keeps a log, and two entry relays that cosign it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from cloister.crypto.hybrid_signature import HybridKey
from cloister.crypto.secret import Secret
from cloister.transparency import HashTree, RelayVerifier, cosign, leaf_hash, sign_checkpoint
from cloister.transparency import with_signatures as add

ORIGIN = "home.example/5d0c3a7b9e214f86"
TIME = 1_800_000_000


class Relay(NamedTuple):
    """A relay with its keys."""

    name: str
    key: HybridKey

    @property
    def verifier(self) -> RelayVerifier:
        """What others know of it."""
        return RelayVerifier(self.name, self.key.public)


def make_relay(name: str, seed: int) -> Relay:
    """Make a relay whose keys follow from a number."""
    return Relay(name, HybridKey(Secret(bytes([seed]) * 32), Secret(bytes([seed + 100]) * 32)))


@pytest.fixture(scope="session")
def home() -> Relay:
    """The relay that keeps the log."""
    return make_relay("home.example", 1)


@pytest.fixture(scope="session")
def entry() -> Relay:
    """A cosigner."""
    return make_relay("entry.example", 2)


@pytest.fixture(scope="session")
def second_entry() -> Relay:
    """Another cosigner."""
    return make_relay("second.example", 3)


@pytest.fixture(scope="session")
def root() -> bytes:
    """The root over seven entries."""
    return HashTree(leaf_hash(bytes([n])) for n in range(7)).root(7)


@pytest.fixture(scope="session")
def logged(home: Relay, root: bytes) -> bytes:
    """A head signed by the log alone."""
    return sign_checkpoint(ORIGIN, 7, root, home.name, home.key)


@pytest.fixture(scope="session")
def settled(logged: bytes, entry: Relay) -> bytes:
    """The same head, cosigned once."""
    return add(logged, cosign(logged, entry.name, entry.key, TIME))

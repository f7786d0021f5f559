"""The cipher suites that are tried against ts-mls, each with the name peer.mjs has for it.

ts-mls derives X-Wing keys in the plain form of the X-Wing draft, SHAKE256(ikm, 32), the product in
the labelled form of draft-ietf-hpke-pq, and the product has no other. One of the two has to give
way for a test, so both do, in turn:

- ts-mls as shipped, in its own X-Wing suite, against a suite that exists in these tests only:
  everything the product's is made of, but with the plain derivation;
- the product as shipped, in its own suite, against ts-mls with the labels appended to what it
  derives keys from (see peer.mjs).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from cloister.crypto.aead import Aead
from cloister.crypto.hpke import HpkePrivateKey, HpkeSuite
from cloister.crypto.kem import Kem
from cloister.crypto.scheme import SignatureScheme
from cloister.crypto.secret import Secret
from cloister.mls import CipherSuite, suite
from cloister.mls.suite import Suite


class PlainXWing(Suite, frozen=True):
    """A suite with X-Wing keys in the plain form."""

    def derive_key_pair(self, secret: Secret) -> HpkePrivateKey:
        """DeriveKeyPair of the X-Wing draft."""
        seed = hashlib.shake_256(secret.expose()).digest(self.kem.seed_length)
        return HpkePrivateKey(self.kem, Secret(seed))


# The number of MLS_256_XWING_AES256GCM_SHA512_Ed25519 in ts-mls.
PLAIN_X_WING = PlainXWing(
    code=83,
    hpke=HpkeSuite(Kem.MLKEM768_X25519, "sha512", Aead.AES_256_GCM),
    nh=64,
    nk=32,
    scheme=SignatureScheme.ED25519,
)


@contextmanager
def plain_x_wing_known() -> Iterator[None]:
    """Have the engine know the test-only suite for as long as this lasts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(suite._SUITES, PLAIN_X_WING.code, PLAIN_X_WING)
        yield


# Name in peer.mjs: code point. What the product uses and what comes near it.
MAIN_SUITES: dict[str, int] = {
    "X25519-AES128": CipherSuite.X25519_AES128GCM_SHA256_ED25519,
    "X25519-ChaCha20": CipherSuite.X25519_CHACHA20POLY1305_SHA256_ED25519,
    "X-Wing as shipped": PLAIN_X_WING.code,
    "X-Wing labelled": CipherSuite.MLKEM768X25519_AES256GCM_SHA384_ED25519,
}
# The others take some time in JavaScript, and go through one scenario. Those with NIST curves are
# not among them: ts-mls 1.6.4 writes compressed points into its leaves (RFC 9420 section 5.1.2).
OTHER_SUITES: dict[str, int] = {
    "X448-AES256": CipherSuite.X448_AES256GCM_SHA512_ED448,
    "X448-ChaCha20": CipherSuite.X448_CHACHA20POLY1305_SHA512_ED448,
}
SUITES = MAIN_SUITES | OTHER_SUITES

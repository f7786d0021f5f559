"""welcome: decrypt a Welcome, and verify the GroupInfo's signature and confirmation tag."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.codec import decode
from vectors.known_answers.verifier.failure import Failure, equal
from vectors.known_answers.verifier.framing import MLSMessage
from vectors.known_answers.verifier.joining import Psks, open_welcome
from vectors.known_answers.verifier.leaf import KeyPackage
from vectors.known_answers.verifier.suites import suite_of
from vectors.known_answers.verifier.welcome import Welcome


def check(case: dict[str, Any]) -> None:
    suite = suite_of(case["cipher_suite"])
    package = decode(MLSMessage.read, bytes.fromhex(case["key_package"])).body
    welcome = decode(MLSMessage.read, bytes.fromhex(case["welcome"])).body
    if not isinstance(package, KeyPackage) or not isinstance(welcome, Welcome):
        raise Failure("a message is of the wrong kind")
    package.verify(suite)
    init_private = bytes.fromhex(case["init_priv"])
    equal(suite.kem.public_of(init_private), package.init_key, "init_priv")
    opened = open_welcome(suite, welcome, package, init_private, Psks({}, {}))
    opened.info.verify(suite, bytes.fromhex(case["signer_pub"]))
    opened.enter_epoch(suite)
